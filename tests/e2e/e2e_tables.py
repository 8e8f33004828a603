#!/usr/bin/env python3
"""CSV with times of a calendar and with columns for members; export --format csv; read by pandas, DuckDB and R."""
import csv
import datetime
import io
import json
import os
import shutil
import subprocess
import unittest
import zoneinfo

import harness
from rest import RestTest, basic

DATA = "/api/v1/crud/test/user"
HERE = os.path.dirname(os.path.abspath(__file__))
DEBIAN_PYTHON = "/usr/bin/python3"  # has Debian's packages
BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")
SPRING = 1711843200  # 2024-03-31 00:00 UTC; the clocks of Berlin go forward an hour later
NUMBERS = [{"t": SPRING + 600 * i + 0.25 * (i % 4), "d": i * 0.5 - 3} for i in range(24)]
MIXED = [{"t": 1, "d": "5"}, {"t": 2, "d": 'a "b", c\r\nd'}, {"t": 3, "d": "\u00e9\U0001f600"}, {"t": 4, "d": {"a": [1, 'x"y']}}]
OBJECTS = [{"t": 1, "d": {"lat": 1.5, "lon": -2}}, {"t": 2, "d": {"lon": 3, "name": "a,b", "lat": 4}}, {"t": 3, "d": {"lat": None, "x": {"y": 1}}},
           {"t": 4, "d": 7}, {"t": 5, "d": {"a,b": True, 'q"': [1]}}]
ODD = [-62167219200, -62167219200.5, -1.75, 0, 1e-9, 0.1 + 0.2, 1711843200.123456, 253402300799.5, 253402300800, 1e300]


class Tables(RestTest):
    def setUp(self):
        super().setUp()
        self.create("--user", "test:test")
        self.start()
        doors = [{"t": SPRING + 1800 * i, "d": i % 2 == 0} for i in range(9)]
        for name, points in (("n", NUMBERS), ("m", MIXED), ("o", OBJECTS), ("door", doors)):
            self.request("POST", f"{DATA}/{name}", {}, login="test:test")
            self.request("POST", f"{DATA}/{name}/data", points, login="test:test")

    def path_of(self, name):
        return os.path.join(self.directory, name)

    def get(self, path, status=200):
        answer = self.client().ask("GET", *path.split("?"), basic("test:test"))
        self.assertEqual(answer.status, status, answer)
        return answer.text

    def rows(self, path):
        return list(csv.reader(io.StringIO(self.get(path), newline="")))

    def test_times(self):
        for zone, name in ((datetime.timezone.utc, "&tz=UTC"), (datetime.timezone.utc, ""), (BERLIN, "&tz=Europe/Berlin")):
            rows = self.rows(f"{DATA}/n/data?i1=0&format=csv&time=rfc3339{name}")
            self.assertEqual(rows[0], ["t", "d"])
            for (text, value), point in zip(rows[1:], NUMBERS, strict=True):
                self.assertEqual(json.loads(value), point["d"])
                time = datetime.datetime.fromisoformat(text)
                self.assertEqual(time.timestamp(), point["t"])
                self.assertEqual(time.utcoffset(), datetime.datetime.fromtimestamp(point["t"], zone).utcoffset())
        hours = {row[0][11:13] for row in rows[1:]}
        self.assertEqual(hours & {"01", "02", "03"}, {"01", "03"})  # there is no hour 2 on that day
        self.assertEqual(rows[1][0], "2024-03-31T01:00:00+01:00")
        self.assertEqual(rows[8][0], "2024-03-31T03:10:00.75+02:00")
        self.assertEqual(self.get(f"{DATA}/n/data?i1=0&format=csv&time=unix"), self.get(f"{DATA}/n/data?i1=0&format=csv"))

    def times_of_input(self, times, zone):
        points = json.dumps([{"t": t, "d": 0} for t in times])
        done = subprocess.run([harness.PROGRAM, "query", "-", "-f", "csv", "--time", "rfc3339", "--tz", zone], input=points, capture_output=True,
                              text=True, timeout=harness.COMMAND_SECONDS_MAX, check=True)
        return [line.split(",")[0] for line in done.stdout.splitlines()[1:]]

    def test_times_at_the_edges(self):
        texts = self.times_of_input(sorted(ODD), "UTC")
        self.assertEqual(texts, ["-62167219200.5", "0000-01-01T00:00:00Z", "1969-12-31T23:59:58.25Z", "1970-01-01T00:00:00Z",
                                 "1970-01-01T00:00:00.000000001Z", "1970-01-01T00:00:00.3Z", "2024-03-31T00:00:00.123456Z",
                                 "9999-12-31T23:59:59.5Z", "253402300800", "1e+300"])
        # Amsterdam was 19 minutes and 32 seconds ahead until 1937; RFC 3339 has minutes only, and the instant stays
        # every minute is printed from one text: around its ends, and where clocks change, back and forth
        dense = [start + i / 4 for start in (SPRING + 3600, SPRING + 3600 * 5041) for i in range(-300, 300)]
        for time, text in zip(dense, self.times_of_input(dense, "Europe/Berlin"), strict=True):
            moment = datetime.datetime.fromisoformat(text)
            self.assertEqual((moment.timestamp(), moment.utcoffset()), (time, datetime.datetime.fromtimestamp(time, BERLIN).utcoffset()))
        # Amsterdam was 19 minutes and 32 seconds ahead until 1937; RFC 3339 has minutes only, and the instant stays
        text, = self.times_of_input([-1500000000.5], "Europe/Amsterdam")
        self.assertEqual(datetime.datetime.fromisoformat(text).timestamp(), -1500000000.5)

    def test_columns(self):
        self.assertEqual(self.get(f"{DATA}/o/data?i1=0&format=csv&columns=lat,lon,name"),
                         't,lat,lon,name\r\n1,1.5,-2,\r\n2,4,3,"a,b"\r\n3,,,\r\n4,,,\r\n5,,,\r\n')
        self.assertEqual(self.get(f"{DATA}/o/data?i1=2&format=csv&columns=x&senders=true&time=rfc3339"),
                         't,x,o\r\n1970-01-01T00:00:03Z,"{""y"":1}",\r\n1970-01-01T00:00:04Z,,\r\n1970-01-01T00:00:05Z,,\r\n')
        self.assertEqual(self.get(f"{DATA}/o/data?i1=4&format=csv&columns=q%22"), 't,"q"""\r\n5,"[1]"\r\n')

    def dataset(self, query, **more):
        body = {"dataset": {"temperature": {"stream": "test/user/n", "interpolator": "before"},
                            "door": {"stream": "test/user/door", "interpolator": "closest"}}, **more}
        return self.request("POST", f"/api/v1/query/dataset?{query}", body, login="test:test").body.decode()

    def test_datasets(self):
        points = [json.loads(line) for line in self.dataset("format=ndjson", stream="test/user/door").splitlines()]
        rows = list(csv.reader(io.StringIO(self.dataset("format=csv", stream="test/user/door"), newline="")))
        self.assertEqual(rows[0], ["t", "x", "temperature", "door"])
        for row, point in zip(rows[1:], points, strict=True):
            self.assertEqual([json.loads(field) if field else None for field in row], [point["t"], *(point["d"][name] for name in rows[0][1:])])
        self.assertTrue(self.dataset("format=csv", t1=0, t2=2, dt=1).startswith("t,temperature,door\r\n0,"))
        self.assertTrue(self.dataset("format=csv", t1=0, t2=2, dt=1, posttransform="$(\"door\")").startswith("t,d\r\n"))
        self.assertTrue(self.dataset("format=csv&columns=door", t1=0, t2=2, dt=1).startswith("t,door\r\n"))

    def test_refused(self):
        for query, message in (("format=csv&time=iso", "time must be unix or rfc3339, not 'iso'"), ("time=rfc3339", "time=rfc3339 goes with CSV only"),
                               ("format=csv&time=rfc3339&tz=Mars/Base", "Mars/Base"), ("columns=a&format=ndjson", "columns go with CSV only"),
                               ("format=csv&columns=" + "a," * 256, "there are more than 256 columns")):
            with self.subTest(query=query[:60]):
                self.assertIn(message, json.loads(self.get(f"{DATA}/n/data?i1=0&{query}", 400))["msg"])
                self.assertIn(message, self.request("POST", f"/api/v1/query/merge?{query}", [], login="test:test", status=400).json()["msg"])

    def test_command_line(self):
        expected = self.get(f"{DATA}/o/data?i1=0&format=csv&columns=lat,lon&time=rfc3339&tz=Asia/Kolkata")
        for _ in range(2):  # with a server and without
            said = harness.command("query", self.database, "test/user/o", "-f", "csv", "--columns", "lat,lon", "--time", "rfc3339",
                                   "--tz", "Asia/Kolkata").stdout
            self.assertEqual(said, expected.replace("\r\n", "\n"))
            if self.port is not None:
                self.stop()
        self.assertIn("goes with CSV only", harness.command("query", "-", "--time", "rfc3339", exit_code=2).stderr)

    def test_export(self):
        self.request("POST", "/api/v1/crud/test/lamp", {"streams": {"on": {"downlink": True}}}, login="test:test")
        self.request("POST", "/api/v1/crud/test/lamp/on/data", [{"t": 1, "d": True}], login="test:test")
        texts = {f"test/user/{name}/data.csv": self.get(f"{DATA}/{name}/data?i1=0&senders=true&format=csv") for name in ("n", "m", "o", "door")}
        texts["test/lamp/on/data.csv"] = "t,d,o\r\n"
        texts["test/lamp/on/downlink.csv"] = 't,d,o\r\n1,true,"test/user"\r\n'
        for again in range(2):  # with a server and without
            folder = self.path_of(f"csv{again}")
            harness.command("export", self.database, folder, "--format", "csv", "test/user", "test/lamp")
            files = {os.path.relpath(os.path.join(path, name), folder) for path, _, names in os.walk(folder) for name in names}
            self.assertEqual(files, {*texts, *(os.path.join(os.path.dirname(name), "stream.json") for name in texts)})
            for name, text in texts.items():
                with open(os.path.join(folder, name), encoding="utf-8", newline="") as file:
                    self.assertEqual(file.read(), text, name)
            if self.port is not None:
                self.stop()
        self.assertIn("connectordb.json", harness.command("import", self.database, folder, exit_code=1).stderr)
        self.assertIn("json or csv", harness.command("export", self.database, self.path_of("x"), "--format", "xml", exit_code=2).stderr)
        self.assertIn("not for a URL", harness.command("export", "http://127.0.0.1:1", self.path_of("x"), "-f", "csv", exit_code=2).stderr)

    # ---- programs that read tables ----

    def table_files(self):
        texts = {"numbers": self.get(f"{DATA}/n/data?i1=0&format=csv"), "mixed": self.get(f"{DATA}/m/data?i1=0&format=csv"),
                 "calendar": self.get(f"{DATA}/n/data?i1=0&format=csv&time=rfc3339&tz=Europe/Berlin"),
                 "dataset": self.dataset("format=csv", stream="test/user/door")}
        for name, text in texts.items():
            with open(self.path_of(f"{name}.csv"), "w", encoding="utf-8", newline="") as file:
                file.write(text)
        return [self.path_of(f"{name}.csv") for name in ("numbers", "calendar", "mixed", "dataset")]

    def run_program(self, *arguments):
        done = subprocess.run(arguments, capture_output=True, text=True, timeout=harness.COMMAND_SECONDS_MAX, check=False, stdin=subprocess.DEVNULL)
        self.assertEqual(done.returncode, 0, f"{done.stdout}{done.stderr}")
        return done.stdout

    def summary(self):
        return [len(NUMBERS), sum(point["d"] for point in NUMBERS), NUMBERS[0]["t"], NUMBERS[-1]["t"]]

    def check(self, found):
        self.assertEqual(found["numbers"], self.summary())
        self.assertEqual(found["calendar"], self.summary())
        self.assertEqual(found["texts"], [point["d"] if isinstance(point["d"], str) else json.dumps(point["d"], separators=(",", ":")) for point in MIXED])
        self.assertEqual(found["columns"], ["t", "x", "temperature", "door"])
        points = [json.loads(line) for line in self.dataset("format=ndjson", stream="test/user/door").splitlines()]
        self.assertEqual(found["dataset"], [[point["t"], *(point["d"][name] for name in found["columns"][1:])] for point in points])

    def test_pandas(self):
        if subprocess.run([DEBIAN_PYTHON, "-c", "import pandas"], capture_output=True, timeout=harness.COMMAND_SECONDS_MAX, check=False).returncode != 0:
            self.skipTest("pandas is not installed (Debian: python3-pandas)")
        self.check(json.loads(self.run_program(DEBIAN_PYTHON, os.path.join(HERE, "tables", "read_pandas.py"), *self.table_files())))

    def test_duckdb(self):
        folder = self.npm_packages("tables", "duckdb.js")
        self.check(json.loads(self.run_program("node", os.path.join(folder, "duckdb.js"), *self.table_files())))

    @unittest.skipUnless(shutil.which("Rscript"), "R is not installed (Debian: r-base-core)")
    def test_r(self):
        lines = self.run_program("Rscript", "--vanilla", os.path.join(HERE, "tables", "read.R"), *self.table_files()).splitlines()
        self.assertEqual([float(word) for word in lines[0].split()], self.summary())
        self.assertEqual([float(word) for word in lines[1].split()], self.summary())
        self.assertEqual(lines[2].split(), ["1", "10", "2", "16"])  # R reads CR LF as one character
        self.assertEqual(lines[3].split(), ["t", "x", "temperature", "door"])


if __name__ == "__main__":
    harness.main()
