"""tools/read_database.py, written from docs/FORMAT.md alone, reads the golden segment as the engine does, and refuses
it damaged."""
import json
import os
import subprocess
import sys
import tempfile
import unittest

SOURCE = os.environ.get("CONNECTORDB_SOURCE_DIR") or os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
SEGMENT = os.path.join(SOURCE, "tests/golden/v1/segment-3")
READER = os.path.join(SOURCE, "tools/read_database.py")
SKIPPED = 77


def read(path):
    result = subprocess.run([sys.executable, "-B", READER, path], capture_output=True, text=True, check=False)
    if result.returncode == SKIPPED:
        print(result.stderr, file=sys.stderr)
        sys.exit(SKIPPED)
    return result


def integer(text):
    """-0, and integers so large that only a double can have been meant, as doubles."""
    value = int(text)
    return value if -(1 << 63) <= value < 1 << 64 and text != "-0" else float(text)


def parse(line):
    """A line as text in which equal points are equal, and points that differ in one bit are not."""
    return repr(json.loads(line, parse_int=integer))


class Golden(unittest.TestCase):
    def test_reads_as_the_engine_does(self):
        result = read(SEGMENT)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        with open(SEGMENT + ".jsonl", encoding="utf-8") as file:
            expected = file.read().splitlines()
        found = result.stdout.splitlines()
        self.assertEqual(len(found), len(expected))
        for found_line, expected_line in zip(found, expected):
            self.assertEqual(parse(found_line), parse(expected_line))

    def test_refuses_damage(self):
        with open(SEGMENT, "rb") as file:
            content = file.read()
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "segment-3")
            for offset in (0, 9, 24, 40, 1000, len(content) // 2, len(content) - 700, len(content) - 128, len(content) - 90):
                damaged = bytearray(content)
                damaged[offset] ^= 0x10
                with open(path, "wb") as file:
                    file.write(damaged)
                self.assertEqual(read(path).returncode, 1, f"offset {offset}")
            with open(path, "wb") as file:
                file.write(content[:-1])
            self.assertEqual(read(path).returncode, 1)


if __name__ == "__main__":
    unittest.main()
