"""transform= on data: results, limits, and errors that never look like a complete answer."""
import http.client
import json
import urllib.parse

import harness
from rest import API, RestTest, basic

POINTS = 200000  # more than fits one part of an answer


class Transforms(RestTest):
    def setUp(self):
        super().setUp()
        self.create("--user", "test:test", pipescript={"split_max": 100, "string_max": 1000, "peek_max": 5,
                                                       "memory_max": 1 << 20})
        self.start()
        self.data = self.make_stream("test/user/s")
        for first in range(0, POINTS, 50000):
            self.request("POST", self.data, login="test:test", body=[
                {"t": 1480000000 + i, "d": i % 1000 / 10} for i in range(first, first + 50000)])

    def get(self, script, query="i1=0", status=200, path=None):
        transform = urllib.parse.quote(script)
        answer = self.request("GET", f"{path or self.data}?{query}&transform={transform}", login="test:test", status=status)
        return json.loads(answer.body) if status == 200 else answer.json()["msg"]

    def test_results(self):
        self.assertEqual(self.get("d * 2", "i1=0&i2=3"), [{"t": 1480000000 + i, "d": i / 5} for i in range(3)])
        self.assertEqual(self.get("count | if last"), [{"t": 1480000000 + POINTS - 1, "d": POINTS}])
        self.assertEqual(len(self.get("if d > 50")), POINTS // 1000 * 499)
        self.assertEqual(self.get("if d > 1000"), [])
        self.assertEqual(self.get("", "i1=0&i2=1"), [{"t": 1480000000, "d": 0}])
        mean = self.get("mean | if last")[0]["d"]
        self.assertAlmostEqual(mean, 49.95, places=9)

    def test_ranges(self):
        self.assertEqual(self.get("count", "i1=-2"), [{"t": 1480000000 + POINTS - 2 + i, "d": i + 1} for i in range(2)])
        self.assertEqual(self.get("if d == 1", "t1=1480000000&limit=2"),
                         [{"t": 1480000000 + i, "d": 1} for i in (10, 1010)])  # the limit counts results
        self.assertEqual(len(self.get("d", "t1=1480000000&limit=5000")), 5000)
        self.assertEqual(self.get("count", "t1=1&t2=2"), [])
        self.assertEqual(self.get("count", "i1=5&i2=5"), [])

    def test_permissions_are_those_of_reading(self):
        path = f"{self.data}?i1=0&transform=count"
        self.request("GET", path, status=403)
        self.request("GET", path.replace("/s/", "/missing/"), login="test:test", status=403)

    def test_a_wrong_script_names_the_place(self):
        for script, part in (("d[", "d["), ("nothere", "nothere"), ("d +", "d +"), ("regex('(')", "regex"), ("sentiment(", "(")):
            message = self.get(script, status=403)
            self.assertIn(part, message)
        self.get("(" * 1000 + "d" + ")" * 1000, status=413)
        self.assertEqual(self.get("(" * 30 + "d" + ")" * 30, "i1=0&i2=1"), [{"t": 1480000000, "d": 0}])
        self.get("d" + "+d" * 3000, status=413)

    def test_limits_of_the_configuration(self):
        self.assertIn("100", self.get("map(d, count)", status=400))
        self.assertIn("1000", self.get("append | if last", status=400))
        self.assertIn("5", self.get("next(6)", status=403))
        self.get("map(d:bucket(1):append, count)", status=400)

    def test_an_error_before_the_first_byte_is_an_error_object(self):
        data = self.make_stream("test/user/texts")
        self.request("POST", data, body=[{"t": 1, "d": "x"}], login="test:test")
        self.assertIn("could not convert 'x' to a boolean", self.get("if d", status=400, path=data))

    def test_a_later_error_cuts_the_answer_off(self):
        self.request("POST", self.data, body=[{"d": "x"}], login="test:test")
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=harness.COMMAND_SECONDS_MAX)
        self.addCleanup(connection.close)
        connection.request("GET", self.data + "?i1=0&transform=" + urllib.parse.quote("d + 1"), headers=basic("test:test"))
        answer = connection.getresponse()
        self.assertEqual(answer.status, 200)
        with self.assertRaises(http.client.IncompleteRead) as failed:
            answer.read()
        self.assertGreater(len(failed.exception.partial), 1 << 20)
        with open(f"{self.database}/connectordb.log", encoding="utf-8") as log:
            self.assertIn("was cut off: ", log.read())
        self.assertEqual(len(self.get("d + 1", f"i1=0&i2={POINTS}")), POINTS)

    def test_what_there_is(self):
        transforms = self.request("GET", f"{API}/meta/transforms").json()
        self.assertEqual(len(transforms), 55)
        self.assertTrue(all(entry["description"] for entry in transforms.values()))
        self.assertEqual(sorted(self.request("GET", f"{API}/meta/interpolators").json()),
                         ["after", "before", "closest", "count", "mean", "sum"])


if __name__ == "__main__":
    harness.main()
