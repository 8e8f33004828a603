"""bench/compare, as far as it needs no peer: ConnectorDB itself and SQLite, tiny, so that it cannot rot."""
import json
import os
import subprocess
import sys
import tempfile
import unittest

from harness import PROGRAM, SOURCE

COMPARE = os.path.join(SOURCE, "bench", "compare")
sys.path.insert(0, COMPARE)
import kill
from points import Points

POINTS = 4000


class Compare(unittest.TestCase):
    def test_everything_comes_back(self):
        build = os.path.dirname(os.path.dirname(os.path.realpath(PROGRAM)))
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run([os.path.join(COMPARE, "compare"), "--points", str(POINTS), "--programs", build,
                                   "--no-limits", "--kinds", "E", "--results", folder, "connectordb", "sqlite"],
                                  capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            for name, title in (("connectordb", "ConnectorDB"), ("sqlite", "SQLite (in process)")):
                with self.subTest(name):
                    self.assertIn(f"\n| {title} | yes", done.stdout)
                    with open(os.path.join(folder, f"{name}.json"), encoding="utf-8") as file:
                        self.check_peer(json.load(file))

    def check_peer(self, results):
        self.assertEqual(list(results["kinds"]), ["E"])
        for kind in results["kinds"].values():
            self.assertEqual((kind["returned"], kind["exact"]), (POINTS, POINTS))
            self.assertGreater(kind["load_1"], 0)
            self.assertGreater(kind["read_bytes_rate"], kind["read_rate"])
            self.assertGreater(kind["bytes_per_point"], 0)
        self.assertEqual((results["kill"]["missing"], results["kill"]["invented"]), (0, 0))
        self.assertGreaterEqual(results["kill"]["acknowledged"], POINTS * kill.KILLED_AFTER)

    def test_losses_are_noticed(self):
        points = Points("G", 0, ['{"t":%d,"d":%d}' % (second, second) for second in range(1, 11)])
        truth = points.truth()
        for name, back, expected in (
                ("all there", truth, (0, 4, 0)),
                ("just the acknowledged", truth[:6], (0, 0, 0)),
                ("the end is missing", truth[:4], (2, 0, 0)),
                ("one in the middle is missing", truth[:2] + truth[3:6], (1, 0, 0)),
                ("another value", truth[:5] + [(truth[5][0], 77.0)], (1, 0, 1)),
                ("twice", truth[:6] + truth[5:6], (0, 0, 1)),
                ("never sent", truth[:6] + [(99, 1.0)], (0, 0, 1)),
                ("nothing", [], (6, 0, 0))):
            with self.subTest(name):
                self.assertEqual(kill.compare(points, 6, back), expected)


if __name__ == "__main__":
    unittest.main()
