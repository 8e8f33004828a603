"""Users, devices and streams over REST: what the recorded transcripts (e2e_transcripts.py) and permissions (e2e_permissions.py) do not
hold. Limits, files of permissions, the log of changes, and what must not be told."""
import json
import os
import threading
import time

import harness
from rest import API, RestTest, basic

USER = {"email": "ann@example.com", "password": "a"}


class Accounts(RestTest):
    def setUp(self):
        super().setUp()
        self.admin = basic("test:test")

    def begin(self, **configured):
        self.create("--user", "test:test", "--email", "root@localhost", **configured)
        self.start()
        self.http = self.client()

    def ask(self, method, path, body=None, login=None, query=""):
        text = None if body is None else body if isinstance(body, str) else json.dumps(body)
        return self.http.ask(method, f"{API}/crud/{path}", query, login or self.admin, text)

    def expect(self, status, *arguments, **named):
        answer = self.ask(*arguments, **named)
        self.assertEqual(answer.status, status, (arguments, answer))
        return json.loads(answer.text) if answer.text.startswith(("{", "[")) else answer.text

    def log_of(self, user):
        answer = self.ask("GET", f"{user}/meta/log/data", query="i1=0")
        points = json.loads(answer.text)
        for point in points:
            self.assertEqual(point["o"], "ConnectorDB")
        return [f"{point['d']['cmd']} {point['d']['arg']}" for point in points]


class Changes(Accounts):
    def test_all_or_nothing(self):
        self.begin()
        tree = {**USER, "devices": {"phone": {"streams": {"steps": {}}}, "lamp": {"apikey": "x" * 20}}, "streams": {"mood": {}}}
        bad = json.loads(json.dumps(tree))
        bad["devices"]["lamp"]["streams"] = {"on": {"schema": "no JSON"}}
        self.assertIn("schema", self.expect(403, "POST", "ann", bad)["msg"])
        self.expect(404, "GET", "ann")
        self.expect(200, "POST", "ann", tree)
        self.assertEqual({each["name"] for each in self.expect(200, "GET", "ann", query="q=ls")}, {"user", "meta", "phone", "lamp"})
        self.expect(200, "GET", "ann/phone/steps")
        self.expect(200, "GET", "ann/user/mood")
        # a change of two fields, one of which is refused, changes nothing
        self.expect(403, "PUT", "ann/phone", {"nickname": "N", "role": "nosuch"})
        self.assertEqual(self.expect(200, "GET", "ann/phone")["nickname"], "")
        # a key that is in use is not told to be a certain device's
        refused = self.expect(409, "PUT", "ann/phone", {"apikey": "x" * 20})
        self.assertNotIn("lamp", refused["msg"])
        self.assertNotIn("x" * 20, refused["msg"])

    def test_a_new_key_ends_the_old_one(self):
        self.begin()
        old = self.expect(200, "POST", "test/phone", {})["apikey"]
        this = f"{API}/"
        self.assertEqual(self.http.ask("GET", this, "q=this&apikey=" + old).text, "test/phone")
        new = self.expect(200, "PUT", "test/phone", {"apikey": ""})["apikey"]
        self.assertEqual(self.http.ask("GET", this, "q=this&apikey=" + old).status, 401)
        self.assertEqual(self.http.ask("GET", this, "q=this&apikey=" + new).text, "test/phone")

    def test_meta_has_no_key_and_stays(self):
        self.begin()
        for body in ({"apikey": "k" * 20}, {"apikey": ""}, {"nickname": "N"}, {}):
            self.expect(403, "PUT", "test/meta", body)
        self.assertEqual(self.expect(200, "GET", "test/meta")["apikey"], "")
        self.expect(403, "DELETE", "test/meta")

    def test_a_downlink_that_is_switched_off_is_empty(self):
        self.begin()
        self.expect(200, "POST", "test/phone", {"streams": {"ring": {"downlink": True}}})
        self.expect(200, "POST", "test/phone/ring/data", [{"t": 1, "d": True}])
        self.assertEqual(len(self.expect(200, "GET", "test/phone/ring/data", query="i1=0&downlink=true")), 1)
        for downlink in (False, True):
            self.assertEqual(self.expect(200, "PUT", "test/phone/ring", {"downlink": downlink})["downlink"], downlink)
            self.assertEqual(self.expect(200, "GET", "test/phone/ring/data", query="i1=0&downlink=true"), [])

    def test_concurrent_changes(self):
        """Of different fields of one object: none is lost."""
        self.begin()
        failed = []

        def change(field):
            client = self.client()
            for i in range(30):
                answer = client.ask("PUT", f"{API}/crud/test", "", self.admin, json.dumps({field: str(i)}))
                if answer.status != 200 or json.loads(answer.text)[field] != str(i):
                    failed.append(answer)

        threads = [threading.Thread(target=change, args=[field]) for field in ("nickname", "description")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failed, [])
        user = self.expect(200, "GET", "test")
        self.assertEqual((user["nickname"], user["description"]), ("29", "29"))

    def test_changes_last(self):
        self.begin()
        self.expect(200, "POST", "ann", USER)
        self.expect(200, "PUT", "ann", {"password": "new", "nickname": "N"})
        before = self.log_of("ann")
        self.kill()
        self.start()
        self.http = self.client()
        ann = basic("ann:new")
        self.assertEqual(self.expect(200, "GET", "ann", login=ann)["nickname"], "N")
        self.assertEqual(self.log_of("ann"), before)


class Told(Accounts):
    def test_missing_and_forbidden_are_told_alike(self):
        """With one name of the same length for the other, the answers are the same but for ref."""
        self.begin()
        self.expect(200, "POST", "ann", {**USER, "public": False, "devices": {"d": {"streams": {"s": {}}}}})
        self.expect(200, "POST", "bob", {"email": "bob@example.com", "password": "b"})
        bob = basic("bob:b")

        def answer(method, path, body, query):
            got = self.ask(method, path, body, bob, query)
            return got.status, json.loads(got.text)["msg"].replace("nna", "ann").replace("d/x", "d/s").replace("ann/x", "ann/d")

        requests = [(method, query, body) for method, query, body in (
            ("GET", "", None), ("GET", "q=ls", None), ("PUT", "", "{}"), ("PUT", "", "garbage"), ("DELETE", "", None))]
        for there, missing in (("ann", "nna"), ("ann/d", "ann/x"), ("ann/d", "nna/d"), ("ann/d/s", "ann/d/x"), ("ann/d/s", "nna/d/s"),
                               ("ann/d/s", "ann/x/s")):
            for method, query, body in requests:
                if query and there.count("/") == 2:
                    continue
                self.assertEqual(answer(method, there, body, query), answer(method, missing, body, query), (method, there, missing, query))
        for method, query, body in (("GET", "i1=0", None), ("GET", "q=length", None), ("POST", "", "[]"), ("PUT", "", "garbage"),
                                    ("POST", "downlink=true", "[]")):
            self.assertEqual(answer(method, "ann/d/s/data", body, query), answer(method, "ann/d/x/data", body, query), (method, query))
        # what exists already is not told to who may not make it
        self.assertEqual(answer("POST", "ann/d", "{}", ""), answer("POST", "ann/x", "{}", ""))
        self.assertEqual(answer("POST", "ann/d/s", "{}", ""), answer("POST", "ann/d/x", "{}", ""))
        self.assertEqual(answer("POST", "ann", json.dumps(USER), ""), answer("POST", "nna", json.dumps(USER), ""))


class Log(Accounts):
    def test_each_change_is_logged_where_it_belongs(self):
        self.begin()
        self.expect(200, "POST", "ann", USER)
        ann = basic("ann:a")
        self.expect(200, "POST", "ann/phone", {}, ann)
        self.expect(200, "POST", "ann/phone/steps", {}, self.admin)
        # refused: no entries
        self.expect(403, "PUT", "ann", {"role": "admin"}, ann)
        self.expect(409, "POST", "ann/phone", {}, ann)
        self.expect(403, "PUT", "test", {"nickname": "x"}, ann)
        self.expect(200, "DELETE", "ann/phone", None, ann)
        self.assertEqual(self.log_of("ann"), ["CreateUser ann", "CreateDevice ann/phone", "CreateStream ann/phone/steps",
                                              "DeleteDevice ann/phone"])
        self.assertEqual(self.log_of("test"), ["CreateUser ann", "CreateStream ann/phone/steps"])
        # the log's own deletion is not in it, but in the log of who did it
        self.expect(200, "DELETE", "ann/meta/log")
        self.assertEqual(self.log_of("ann"), [])
        self.assertEqual(self.log_of("test")[-1], "DeleteStream ann/meta/log")
        self.expect(200, "DELETE", "ann")
        self.assertEqual(self.log_of("test")[-1], "DeleteUser ann")

    def test_a_path_as_long_as_can_be(self):
        self.begin()
        name = "n" * 29
        self.expect(200, "POST", name, {**USER, "devices": {name: {}}})
        self.expect(200, "POST", f"{name}/{name}/{name}", {})
        self.assertEqual(self.log_of(name)[-1], f"CreateStream {name}/{name}/{name}")

    def test_imported_users_have_a_log(self):
        """Those that were there before the server, and one that a running server imports."""
        actors = self.start_with_bob()
        self.http = self.client()
        self.assertEqual(self.log_of("bob"), [])
        folder = os.path.join(self.directory, "more")
        os.makedirs(os.path.join(folder, "eve"))
        eve = {"name": "eve", "email": "e@b.c", "role": "user", "public": True, "nickname": "", "description": "", "icon": ""}
        for path, content in (("connectordb.json", {"Version": 1, "ConnectorDB": "0.3.0"}), ("eve/user.json", eve)):
            with open(os.path.join(folder, path), "w", encoding="utf-8") as file:
                json.dump(content, file)
        harness.command("import", self.database, folder)
        self.assertEqual(self.log_of("eve"), [])
        self.expect(200, "PUT", "eve", {"nickname": "E"}, basic("eve:eve"))
        self.assertEqual(self.log_of("eve"), ["UpdateUser eve"])
        self.assertIn("bob", actors.passwords)


class Permissions(Accounts):
    def write_permissions(self, change, name="permissions.conf"):
        """A file beside the database with the built-in permissions, changed."""
        with open(os.path.join(harness.SOURCE, "access", "permissions.conf"), encoding="utf-8") as file:
            text = "\n".join(line for line in file.read().splitlines() if not line.strip().startswith("//"))
        permissions = json.loads(text)
        change(permissions)
        path = os.path.join(self.directory, name)
        with open(path, "w", encoding="utf-8") as file:
            json.dump(permissions, file)
        return path

    def test_limits_of_a_role(self):
        def change(permissions):
            permissions["max_users"] = 3
            permissions["disallow_names"] += ["boss"]
            permissions["allowed_email_suffixes"] = ["@example.com"]
            permissions["user_roles"]["user"].update(max_devices=2, max_streams=1, max_private_devices=1, user_can_be_private=False)
            permissions["user_roles"]["user"]["create_device_defaults"]["nickname"] = "Thing"

        self.begin(permissions=self.write_permissions(change))
        self.assertIn("boss", self.expect(403, "POST", "boss", USER)["msg"])
        self.assertIn("mail", self.expect(403, "POST", "ann", {**USER, "email": "ann@example.org"})["msg"])
        self.assertIn("private", self.expect(403, "POST", "ann", {**USER, "public": False})["msg"])
        self.assertIn("2 devices", self.expect(
            403, "POST", "ann", {**USER, "devices": {name: {"public": True} for name in ("a", "b", "c")}})["msg"])
        self.expect(404, "GET", "ann")
        self.expect(200, "POST", "ann", USER)
        ann = basic("ann:a")
        self.expect(403, "PUT", "ann", {"public": False}, ann)
        self.expect(403, "PUT", "ann", {"email": "ann@example.org"}, ann)
        self.assertEqual(self.expect(200, "POST", "ann/a", {}, ann)["nickname"], "Thing")
        self.assertIn("1 private", self.expect(403, "POST", "ann/b", {}, ann)["msg"])
        self.expect(200, "POST", "ann/b", {"public": True}, ann)
        self.assertIn("1 private", self.expect(403, "PUT", "ann/b", {"public": False}, ann)["msg"])
        self.assertIn("2 devices", self.expect(403, "POST", "ann/c", {"public": True}, ann)["msg"])
        # the limits are the owner's, whoever acts
        self.assertIn("2 devices", self.expect(403, "POST", "ann/c", {"public": True})["msg"])
        self.expect(200, "POST", "ann/a/s", {}, ann)
        self.assertIn("1 streams", self.expect(403, "POST", "ann/a/t", {}, ann)["msg"])
        self.expect(200, "POST", "test/d", {"streams": {"s": {}, "t": {}}})
        self.expect(200, "POST", "bob", {"email": "bob@example.com", "password": "b"})
        self.assertIn("3 users", self.expect(403, "POST", "eve", {"email": "eve@example.com", "password": "e"})["msg"])
        self.assertEqual(self.log_of("ann"), ["CreateUser ann", "CreateDevice ann/a", "CreateDevice ann/b", "CreateStream ann/a/s"])

    def test_fields_that_may_not_be_read_are_blank_or_left_out(self):
        def change(permissions):
            public = permissions["rw_access"]["publicread"]
            public["stream_schema"] = public["stream_downlink"] = False

        self.begin(permissions=self.write_permissions(change))
        self.expect(200, "POST", "ann", {**USER, "devices": {"d": {"public": True, "streams": {
            "s": {"schema": "{\"type\":\"number\"}", "downlink": True}}}}})
        self.expect(200, "POST", "bob", {"email": "bob@example.com", "password": "b"})
        bob = basic("bob:b")
        self.assertEqual(self.expect(200, "GET", "ann/d/s", None, bob), {
            "name": "s", "nickname": "", "description": "", "icon": "", "schema": "", "datatype": "", "ephemeral": False, "downlink": False})
        listed = self.expect(200, "GET", "ann/d", None, bob, "q=ls")
        self.assertEqual(listed, [{"name": "s", "nickname": "", "description": "", "icon": "", "datatype": "", "ephemeral": False}])
        self.assertNotIn("apikey", self.expect(200, "GET", "ann/d", None, bob))
        self.assertNotIn("email", self.expect(200, "GET", "ann", None, bob))

    def wait_for_log(self, text, times):
        with open(os.path.join(self.database, "connectordb.log"), encoding="utf-8") as file:
            log = ""
            while log.count(text) < times:
                time.sleep(0.01)
                log += file.read()

    def test_a_file_that_changes(self):
        """Read at once when it says "watch"; a wrong one leaves all as it was."""
        def limit(devices):
            return lambda permissions: (permissions["user_roles"]["user"].update(max_devices=devices), permissions.update(watch=True))

        path = self.write_permissions(limit(1))
        self.begin(permissions=path)
        self.expect(200, "POST", "ann", USER)
        ann = basic("ann:a")
        self.expect(200, "POST", "ann/a", {}, ann)
        self.expect(403, "POST", "ann/b", {}, ann)
        self.write_permissions(limit(2))
        self.wait_for_log("read the permissions in", 1)
        self.expect(200, "POST", "ann/b", {}, ann)
        with open(path, "w", encoding="utf-8") as file:
            file.write("{")
        self.wait_for_log("the permissions stay as they were", 1)
        self.expect(403, "POST", "ann/c", {}, ann)
        self.expect(200, "GET", "ann", None, ann)
        os.rename(self.write_permissions(limit(3), "new"), path)  # as editors do
        self.wait_for_log("read the permissions in", 2)
        self.expect(200, "POST", "ann/c", {}, ann)

    def test_a_file_that_is_wrong_is_named(self):
        path = self.write_permissions(lambda permissions: permissions["user_roles"]["user"].update(max_devices="many"))
        self.create("--user", "test:test", permissions=path)
        refused = harness.command("start", self.database, "--port", "0", exit_code=1)
        self.assertIn("permissions.conf", refused.stderr)
        self.assertIn("max_devices", refused.stderr)
        self.database = os.path.join(self.directory, "second")
        self.create("--user", "test:test", permissions="nosuch.conf")
        refused = harness.command("start", self.database, "--port", "0", exit_code=1)
        self.assertIn(os.path.join(self.database, "nosuch.conf"), refused.stderr)


if __name__ == "__main__":
    harness.main()
