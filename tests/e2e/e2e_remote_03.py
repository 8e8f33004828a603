#!/usr/bin/env python3
"""Export from and import into a server of ConnectorDB 0.3: the same datapoints come back, whatever its answers lack."""
import json
import os
import resource
import shutil
import subprocess
import tempfile
import unittest

from folders import make_folder, stream, write_json
from harness import COMMAND_SECONDS_MAX, PROGRAM, canonical, command, folder_points, main, read_json
from server_03 import Server03

NUMBERS = [{"t": 1500000000 + i, "d": i % 1000 / 4} for i in range(6000)]  # more than the Python client can import
OBJECTS = [{"t": 10 + i / 2, "d": {"z": "<&>\u2028 \u00e9", "a": [None, -1e-7, {"y": i, "b": True}], "i": 5.0}}
           for i in range(40)]
NULLS = [{"t": 1, "d": None}, {"t": 1, "d": False}, {"t": 2, "d": ""}, {"t": 2.5, "d": []}, {"t": 3, "d": {}}]
LONG = [{"t": i + 1, "d": "x" * 3000} for i in range(60)]


class Server03Test(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="connectordb-e2e-")
        self.addCleanup(shutil.rmtree, self.directory)
        os.environ["CONNECTORDB_PASSWORD"] = "secret"
        self.addCleanup(os.environ.pop, "CONNECTORDB_PASSWORD", None)
        self.folder = self.path("folder")

    def path(self, *parts):
        return os.path.join(self.directory, *parts)

    def serve(self, **options):
        server = Server03(**options)
        self.addCleanup(server.close)
        return server

    def fill(self):
        make_folder(self.folder, {"ann": {"user": {"mood": NULLS}, "phone": {"steps": NUMBERS, "notes": OBJECTS, "none": []},
                                          "meta": {}}}, version=1)
        write_json(stream("lamp", downlink=True), self.folder, "ann", "phone", "lamp", "stream.json")
        write_json([], self.folder, "ann", "phone", "lamp", "data.json")
        write_json([{"t": 5, "d": True}], self.folder, "ann", "phone", "lamp", "downlink.json")

    def remote(self, what, server, folder, *arguments, **options):
        return command(what, server.url, folder, "--user", "adm", *arguments, **options)

    def check_points(self, got, expected):
        """Values as JSON; senders do not count."""
        got, expected = ({path: canonical([[point["t"], point.get("d")] for point in points]) for path, points in
                          folder_points(root).items()} for root in (got, expected))
        self.assertEqual(sorted(got), sorted(expected))
        for path, points in expected.items():
            self.assertEqual(got[path], points, path)

    def test_there_and_back(self):
        self.fill()
        notes = "/api/v1/crud/ann/phone/notes/data"
        server = self.serve(busy={"q=this": 1, f"GET {notes}?i1": 1, f"POST {notes}": 2})
        self.remote("import", server, self.folder)
        self.assertEqual(server.passwords["ann"], "ann")
        self.assertEqual(server.objects["ann", "phone"]["apikey"], "key of ann/phone")
        self.remote("export", server, self.path("out"), "ann")
        self.check_points(self.path("out"), self.folder)
        self.assertEqual(read_json(self.path("out"), "ann", "phone", "lamp", "stream.json")["downlink"], True)
        self.assertEqual(set(server.busy.values()), {0})

    def test_a_resumed_import(self):
        self.fill()
        server = self.serve()
        self.remote("import", server, self.folder)
        for name, count in (("notes", 7), ("steps", 5000), ("none", 0)):
            del server.points.setdefault((("ann", "phone", name), ""), [])[count:]
        self.remote("import", server, self.folder, "--resume")
        self.remote("export", server, self.path("out"), "ann")
        self.check_points(self.path("out"), self.folder)

    def test_a_body_that_it_cuts(self):
        make_folder(self.folder, {"ann": {"user": {"long": LONG}, "meta": {}}}, version=1)
        server = self.serve(body_bytes_max=20000)
        self.remote("import", server, self.folder)
        self.assertEqual([point["t"] for point in server.points[("ann", "user", "long"), ""]], list(range(1, 61)))
        make_folder(self.path("two"), {"bob": {"user": {"long": [{"t": 1, "d": "x" * 30000}]}, "meta": {}}}, version=1)
        self.assertIn("400", self.remote("import", server, self.path("two"), exit_code=1).stderr)
        self.assertNotIn((("bob", "user", "long"), ""), server.points)

    def test_bodies_stay_below_its_limit(self):
        values = [{"t": i + 1, "d": "x" * 300000} for i in range(40)]
        make_folder(self.folder, {"ann": {"user": {"long": values}, "meta": {}}}, version=1)
        server = self.serve()
        self.remote("import", server, self.folder, "--skip-verify")
        self.assertEqual(len(server.points[("ann", "user", "long"), ""]), 40)
        self.assertLess(max(size for _, _, size in server.requests), server.body_bytes_max)

    def test_a_key_that_is_taken(self):
        self.fill()
        server = self.serve()
        server.create(("bob",), {"email": "b@b.c", "password": "b"})
        server.create(("bob", "other"), {"apikey": "key of ann/phone"})
        self.remote("import", server, self.folder)
        self.assertNotIn(server.objects["ann", "phone"]["apikey"], ("", "key of ann/phone"))

    def test_a_user_that_exists(self):
        self.fill()
        server = self.serve()
        server.create(("ann",), {"email": "a@b.c", "password": "a"})
        before = json.dumps(list(server.objects.values()))
        self.assertIn("there is such a user already", self.remote("import", server, self.folder, exit_code=1).stderr)
        self.assertEqual(json.dumps(list(server.objects.values())), before)

    def test_a_wrong_password(self):
        self.fill()
        os.environ["CONNECTORDB_PASSWORD"] = "wrong"
        server = self.serve()
        for what, folder in (("export", self.path("out")), ("import", self.folder)):
            self.assertIn("401: Incorrect Password", self.remote(what, server, folder, exit_code=1).stderr)
        self.assertFalse(os.path.exists(self.path("out")))
        self.assertNotIn(("ann",), server.objects)

    def test_a_password_file(self):
        self.fill()
        del os.environ["CONNECTORDB_PASSWORD"]
        server = self.serve()
        for number, text in enumerate(("secret", "secret\n", "secret\nanother line\n")):
            with open(self.path("password"), "w", encoding="utf-8") as file:
                file.write(text)
            os.chmod(self.path("password"), (0o600, 0o640, 0o604)[number])
            warned = self.remote("export", server, self.path(f"out{number}"), "--password-file", self.path("password")).stderr
            self.assertEqual("can read the password" in warned, number > 0, warned)
        message = self.remote("export", server, self.path("out"), "--password-file", self.path("none"), exit_code=1).stderr
        self.assertIn(self.path("none") + ": No such file", message)

    def test_several_streams_killed(self):
        values = [{"t": i + 1, "d": i / 2} for i in range(3000)]
        streams = {f"s{i}": values for i in range(4)}
        make_folder(self.folder, {"ann": {"user": streams, "meta": {}}}, version=1)
        server = self.serve(hold_after=2)
        process = subprocess.Popen([PROGRAM, "import", server.url, self.folder, "--user", "adm", "-j4"],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        held = server.held.wait(COMMAND_SECONDS_MAX)
        process.kill()
        process.wait()
        self.assertTrue(held)
        server.release()
        self.remote("import", server, self.folder, "--resume", "-j4")
        for name in streams:
            self.assertEqual([[point["t"], point["d"]] for point in server.points[("ann", "user", name), ""]],
                             [[point["t"], point["d"]] for point in values])

    def test_a_full_disk(self):
        self.fill()
        server = self.serve()
        self.remote("import", server, self.folder)
        done = subprocess.run([PROGRAM, "export", server.url, self.path("out"), "--user", "adm", "ann"], check=False,
                              capture_output=True, text=True, timeout=COMMAND_SECONDS_MAX,
                              preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (50000, 50000)))
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("steps/data.json.part: File too large", done.stderr)
        self.assertFalse(os.path.exists(self.path("out", "connectordb.json")))
        self.remote("export", server, self.path("out"), "ann", "--resume")
        self.check_points(self.path("out"), self.folder)

    def test_integers_that_it_cannot_hold_are_reported(self):
        make_folder(self.folder, {"ann": {"user": {"big": [{"t": 1, "d": 2**53 + 1}]}, "meta": {}}}, version=1)
        server = self.serve()
        self.assertIn("are not those of this file", self.remote("import", server, self.folder, exit_code=1).stderr)


if __name__ == "__main__":
    main()
