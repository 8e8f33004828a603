#!/usr/bin/env python3
"""What a newcomer does, command by command: create, import, serve, query, insert, export, stop."""
import os
import socket

from harness import SOURCE, DatabaseTest, canonical, command, folder_points, main, read_json, shared


class Newcomer(DatabaseTest):
    def check_session(self, source, login, stream, query_range):
        """source: an export folder; login: of its user; stream: a path of it; query_range: (t1, t2, limit)"""
        expected = folder_points(source)
        command("create", self.database, "--user", "test:test")
        command("import", self.database, source)
        self.start()

        t1, t2, limit = query_range
        answer = self.request("GET", f"/api/v1/crud/{stream}/data?t1={t1}&t2={t2}&limit={limit}", login=login)
        data = expected[os.path.join(*stream.split("/"), "data.json")]
        wanted = [point for point in data if t1 < point["t"] <= t2][:limit]
        self.assertEqual(len(wanted), limit, "the range should be full")
        self.assertEqual(answer.json(), wanted)

        self.insert_temperature()
        self.check_export(expected)
        self.check_stop()

    def insert_temperature(self):
        path = "/api/v1/crud/test/user/temperature"
        self.request("POST", path, body={}, login="test:test")
        self.request("POST", path + "/data", body=[{"t": 1480000000.5, "d": 20.5}], login="test:test")
        answer = self.request("GET", path + "/data?i1=0", login="test:test")
        self.assertEqual(answer.body.strip(), b'[{"t":1480000000.5,"d":20.5}]')
        self.request("GET", path + "/data?i1=0", login="test:wrong", status=401)

    def check_export(self, expected):
        """While the server runs: everything that was imported, and what was inserted since."""
        out = os.path.join(self.directory, "out")
        command("export", self.database, out)
        self.assertEqual(read_json(out, "connectordb.json")["Version"], 2)
        found = folder_points(out)
        self.assertEqual(found.pop(os.path.join("test", "user", "temperature", "data.json")),
                         [{"t": 1480000000.5, "d": 20.5}])
        for path in expected:
            self.assertTrue(canonical(found.pop(path)) == canonical(expected[path]), f"{path} differs")
        self.assertLessEqual(found.keys(), {os.path.join("test", "meta", "log", "data.json")})
        refused = command("export", self.database, out, exit_code=1)
        self.assertIn(out, refused.stderr)

    def check_stop(self):
        port = self.port
        self.stop()
        with self.assertRaises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port)).close()
        command("check", self.database)

    def test_demo(self):
        source = shared("data", "demo")
        self.assertEqual(sum(map(len, folder_points(source).values())), 153715)
        # The person's password is not recorded: the admin that the session creates reads instead.
        self.check_session(source, "test:test", "demo/phone/steps", (1480000000, 1480100000, 10))

    def test_sample(self):
        self.check_session(os.path.join(SOURCE, "samples", "home"), "sample:sample", "sample/phone/steps",
                           (1740900000, 1741000000, 10))

    def test_import_and_export_with_and_without_a_server_give_the_same_bytes(self):
        source = os.path.join(SOURCE, "samples", "home")
        command("create", self.database)
        self.start()
        command("import", self.database, source)  # the running server does the work
        running = os.path.join(self.directory, "running")
        command("export", self.database, running)
        self.stop()
        stopped = os.path.join(self.directory, "stopped")
        command("export", self.database, stopped)
        for folder, _, names in os.walk(source):
            for name in names:
                path = os.path.relpath(os.path.join(folder, name), source)
                if path == "connectordb.json":
                    continue  # names the version that wrote it
                with open(os.path.join(source, path), "rb") as file:
                    wanted = file.read()
                for made in (running, stopped):
                    with open(os.path.join(made, path), "rb") as file:
                        self.assertTrue(file.read() == wanted, f"{made}/{path} differs")

    def test_answers_to_mistakes(self):
        command("create", self.database, "--user", "test:test")
        refused = command("create", self.database, exit_code=1)
        self.assertIn(self.database, refused.stderr)
        self.assertEqual(len(refused.stderr.strip().splitlines()), 1, refused.stderr)
        command("import", self.database, os.path.join(self.directory, "nothing"), exit_code=1)
        command("start", os.path.join(self.directory, "nothing"), exit_code=1)
        command("stop", self.database, exit_code=1)
        command("conjure", exit_code=2)
        command(exit_code=2)
        self.start()
        running = command("start", self.database, "--port", "0", exit_code=1)
        self.assertRegex(running.stderr, r"is in use by process \d+ connectordb start\n")

    def test_help_and_version(self):
        for name in ("create", "start", "run", "stop", "import", "export", "check", "inspect"):
            self.assertIn(name, command(name, "--help").stdout)
        self.assertRegex(command("--version").stdout, r"\d+\.\d+\.\d+")
        self.assertRegex(command("--semver").stdout, r"^\d+\.\d+\.\d+\s*$")


if __name__ == "__main__":
    main()
