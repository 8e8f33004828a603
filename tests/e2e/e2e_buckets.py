#!/usr/bin/env python3
"""every= and fn=: compared with a plain pass over the points, over days of 23 and 25 hours, segments and journals."""
import datetime
import math
import random
import unittest
import zoneinfo

import harness
from rest import RestTest

DATA = "/api/v1/crud/test/user"
BERLIN = "Europe/Berlin"


def bucket_start(time, every, zone):
    local = datetime.datetime.fromtimestamp(math.floor(time), zone)
    midnight = datetime.datetime(local.year, local.month, local.day, tzinfo=zone)
    if every == "month":
        return midnight.replace(day=1).timestamp()
    if every == "week":
        return (midnight.replace(tzinfo=None) - datetime.timedelta(days=local.weekday())).replace(tzinfo=zone).timestamp()
    if every == "day":
        return midnight.timestamp()
    if 86400 % every == 0:
        return midnight.timestamp() + (time - midnight.timestamp()) // every * every
    return time // every * every


FUNCTIONS = {"mean": lambda p: math.fsum(p) / len(p), "min": min, "max": max, "sum": math.fsum, "count": len,
             "first": lambda p: p[0], "last": lambda p: p[-1]}


def model(points, every, function, zone):
    buckets = {}
    for point in points:
        buckets.setdefault(bucket_start(point["t"], every, zone), []).append(point["d"])
    return [{"t": start, "d": FUNCTIONS[function](values)} for start, values in buckets.items()]


class Buckets(RestTest):
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
        answer = self.request("GET", f"{DATA}/{name}/data?{text}", login="test:test", status=status)
        return answer.json()

    def compare(self, name, points, every, function, tz=""):
        try:
            zone = zoneinfo.ZoneInfo(tz or "UTC")
        except zoneinfo.ZoneInfoNotFoundError:
            raise unittest.SkipTest("there is no tzdata") from None
        got = self.ask(name, i1=0, every=every, fn=function, **({"tz": tz} if tz else {}))
        wanted = model(points, every, function, zone)
        self.assertEqual([row["t"] for row in got], [row["t"] for row in wanted], (every, function, tz))
        for have, want in zip(got, wanted):
            self.assertTrue(math.isclose(have["d"], want["d"], rel_tol=1e-12, abs_tol=1e-9), (every, function, tz, have, want))

    def check(self, name, points):
        for every, tz in ((60, ""), (3600, ""), (3600, BERLIN), (7, ""), (0.5, ""), ("day", ""), ("day", BERLIN), ("week", BERLIN), ("month", BERLIN),
                          (21600, BERLIN), ("day", "America/St_Johns"), ("week", "Pacific/Auckland"), (10000, BERLIN)):
            if (points[-1]["t"] - points[0]["t"]) / (every if isinstance(every, (int, float)) else 86400) > 3000:
                continue
            for function in FUNCTIONS:
                self.compare(name, points, every, function, tz)

    def test_days_of_23_and_25_hours(self):
        random.seed(7)
        for name, begin in (("spring", 1521900000), ("autumn", 1540600000), ("newyear", 1546200000)):
            time, points = begin, []
            while time < begin + 6 * 86400:
                time += random.choice((1, 60.25, 600, 5000))
                points.append({"t": time, "d": random.randrange(-1000, 1000) / 8})
            self.make(name, points)
            self.check(name, points)

    def test_segments_and_doubles(self):
        random.seed(8)
        points = [{"t": 1500000000 + i * 30, "d": round(20 + math.sin(i / 500), 2)} for i in range(60000)]
        self.make("n", points)
        doubles = [{"t": 1500000000 + i * 30, "d": random.random()} for i in range(20000)]
        self.make("f", doubles)
        for _ in range(2):
            for every, function, tz in (("day", "mean", BERLIN), (3600, "max", ""), (3600, "min", ""), ("week", "sum", ""), (86400, "count", BERLIN),
                                        ("month", "last", BERLIN), ("hour", "first", "")):
                self.compare("n", points, 3600 if every == "hour" else every, function, tz)
                self.compare("f", doubles, 3600 if every == "hour" else every, function, tz)
            self.stop()  # the next start seals what is long
            self.start()

    def test_other_values_and_ranges(self):
        self.make("m", [{"t": 1, "d": "a"}, {"t": 2, "d": 5}, {"t": 3, "d": 7}, {"t": 11, "d": {"x": 1}}, {"t": 25, "d": True}])
        self.make("e", [])
        self.assertEqual(self.ask("m", i1=0, every=10), [{"t": 0, "d": 6}])
        self.assertEqual(self.ask("m", i1=0, every=10, fn="count"), [{"t": 0, "d": 3}, {"t": 10, "d": 1}, {"t": 20, "d": 1}])
        self.assertEqual(self.ask("m", i1=0, every=10, fn="last"), [{"t": 0, "d": 7}, {"t": 10, "d": {"x": 1}}, {"t": 20, "d": True}])
        self.assertEqual(self.ask("m", t1=1, t2=2, every=10, fn="sum"), [{"t": 0, "d": 5}])
        self.assertEqual(self.ask("m", t1=0, limit=2, every=10, fn="first"), [{"t": 0, "d": "a"}, {"t": 10, "d": {"x": 1}}])
        self.assertEqual(self.ask("e", i1=0, every="day"), [])
        csv = self.request("GET", f"{DATA}/m/data?i1=0&every=10&fn=count&format=csv", login="test:test").body
        self.assertEqual(csv, b"t,d\r\n0,3\r\n10,1\r\n20,1\r\n")

    def test_times_beyond_the_calendar(self):
        self.stop()
        self.configuration["time_ahead_max"] = 0  # no limit
        self.database += "2"
        self.create("--user", "test:test")
        self.start()
        self.make("far", [{"t": 5, "d": 3}, {"t": 3e13, "d": 2}, {"t": 1e300, "d": 4}])
        for every in ("day", "week", "month", 60, 7):
            with self.subTest(every=every):
                self.assertIn("t = 1e+300 in a calendar", self.ask("far", status=400, i1=0, every=every)["msg"])
                counts = self.ask("far", i1=0, i2=2, every=every, fn="count", tz=BERLIN)
                self.assertEqual([point["d"] for point in counts], [1, 1])

    def test_refusals(self):
        self.make("n", [{"t": 1 + i, "d": i} for i in range(100002)])
        for query, status, message in (({"every": "x"}, 400, "every must be"), ({"every": 0}, 400, "every must be"), ({"every": -5}, 400, "every must be"),
                                       ({"every": "inf"}, 400, "every must be"), ({"every": 10, "fn": "median"}, 400, "fn must be"),
                                       ({"every": 10, "tz": "Nowhere/Else"}, 400, "Nowhere/Else"), ({"every": 10, "tz": "../../etc/passwd"}, 400, "name"),
                                       ({"every": 10, "transform": "sum"}, 400, "exclude"), ({"every": 0.5}, 413, "100000 buckets")):
            with self.subTest(query=query):
                self.assertIn(message, self.ask("n", status=status, i1=0, **query)["msg"])


if __name__ == "__main__":
    harness.main()
