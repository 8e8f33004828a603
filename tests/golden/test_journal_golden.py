"""tools/read_journal.py, written from docs/FORMAT.md alone, reads the golden journal and manifest as the engine does,
and refuses them damaged."""
import os
import subprocess
import sys
import tempfile
import unittest

SOURCE = os.environ.get("CONNECTORDB_SOURCE_DIR") or os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
GOLDEN = os.path.join(SOURCE, "tests/golden")
READER = os.path.join(SOURCE, "tools/read_journal.py")
FIRST_FRAME, SECOND_FRAME = 4096, 4096 + 128


def read(path, *options):
    return subprocess.run([sys.executable, "-B", READER, path, *options], capture_output=True, text=True, check=False)


def content(name):
    with open(os.path.join(GOLDEN, name), "rb") as file:
        return file.read()


class Golden(unittest.TestCase):
    def test_reads_as_the_engine_does(self):
        for name in ("v1/journal-7", "v1/MANIFEST", "v2/journal-7"):
            result = read(os.path.join(GOLDEN, name))
            self.assertEqual((result.returncode, result.stderr), (0, ""), name)
            self.assertEqual(result.stdout, content(name + ".txt").decode(), name)

    def test_takes_the_end_from_the_manifest(self):
        end = content("v2/journal-7.txt").decode().splitlines()[-1].split()[1]
        self.assertEqual(read(os.path.join(GOLDEN, "v2/journal-7"), "--clean-end", end).returncode, 0)
        self.assertEqual(read(os.path.join(GOLDEN, "v2/journal-7"), "--clean-end", "4104").returncode, 1)

    def damaged(self, name, offset):
        data = bytearray(content(name))
        data[offset] ^= 0x10
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, os.path.basename(name))
            with open(path, "wb") as file:
                file.write(data)
            return read(path)

    def test_a_torn_unit_is_not_there(self):
        lines = content("v2/journal-7.txt").decode().splitlines()
        unit = next(i for i, line in enumerate(lines) if line.endswith(" continues"))
        end = int(lines[-1].split()[1])
        torn = self.damaged("v2/journal-7", end - 1)
        self.assertEqual(torn.returncode, 0, torn.stderr)
        self.assertEqual(torn.stdout.splitlines(), [*lines[:unit], f"end {lines[unit].split()[2]}"])

    def test_refuses_damage(self):
        for name, offset in (("v2/journal-7", 3), ("v2/journal-7", 40), ("v2/journal-7", 4095),
                             ("v2/journal-7", FIRST_FRAME), ("v2/journal-7", FIRST_FRAME + 60),
                             ("v2/journal-7", SECOND_FRAME + 100), ("v1/MANIFEST", 0), ("v1/MANIFEST", 20),
                             ("v1/MANIFEST", 70)):
            result = self.damaged(name, offset)
            self.assertEqual(result.returncode, 1, f"{name} {offset}: {result.stdout}")
            self.assertIn("damaged", result.stderr)


if __name__ == "__main__":
    unittest.main()
