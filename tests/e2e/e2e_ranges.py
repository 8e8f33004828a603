"""All of vectors/ranges.json against a real server: index and time ranges, parameters, inserts, text of numbers and strings.

Every case is counted: judged by the record, or judged by the better form where the record has a quirk or reference/deviations.md
decides (deviating). The counts must add up to all of the file."""
import http.client
import json
import math
import os
import re
import time
import unittest
from urllib.parse import parse_qsl

import harness

DEVICE = "/api/v1/crud/test/dev"
NOW_SECONDS = 60
COUNTS = {"cases": 1410, "inserts": 124, "literals": 120, "timestamp_literals": 25}
UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"


class Judge:
    """Counts of one part of the file."""

    def __init__(self):
        self.judged = self.deviating = 0
        self.failures = []

    def total(self):
        return self.judged + self.deviating

    def fail(self, case, wanted, got):
        self.failures.append(f"{json.dumps(case)[:300]}\n    wanted {wanted}\n    got    {got}")


class Connection:
    """A kept-alive connection that acts with a key."""

    def __init__(self, port, key):
        self.http = http.client.HTTPConnection("127.0.0.1", port, timeout=harness.COMMAND_SECONDS_MAX)
        self.key = key

    def ask(self, method, path, query="", body=None):
        query = "&".join(part for part in (query, "apikey=" + self.key) if part)
        data = body.encode("utf-8", "surrogatepass") if body is not None else None
        self.http.putrequest(method, f"{path}?{query}", skip_accept_encoding=True)
        if data is not None:
            self.http.putheader("Content-Length", str(len(data)))
        self.http.endheaders(data)
        response = self.http.getresponse()
        return response.status, response.getheader("Content-Type"), response.read().decode()


def error_shape(text, status):
    """The answer is an error as section 1 of the reference says."""
    try:
        answer = json.loads(text)
    except ValueError:
        return False
    return sorted(answer) == ["code", "msg", "ref"] and answer["code"] == status and bool(answer["msg"]) \
        and re.fullmatch(UUID, answer["ref"]) is not None


def points(items):
    """Recorded datapoints as they should be: d is always written."""
    return [{"t": item.get("t", 0), "d": item.get("d"), **({"o": item["o"]} if "o" in item else {})} for item in items]


def near_now(value):
    return isinstance(value, (int, float)) and abs(value - time.time()) < NOW_SECONDS


def same(wanted, got):
    """Equal as JSON values; ${now} stands for a time near the present one. 1 is not true."""
    if wanted == "${now}":
        return near_now(got)
    if isinstance(wanted, bool) or isinstance(got, bool):
        return wanted is got
    if isinstance(wanted, (int, float)) and isinstance(got, (int, float)):
        return wanted == got and math.copysign(1, wanted) == math.copysign(1, got)
    if type(wanted) is not type(got):
        return False
    if isinstance(wanted, list):
        return len(wanted) == len(got) and all(same(a, b) for a, b in zip(wanted, got))
    if isinstance(wanted, dict):
        return wanted.keys() == got.keys() and all(same(value, got[key]) for key, value in wanted.items())
    return wanted == got


class Ranges(harness.DatabaseTest):
    def setUp(self):
        super().setUp()
        self.vectors = harness.read_json(harness.shared("vectors", "ranges.json"))
        for part, count in COUNTS.items():
            self.assertEqual(len(self.vectors[part]), count, part)
        configuration = os.path.join(self.directory, "configuration")
        with open(configuration, "w", encoding="utf-8") as file:
            json.dump({"version": 1, "time_ahead_max": 0}, file)
        harness.command("create", self.database, "--user", "test:test", "--config", configuration)
        self.start()
        made = self.request("POST", DEVICE, body=b"{}", login="test:test").json()
        self.connection = Connection(self.port, made["apikey"])
        self.addCleanup(self.connection.http.close)

    def make_stream(self, name, body="{}"):
        status, _, text = self.connection.ask("POST", f"{DEVICE}/{name}", body=body)
        self.assertEqual(status, 200, text)

    def finish(self, part, judge):
        print(f"\n{part}: {judge.judged} judged by the record, {judge.deviating} deviating on purpose, "
              f"of {COUNTS[part]}", flush=True)
        self.assertEqual(judge.failures, [], f"{len(judge.failures)} failures:\n" + "\n".join(judge.failures[:20]))
        self.assertEqual(judge.total(), COUNTS[part])

    # ---- cases ----

    def better_case(self, case):
        """(status, text) that a case with a quirk should have."""
        quirk = case["quirk"]
        query = dict(reversed(parse_qsl(case["query"], keep_blank_values=True)))
        if quirk.startswith("past the last datapoint"):
            return 200, str(len(self.vectors["streams"][case["stream"]]))
        if quirk.startswith("number prefixes"):
            if query.get("i1") == "010":  # decimal: ten is past the end as well
                return 403, None
            return 400, None
        if quirk.startswith("an error on the first datapoint is status 500"):
            return 400, None
        if quirk.startswith(("nan is accepted", "an unknown q is ignored", "the message is the general one")):
            return 400, None
        raise AssertionError("a quirk that is not decided here: " + quirk)

    def judge_case(self, judge, case):
        path = f"{DEVICE}/{case['stream']}/data"
        status, content_type, text = self.connection.ask("GET", path, case["query"])
        got = (status, content_type, text)
        query = dict(parse_qsl(case["query"], keep_blank_values=True))
        wanted_status, wanted_text = case["status"], case["text"]
        if "quirk" in case:
            judge.deviating += 1
            wanted_status, wanted_text = self.better_case(case)
        elif query.get("q") == "time2index" and query.get("t") == "inf":
            judge.deviating += 1  # past the last point
            wanted_text = str(len(self.vectors["streams"][case["stream"]]))
        else:
            judge.judged += 1
        if wanted_status != 200:
            good = status == wanted_status and error_shape(text, status)
        else:
            good = status == 200 and (text == wanted_text or
                                      "transform" in query and same(points(json.loads(wanted_text)), json.loads(text)))
        if not good or content_type != case["content_type"]:
            judge.fail(case, (wanted_status, wanted_text), got)

    def test_cases(self):
        for name, content in self.vectors["streams"].items():
            self.make_stream(name)
            if content:
                status, _, text = self.connection.ask("POST", f"{DEVICE}/{name}/data", body=json.dumps(content))
                self.assertEqual((status, text), (200, "ok"))
        judge = Judge()
        for case in self.vectors["cases"]:
            self.judge_case(judge, case)
        self.finish("cases", judge)

    # ---- inserts ----

    def better_insert(self, case, step, previous):
        """(status, points or None) of a step of a case with a quirk; None: as recorded."""
        quirk, method = case["quirk"], step["method"]
        if quirk.startswith("restamping changes the data"):
            if method == "GET":  # what the PUT before it held, moved to just after the first point
                return 200, [{"t": 5.00001, "d": json.loads(previous["body"])[0]["d"]}]
        elif quirk.startswith("negative times"):
            if method == "GET":
                return 200, points(json.loads(step["text"]))[2:]  # only what came with a good time
            if '"t":-' in step["body"]:
                return 403, None
        elif quirk.startswith("unknown keys are ignored, so a misspelt"):
            return (200, []) if method == "GET" else (400, None)
        elif case["steps"][0]["body"].startswith("\ufeff"):  # taken here
            return (200, points(json.loads(case["steps"][0]["body"][1:]))) if method == "GET" else (200, None)
        elif quirk.startswith("null where an array or object"):
            nulls = step.get("body") in ("null", "[null]", '[{"t":1,"d":1},null]')
            if method != "GET" and nulls:
                return 400, None
            if method == "GET" and case["steps"][0]["body"] != "[{}]":
                return 200, []
        return None

    def later_than_now(self, case, step):
        """A missing time becomes max(now, last), also when last is in the future."""
        if "99999999999" not in case["steps"][0]["body"]:
            return None
        if step["method"] == "GET":
            return 200, [{"t": 99999999999, "d": d} for d in (1, 2, 3)]
        return (200, None) if step["status"] == 403 else None

    def judge_insert_step(self, case, path, step, previous):
        status, _, text = self.connection.ask(step["method"], path, step.get("query", ""), step.get("body"))
        better = self.better_insert(case, step, previous) if "quirk" in case else self.later_than_now(case, step)
        if better is None and status == 200 and step["status"] == 200 and text.startswith("["):
            better = 200, points(json.loads(step["text"]))
            if "9007199254740993" in json.dumps(case):
                better = 200, [{"t": 5.00001, "d": 9007199254740993}]  # integers keep all digits
        if better is None:
            good = status == step["status"] and (text == step["text"] if status == 200 else error_shape(text, status))
            return good, (step["status"], step["text"]), (status, text)
        wanted_status, wanted = better
        if wanted_status != 200:
            return status == wanted_status and error_shape(text, status), better, (status, text)
        return status == 200 and (wanted is None or same(wanted, json.loads(text))), better, (status, text)

    def judge_insert(self, judge, number, case):
        name = f"insert{number}"
        path = f"{DEVICE}/{name}/data"
        self.make_stream(name, case["create"])
        previous = None
        if "quirk" in case or self.later_than_now(case, case["steps"][-1]):
            judge.deviating += 1
        else:
            judge.judged += 1
        for step in case["steps"]:
            good, wanted, got = self.judge_insert_step(case, path, step, previous)
            if not good:
                judge.fail({"case": case, "step": step}, wanted, got)
                return
            previous = step

    def test_inserts(self):
        judge = Judge()
        for number, case in enumerate(self.vectors["inserts"]):
            self.judge_insert(judge, number, case)
        self.finish("inserts", judge)

    # ---- literals ----

    def last_point_text(self, path):
        status, _, text = self.connection.ask("GET", path, "i1=-1")
        self.assertEqual(status, 200, text)
        return text

    def better_literal(self, case):
        """The text that a value should have, or None for any text of the same JSON value."""
        value = case["in"]
        if re.fullmatch(r"-?\d+", value) and -2**63 <= int(value) < 2**64 and value != "-0":
            return value
        if case["out"] is None:
            return "null"
        return case["out"]

    def test_literals(self):
        judge = Judge()
        path = f"{DEVICE}/literals/data"
        self.make_stream("literals")
        for number, case in enumerate(self.vectors["literals"], start=1):
            wanted = self.better_literal(case)
            if wanted == case["out"]:
                judge.judged += 1
            else:
                judge.deviating += 1
            status, _, text = self.connection.ask("POST", path, body='[{"t":%d,"d":%s}]' % (number, case["in"]))
            self.assertEqual((status, text), (200, "ok"), case)
            got = self.last_point_text(path)
            good = got == '[{"t":%d,"d":%s}]' % (number, wanted)
            if not good and wanted.startswith("{"):  # keys keep their order here, the reference sorts them
                good = harness.canonical(json.loads(got)[0]["d"]) == harness.canonical(json.loads(wanted))
            if not good:
                judge.fail(case, wanted, got)
        self.finish("literals", judge)

    def test_timestamp_literals(self):
        judge = Judge()
        for number, case in enumerate(self.vectors["timestamp_literals"]):
            name = f"time{number}"
            self.make_stream(name)
            judge.judged += 1
            path = f"{DEVICE}/{name}/data"
            status, _, text = self.connection.ask("POST", path, body='[{"t":%s,"d":1}]' % case["in"])
            self.assertEqual((status, text), (200, "ok"), case)
            got = self.last_point_text(path)
            if got != '[{"t":%s,"d":1}]' % case["out"]:
                judge.fail(case, case["out"], got)
        self.finish("timestamp_literals", judge)


if __name__ == "__main__":
    harness.main()
