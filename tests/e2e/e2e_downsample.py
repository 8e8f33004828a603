#!/usr/bin/env python3
"""points=: what is left of a range draws the same line. Compared with a plain pass, over segments and journals."""
import math
import random
import unittest

import harness
from rest import RestTest

DATA = "/api/v1/crud/test/user"


def wanted(points, count):
    """Per bucket of time the first, the first smallest, the first largest and the last datapoint."""
    if len(points) <= count:
        return points
    first, length, buckets = points[0]["t"], points[-1]["t"] - points[0]["t"], count // 4
    members = {}
    for i, point in enumerate(points):
        bucket = int((point["t"] - first) / length * buckets) if length else 0
        members.setdefault(min(bucket, buckets - 1), []).append(i)
    kept = set()
    for indices in members.values():
        kept |= {indices[0], indices[-1]}
        numbers = [i for i in indices if isinstance(points[i]["d"], (int, float)) and not isinstance(points[i]["d"], bool)]
        if numbers:
            kept |= {min(numbers, key=lambda i: points[i]["d"]), max(numbers, key=lambda i: points[i]["d"])}
        if len(indices) <= 4:
            kept |= set(indices)
    return [points[i] for i in sorted(kept)]


class Downsample(RestTest):
    def setUp(self):
        super().setUp()
        self.create("--user", "test:test")
        self.start()

    def make(self, name, points):
        self.request("POST", f"{DATA}/{name}", {}, login="test:test")
        for i in range(0, len(points), 20000):
            self.request("POST", f"{DATA}/{name}/data", points[i:i + 20000], login="test:test")

    def ask(self, name, status=200, **query):
        text = "&".join(f"{key}={value}" for key, value in query.items())
        return self.request("GET", f"{DATA}/{name}/data?{text}", login="test:test", status=status).json()

    def compare(self, name, points, count, low=0, high=None):
        high = len(points) if high is None else high
        got = self.ask(name, i1=low, i2=high, points=count)
        self.assertLessEqual(len(got), count)
        self.assertEqual(got, wanted(points[low:high], count), (name, count, low, high))

    def test_numbers(self):
        random.seed(11)
        series = {
            "decimals": lambda i: round(20 * math.sin(i / 700) + random.choice((0, 0, 0, 50 * random.random())), 2),
            "doubles": lambda i: random.random() * math.exp(i % 97),
            "constant": lambda i: 7,
            "mixed": lambda i: random.choice((i % 13, "text", True, None, -0.5)),
        }
        data = {}
        for name, value in series.items():
            time, points = 1500000000.0, []
            for i in range(20000):
                time += random.random() * (1 if i % 5000 else 40000)
                points.append({"t": time, "d": value(i)})
            data[name] = self.ask_back(name, points)
        for _ in range(2):
            for name, points in data.items():
                for count in (4, 11, 1000, 19999):
                    self.compare(name, points, count)
                self.compare(name, points, 40, 4096, 8192)
                self.compare(name, points, 40, 4000, 15001)
            self.stop()  # the next start seals what is long
            self.start()

    def ask_back(self, name, points):
        self.make(name, points)
        return self.ask(name, i1=0)

    def test_small_and_odd(self):
        self.make("none", [])
        self.assertEqual(self.ask("none", i1=0, points=10), [])
        same = [{"t": 5, "d": d} for d in (3, 1, 9, 4, 9, 1, 2)]
        self.make("same", same)
        self.assertEqual(self.ask("same", i1=0, points=4), [same[i] for i in (0, 1, 2, 6)])
        self.assertEqual(self.ask("same", i1=0, points=7), same)
        self.assertEqual(self.ask("same", t1=0, limit=5, points=4), [same[i] for i in (0, 1, 2, 4)])
        words = [{"t": i, "d": f"word {i}"} for i in range(1, 101)]
        self.make("words", words)
        self.assertEqual(self.ask("words", i1=0, points=8), [words[i] for i in (0, 49, 50, 99)])
        csv = self.request("GET", f"{DATA}/same/data?i1=0&points=4&format=csv", login="test:test").body
        self.assertEqual(csv, b"t,d\r\n5,3\r\n5,1\r\n5,9\r\n5,2\r\n")

    def test_refusals(self):
        self.make("n", [{"t": 1, "d": 1}])
        for query, message in (({"points": 3}, "from 4 to 100000"), ({"points": 100001}, "from 4 to"), ({"points": "x"}, "points must be"),
                               ({"points": -4}, "points must be"), ({"points": "4.5"}, "points must be"),
                               ({"points": 10, "transform": "sum"}, "excludes"), ({"points": 10, "every": "day"}, "excludes")):
            with self.subTest(query=query):
                self.assertIn(message, self.ask("n", status=400, i1=0, **query)["msg"])


if __name__ == "__main__":
    harness.main()
