#!/usr/bin/env python3
"""CSV and NDJSON: of a stream, of queries, of the command line; read back by Python's csv and json, and by pandas where it is."""
import csv
import io
import json
import subprocess
import unittest

import harness
from rest import RestTest, basic

DATA = "/api/v1/crud/test/user"
NUMBERS = [{"t": 1500000000 + i / 4, "d": i * 1.25 - 100} for i in range(5000)]
MIXED = [{"t": 1, "d": "5"}, {"t": 2, "d": 5}, {"t": 3, "d": None}, {"t": 4, "d": 'a "b", c\r\nd'}, {"t": 5, "d": True},
         {"t": 6, "d": {"a": [1, "x\"y"], "b": "<\u00e9>"}}, {"t": 7, "d": 18446744073709551615}, {"t": 8.5, "d": ""}, {"t": 9, "d": []}]


class Formats(RestTest):
    def setUp(self):
        super().setUp()
        self.create("--user", "test:test")
        self.start()
        for name, points in (("n", NUMBERS), ("b", [{"t": i, "d": i % 3 == 0} for i in range(1, 100)]), ("m", MIXED), ("e", [])):
            self.request("POST", f"{DATA}/{name}", {}, login="test:test")
            self.request("POST", f"{DATA}/{name}/data", points, login="test:test")

    def get(self, path, accept=None):
        client = self.client()
        answer = client.ask("GET", *path.split("?"), {**basic("test:test"), **({"Accept": accept} if accept else {})})
        self.assertEqual(answer.status, 200, answer)
        return answer

    def points(self, name):
        return json.loads(self.get(f"{DATA}/{name}/data?i1=0").text)

    def test_ndjson(self):
        for name in "nbme":
            answer = self.get(f"{DATA}/{name}/data?i1=0&format=ndjson")
            self.assertEqual(answer.headers["Content-Type"], "application/x-ndjson; charset=utf-8")
            self.assertEqual([json.loads(line) for line in answer.text.split("\n")[:-1]], self.points(name))
            self.assertEqual(answer.text[-1:], "\n" if name != "e" else "")
            self.assertEqual(self.get(f"{DATA}/{name}/data?i1=0", "text/html, application/x-ndjson;q=0.9").text, answer.text)

    def test_accept(self):
        for accept, wanted in (("*/*", "json"), ("text/csv", "csv"), ("TEXT/CSV ; q=0.5", "csv"), ("text/*", "csv"),
                               ("text/csv;q=0.4, application/x-ndjson;q=0.7", "x-ndjson"), ("text/csv, application/json", "json"),
                               ("text/csv;q=0.9, application/json;q=0.91", "json"), ("text/csv;q=1.0, */*;q=0.1", "csv"), ("text/csv, */*", "csv"),
                               ("text/csv;q=0, */*", "json"), ("text/csv;q=0.000", "json"), ("application/*, text/csv;q=0.999", "json"),
                               ("text/html, application/xhtml+xml, */*;q=0.8", "json"), ("text/csvx, nottext/csv", "json"), ("image/png", "json"),
                               ("application/x-ndjson;charset=utf-8;q=0.2, text/csv;header=present;Q=0.3", "csv"), (",,;q=, text/csv;q=0.001", "csv")):
            with self.subTest(accept=accept):
                content = self.get(f"{DATA}/n/data?i1=0", accept).headers["Content-Type"]
                self.assertEqual(content.split(";")[0].split("/")[1], wanted)
        self.assertIn("application/json", self.get(f"{DATA}/n/data?i1=0&format=json", "text/csv").headers["Content-Type"])

    def rows(self, text):
        self.assertEqual(text.count("\n") - text.count("\r\n"), 0)
        return list(csv.reader(io.StringIO(text, newline="")))

    def test_csv(self):
        for name in "nb":
            answer = self.get(f"{DATA}/{name}/data?i1=0&format=csv")
            self.assertEqual(answer.headers["Content-Type"], "text/csv; charset=utf-8; header=present")
            header, *rows = self.rows(answer.text)
            self.assertEqual(header, ["t", "d"])
            self.assertEqual([{"t": json.loads(t), "d": json.loads(d)} for t, d in rows], self.points(name))
        text = self.get(f"{DATA}/m/data?i1=0", "text/csv").text
        self.assertEqual(text, 't,d\r\n1,"5"\r\n2,5\r\n3,\r\n4,"a ""b"", c\r\nd"\r\n5,true\r\n'
                         '6,"{""a"":[1,""x\\""y""],""b"":""\\u003c\u00e9\\u003e""}"\r\n7,18446744073709551615\r\n8.5,""\r\n9,"[]"\r\n')
        self.assertEqual(self.rows(text)[4], ["4", 'a "b", c\r\nd'])
        self.assertEqual(json.loads(self.rows(text)[6][1]), MIXED[5]["d"])
        self.assertEqual(self.get(f"{DATA}/e/data?i1=0&format=csv").text, "t,d\r\n")

    def test_senders(self):
        self.request("POST", "/api/v1/crud/test/lamp", {"streams": {"on": {"downlink": True}}}, login="test:test")
        self.request("POST", "/api/v1/crud/test/lamp/on/data", [{"t": 1, "d": True}], login="test:test")
        self.assertEqual(self.get("/api/v1/crud/test/lamp/on/data?i1=0&downlink=true&format=csv").text, 't,d,o\r\n1,true,"test/user"\r\n')
        self.assertEqual(self.get(f"{DATA}/m/data?i1=0&i2=1&senders=true&format=csv").text, 't,d,o\r\n1,"5",\r\n')

    def test_scripts_and_queries(self):
        self.assertEqual(self.get(f"{DATA}/n/data?i1=0&format=csv&transform=count%7Cif%20last").text, "t,d\r\n1500001249.75,5000\r\n")
        self.assertEqual(self.get(f"{DATA}/n/data?i1=0&i2=2&format=csv&transform=d%2F0").text, "t,d\r\n1500000000,\r\n1500000000.25,\r\n")
        self.assertEqual(self.get(f"{DATA}/n/data?i1=0&i2=1&format=csv&senders=true&transform=d%2F0").text, "t,d,o\r\n1500000000,,\r\n")
        merged = self.request("POST", "/api/v1/query/merge?format=csv", [{"stream": "test/user/m", "i2": 2}, {"stream": "test/user/b", "i2": 1}], login="test:test")
        self.assertEqual(merged.body.decode(), 't,d\r\n1,"5"\r\n1,false\r\n2,5\r\n')
        rows = self.request("POST", "/api/v1/query/dataset?format=ndjson", {"t1": 0, "t2": 2, "dt": 1, "dataset": {
            "n": {"stream": "test/user/b", "interpolator": "before"}}}, login="test:test").body.decode().split("\n")
        self.assertEqual(json.loads(rows[1]), {"t": 1, "d": {"n": False}})
        self.assertEqual(self.request("GET", f"{DATA}/n/data?i1=0&format=xml", login="test:test", status=400).json()["msg"],
                         "Unknown format; known are json, ndjson, csv")

    def test_command_line(self):
        expected = self.get(f"{DATA}/m/data?i1=0&format=csv").text
        for _ in range(2):  # with a server and without
            done = subprocess.run([harness.PROGRAM, "query", self.database, "test/user/m", "--format", "csv"], capture_output=True,
                                  timeout=harness.COMMAND_SECONDS_MAX, check=True)
            self.assertEqual(done.stdout.decode(), expected)
            if self.port is not None:
                self.stop()
        again = subprocess.run([harness.PROGRAM, "query", "-", "-f", "ndjson"], input=expected.encode(), capture_output=True,
                               timeout=harness.COMMAND_SECONDS_MAX, check=True)
        lines = [json.loads(line) for line in again.stdout.decode().splitlines()]
        scalars = [point for point in MIXED if not isinstance(point["d"], (dict, list))]
        self.assertEqual([line for line in lines if line["t"] not in (6, 9)], scalars)
        self.assertIn("csv", harness.command("query", "-", "--format", "xml", exit_code=2).stderr)

    def test_pandas(self):
        try:
            import pandas
        except ImportError:
            raise unittest.SkipTest("pandas is not installed (Debian: python3-pandas)") from None
        frame = pandas.read_csv(io.StringIO(self.get(f"{DATA}/n/data?i1=0&format=csv").text))
        self.assertEqual(frame["d"].tolist(), [point["d"] for point in NUMBERS])
        self.assertEqual(frame["t"].tolist(), [point["t"] for point in NUMBERS])


if __name__ == "__main__":
    harness.main()
