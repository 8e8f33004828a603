#!/usr/bin/env python3
"""The sample data in the repository is what tools/make-sample makes, byte for byte."""
import os
import subprocess
import sys
import tempfile
import unittest

SOURCE = os.environ.get("CONNECTORDB_SOURCE_DIR") or os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.realpath(__file__))))


def tree(root):
    """{relative path: bytes} of all files"""
    found = {}
    for folder, _, names in os.walk(root):
        for name in names:
            path = os.path.join(folder, name)
            with open(path, "rb") as file:
                found[os.path.relpath(path, root)] = file.read()
    return found


class Sample(unittest.TestCase):
    def test_regenerates(self):
        with tempfile.TemporaryDirectory() as directory:
            made = os.path.join(directory, "home")
            subprocess.run([sys.executable, "-B", os.path.join(SOURCE, "tools", "make-sample"), made], check=True)
            expected, found = tree(os.path.join(SOURCE, "samples", "home")), tree(made)
            self.assertEqual(sorted(expected), sorted(found))
            self.assertGreater(len(expected), 10)
            for path in expected:
                self.assertTrue(expected[path] == found[path], f"{path} differs: run tools/make-sample and commit")

    def test_never_replaces_something_else(self):
        with tempfile.TemporaryDirectory() as directory:
            with open(os.path.join(directory, "thesis"), "w") as file:
                file.write("irreplaceable")
            done = subprocess.run([sys.executable, "-B", os.path.join(SOURCE, "tools", "make-sample"), directory],
                                  capture_output=True)
            self.assertEqual(done.returncode, 1)
            self.assertEqual(os.listdir(directory), ["thesis"])


if __name__ == "__main__":
    unittest.main()
