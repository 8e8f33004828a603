#!/usr/bin/env python3
"""connectordb shell: the commands of 0.3's shell, one at a time, while a server runs and without."""
import json

import harness
from harness import command
from rest import API, RestTest


class Shell(RestTest):
    def shell(self, *words, exit_code=0):
        done = command("shell", self.database, *words, exit_code=exit_code)
        return done.stdout if exit_code == 0 else done.stderr

    def test_objects(self):
        self.create("--user", "test:test")
        for served in (False, True):
            with self.subTest(served=served):
                if served:
                    self.start()
                self.assertEqual(self.shell("adduser", "ann", "ann@example.com", "secret"), "")
                self.assertEqual(self.shell("ls"), "ann\ntest\n")
                key = self.shell("adddev", "ann/phone").strip()
                self.shell("addstream", "ann/phone/steps")
                self.shell("addstream", "ann/phone/mood", '{"type":"integer"}')
                self.assertEqual(self.shell("ls", "ann"), "meta\nphone\nuser\n")
                self.assertEqual(self.shell("ls", "ann/phone"), "mood\nsteps\n")
                self.assertEqual(self.shell("ls", "ann/phone/mood"), "mood\n")
                self.assertEqual(json.loads(self.shell("cat", "ann/phone/mood"))["schema"], '{"type":"integer"}')
                self.assertEqual(json.loads(self.shell("cat", "ann/phone"))["apikey"], key)
                self.assertEqual({name: json.loads(self.shell("cat", "ann"))[name] for name in ("email", "role")},
                                 {"email": "ann@example.com", "role": "user"})
                if served:
                    login = {"login": ":" + key}
                    self.request("POST", f"{API}/crud/ann/phone/steps/data", [{"t": 1, "d": 5}], **login)
                    self.assertEqual(self.request("GET", f"{API}/?q=this", login="ann:secret").body, b"ann/user")
                    read = self.request("GET", f"{API}/crud/ann/phone/steps", **login).json()
                    self.assertEqual(json.loads(self.shell("cat", "ann/phone/steps")), read)
                self.assertEqual(self.shell("lsadmin"), "test\n")
                self.shell("mkadmin", "ann")
                self.assertEqual(self.shell("lsadmin"), "ann\ntest\n")
                self.shell("rmadmin", "ann")
                self.assertEqual(self.shell("lsadmin"), "test\n")
                self.assertIn("2 users, 5 devices, 4 streams;", self.shell("dbinfo"))
                self.shell("rm", "ann/phone/steps")
                self.shell("rm", "ann/phone")
                self.assertIn("there is no ann/phone", self.shell("cat", "ann/phone", exit_code=1))
                self.shell("rm", "ann")
                self.assertEqual(self.shell("ls"), "test\n")

    def test_what_is_refused(self):
        self.create("--user", "test:test")
        for served in (False, True):
            if served:
                self.start()
            for words, exit_code, message in (
                    (("sql", "DROP"), 2, "does not know the command 'sql'"), (("ls", "a", "b"), 2, "ls takes other arguments"),
                    (("rm",), 2, "rm takes other arguments"), (("cat", "nobody"), 1, "there is no nobody"),
                    (("cat", "test/none"), 1, "there is no test/none"), (("adddev", "test"), 1, "is not the path USER/DEVICE"),
                    (("adddev", "none/a"), 1, "there is no none"), (("adddev", "test/user"), 1, "user"),
                    (("addstream", "test/user/a", "{"), 1, "schema"), (("ls", "a//b"), 1, "is no path of names"),
                    (("ls", "a/b/c/d"), 1, "is no path of names"), (("ls", "x" * 500), 1, "too long"),
                    (("adduser", "test", "t@b.c", "x"), 1, "test"), (("mkadmin", "none"), 1, "there is no user 'none'"),
                    (("rm", "test/meta"), 1, "meta")):
                with self.subTest(words=words, served=served):
                    self.assertIn(message, self.shell(*words, exit_code=exit_code))
        for word in ("ls", "cat", "adduser", "passwd", "lsadmin"):
            self.assertIn(word, self.shell("help"))

    def test_passwords(self):
        self.create("--user", "test:test")
        self.start()
        self.assertIn("changed", self.shell("passwd", "test", "another"))
        self.request("GET", f"{API}/?q=this", login="test:another")
        self.request("GET", f"{API}/?q=this", login="test:test", status=401)


if __name__ == "__main__":
    harness.main()
