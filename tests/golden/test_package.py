#!/usr/bin/env python3
"""What the Debian package says of the program is so: version, what it builds with; and its scripts can be read.
tools/test-package tries the package itself."""
import glob
import os
import re
import subprocess
import unittest

SOURCE = os.environ.get("CONNECTORDB_SOURCE_DIR") or os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.realpath(__file__))))
SECONDS_MAX = 60


def read(*parts):
    with open(os.path.join(SOURCE, *parts), encoding="utf-8") as file:
        return file.read()


class Package(unittest.TestCase):
    def test_version(self):
        version = re.search(r"^project\(connectordb VERSION ([\d.]+)", read("CMakeLists.txt"), re.MULTILINE).group(1)
        self.assertTrue(read("debian", "changelog").startswith(f"connectordb ({version}) "), version)

    def test_it_builds_with_what_the_build_needs(self):
        """Libraries; compilers and the like are in build-essential."""
        needed = re.search(r"^build_packages=\((.*?)^\)", read("tools", "install-dependencies"), re.MULTILINE | re.DOTALL).group(1)
        needed = {name for name in needed.split() if re.fullmatch(r"(lib.*|zlib1g)-dev", name)} - {"libc6-dev"}
        field = re.search(r"^Build-Depends:(.*?)^\S", read("debian", "control") + "\n.", re.MULTILINE | re.DOTALL).group(1)
        self.assertEqual({name for name in re.findall(r"[\w.+-]+", field) if name.endswith("-dev")}, needed)

    def test_scripts(self):
        scripts = [path for kind in ("preinst", "postinst", "prerm", "postrm")
                   for path in glob.glob(os.path.join(SOURCE, "debian", f"*.{kind}"))]
        self.assertEqual(len(scripts), 2)
        for path in scripts:
            with self.subTest(path=path):
                done = subprocess.run(["sh", "-n", path], capture_output=True, text=True, timeout=SECONDS_MAX)
                self.assertEqual((done.returncode, done.stderr), (0, ""))
                self.assertIn("\nset -e\n", read(path))
                self.assertIn("\n#DEBHELPER#\n", read(path))


if __name__ == "__main__":
    unittest.main(verbosity=2)
