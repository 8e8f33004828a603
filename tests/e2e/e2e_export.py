#!/usr/bin/env python3
"""Exports, and imports that come back the same: recorded folders, targets, filters, a server at work."""
import json
import os
import re
import signal
import stat
import subprocess
import time

from folders import FolderTest, files_of, make_folder
from harness import COMMAND_SECONDS_MAX, PROGRAM, SOURCE, canonical, command, folder_points, main, read_json, shared


class RecordedExports(FolderTest):
    def test_export_test_comes_back_byte_for_byte(self):
        command("create", self.database)
        command("import", self.database, shared("data", "export_test"))
        out = self.export()
        self.check_same_files(shared("data", "export_test"), out)
        self.assertEqual(read_json(out, "connectordb.json")["Version"], 2)
        with open(os.path.join(out, "connectordb.json"), encoding="utf-8") as file:
            self.assertRegex(file.read(), r'\A\{\n\t"Version": 2,\n\t"ConnectorDB": "\d+\.\d+\.\d+"\n\}\Z')

    def test_demo_through_two_databases(self):
        source = shared("data", "demo")
        command("create", self.database)
        command("import", self.database, source)
        first = self.export("first")
        second_database = self.path("db2")
        command("create", second_database)
        command("import", second_database, first)
        second = self.export("second", database=second_database)
        self.check_same_files(first, second, besides=())
        wanted, found = folder_points(source), folder_points(second)
        self.assertEqual(sum(map(len, wanted.values())), 153715)
        self.assertEqual(wanted.keys(), found.keys())
        for path in wanted:
            self.assertTrue(canonical(wanted[path]) == canonical(found[path]), f"{path} differs")
        command("check", self.database)
        command("check", second_database)

    def test_vectors(self):
        source = shared("vectors", "export", "data")
        command("create", self.database)
        command("import", self.database, source)
        out = self.export()
        wanted, found = files_of(source), files_of(out)
        self.assertEqual(wanted.keys(), found.keys())
        without_d = 0
        for path in wanted:
            if os.path.basename(path) not in ("data.json", "downlink.json"):
                if path != "connectordb.json":
                    self.assertEqual(wanted[path], found[path], path)
                continue
            points = json.loads(wanted[path])
            if all("d" in point for point in points):
                self.assertEqual(wanted[path], found[path], path)
                continue
            for point in points:
                without_d += "d" not in point
                point.setdefault("d", None)
            self.assertEqual(canonical(points), canonical(json.loads(found[path])), path)
        self.assertEqual(without_d, 2, "the recorded folder should have points without d")
        modes = read_json(shared("vectors", "export", "session.json"))["modes"]
        self.check_modes(out, modes)

    def check_modes(self, out, modes):
        """As recorded, with umask 022."""
        mask = os.umask(0)
        os.umask(mask)
        for path, wanted in modes.items():
            mode = stat.S_IMODE(os.stat(os.path.join(out, path)).st_mode)
            data = os.path.basename(path) in ("data.json", "downlink.json")
            self.assertEqual(mode, 0o666 & ~mask if data else int(wanted, 8), path)
        self.assertEqual(stat.S_IMODE(os.stat(out).st_mode), 0o700)


class Targets(FolderTest):
    def test_targets_that_are_refused(self):
        command("create", self.database)
        out = self.export()
        self.assertIn("exists", self.refuse("export", self.database, out))
        os.unlink(os.path.join(out, "connectordb.json"))
        self.assertIn("interrupted", self.refuse("export", self.database, out))
        self.refuse("export", self.database, self.path("nowhere", "out"))
        self.assertFalse(os.path.exists(self.path("nowhere")))
        self.refuse("export", self.path("no-db"), self.path("out2"))

    def test_trailing_slash_and_relative_path(self):
        command("create", self.database)
        command("export", self.database, self.path("out") + "//")
        here = os.getcwd()
        os.chdir(self.directory)
        try:
            command("export", "db", "out2")
            command("create", "db2", "--user", "ann:x")
            command("import", "db2", "out")
        finally:
            os.chdir(here)
        self.check_same_files(self.path("out"), self.path("out2"), besides=())

    def test_a_failed_export_leaves_nothing(self):
        """A directory that cannot be filled: the disk quota of a process."""
        make_folder(self.folder, {"ann": {"phone": {"a": [{"t": i, "d": "x" * 100} for i in range(20000)]}}})
        command("create", self.database)
        command("import", self.database, self.folder)
        self.start()  # the export's files are written by the server, whose limit counts
        self.stop()
        limited = subprocess.run(["sh", "-c", 'ulimit -f 1000; exec "$0" export "$1" "$2"', PROGRAM,
                                  self.database, self.path("out")], capture_output=True, text=True,
                                 timeout=COMMAND_SECONDS_MAX)
        self.assertEqual(limited.returncode, 1, limited.stderr)
        self.assertFalse(os.path.exists(self.path("out")))

    def test_the_longest_descriptions(self):
        """What one client may write into its stream's description must not spoil the export of all."""
        command("create", self.database, "--user", "test:test")
        self.start()
        long = "<" * (1 << 20)
        self.request("POST", "/api/v1/crud/test/user/long", login="test:test",
                     body={"nickname": long, "description": long, "datatype": long})
        first = self.export("first")
        other = self.path("other")
        command("create", other)
        command("import", other, first)
        self.check_same_files(first, self.export("second", database=other), besides=())


class Filters(FolderTest):
    def setUp(self):
        super().setUp()
        self.users = {"ann": {"phone": {"a": [{"t": 1, "d": 1}], "b": []}, "watch": {"c": []}},
                      "bob": {"phone": {"a": []}}}
        make_folder(self.folder, self.users)
        command("create", self.database)

    def objects(self, root):
        return sorted(path for path in files_of(root) if not path.startswith(("ann/user/", "ann/meta/", "bob/user/",
                                                                              "bob/meta/")))

    EXPECTED = {
        ("ann",): ["ann/phone/a/data.json", "ann/phone/a/stream.json", "ann/phone/b/data.json",
                   "ann/phone/b/stream.json", "ann/phone/device.json", "ann/user.json", "ann/watch/c/data.json",
                   "ann/watch/c/stream.json", "ann/watch/device.json", "connectordb.json"],
        ("ann/watch", "bob"): ["ann/user.json", "ann/watch/c/data.json", "ann/watch/c/stream.json",
                               "ann/watch/device.json", "bob/phone/a/data.json", "bob/phone/a/stream.json",
                               "bob/phone/device.json", "bob/user.json", "connectordb.json"],
        ("ann/phone/a",): ["ann/phone/a/data.json", "ann/phone/a/stream.json", "ann/phone/device.json",
                           "ann/user.json", "connectordb.json"],
    }

    def test_export(self):
        command("import", self.database, self.folder)
        for number, (filters, expected) in enumerate(self.EXPECTED.items()):
            out = self.export(f"out{number}", *filters)
            self.assertEqual(self.objects(out), expected)
            database = self.path(f"db{number}")
            command("create", database)
            command("import", database, out)

    def test_import(self):
        for number, (filters, expected) in enumerate(self.EXPECTED.items()):
            database = self.path(f"db{number}")
            command("create", database)
            command("import", database, self.folder, *filters)
            self.assertEqual(self.objects(self.export(f"out{number}", database=database)), expected)

    def test_mistakes(self):
        command("import", self.database, self.folder)
        for wrong in ("ann/phon", "bob/phone/b", "cat"):
            self.assertIn(wrong, self.refuse("export", self.database, self.path("out"), wrong))
            self.assertFalse(os.path.exists(self.path("out")))
        for wrong in ("", "/", "ann/", "a/b/c/d", "../x", "ann/phone/.."):
            self.refuse("export", self.database, self.path("out"), wrong)
        fresh = self.path("fresh")
        command("create", fresh)
        self.assertIn("ann/phon", self.refuse("import", fresh, self.folder, "ann/phon"))
        self.assertEqual(os.listdir(self.export("nothing", database=fresh)), ["connectordb.json"])


class WithServer(FolderTest):
    """The server that has the database open does the work."""

    def setUp(self):
        super().setUp()
        self.sample = os.path.join(SOURCE, "samples", "home")
        command("create", self.database, "--user", "test:test")

    def test_import_and_export(self):
        self.start()
        command("import", self.database, self.sample)
        answer = self.request("GET", "/api/v1/crud/sample/home/temperature/data?q=length", login="sample:sample")
        wanted = folder_points(self.sample)
        self.assertEqual(int(answer.body), len(wanted["sample/home/temperature/data.json"]))
        out = self.export("out", "sample")
        self.check_same_files(self.sample, out)
        self.assertIn("sample", self.refuse("import", self.database, self.sample))
        self.refuse("export", self.database, out)
        self.stop()
        self.check_same_files(out, self.export("stopped", "sample"), besides=())

    def test_errors_come_back(self):
        self.start()
        make_folder(self.folder, {"ann": {"phone": {"a": '[{"t":2,"d":1},\n{"t":1,"d":1}]'}}})
        self.refuse_import("ann/phone/a/data.json", "line 2")
        command("import", self.database, self.folder, "--sort")
        self.assertEqual(folder_points(self.export("out", "ann"))["ann/phone/a/data.json"],
                         [{"t": 1, "d": 1}, {"t": 2, "d": 1}])

    def test_killed_server_resumes(self):
        streams = {f"s{i}": "[" + ",".join(f'{{"t":{t},"d":{t % 100}}}' for t in range(20000)) + "]"
                   for i in range(40)}
        make_folder(self.folder, {"ann": {"phone": streams}})
        self.start()
        process = subprocess.Popen([PROGRAM, "import", self.database, self.folder], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        staging = os.path.join(self.database, "data", "import-u-ann")
        while process.poll() is None and not (os.path.isdir(staging) and os.listdir(staging)):
            time.sleep(0.0005)
        self.kill()
        _, errors = process.communicate(timeout=COMMAND_SECONDS_MAX)
        self.assertEqual(process.returncode, 1)
        self.assertIn("closed the control connection", errors)
        self.start()
        self.refuse_import("--resume")
        command("import", self.database, self.folder, "--resume")
        self.assertEqual(sum(map(len, folder_points(self.export("out", "ann")).values())), 40 * 20000)

    def test_a_client_that_goes_away_cancels_its_import(self):
        streams = {f"s{i}": "[" + ",".join(f'{{"t":{t},"d":{t % 100}}}' for t in range(200000)) + "]"
                   for i in range(8)}
        make_folder(self.folder, {"ann": {"phone": streams}})
        self.start()
        process = subprocess.Popen([PROGRAM, "import", self.database, self.folder, "-j1"], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        staging = os.path.join(self.database, "data", "import-u-ann")
        while process.poll() is None and not (os.path.isdir(staging) and os.listdir(staging)):
            time.sleep(0.0005)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=COMMAND_SECONDS_MAX)
        if process.returncode == 0:
            self.skipTest("the import was over before the signal came")
        self.assertIn("--resume", errors)
        command("import", self.database, self.folder, "--resume")
        self.assertEqual(sum(map(len, folder_points(self.export("out", "ann")).values())), 8 * 200000)

    def test_inserts_go_on_during_an_import(self):
        streams = {f"s{i}": "[" + ",".join(f'{{"t":{t},"d":{t % 100}}}' for t in range(50000)) + "]"
                   for i in range(8)}
        make_folder(self.folder, {"ann": {"phone": streams}})
        self.start()
        path = "/api/v1/crud/test/user/s"
        self.request("POST", path, body={}, login="test:test")
        process = subprocess.Popen([PROGRAM, "import", self.database, self.folder], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        count = 0
        while process.poll() is None or count == 0:
            count += 1
            self.request("POST", path + "/data", body=[{"t": count, "d": count}], login="test:test")
        _, errors = process.communicate(timeout=COMMAND_SECONDS_MAX)
        self.assertEqual(process.returncode, 0, errors)
        found = folder_points(self.export())
        self.assertEqual(found["test/user/s/data.json"], [{"t": i, "d": i} for i in range(1, count + 1)])
        self.assertEqual(sum(len(points) for name, points in found.items() if name.startswith("ann/")), 8 * 50000)

    def test_login_and_keys_work_after_import(self):
        command("import", self.database, self.sample)
        self.start()
        key = read_json(self.sample, "sample", "phone", "device.json")["apikey"]
        answer = self.request("GET", "/api/v1/?q=this", login=":" + key)
        self.assertEqual(answer.body, b"sample/phone")
        self.request("GET", "/api/v1/?q=this", login="sample:sample")


class Progress(FolderTest):
    def test_what_is_said(self):
        command("create", self.database)
        sample = os.path.join(SOURCE, "samples", "home")
        done = command("import", self.database, sample)
        points = sum(map(len, folder_points(sample).values()))
        self.assertRegex(done.stdout, rf"imported 1 user, \d+ devices, \d+ streams: {points:,} points, [\d.]+ MB")
        self.assertEqual(done.stderr, "")
        done = command("export", "--quiet", self.database, self.path("out"))
        self.assertEqual(done.stdout + done.stderr, "")
        self.assertFalse(re.search(r"\x1b", done.stdout), "no terminal, no escapes")


if __name__ == "__main__":
    main()
