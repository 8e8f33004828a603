"""connectordb status, stream ls and stream usage: with a running server and without, compared with what was done."""
import http.client
import json
import os
import re
import resource
import time

import harness
import prometheus
from rest import API, RestTest, basic


class Status(RestTest):
    def begin(self):
        self.create("--user", "test:test")
        self.start()

    def insert(self, path, points, login="test:test"):
        self.request("POST", f"{API}/crud/{path}/data", body=points, login=login)

    def status(self, exit_code=0):
        return json.loads(harness.command("status", self.database, "--json", exit_code=exit_code).stdout)

    def lines(self, *arguments):
        """The JSON objects that it prints."""
        return [json.loads(line) for line in harness.command(*arguments, "--json").stdout.splitlines()]

    def test_with_a_server_and_without(self):
        self.begin()
        self.make_stream("test/user/a")
        self.make_stream("test/user/b")
        self.insert("test/user/a", [{"t": 10 + n, "d": n} for n in range(500)])
        self.insert("test/user/b", [{"t": 1, "d": "x"}])
        folder = os.path.join(self.directory, "backup")
        harness.command("backup", self.database, folder)
        before = time.time()
        served = self.status()
        server = served["server"]
        self.assertEqual(server["address"], f"http://127.0.0.1:{self.port}")
        with open(os.path.join(self.database, "connectordb.pid"), encoding="ascii") as file:
            self.assertEqual(server["process"], int(file.read()))
        self.assertLessEqual(server["started"], before)
        deadline = time.monotonic() + harness.COMMAND_SECONDS_MAX
        while self.status()["server"]["requests"] != 4:  # a request is counted after its answer was sent
            self.assertLess(time.monotonic(), deadline)
        self.assertEqual(server["failed_logins"], 0)
        self.assertGreater(server["uptime"], 0)
        self.assertEqual(set(served["rates"]), {"seconds", "points", "inserts", "requests"})
        self.assertEqual(served["last_backup"]["folder"], folder)
        self.assertLess(abs(served["last_backup"]["time"] - before), 3600)
        logged = served["store"]["points"] - 501  # the log of what was created
        self.assertEqual(served["store"]["inserted_points"], served["store"]["points"])
        self.assertEqual(logged, 2)
        self.stop()
        alone = self.status()
        self.assertIsNone(alone["server"])
        self.assertNotIn("rates", alone)
        for part in ("database", "version", "catalog", "last_backup", "health"):
            self.assertEqual(alone[part], served[part], part)
        self.assertEqual(alone["catalog"], {"users": 1, "devices": 2, "streams": 3})
        self.assertEqual(alone["health"], {"good": True, "problems": []})
        self.assertEqual(alone["store"]["points"], served["store"]["points"])
        self.assertEqual([each["path"] for each in alone["largest"]], ["test/user/a", "test/meta/log", "test/user/b"])
        self.assertGreater(alone["disk"]["used"], 50000)
        self.assertLess(alone["disk"]["used"], 5 << 20)  # an almost empty database is small

    def test_the_screen(self):
        self.begin()
        self.make_stream("test/user/a")
        self.insert("test/user/a", [{"t": n + 1, "d": n} for n in range(1234)])
        text = harness.command("status", self.database).stdout
        for line in (rf"database   {re.escape(self.database)}, ConnectorDB \d+\.\d+\.\d+",
                     rf"server     http://127\.0\.0\.1:{self.port}, process \d+, since [\d-]+ [\d:]+Z \((\d+ min )?\d+ s\)",
                     r"health     good", r"catalog    users: 1, devices: 2, streams: 2", r"points     1,235",
                     r"journals   \d of at most 4, \d+\.\d MiB; 0 wait to be sealed", r"segments   0, 0 B",
                     r"disk       \d+\.\d [KM]iB for the database; .* are free \(\d+ %\)", r"backup     none .*",
                     r"largest +\d+\.\d KiB +1,234 points  test/user/a", r" +\d+ B +1 points  test/meta/log"):
            self.assertRegex(text, f"(?m)^{line}$")

    def test_a_server_that_takes_no_inserts(self):
        self.begin()
        self.make_stream("test/user/a")
        with open(os.path.join(self.database, "connectordb.pid"), encoding="ascii") as file:
            process = int(file.read())
        limits = resource.prlimit(process, resource.RLIMIT_FSIZE)
        resource.prlimit(process, resource.RLIMIT_FSIZE, (2 << 20, limits[1]))
        deadline = time.monotonic() + harness.COMMAND_SECONDS_MAX
        ready = 200
        while ready == 200:
            self.assertLess(time.monotonic(), deadline)
            self.answer("POST", f"{API}/crud/test/user/a/data", [{"d": "x" * 60000}])
            ready = self.answer("GET", "/ready")
        health = self.status(exit_code=1)["health"]
        self.assertFalse(health["good"])
        self.assertIn("inserts are not taken: no space for the next journal, the file size limit is reached",
                      "\n".join(health["problems"]))
        text = harness.command("status", self.database, exit_code=1).stdout
        self.assertIn("health     inserts are not taken: ", text)
        resource.prlimit(process, resource.RLIMIT_FSIZE, limits)
        while self.answer("GET", "/ready") != 200:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.02)
        self.assertTrue(self.status()["health"]["good"])

    def answer(self, method, path, body=None):
        """The status of the answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=harness.COMMAND_SECONDS_MAX)
        try:
            connection.request(method, path, json.dumps(body), basic("test:test"))
            return connection.getresponse().status
        finally:
            connection.close()

    def test_streams(self):
        self.begin()
        key = self.make_device("phone")
        for path in ("test/user/b", "test/user/a", "test/phone/z"):
            self.make_stream(path, body=b'{"downlink":true}' if path.endswith("b") else b"{}")
        self.insert("test/user/a", [{"t": 1.5, "d": 1}, {"t": 2.25, "d": 2}])
        self.insert("test/user/a", [{"t": 1.7e9, "d": "later"}])
        self.insert("test/phone/z", [{"t": n + 1, "d": {"text": f"{n * 7919}" * 50}} for n in range(300)], ":" + key)
        for serves in (True, False):
            if not serves:
                self.stop()
            all_of = {each["path"]: each for each in self.lines("stream", self.database, "ls")}
            self.assertEqual(list(all_of), ["test/meta/log", "test/phone/z", "test/user/a", "test/user/b",
                                            "test/user/b/downlink"])
            first = all_of["test/user/a"]
            self.assertEqual((first["length"], first["first"], first["last"]), (3, 1.5, 1.7e9))
            self.assertEqual(all_of["test/user/b"], {"path": "test/user/b", "length": 0, "bytes": 0})
            if serves:  # all is in journals
                found = prometheus.Metrics(self.request("GET", "/metrics").body.decode())
                self.assertEqual(sum(each["bytes"] for each in all_of.values()),
                                 found.get("connectordb_journal_used_bytes"))
            for path, wanted in (("test", 5), ("test/user", 3), ("test/user/b", 2), ("test/phone", 1)):
                self.assertEqual(len(self.lines("stream", self.database, "ls", path)), wanted, path)
            for path in ("nobody", "test/none", "test/user/none", "test/user/a/downlink", "tes"):
                code = harness.command("stream", self.database, "ls", path, exit_code=1)
                self.assertRegex(code.stderr, "there is nothing at|is no path", path)
            used = self.lines("stream", self.database, "usage")
            self.assertEqual({each["path"]: each["bytes"] for each in used},
                             {path: each["bytes"] for path, each in all_of.items()})
            self.assertEqual([each["bytes"] for each in used], sorted((each["bytes"] for each in used), reverse=True))
            by_device = {each["path"]: each for each in self.lines("stream", self.database, "usage", "--by", "device")}
            self.assertEqual({path: each["points"] for path, each in by_device.items()},
                             {"test/user": 3, "test/phone": 300, "test/meta": all_of["test/meta/log"]["length"]})
            by_user = self.lines("stream", self.database, "usage", "--by", "user")
            self.assertEqual([(each["path"], each["bytes"]) for each in by_user],
                             [("test", sum(each["bytes"] for each in used))])
        text = harness.command("stream", self.database, "ls", "test/user/a").stdout
        self.assertRegex(text, r"\A +POINTS  FIRST +LAST +DISK  PATH\n"
                               r" +3  1970-01-01 00:00:01Z  2023-11-14 22:13:20Z +\d+ B  test/user/a\n\Z")
        text = harness.command("stream", self.database, "usage", "test/phone").stdout
        self.assertRegex(text, r"\n +\d+\.\d KiB +300 +\d+\.\d  test/phone/z\n +\d+\.\d KiB +300 +\d+\.\d  total\n\Z")

    def test_sealed_streams_take_less(self):
        self.create("--user", "test:test", journal_bytes=65536)
        self.start()
        self.make_stream("test/user/a")
        points = 0
        while prometheus.Metrics(self.request("GET", "/metrics").body.decode()).get("connectordb_segments") < 1:
            self.insert("test/user/a", [{"t": points + n + 1, "d": points + n} for n in range(1000)])
            points += 1000
        found = self.lines("stream", self.database, "ls", "test/user/a")[0]
        self.assertEqual(found["length"], points)
        self.assertLess(found["bytes"], points * 16)
        self.assertGreater(found["bytes"], 0)

    def test_usage_errors(self):
        self.create("--user", "test:test")
        for arguments in (("status",), ("status", self.database, "x"), ("stream", self.database),
                          ("stream", self.database, "list"), ("stream", self.database, "ls", "a", "b"),
                          ("stream", self.database, "usage", "--by", "colour"),
                          ("stream", self.database, "ls", "--by", "user"), ("stream", self.database, "cut")):
            harness.command(*arguments, exit_code=2)
        self.assertIn("No such file", harness.command("status", self.database + "x", exit_code=1).stderr)
        self.hold_lock()
        self.assertIn(self.database, harness.command("status", self.database, exit_code=1).stderr)


if __name__ == "__main__":
    harness.main()
