#!/usr/bin/env python3
"""Imports: versions of folders, damage, sorting, kills."""
import os
import random
import shutil
import signal
import subprocess
import time

from folders import BCRYPT, FolderTest, device, make_folder, stream, user, write_json
from harness import COMMAND_SECONDS_MAX, PROGRAM, canonical, command, folder_points, main, read_json


class Versions(FolderTest):
    def test_folder_of_the_python_client(self):
        """json.dump of what REST answers: ", " and ": ", any order, ASCII, no hashes; Version 1."""
        profile = user("ann", nickname="\u00c4nn \U0001f600")
        for key in ("password", "password_salt", "password_scheme"):
            del profile[key]
        write_json({"Version": 1, "ConnectorDB": "0.3.0"}, self.folder, "connectordb.json")
        write_json(dict(sorted(profile.items())), self.folder, "ann", "user.json")
        write_json(device("user", role="user"), self.folder, "ann", "user", "device.json")
        write_json(stream("weight", schema='{"type": "number"}', downlink=True), self.folder, "ann", "user", "weight",
                   "stream.json")
        points = [{"t": 1467425212.834, "d": 80.5}, {"d": {"a": [1, "\u00e9"]}, "t": 1467425213}, {"t": 1467425214}]
        write_json(points, self.folder, "ann", "user", "weight", "data.json")
        commands = [{"t": 1.5, "d": True, "o": "bob/lamp"}]
        write_json(commands, self.folder, "ann", "user", "weight", "downlink.json")
        command("create", self.database)
        command("import", self.database, self.folder)
        self.start()
        answer = self.request("GET", "/api/v1/crud/ann/user/weight/data?i1=0", login="ann:ann")
        points[2]["d"] = None
        self.assertEqual(answer.json(), points)
        self.request("GET", "/api/v1/crud/ann/user/weight/data?i1=0", login="ann:bob", status=401)
        out = self.export()
        self.assertEqual(read_json(out, "connectordb.json")["Version"], 2)
        self.assertEqual(read_json(out, "ann", "user.json")["nickname"], profile["nickname"])
        self.assertEqual(read_json(out, "ann", "user.json")["password_scheme"], "bcrypt-hmac-sha256")
        self.assertEqual(read_json(out, "ann", "user", "weight", "downlink.json"), commands)
        self.assertEqual(read_json(out, "ann", "user", "weight", "stream.json")["schema"], '{"type":"number"}')
        self.assertTrue(os.path.exists(os.path.join(out, "ann", "meta", "device.json")), "meta is made")

    def test_versions_that_are_none(self):
        make_folder(self.folder, {"ann": {}})
        command("create", self.database)
        for version in (0, 3, "2", None):
            write_json({"Version": version, "ConnectorDB": "x"}, self.folder, "connectordb.json")
            self.refuse_import("connectordb.json", "Version")
        os.unlink(os.path.join(self.folder, "connectordb.json"))
        self.refuse_import("connectordb.json", "missing")

    def test_missing_devices_are_made(self):
        make_folder(self.folder, {"ann": {"phone": {"s": [{"t": 1, "d": 2}]}}})
        command("create", self.database)
        command("import", self.database, self.folder)
        out = self.export()
        self.assertEqual(sorted(os.listdir(os.path.join(out, "ann"))), ["meta", "phone", "user", "user.json"])
        self.assertTrue(read_json(out, "ann", "user", "device.json")["apikey"])
        self.assertEqual(read_json(out, "ann", "meta", "device.json")["apikey"], "")

    def test_meta(self):
        """Its key is dropped, its log imported; --skip-meta leaves the log out."""
        make_folder(self.folder, {"ann": {"meta": {"log": [{"t": 1, "d": {"cmd": "x", "arg": "y"}, "o": "ConnectorDB"}]}}})
        for name, options, expected in (("with", (), ["device.json", "log"]),
                                        ("without", ("--skip-meta",), ["device.json"])):
            database = self.path("db-" + name)
            command("create", database)
            command("import", *options, database, self.folder)
            out = self.export(name, database=database)
            self.assertEqual(sorted(os.listdir(os.path.join(out, "ann", "meta"))), expected)
            self.assertEqual(read_json(out, "ann", "meta", "device.json")["apikey"], "")


class Damage(FolderTest):
    """What is wrong with a folder is said with file and place, and nothing of the user is imported."""

    def setUp(self):
        super().setUp()
        command("create", self.database)

    def check_nothing_there(self, *users):
        out = self.export("after")
        for name in users:
            self.assertFalse(os.path.exists(os.path.join(out, name)), name)
        shutil.rmtree(out)

    def test_data(self):
        cases = {
            "unordered": ('[{"t":1,"d":1},\n{"t":3,"d":1},\n\n{"t":2.5,"d":1}]', ["line 4", "3", "2.5", "--sort"]),
            "unordered across blocks": ("[" + ",\n".join(f'{{"t":{t if t != 9000 else 10.25},"d":1}}'
                                                          for t in range(10000)) + "]",
                                        ["line 9001", "8999", "10.25"]),
            "unknown key": ('[{"t":1,"d":1},\n{"t":2,"x":1}]', ["line 2", "x"]),
            "missing time": ('[{"t":1,"d":1},\n\n{"d":1}]', ["line 3"]),
            "null time": ('[{"t":null,"d":1}]', ["line 1"]),
            "bad number": ('[{"t":1,"d":01}]', ["line 1"]),
            "cut off": ('[{"t":1,"d":1},\n{"t":2,', ["line 2"]),
            "empty file": ("", ["line 1"]),
            "something behind": ('[{"t":1,"d":1}]\n]', ["line 2"]),
            "no array": ('{"t":1,"d":1}', ["line 1"]),
            "bad UTF-8": ('[{"t":1,"d":"\udcff"}]', ["line 1"]),
        }
        for name, (text, needles) in cases.items():
            with self.subTest(name):
                make_folder(self.folder, {"ann": {"phone": {"a": [{"t": 1, "d": 1}] * 5, "b": "[]"}}})
                path = os.path.join(self.folder, "ann", "phone", "b", "data.json")
                with open(path, "wb") as file:
                    file.write(text.encode("utf-8", "surrogateescape"))
                self.refuse_import(path, *needles)
                self.check_nothing_there("ann")
                shutil.rmtree(self.folder)

    def test_descriptions(self):
        cases = {
            "unknown key": ("ann/user.json", user("ann", shoe=44), ["shoe"]),
            "wrong type": ("ann/phone/device.json", device("phone", enabled="yes"), ["enabled"]),
            "wrong text type": ("ann/phone/a/stream.json", stream("a", icon=7), ["icon"]),
            "other name": ("ann/phone/device.json", device("telephone"), ["telephone", "phone"]),
            "no JSON": ("ann/phone/a/stream.json", '{"name": "a",\n"x"}', ["line 2"]),
            "no object": ("ann/user.json", "[]", []),
            "repeated key": ("ann/user.json", '{"name":"ann","name":"ann"}', []),
            "bad schema": ("ann/phone/a/stream.json", stream("a", schema="{"), ["schema"]),
            "no password": ("ann/user.json", user("ann", password=""), ["password"]),
            "unknown scheme": ("ann/user.json", user("ann", password_scheme="rot13"), ["rot13", "bcrypt-hmac-sha256"]),
            "costly hash": ("ann/user.json", user("ann", password=BCRYPT.replace("$10$", "$16$")), ["cost 16", "4 to 14"]),
        }
        for name, (path, value, needles) in cases.items():
            with self.subTest(name):
                make_folder(self.folder, {"ann": {"phone": {"a": []}}})
                write_json(value, self.folder, path)
                self.refuse_import(os.path.join(self.folder, path), *needles)
                self.check_nothing_there("ann")
                shutil.rmtree(self.folder)

    def test_files(self):
        def write(*parts):
            return lambda: write_json("x", self.folder, *parts)
        cases = {
            "no data": ("ann/phone/a/data.json", lambda: os.unlink(os.path.join(self.folder, "ann/phone/a/data.json"))),
            "no device.json": ("ann/phone/device.json",
                               lambda: os.unlink(os.path.join(self.folder, "ann/phone/device.json"))),
            "a downlink without being one": ("ann/phone/a/downlink.json", write("ann", "phone", "a", "downlink.json")),
            "a stranger": ("ann/notes.txt", write("ann", "notes.txt")),
            "a folder with a bad name": ("ann/1st", lambda: os.mkdir(os.path.join(self.folder, "ann", "1st"))),
            "a folder too deep": ("ann/phone/a/b", lambda: os.mkdir(os.path.join(self.folder, "ann", "phone", "a", "b"))),
        }
        for name, (path, damage) in cases.items():
            with self.subTest(name):
                make_folder(self.folder, {"ann": {"phone": {"a": []}}})
                damage()
                self.refuse_import(os.path.join(self.folder, path))
                self.check_nothing_there("ann")
                shutil.rmtree(self.folder)
        make_folder(self.folder, {"ann": {"phone": {"a": []}}})
        write_json("x", self.folder, "ann", ".DS_Store")
        command("import", self.database, self.folder)  # hidden files are nobody's business

    def test_downlink_without_file(self):
        make_folder(self.folder, {"ann": {"phone": {"a": []}}})
        write_json(stream("a", downlink=True), self.folder, "ann", "phone", "a", "stream.json")
        self.refuse_import("downlink.json", "missing")

    def test_same_values(self):
        make_folder(self.folder, {"ann": {"phone": {}}, "bob": {"phone": {}}})
        write_json(user("bob", email="ann@localhost"), self.folder, "bob", "user.json")
        self.refuse_import("bob/user.json", "ann/user.json", "email")
        write_json(user("bob"), self.folder, "bob", "user.json")
        write_json(device("phone", apikey="key of ann/phone"), self.folder, "bob", "phone", "device.json")
        message = self.refuse("import", self.database, self.folder)
        self.assertIn("bob/phone/device.json", message)
        self.assertIn("ann/phone/device.json", message)
        self.assertNotIn("key of", message)
        self.check_nothing_there("ann", "bob")

    def test_values_that_the_database_has(self):
        command("import", self.database, self.make("first", {"cat": {"phone": {}}}))
        make_folder(self.folder, {"ann": {}, "dan": {"phone": {}}})
        write_json(user("dan", email="cat@localhost"), self.folder, "dan", "user.json")
        self.refuse_import("dan/user.json")
        write_json(user("dan"), self.folder, "dan", "user.json")
        write_json(device("phone", apikey="key of cat/phone"), self.folder, "dan", "phone", "device.json")
        self.refuse_import("dan/phone/device.json")
        self.check_nothing_there("ann", "dan")

    def make(self, name, users):
        make_folder(self.path(name), users)
        return self.path(name)

    def test_users_that_exist_are_refused_before_anything_is_read(self):
        command("import", self.database, self.make("first", {"cat": {}}))
        make_folder(self.folder, {"ann": {"phone": {"a": "not read"}}, "cat": {}})
        self.refuse_import("cat", "exists")
        self.check_nothing_there("ann")

    def test_all_or_nothing_for_each_user(self):
        make_folder(self.folder, {"ann": {"phone": {"a": [{"t": 1, "d": 1}]}},
                                  "bob": {"phone": {"a": [{"t": 1, "d": 1}], "b": "[{]"}},
                                  "cat": {"phone": {"a": [{"t": 1, "d": 1}]}}})
        self.refuse_import("bob/phone/b/data.json", "1 of 3 users")
        out = self.export()
        self.assertEqual(sorted(os.listdir(out)), ["ann", "connectordb.json"])
        write_json("[]", self.folder, "bob", "phone", "b", "data.json")
        self.refuse_import("ann")
        command("import", self.database, self.folder, "bob", "cat")
        self.assertEqual(sorted(os.listdir(self.export("all"))), ["ann", "bob", "cat", "connectordb.json"])
        self.assertEqual([name for name in os.listdir(os.path.join(self.database, "data")) if "import" in name], [])

    def test_a_later_user_that_is_refused(self):
        """Nothing of what was noted of the users before it stays in memory (under ASan the program would say so)."""
        make_folder(self.folder, {"ann": {"phone": {"a": []}}, "bob": {"phone": {"a": []}}})
        write_json("{", self.folder, "bob", "user.json")
        self.refuse_import("bob/user.json")
        self.check_nothing_there("ann")


class Sorting(FolderTest):
    def test_unordered_data_is_sorted_and_stays_stable(self):
        generator = random.Random(7)
        points = [{"t": generator.randrange(1000), "d": i, **({"o": "x/y"} if i % 7 == 0 else {})}
                  for i in range(20000)]
        mixed = [{"t": 5, "d": "s"}, {"t": 4, "d": None}, {"t": 4.5, "d": {"a": 1}}, {"t": 4, "d": -0.0}]
        make_folder(self.folder, {"ann": {"phone": {"a": points, "b": mixed, "c": [{"t": 1, "d": 1}, {"t": 1, "d": 0}]}}})
        command("create", self.database)
        self.refuse_import("--sort")
        command("import", self.database, self.folder, "--sort")
        found = folder_points(self.export())
        for name, wanted in (("a", points), ("b", mixed), ("c", [{"t": 1, "d": 1}, {"t": 1, "d": 0}])):
            self.assertEqual(canonical(found[f"ann/phone/{name}/data.json"]),
                             canonical(sorted(wanted, key=lambda point: point["t"])))


class Interrupted(FolderTest):
    """A killed import leaves nothing that can be seen; --resume goes on, --restart begins anew."""

    STREAMS, POINTS = 40, 8000

    def setUp(self):
        super().setUp()
        streams = {f"s{i}": "[" + ",".join(f'{{"t":{t},"d":{(t * 7 + i) % 100}}}' for t in range(self.POINTS)) + "]"
                   for i in range(self.STREAMS)}
        make_folder(self.folder, {"ann": {"phone": streams}, "bob": {"phone": {"a": [{"t": 1, "d": 1}]}}})
        command("create", self.database)

    def start_import(self, *options):
        return subprocess.Popen([PROGRAM, "import", self.database, self.folder, *options], stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def staging(self):
        return os.path.join(self.database, "data", "import-u-ann")

    def interrupt(self, process, number):
        """Signals the import as soon as it has begun to stage; true when it was in time."""
        while process.poll() is None and not (os.path.isdir(self.staging()) and os.listdir(self.staging())):
            time.sleep(0.0005)
        process.send_signal(number)
        process.communicate(timeout=COMMAND_SECONDS_MAX)
        return process.returncode != 0

    def check_all_there(self):
        wanted, found = folder_points(self.folder), folder_points(self.export("final"))
        self.assertEqual(wanted.keys(), {path for path in found if "/meta/" not in path and "/user/" not in path})
        for path in wanted:
            self.assertTrue(wanted[path] == found[path], path)
        command("check", self.database)
        self.assertEqual([name for name in os.listdir(os.path.join(self.database, "data")) if "import" in name], [])

    def test_kill_and_resume(self):
        self.assertTrue(self.interrupt(self.start_import(), signal.SIGKILL), "the import ended before the kill")
        self.assertEqual(os.listdir(self.export("nothing")), ["connectordb.json"])
        message = self.refuse("import", self.database, self.folder)
        self.assertIn("--resume", message)
        self.assertIn("--restart", message)
        command("import", self.database, self.folder, "--resume")
        self.check_all_there()

    def test_kill_and_restart(self):
        self.assertTrue(self.interrupt(self.start_import(), signal.SIGKILL), "the import ended before the kill")
        command("import", self.database, self.folder, "--restart")
        self.check_all_there()

    def test_cancel_and_resume(self):
        self.assertTrue(self.interrupt(self.start_import(), signal.SIGINT), "the import ended before the signal")
        message = self.refuse("import", self.database, self.folder)
        self.assertIn("--resume", message)
        command("import", self.database, self.folder, "--resume")
        self.check_all_there()

    def test_resume_skips_users_that_are_complete(self):
        command("import", self.database, self.folder, "bob")
        left = os.path.join(self.database, "data", "import-u-bob")  # of one killed right after bob was there
        os.mkdir(left)
        with open(os.path.join(left, "STAGING"), "wb") as file:
            file.write(b"x")
        done = command("import", self.database, self.folder, "--resume")
        self.assertIn("1 user had been imported before", done.stdout)
        self.check_all_there()

    def test_restart_whatever_the_staging_holds(self):
        self.assertTrue(self.interrupt(self.start_import(), signal.SIGKILL), "the import ended before the kill")
        with open(os.path.join(self.staging(), "STAGING"), "wb") as file:
            file.write(b"damaged")
        command("import", self.database, self.folder, "--restart")
        self.check_all_there()

    def test_resume_of_a_part_that_is_complete(self):
        command("import", self.database, self.folder, "bob/phone/a")
        done = command("import", self.database, self.folder, "--resume", "bob/phone/a", "ann/phone/s1")
        self.assertIn("1 user had been imported before", done.stdout)
        self.assertIn("ann/nothing", self.refuse("export", self.database, self.path("out"), "ann/nothing"))
        self.assertEqual(sorted(path for path in folder_points(self.export()) if "/meta/" not in path),
                         ["ann/phone/s1/data.json", "bob/phone/a/data.json"])

    def test_kills_at_random_moments(self):
        generator = random.Random(20)
        begun = time.monotonic()
        command("import", self.path_of_copy(), self.folder)
        seconds = time.monotonic() - begun
        for _ in range(6):
            process = self.start_import("--resume")
            time.sleep(generator.random() * seconds)  # any moment is right: nothing is asserted about it
            process.kill()
            process.communicate(timeout=COMMAND_SECONDS_MAX)
            command("check", self.database)
        command("import", self.database, self.folder, "--resume")
        self.check_all_there()

    def path_of_copy(self):
        database = self.path("timing")
        command("create", database)
        return database

    def test_a_killed_export_has_no_connectordb_json(self):
        command("import", self.database, self.folder)
        out = self.path("out")
        process = subprocess.Popen([PROGRAM, "export", self.database, out], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None and not os.path.isdir(os.path.join(out, "ann", "phone")):
            time.sleep(0.0005)
        process.kill()
        process.wait(timeout=COMMAND_SECONDS_MAX)
        self.assertFalse(os.path.exists(os.path.join(out, "connectordb.json")))
        self.refuse("export", self.database, out)
        other = self.path("other")
        command("create", other)
        self.assertIn("not finished", self.refuse("import", other, out))

    def test_a_cancelled_export_leaves_nothing(self):
        command("import", self.database, self.folder)
        out = self.path("out")
        process = subprocess.Popen([PROGRAM, "export", self.database, out], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        while process.poll() is None and not os.path.isdir(os.path.join(out, "ann", "phone")):
            time.sleep(0.0005)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=COMMAND_SECONDS_MAX)
        self.assertEqual(process.returncode, 1)
        self.assertIn("cancelled", errors)
        self.assertFalse(os.path.exists(out))


if __name__ == "__main__":
    main()
