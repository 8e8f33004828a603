#!/usr/bin/env python3
"""Cutting a stream with times too far ahead: with a server at work and without, what is refused, what import makes of the folder."""
import base64
import glob
import hashlib
import http.client
import json
import os
import threading
import time

from folders import FolderTest, make_folder, user, write_json
from harness import COMMAND_SECONDS_MAX, command, main, read_json

API = "/api/v1/crud"
FAR = 1764000000000  # milliseconds
LOGIN = {"password": hashlib.sha512(b"xsalt").hexdigest(), "password_salt": "salt", "password_scheme": "SHA512"}


class Inserter(threading.Thread):
    """Inserts points without a time, each with a number of its own, until it is told to stop."""

    def __init__(self, port, path, first):
        super().__init__()
        self.port, self.path, self.number = port, path, first
        self.acknowledged, self.refused, self.failures = [], 0, []
        self.changed = threading.Condition()
        self.stopping = False

    def run(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=COMMAND_SECONDS_MAX)
        headers = {"Authorization": "Basic " + base64.b64encode(b"ann:x").decode()}
        while not self.stopping:
            self.number += 1
            connection.request("POST", self.path, body=json.dumps([{"d": self.number}]), headers=headers)
            answer = connection.getresponse()
            body = answer.read()
            with self.changed:
                if answer.status == 200:
                    self.acknowledged.append(self.number)
                elif answer.status == 503 and answer.headers["Retry-After"]:
                    self.refused += 1
                else:
                    self.failures.append((answer.status, body))
                    self.stopping = True
                self.changed.notify_all()
        connection.close()

    def await_more(self, count):
        with self.changed:
            target = len(self.acknowledged) + count
            self.changed.wait_for(lambda: self.stopping or len(self.acknowledged) >= target, COMMAND_SECONDS_MAX)


class Reader(threading.Thread):
    """Asks for the length, which must never be zero: the stream is cut, not empty for a moment."""

    def __init__(self, port, path):
        super().__init__()
        self.port, self.path, self.stopping, self.lengths = port, path, False, set()

    def run(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=COMMAND_SECONDS_MAX)
        headers = {"Authorization": "Basic " + base64.b64encode(b"ann:x").decode()}
        while not self.stopping:
            connection.request("GET", self.path + "?q=length", headers=headers)
            self.lengths.add(int(connection.getresponse().read()))
        connection.close()


class Cut(FolderTest):
    def make(self, points):
        """A database with ann/user/s, which holds these."""
        command("create", self.database)
        make_folder(self.folder, {"ann": {"user": {"s": points, "other": [{"t": FAR, "d": 1}]}}})
        write_json(user("ann", **LOGIN), self.folder, "ann", "user.json")
        command("import", self.database, self.folder)

    def points(self, path="ann/user/s", first=0):
        return self.request("GET", f"{API}/{path}/data?i1={first}&i2=0", login="ann:x").json()

    def folders(self):
        return sorted(glob.glob(self.database + ".cut-*"))

    def cut_points(self, folder):
        return read_json(folder, "ann", "user", "s", "data.json")

    def test_without_a_server(self):
        real = [{"t": 1600000000 + i, "d": i} for i in range(50)]
        far = [{"t": FAR + i, "d": "far"} for i in range(5)]
        self.make(real + far)
        dry = command("stream", self.database, "cut", "ann/user/s", "--after", "now", "--dry-run").stdout
        self.assertIn("would cut 5 points", dry)
        self.assertIn(f"t={FAR} to {FAR + 4}", dry)
        self.assertIn("50 are kept, the last with t=1600000049", dry)
        self.assertEqual(self.folders(), [])
        lines = command("stream", self.database, "cut", "ann/user/s", "--after", "now").stdout.splitlines()
        self.assertIn("cut 5 points", lines[0])
        self.assertEqual([lines[1]], self.folders())
        self.assertRegex(lines[1], r"/db\.cut-ann-user-s-\d{8}T\d{6}Z$")
        self.assertEqual(self.cut_points(lines[1]), far)
        again = command("stream", self.database, "cut", "ann/user/s", "--after", "now").stdout
        self.assertIn("no points after", again)
        self.assertEqual(len(self.folders()), 1)
        command("check", self.database)
        self.start()
        self.assertEqual(self.points(), real)
        self.request("POST", f"{API}/ann/user/s/data", body=[{"t": 1600000050, "d": 1}], login="ann:x")
        second = self.path("second")
        command("create", second)
        command("import", second, lines[1])
        self.assertEqual(self.cut_points(self.export(database=second)), far)

    def test_while_inserts_come(self):
        """What was acknowledged is kept or cut, once."""
        real = [{"t": 1600000000 + i, "d": -1 - i} for i in range(20000)]
        self.make(real + [{"t": FAR, "d": 0}])
        self.start()
        path = f"{API}/ann/user/s/data"
        inserters = [Inserter(self.port, path, n * 10**6) for n in range(1, 4)]
        reader = Reader(self.port, path)
        for thread in (*inserters, reader):
            thread.start()
        for after in ("now", None, None):
            for inserter in inserters:
                inserter.await_more(20)
            after = after or repr(self.points("ann/user/s", -5)[0]["t"])
            command("stream", self.database, "cut", "ann/user/s", "--after", after, "--keep",
                    self.path(f"cut-{len(os.listdir(self.directory))}"))
        for inserter in inserters:
            inserter.await_more(20)  # the stream takes points of today
        for thread in (*inserters, reader):
            thread.stopping = True
            thread.join()
        for inserter in inserters:
            self.assertEqual(inserter.failures, [])
        self.assertNotIn(0, reader.lengths)
        kept = self.points()
        cut = [self.cut_points(folder) for folder in glob.glob(self.path("cut-*"))]
        self.assertEqual(len(cut), 3)
        found = [point["d"] for points in (kept, *cut) for point in points]
        wanted = [point["d"] for point in real] + [0]
        for inserter in inserters:
            wanted += inserter.acknowledged
        self.assertEqual(sorted(found), sorted(wanted))
        self.assertLess(kept[-1]["t"], time.time() + 1)
        self.assertEqual(self.request("GET", f"{API}/ann/user/other/data?q=length", login="ann:x").json(), 1)
        self.stop()
        command("check", self.database)

    def test_refusals(self):
        self.make([{"t": FAR, "d": 1}])

        def refuse(code, needle, *arguments):
            done = command("stream", self.database, *arguments, exit_code=code)
            self.assertIn(needle, done.stderr)
            self.assertEqual(len(done.stderr.strip().splitlines()), 1, done.stderr)
        for server in (False, True):
            if server:
                self.start()
            refuse(1, "ann/user/no", "cut", "ann/user/no", "--after", "1")
            refuse(1, "no downlink", "cut", "ann/user/s", "--after", "1", "--downlink")
            refuse(1, "exists", "cut", "ann/user/s", "--after", "1", "--keep", self.folder)
            refuse(1, "nowhere", "cut", "ann/user/s", "--after", "1", "--keep", self.path("nowhere", "x"))
            refuse(2, "user/device/stream", "cut", "ann/user", "--after", "1")
            refuse(2, "--after", "cut", "ann/user/s")
            refuse(2, "'1x'", "cut", "ann/user/s", "--after", "1x")
            refuse(2, "'nan'", "cut", "ann/user/s", "--after", "nan")
            refuse(2, "'1e999'", "cut", "ann/user/s", "--after", "1e999")
            refuse(2, "'mend'", "mend", "ann/user/s", "--after", "1")
            dry = command("stream", self.database, "cut", "ann/user/s", "--after", "1", "--dry-run").stdout
            self.assertIn("would cut 1 point ", dry)
        self.assertEqual(len(self.points()), 1)
        self.assertEqual(self.folders(), [])
        self.assertEqual(command("stream", self.database, "cut", "ann/user/s", "--after", "-1", "--quiet").stdout, "")
        self.assertEqual(self.points(), [])
        self.assertEqual(len(self.folders()), 1)


if __name__ == "__main__":
    main()
