"""tools/read_journal.py, written from docs/FORMAT.md alone, reads the golden journal and manifest as the engine does,
and refuses them damaged."""
import os
import subprocess
import sys
import tempfile
import unittest

SOURCE = os.environ.get("CONNECTORDB_SOURCE_DIR") or os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
GOLDEN = os.path.join(SOURCE, "tests/golden/v1")
READER = os.path.join(SOURCE, "tools/read_journal.py")
FIRST_FRAME, SECOND_FRAME = 4096, 4096 + 128


def read(path, *options):
    return subprocess.run([sys.executable, "-B", READER, path, *options], capture_output=True, text=True, check=False)


def content(name):
    with open(os.path.join(GOLDEN, name), "rb") as file:
        return file.read()


class Golden(unittest.TestCase):
    def test_reads_as_the_engine_does(self):
        for name in ("journal-7", "MANIFEST"):
            result = read(os.path.join(GOLDEN, name))
            self.assertEqual((result.returncode, result.stderr), (0, ""), name)
            self.assertEqual(result.stdout, content(name + ".txt").decode(), name)

    def test_takes_the_end_from_the_manifest(self):
        end = content("journal-7.txt").decode().splitlines()[-1].split()[1]
        self.assertEqual(read(os.path.join(GOLDEN, "journal-7"), "--clean-end", end).returncode, 0)
        self.assertEqual(read(os.path.join(GOLDEN, "journal-7"), "--clean-end", "4104").returncode, 1)

    def damaged(self, name, offset):
        data = bytearray(content(name))
        data[offset] ^= 0x10
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, name)
            with open(path, "wb") as file:
                file.write(data)
            return read(path)

    def test_refuses_damage(self):
        for name, offset in (("journal-7", 3), ("journal-7", 40), ("journal-7", 4095), ("journal-7", FIRST_FRAME),
                             ("journal-7", FIRST_FRAME + 60), ("journal-7", SECOND_FRAME + 100), ("MANIFEST", 0),
                             ("MANIFEST", 20), ("MANIFEST", 70)):
            result = self.damaged(name, offset)
            self.assertEqual(result.returncode, 1, f"{name} {offset}: {result.stdout}")
            self.assertIn("damaged", result.stderr)


if __name__ == "__main__":
    unittest.main()
