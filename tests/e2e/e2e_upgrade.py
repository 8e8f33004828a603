#!/usr/bin/env python3
"""This version serves the databases that 1.0.0 left: one that was stopped, and one whose server was killed.

tests/golden/v1.0.0/databases.tar.xz has both (clean/, killed/) and export/, what 1.0.0 exported of them: points in
segments and in a journal, a downlink, values of every kind, three users of whom ann has the password `secret`."""
import json
import os
import tarfile

from harness import SOURCE, DatabaseTest, command, main, read_json

ARCHIVE = os.path.join(SOURCE, "tests", "golden", "v1.0.0", "databases.tar.xz")


class Upgrade(DatabaseTest):
    def setUp(self):
        super().setUp()
        with tarfile.open(ARCHIVE) as archive:
            archive.extractall(self.directory)
        self.expected = os.path.join(self.directory, "export")

    def files(self):
        """{path below the database: content}"""
        found = {}
        for folder, _, names in os.walk(self.database):
            for name in names:
                path = os.path.join(folder, name)
                with open(path, "rb") as file:
                    found[os.path.relpath(path, self.database)] = file.read()
        return found

    def assert_exported(self, folder):
        """Everything that 1.0.0 exported is in the folder, too; descriptions may have gained fields."""
        count = 0
        for inner, _, names in os.walk(self.expected):
            for name in names:
                path = os.path.relpath(os.path.join(inner, name), self.expected)
                old, new = read_json(self.expected, path), read_json(folder, path)
                count += 1
                if isinstance(old, dict):
                    new = {key: value for key, value in new.items() if key in old}
                if name != "connectordb.json":
                    self.assertEqual(json.dumps(old, sort_keys=True), json.dumps(new, sort_keys=True), path)
        self.assertGreater(count, 30)

    def use(self, name):
        """The database is served, read, written, stopped, checked."""
        self.database = os.path.join(self.directory, name)
        self.start()
        command("export", self.database, os.path.join(self.directory, "now"))
        self.assert_exported(os.path.join(self.directory, "now"))
        stream = "/api/v1/crud/ann/sensor/temperature"
        key = read_json(self.expected, "ann", "sensor", "device.json")["apikey"]
        self.request("POST", stream + "/data", body=[{"d": 1}], login=":" + key)
        points = len(read_json(self.expected, "ann", "sensor", "temperature", "data.json"))
        answer = self.request("GET", stream + "/data?q=length", login="ann:secret")
        self.assertEqual(answer.json(), points + 1)
        self.stop()
        command("check", self.database)

    def test_a_database_that_was_stopped(self):
        self.database = os.path.join(self.directory, "clean")
        before = self.files()
        command("check", self.database)
        self.assertEqual(self.files(), before)
        self.use("clean")

    def test_a_database_whose_server_was_killed(self):
        self.use("killed")

    def test_a_backup(self):
        self.database = os.path.join(self.directory, "killed")
        backup = os.path.join(self.directory, "backup")
        command("backup", self.database, backup)
        command("check", backup)


if __name__ == "__main__":
    main()
