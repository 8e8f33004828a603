#!/usr/bin/env python3
"""backup: a copy is one moment, whole, and independent of its original. repair: what is sound survives damage, what was there
is kept, and a sound database is left alone."""
import os
import re
import shutil
import sqlite3
import threading

from folders import FolderTest, files_of
from harness import COMMAND_SECONDS_MAX, SOURCE, command, folder_points, main

SAMPLE = os.path.join(SOURCE, "samples", "home")
BATCH = 7
BACKUPS = 3
PAIRS_BETWEEN = 5  # acknowledged inserts to both streams before each backup


class Backup(FolderTest):
    def test_without_a_server(self):
        command("create", self.database, "--user", "zoe:x")
        command("import", self.database, SAMPLE)
        copy = self.path("copy")
        printed = command("backup", self.database, copy + "/").stdout
        self.assertIn(copy, printed)
        self.assertEqual(set(os.listdir(copy)), {"catalog.sqlite", "connectordb.conf", "data"})
        self.assertEqual(os.stat(copy).st_mode & 0o777, 0o700)
        self.assertEqual(os.stat(os.path.join(copy, "catalog.sqlite")).st_mode & 0o777, 0o600)
        self.check_same_files(self.export("first"), self.export("second", database=copy))
        self.assertIn("exists", self.refuse("backup", self.database, copy))
        self.refuse("backup", self.database, self.path("nowhere", "copy"))
        self.refuse("backup", self.path("nowhere"), self.path("copy2"))
        self.assertEqual([name for name in os.listdir(self.directory) if "creating" in name], [])

    def test_changing_one_leaves_the_other(self):
        """They share segments as hard links."""
        command("create", self.database, "--user", "ann:x")
        command("import", self.database, SAMPLE)
        self.start()
        path = "/api/v1/crud/ann/user/a"
        self.request("POST", path, body={}, login="ann:x")
        self.request("POST", path + "/data", body=[{"t": 1, "d": 2}], login="ann:x")
        copy = self.path("copy")
        command("backup", self.database, copy)
        before = self.export("before", database=copy)
        self.request("DELETE", path, login="ann:x")
        self.stop()
        shutil.rmtree(self.database)
        command("check", copy)
        self.check_same_files(before, self.export("after", database=copy))
        self.assertIn("ann/user/a/data.json", folder_points(before))

    def test_under_inserts_is_one_moment(self):
        """One client inserts into `a`, then into `b`, then makes a stream: whatever the moment, that order shows."""
        command("create", self.database, "--user", "ann:x")
        self.start()
        for name in "ab":
            self.request("POST", f"/api/v1/crud/ann/user/{name}", body={}, login="ann:x")
        enough = threading.Condition()
        state = {"pairs": 0, "stop": False, "wrong": None}

        def insert():
            try:
                while not state["stop"]:
                    pair = state["pairs"]
                    points = [{"t": 1000 + pair * BATCH + i, "d": pair * BATCH + i} for i in range(BATCH)]
                    for name in "ab":
                        self.request("POST", f"/api/v1/crud/ann/user/{name}/data", body=points, login="ann:x")
                    self.request("POST", f"/api/v1/crud/ann/user/s{pair}", body={}, login="ann:x")
                    with enough:
                        state["pairs"] += 1
                        enough.notify()
            except Exception as wrong:
                with enough:
                    state["wrong"] = wrong
                    enough.notify()

        client = threading.Thread(target=insert)
        client.start()
        moments = []
        try:
            for number in range(BACKUPS):
                with enough:
                    until = state["pairs"] + PAIRS_BETWEEN
                    while state["pairs"] < until and not state["wrong"]:
                        enough.wait(COMMAND_SECONDS_MAX)
                before = state["pairs"]
                command("backup", self.database, self.path(f"copy{number}"))
                moments.append((before, state["pairs"]))
        finally:
            state["stop"] = True
            client.join()
        self.assertIsNone(state["wrong"])
        for number, (least, most) in enumerate(moments):
            self.check_moment(self.path(f"copy{number}"), least, most)
        self.check_copy_serves(self.path("copy0"))

    def check_moment(self, copy, least, most):
        command("check", copy)
        points = folder_points(self.export(os.path.basename(copy) + ".out", database=copy))
        a, b = (points[f"ann/user/{name}/data.json"] for name in "ab")
        for data in (a, b):
            self.assertEqual(data, [{"t": 1000 + i, "d": i} for i in range(len(data))])
            self.assertEqual(len(data) % BATCH, 0, "whole batches")
        made = sum(1 for path in points if re.search(r"/s\d+/data\.json$", path))
        self.assertGreaterEqual(made, least)
        self.assertLessEqual(len(a), (most + 1) * BATCH)
        self.assertIn(len(a) - len(b), (0, BATCH))
        self.assertIn(len(b) // BATCH - made, (0, 1))

    def check_copy_serves(self, copy):
        self.stop()
        self.database = copy
        self.start()
        length = int(self.request("GET", "/api/v1/crud/ann/user/a/data?q=length", login="ann:x").body)
        self.request("POST", "/api/v1/crud/ann/user/a/data", body=[{"t": 2000000000, "d": 1}], login="ann:x")
        self.assertEqual(int(self.request("GET", "/api/v1/crud/ann/user/a/data?q=length", login="ann:x").body), length + 1)


class Repair(FolderTest):
    def setUp(self):
        super().setUp()
        command("create", self.database)
        command("import", self.database, SAMPLE)
        self.before = folder_points(self.export("before"))

    def data(self, *parts):
        return os.path.join(self.database, "data", *parts)

    def largest_segment(self):
        return max((self.data(name) for name in os.listdir(self.data()) if name.startswith("segment-")),
                   key=os.path.getsize)

    def kept(self, of):
        """The one thing that was kept, named with the time."""
        names = [name for name in os.listdir(self.database) if re.fullmatch(of + r"\.before-repair-\d{8}T\d{6}Z", name)]
        self.assertEqual(len(names), 1, os.listdir(self.database))
        return os.path.join(self.database, names[0])

    def check_repaired(self):
        command("check", self.database)
        again = files_of(self.database)
        self.assertIn("nothing was changed", command("repair", self.database).stdout)
        self.assertTrue(again == files_of(self.database))

    def test_sound(self):
        before = files_of(self.database)
        self.assertIn("nothing was changed", command("repair", self.database).stdout)
        self.assertEqual(command("repair", "--quiet", self.database).stdout, "")
        self.assertTrue(before == files_of(self.database))

    def test_in_use(self):
        self.start()
        self.assertIn("in use", self.refuse("repair", self.database))

    def test_byte_of_a_segment(self):
        path = self.largest_segment()
        with open(path, "r+b") as file:
            file.seek(os.path.getsize(path) // 3)
            byte = file.read(1)
            file.seek(-1, os.SEEK_CUR)
            file.write(bytes([byte[0] ^ 1]))
        damaged = files_of(self.data())
        printed = command("repair", self.database).stdout
        self.assertIn(os.path.basename(path), printed)
        lost = int(re.search(r"(\d+) points that are known", printed).group(1))
        self.assertTrue(damaged == files_of(self.kept("data")), "the damaged data is kept as it was")
        self.check_repaired()
        after = folder_points(self.export("after"))
        self.assertEqual(after.keys(), self.before.keys())
        missing, hurt = 0, 0
        for name, points in self.before.items():
            missing += len(points) - len(after[name])
            hurt += points != after[name]
            rest = iter(points)
            self.assertTrue(all(point in rest for point in after[name]), f"{name}: what is left is in order, nothing new")
        self.assertEqual(hurt, 1)
        self.assertGreater(missing, 0)
        self.assertLess(missing, 5000, "one block")
        self.assertIn(lost, (0, missing), "a lost end is not known of")

    def test_manifest_is_gone(self):
        os.unlink(self.data("MANIFEST"))
        command("repair", self.database)
        self.kept("data")
        self.check_repaired()
        self.assertEqual(folder_points(self.export("after")), self.before)

    def test_stopped_between_its_renames(self):
        os.rename(self.data(), self.data() + ".repairing")
        self.refuse("check", self.database)
        command("repair", self.database)
        self.check_repaired()
        self.assertEqual(folder_points(self.export("after")), self.before)

    def test_data_is_gone(self):
        shutil.rmtree(self.data())
        self.assertIn("data", self.refuse("repair", self.database))

    def damage_index(self):
        """Takes a row out of an index behind SQLite's back: a stream that cannot be found by name."""
        with sqlite3.connect(os.path.join(self.database, "catalog.sqlite")) as catalog:
            name, = catalog.execute("SELECT name FROM sqlite_master WHERE type = 'index' AND tbl_name = 'streams' "
                                    "AND sql IS NULL LIMIT 1").fetchone()
            catalog.execute("PRAGMA writable_schema = ON")
            row = catalog.execute("SELECT type, name, tbl_name, rootpage, sql FROM sqlite_master WHERE name = ?",
                                  (name,)).fetchone()
            page_bytes, = catalog.execute("PRAGMA page_size").fetchone()
        catalog.close()
        with open(os.path.join(self.database, "catalog.sqlite"), "r+b") as file:
            header = (row[3] - 1) * page_bytes
            file.seek(header)
            page = bytearray(file.read(page_bytes))
            self.assertEqual(page[0], 0x0A, "a leaf of an index")
            cells = int.from_bytes(page[3:5], "big")
            page[3:5] = (cells - 1).to_bytes(2, "big")  # its last entry is forgotten
            file.seek(header)
            file.write(page)

    def test_catalog_index(self):
        self.damage_index()
        damaged = files_of(self.database)
        command("check", self.database, exit_code=1)
        printed = command("repair", self.database).stdout
        self.assertIn("indexes were rebuilt", printed)
        with open(self.kept(r"catalog\.sqlite"), "rb") as file:
            self.assertEqual(file.read(), damaged["catalog.sqlite"])
        self.check_repaired()
        self.assertEqual(folder_points(self.export("after")), self.before)

    def test_catalog_in_its_last_step(self):
        """The finished copy did not get its name: nobody opens the old one any more, a repair goes on."""
        path = os.path.join(self.database, "catalog.sqlite")
        os.rename(path, path + ".repaired")
        with open(path, "wb") as file:
            file.write(b"the damaged one")
        self.assertIn("repair", self.refuse("start", self.database))
        command("repair", self.database)
        self.assertFalse(os.path.exists(path + ".repaired"))
        self.check_repaired()
        self.assertEqual(folder_points(self.export("after")), self.before)

    def test_catalog_beyond_repair(self):
        path = os.path.join(self.database, "catalog.sqlite")
        with open(path, "r+b") as file:
            file.write(b"\0" * 4096)
        damaged = files_of(self.database)
        done = command("repair", self.database, exit_code=1)
        self.assertIn("backup", done.stderr)
        self.assertTrue(damaged == files_of(self.database))


if __name__ == "__main__":
    main()
