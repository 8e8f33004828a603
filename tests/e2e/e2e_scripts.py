#!/usr/bin/env python3
"""The scripts around the program: quickstart, what CMake says when something is missing, and the runner of tests."""
import glob
import os
import re
import shutil
import signal
import subprocess
import tempfile
import unittest

from harness import PROGRAM, SOURCE, command, main

OTHER_UID = 54321


def run(*arguments, exit_code=0, **options):
    done = subprocess.run(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          stdin=subprocess.DEVNULL, **options)
    if done.returncode != exit_code:
        raise AssertionError(f"{arguments}: exit {done.returncode}, not {exit_code}\n{done.stdout}")
    return done.stdout


class Folder(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)

    def path(self, *parts):
        return os.path.join(self.folder, *parts)


class Quickstart(Folder):
    """In a copy of what it needs: the program is already built, cmake and install-dependencies do nothing."""

    def setUp(self):
        super().setUp()
        for name in ("tools/quickstart", "tools/functions.sh"):
            os.makedirs(self.path(os.path.dirname(name)), exist_ok=True)
            shutil.copy(os.path.join(SOURCE, name), self.path(name))
        shutil.copytree(os.path.join(SOURCE, "samples"), self.path("samples"))
        os.makedirs(self.path("build", "cli"))
        shutil.copy(PROGRAM, self.path("build", "cli", "connectordb"))
        self.script(self.path("tools", "install-dependencies"), 'echo "packages: $1 for $(id -u)"')
        self.script(self.path("tools", "fetch-words"), 'echo "words"')
        os.mkdir(self.path("bin"))
        self.script(self.path("bin", "cmake"), 'echo "cmake $*"')
        self.environment = {**os.environ, "PATH": self.path("bin") + ":" + os.environ["PATH"]}
        self.addCleanup(subprocess.run, [PROGRAM, "stop", self.path("demo-db")], capture_output=True)

    def script(self, path, text):
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"#!/bin/sh\n{text}\n")
        os.chmod(path, 0o755)

    def quickstart(self, *arguments, exit_code=0, **variables):
        return run(self.path("tools", "quickstart"), *arguments, exit_code=exit_code,
                   env={**self.environment, **variables})

    def curl(self, printed, path, *arguments):
        url = re.search(r"ConnectorDB is running at (http://[^ ]+)", printed).group(1)
        return run("curl", "-sSf", "-u", "sample:sample", *arguments, f"{url}/api/v1/crud/sample/user/{path}")

    def test_rerun(self):
        printed = self.quickstart()
        self.assertIn('"d":', printed.split("The last five temperatures")[1])
        self.curl(printed, "mine", "-d", "{}")
        self.curl(printed, "mine/data", "-d", '[{"t":1,"d":"kept"}]')
        printed = self.quickstart()  # while the server of the first runs
        self.assertIn("kept", self.curl(printed, "mine/data?i1=0"))
        self.assertIn("Keeping", printed)
        command("stop", self.path("demo-db"))
        printed = self.quickstart("--fresh")
        with self.assertRaises(AssertionError):
            self.curl(printed, "mine/data?i1=0")

    def test_demo_db_of_somebody_else(self):
        command("create", self.path("demo-db"))
        self.assertIn("was not made by this script", self.quickstart("--fresh", exit_code=1))

    def test_interrupted(self):
        command("create", self.path("demo-db"))
        with open(self.path("demo-db", ".made-by-quickstart"), "w", encoding="ascii"):
            pass
        self.assertIn("--fresh replaces it", self.quickstart(exit_code=1))
        self.assertIn("ConnectorDB is running at", self.quickstart("--fresh"))

    def test_build_folder_of_another_generator(self):
        with open(self.path("build", "CMakeCache.txt"), "w", encoding="ascii") as file:
            file.write("CMAKE_GENERATOR:INTERNAL=Unix Makefiles\n")
        self.script(self.path("bin", "cmake"), f'echo "cmake $*" >>{self.folder}/calls')
        self.quickstart()
        with open(self.path("calls"), encoding="ascii") as file:
            self.assertIn("--preset release -G Unix Makefiles", file.read())

    @unittest.skipIf(os.getuid() != 0, "needs root")
    def test_called_with_sudo(self):
        for folder in (os.path.dirname(self.folder), self.folder):
            os.chmod(folder, 0o755)
        for folder, _, names in os.walk(self.folder):
            for name in [".", *names]:
                os.chown(os.path.join(folder, name), OTHER_UID, OTHER_UID)
        printed = self.quickstart(SUDO_UID=str(OTHER_UID), SUDO_GID=str(OTHER_UID), SUDO_USER="other")
        self.assertIn("packages: build for 0", printed)
        self.assertEqual(printed.count("packages:"), 1, printed)
        for folder, _, names in os.walk(self.folder):
            for name in [".", *names]:
                path = os.path.join(folder, name)
                self.assertEqual(os.lstat(path).st_uid, OTHER_UID, path)
        for name in ("demo-db", "build"):
            os.chown(self.path(name), 0, 0)
            os.chmod(self.path(name), 0o755)
            printed = self.quickstart(SUDO_UID=str(OTHER_UID), SUDO_GID=str(OTHER_UID), exit_code=1)
            self.assertIn("belongs to root", printed)
            os.chown(self.path(name), OTHER_UID, OTHER_UID)

    def test_usage(self):
        self.assertIn("usage:", self.quickstart("--nonsense", exit_code=2))


class Configuration(Folder):
    def configure(self, *arguments, exit_code=0, **variables):
        return run("cmake", "-S", SOURCE, "-B", self.path("build"), *arguments, exit_code=exit_code,
                   env={**os.environ, **variables})

    def test_everything_that_is_missing_is_said_at_once(self):
        printed = self.configure(PKG_CONFIG_LIBDIR=self.folder, exit_code=1)
        self.assertIn("Missing: libcrypto, libssl, libcurl, jansson, msgpack, libpcre2-8, sqlite3, liburing, libxcrypt, libxxhash, "
                      "zlib, libzstd.", " ".join(printed.split()))
        self.assertIn("./tools/install-dependencies build", printed)
        self.assertEqual(printed.count("CMake Error"), 1, printed)

    def test_no_compiler_and_no_make(self):
        cmake = shutil.which("cmake")
        printed = run(cmake, "-S", SOURCE, "-B", self.path("build"), "-G", "Unix Makefiles", exit_code=1,
                      env={"PATH": self.folder, "CMAKE_PREFIX_PATH": self.folder})
        self.assertRegex(printed, r"Missing: a C compiler, the build tool of 'Unix Makefiles'|Configuring incomplete")

    def test_without_cmocka(self):
        paths = run("pkg-config", "--variable", "pc_path", "pkg-config").strip().split(":")
        for path in paths:
            for module in glob.glob(os.path.join(path, "*.pc")):
                name = os.path.basename(module)
                if name != "cmocka.pc" and not os.path.exists(self.path(name)):
                    os.symlink(module, self.path(name))
        printed = self.configure(PKG_CONFIG_LIBDIR=self.folder)
        self.assertIn("Tests are not built: cmocka missing. ./tools/install-dependencies test installs it.", printed)
        self.assertNotIn("add_test", run("cat", self.path("build", "CTestTestfile.cmake")))
        printed = self.configure("-DCONNECTORDB_TESTS=ON", PKG_CONFIG_LIBDIR=self.folder, exit_code=1)
        self.assertIn("Missing for the tests: cmocka.", printed)


class Installed(Folder):
    def test_links_lead_to_installed_files(self):
        build = os.path.dirname(os.path.dirname(PROGRAM))
        run("cmake", "--install", build, "--prefix", self.folder)
        documents = glob.glob(self.path("share", "doc", "**", "*.md"), recursive=True)
        self.assertTrue(any(path.endswith("README.md") for path in documents))
        for document in documents:
            with open(document, encoding="utf-8") as file:
                links = re.findall(r"\]\(([^)\s#:]+)(?:#[^)\s]*)?\)", file.read())
            for link in links:
                self.assertTrue(os.path.exists(os.path.join(os.path.dirname(document), link)), f"{document}: {link}")
        self.assertRegex(run(self.path("bin", "connectordb"), "--version"), r"\d+\.\d+")


class Runner(Folder):
    RUN = os.path.join(SOURCE, "tests", "run")

    def left(self):
        return glob.glob(self.path("connectordb-run-*"))

    def run_test(self, text, exit_code=0, place="disk"):
        return run(self.RUN, place, "sh", "-c", text, exit_code=exit_code, env={**os.environ, "TMPDIR": self.folder})

    def test_folder_and_exit_code(self):
        printed = self.run_test('echo "$TMPDIR"; touch "$TMPDIR/a"; exit 77', exit_code=77).strip()
        self.assertEqual(os.path.dirname(printed), self.folder)
        self.assertEqual(self.left(), [])

    def test_what_a_killed_test_left_is_removed_and_nothing_else(self):
        def start():
            text = 'touch "$TMPDIR/a"; chmod 0 "$TMPDIR"/a; echo; cat'
            process = subprocess.Popen([self.RUN, "memory", "sh", "-c", text], stdin=subprocess.PIPE,
                                       stdout=subprocess.PIPE, env={**os.environ, "TMPDIR": self.folder})
            process.stdout.readline()
            return process
        killed = start()
        killed_folder = self.left()
        live = start()
        self.assertEqual(len(self.left()), 2)
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        killed.stdin.close()  # its child ends
        killed.stdout.close()
        self.run_test("true")
        self.assertEqual(len(self.left()), 1)
        self.assertNotEqual(self.left(), killed_folder)
        live.communicate()
        self.assertEqual(live.returncode, 0)
        self.assertEqual(self.left(), [])

    def test_a_folder_that_another_run_took_for_left(self):
        """Between its creation and its lock; chmod failed then, and with it the test."""
        os.mkdir(self.path("bin"))
        stub = self.path("bin", "mktemp")
        with open(stub, "w", encoding="utf-8") as file:
            file.write('#!/bin/sh\nfolder=$(/usr/bin/mktemp "$@") && echo "$folder"\n'
                       '[ -e "$0.called" ] || rmdir "$folder"\n: >"$0.called"\n')
        os.chmod(stub, 0o755)
        printed = run(self.RUN, "disk", "sh", "-c", 'stat -c %a "$TMPDIR"', env={
            **os.environ, "TMPDIR": self.folder, "PATH": self.path("bin") + ":" + os.environ["PATH"]})
        self.assertEqual(printed, "755\n")
        self.assertEqual(self.left(), [])


if __name__ == "__main__":
    main()
