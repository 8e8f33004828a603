"""Merge and dataset queries: all recorded cases of vectors/dataset.json, and what they do not say: permissions, large streams, limits.

Each case is judged by the record, or by the better form where the record has a quirk or reference/deviations.md decides."""
import http.client
import json
import math

import harness
from rest import API, RestTest, basic

CASES = 532
# Every error before the first byte of the answer is an error of the request.
RUN_ERRORS = (400,)


def same(wanted, got):
    if isinstance(wanted, bool) or isinstance(got, bool):
        return wanted is got
    if isinstance(wanted, (int, float)) and isinstance(got, (int, float)):
        return wanted == got and math.copysign(1, wanted) == math.copysign(1, got)
    if isinstance(wanted, list) and isinstance(got, list):
        return len(wanted) == len(got) and all(map(same, wanted, got))
    if isinstance(wanted, dict) and isinstance(got, dict):
        return wanted.keys() == got.keys() and all(same(value, got[key]) for key, value in wanted.items())
    return type(wanted) is type(got) and wanted == got


def points(items, without_zero_times):
    """Recorded points as they should be: d is always written, t too but in rows of datasets at times."""
    return [{**({} if without_zero_times and item.get("t", 0) == 0 else {"t": item.get("t", 0)}), "d": item.get("d"),
             **({"o": item["o"]} if "o" in item else {})} for item in items]


class Recorded(RestTest):
    def setUp(self):
        super().setUp()
        cases = harness.read_json(harness.shared("vectors", "dataset.json"))["cases"]
        self.assertEqual(len(cases), CASES)
        self.cases = cases
        contents = {}
        for case in cases:
            for path, content in case["streams"].items():
                self.assertEqual(contents.setdefault(path, content), content, path)  # a name has one content
        self.create("--user", "test:test")
        self.start()
        self.http = self.client()
        self.key = self.make_device("ds")
        for path, content in contents.items():
            self.request("POST", f"{API}/crud/{path}", body={}, login="test:test")
            self.request("POST", f"{API}/crud/{path}/data", body=content, login=f":{self.key}")

    def ask(self, case):
        query = case["query"]
        body = query if isinstance(query, str) else json.dumps(query)
        self.http.http.request("POST", f"{API}/query/{case['query_kind']}", body=body.encode(), headers=basic(f":{self.key}"))
        response = self.http.http.getresponse()
        text = response.read().decode()
        return response.status, text

    def wanted(self, case):
        """(statuses, points or None)"""
        at_times = case["query_kind"] == "dataset" and isinstance(case["query"], dict) and \
            not case["query"].get("stream") and not case["query"].get("merge")
        quirk = case.get("quirk", "")
        if case["query"] == "null":  # null where an object or an array belongs
            return (400,), None
        if case["group"] == "dataset nil data" and case["query"]["dataset"]["y"].get("allownil") is False:  # written out
            return (200,), [row for row in points(case["output"], at_times) if row["d"]["y"] is not None]
        if "intended_output" in case:
            return (200,), points(case["intended_output"], at_times)
        if quirk.startswith("when the start lies after the last point"):
            last = self.last_ten(case)
            return (200,), last
        if case["status"] == 200 and "error" not in case:
            return (200,), points(case["output"], at_times)
        if case.get("error") == "run":
            return RUN_ERRORS, None
        if case.get("error") == "query":
            return (403, 400) if "algebraic" in (case.get("message") or "") else (403,), None
        return (400,), None

    @staticmethod
    def last_ten(case):
        """The sum of the last ten points instead of all of them; other interpolators see no difference."""
        output = points(case["output"], True)
        element = case["query"]["dataset"]["y"]
        if element["interpolator"] == "sum":
            values = [point["d"] for point in case["streams"][element["stream"]]][-10:]
            output[0]["d"]["y"] = sum(values)
        return output

    def test_all(self):
        failures = []
        deviating = 0
        for case in self.cases:
            statuses, output = self.wanted(case)
            deviating += "quirk" in case
            status, text = self.ask(case)
            good = status in statuses
            if good and output is not None:
                good = same(output, json.loads(text))
            elif good:
                good = sorted(json.loads(text)) == ["code", "msg", "ref"]
            if not good:
                failures.append(f"{case['group']} {case['query_kind']} {json.dumps(case['query'])[:300]}\n   wanted {statuses} "
                                f"{json.dumps(output)[:300]}\n   got {status} {text[:300]}")
        print(f"\n{len(self.cases)} cases, {deviating} with a quirk, {len(failures)} failures")
        self.assertEqual(failures, [], "\n".join(failures[:25]))


class Queries(RestTest):
    POINTS = 50000

    def setUp(self):
        super().setUp()
        self.start_with_bob()
        self.data = {}
        for number, name in enumerate("ab"):
            self.data[name] = self.make_stream(f"test/user/{name}")
            self.request("POST", self.data[name], login="test:test", body=[
                {"t": 1480000000 + 2 * i + number, "d": f"the {i}th of {name}" if name == "b" else i} for i in range(self.POINTS)])

    def query(self, kind, body, status=200, login="test:test"):
        answer = self.request("POST", f"{API}/query/{kind}", body=body, login=login, status=status)
        return answer.json() if status == 200 else answer.json()["msg"]

    def test_large_merges(self):
        merged = self.query("merge", [{"stream": "test/user/b"}, {"stream": "test/user/a"}])
        self.assertEqual([point["t"] for point in merged], list(range(1480000000, 1480000000 + 2 * self.POINTS)))
        self.assertEqual([point["d"] for point in merged[:3]], [0, "the 0th of b", 1])
        counted = self.query("merge", [{"stream": "test/user/a", "transform": "count | if last"}, {"stream": "test/user/b", "i1": -2}])
        self.assertEqual([point["d"] for point in counted], [f"the {self.POINTS - 2}th of b", self.POINTS, f"the {self.POINTS - 1}th of b"])
        limited = self.query("merge", [{"stream": f"test/user/{name}", "t1": 1480000000, "limit": 3} for name in "ab"])
        self.assertEqual([point["t"] - 1480000000 for point in limited], [1, 2, 3, 4, 5, 6])

    def test_large_datasets(self):
        rows = self.query("dataset", {"stream": "test/user/a", "dataset": {
            "before": {"stream": "test/user/b", "interpolator": "before"}, "sum": {"stream": "test/user/a", "interpolator": "sum"}}})
        self.assertEqual(len(rows), self.POINTS)
        self.assertEqual(rows[0], {"t": 1480000000, "d": {"x": 0, "before": None, "sum": 0}})
        self.assertEqual(rows[-1]["d"], {"x": self.POINTS - 1, "before": f"the {self.POINTS - 2}th of b", "sum": self.POINTS - 1})
        rows = self.query("dataset", {"t1": 1480000000, "t2": 1480000000 + 2 * self.POINTS, "dt": 1000, "dataset": {
            "n": {"stream": "test/user/a", "interpolator": "count"}}, "posttransform": "$('n')"})
        self.assertEqual(sum(row["d"] for row in rows), self.POINTS - 499)
        self.assertEqual({row["d"] for row in rows[1:]}, {500})

    def test_permissions_per_stream(self):
        for path in ("test/user/a", "test/user/nothere", "nobody/user/a", "bob/user/nothere"):
            for body, kind in (([{"stream": path}], "merge"), ([{"stream": path, "transform": "count"}], "merge"),
                               ({"stream": path, "dataset": {"y": {"stream": path, "interpolator": "before"}}}, "dataset"),
                               ({"t1": 1, "t2": 5, "dt": 1, "dataset": {"y": {"stream": path, "interpolator": "before"}}}, "dataset")):
                self.assertIn("was not found, or you may not access it", self.query(kind, body, 403, "bob:b"))
                self.query(kind, body, 403, None)

    def test_limits(self):
        many = {f"c{n}": {"stream": "test/user/a", "interpolator": "before"} for n in range(101)}
        self.assertIn("at most 100", self.query("dataset", {"stream": "test/user/a", "i1": -1, "dataset": many}, 413))
        del many["c100"]
        row, = self.query("dataset", {"stream": "test/user/a", "i1": -1, "dataset": many})
        self.assertEqual(len(row["d"]), 101)
        merges = {f"c{n}": {"merge": [{"stream": "test/user/a", "i1": -1}] * 10, "interpolator": "count"} for n in range(30)}
        self.assertIn("at most 128", self.query("dataset", {"stream": "test/user/a", "i1": -1, "dataset": merges}, 413))
        self.query("merge", [{"stream": "test/user/a", "transform": "(" * 1000 + "d" + ")" * 1000}], 413)
        for interpolator in ("", "zz", "d["):
            self.query("dataset", {"stream": "test/user/a", "dataset": {"y": {"stream": "test/user/a", "interpolator": interpolator}}}, 403)

    def test_a_later_error_cuts_the_answer_off(self):
        self.request("POST", self.data["a"], body=[{"t": 1490000000, "d": "x"}], login="test:test")
        connection = self.client().http
        connection.request("POST", f"{API}/query/merge", body=json.dumps([{"stream": "test/user/a", "transform": "d + 1"}]),
                           headers=basic("test:test"))
        with self.assertRaises(http.client.IncompleteRead):
            connection.getresponse().read()

    def test_nobody_sends_no_large_bodies(self):
        large = json.dumps([{"stream": "test/user/a", "transform": "d" + " " * 70000}]).encode()
        for kind in ("merge", "dataset"):
            self.assertIn("Log in", self.query(kind, large, 403, None))

    def test_what_is_no_query(self):
        self.request("GET", f"{API}/query/merge", login="test:test", status=405)
        for kind in ("merge", "dataset"):
            for body in (b"", b"[", b"7", b"nonsense"):
                self.query(kind, body, 400)


if __name__ == "__main__":
    harness.main()
