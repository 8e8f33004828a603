"""connectordb user, passwd and shell: accounts by who has the machine, while a server runs and without."""
import json
import os
import pty
import subprocess

import harness
from harness import COMMAND_SECONDS_MAX, PROGRAM, command
from rest import API, RestTest, basic


class Users(RestTest):
    def setUp(self):
        super().setUp()
        self.create("--user", "test:test", "--email", "root@localhost")
        self.password = os.path.join(self.directory, "password")

    def file(self, password):
        with open(self.password, "w", encoding="utf-8") as file:
            file.write(password + "\n")
        return self.password

    def names(self):
        return {user["name"]: user for user in json.loads(command("user", self.database, "list", "--json").stdout)}

    def who(self, login, status=200):
        answer = self.request("GET", f"{API}/?q=this", login=login, status=status)
        return answer.body.decode()

    def check_all(self, running):
        """Everything once; running: a server answers meanwhile."""
        name = "ann" if running else "bob"
        self.assertIn("added " + name, command("user", self.database, "add", name, "--password-file", self.file("first")).stdout)
        self.assertEqual(self.names()[name], {"name": name, "email": f"{name}@localhost", "role": "user", "public": True})
        table = command("user", self.database, "list").stdout
        self.assertRegex(table, rf"(?m)^{name} +user +{name}@localhost$")
        if running:
            self.assertEqual(self.who(f"{name}:first"), f"{name}/user")
            cookie = self.client().ask("GET", f"{API}/login", "", basic(f"{name}:first")).headers["Set-Cookie"]
        command("passwd", self.database, name, "--password-file", self.file("second"))
        command("user", self.database, "role", name, "--role", "admin", "--quiet")
        self.assertEqual(self.names()[name]["role"], "admin")
        if running:
            self.who(f"{name}:first", 401)
            self.assertEqual(self.who(f"{name}:second"), f"{name}/user")
            self.request("GET", f"{API}/crud/?q=ls", login=f"{name}:second")  # it is an administrator
            answer = self.client().ask("GET", f"{API}/?q=this", "", {"Cookie": cookie.split(";")[0]})
            self.assertEqual(answer.status, 401)  # sessions end
        command("shell", self.database, "passwd", name, "third")
        for arguments, message in ((("add", name, "--password-file", self.password), "already exists"),
                                   (("add", "no name", "--password-file", self.password), "is no name"),
                                   (("add", "admin", "--password-file", self.password), "reserved"),
                                   (("add", "carl", "--email", "nobody", "--password-file", self.password), "no address"),
                                   (("add", "carl", "--role", "king", "--password-file", self.password), "no role 'king'"),
                                   (("add", "carl", "--password-file", self.password + "x"), "No such file"),
                                   (("add", "carl"), "no terminal"),
                                   (("passwd", "carl", "--password-file", self.password), "there is no user 'carl'"),
                                   (("delete", "carl"), "there is no user 'carl'")):
            self.assertIn(message, command("user", self.database, *arguments, exit_code=1).stderr)
        self.assertEqual(set(self.names()), {"test", name})

    def test_without_a_server(self):
        self.check_all(False)
        self.start()
        self.assertEqual(self.who("bob:third"), "bob/user")
        self.assertIn("log", self.request("GET", f"{API}/crud/bob/meta?q=ls", login="bob:third").body.decode())
        self.stop()
        command("user", self.database, "delete", "bob")
        self.assertEqual(set(self.names()), {"test"})
        command("check", self.database)

    def test_with_a_server(self):
        self.start()
        self.check_all(True)
        self.assertEqual(self.who("ann:third"), "ann/user")
        self.make_stream("test/user/s")
        command("user", self.database, "delete", "ann")
        self.who("ann:third", 401)
        with open(os.path.join(self.database, "connectordb.log"), encoding="utf-8") as file:
            log = file.read()
        self.assertIn("control: user passwd ann", log)
        self.assertNotIn("third", log)
        self.assertNotIn("second", log)

    def test_password_is_asked_for(self):
        terminal, inner = pty.openpty()
        process = subprocess.Popen([PROGRAM, "passwd", self.database, "test"], stdin=inner, stdout=inner, stderr=inner, close_fds=True)
        os.close(inner)
        said = b""
        for _ in range(2):
            while not said.endswith(b": "):
                said += os.read(terminal, 1024)
            os.write(terminal, b"typed\n")
            said += b"|"
        while b"changed" not in said:
            said += os.read(terminal, 1024)
        self.assertEqual(process.wait(COMMAND_SECONDS_MAX), 0)
        os.close(terminal)
        self.assertNotIn(b"typed", said)
        self.start()
        self.assertEqual(self.who("test:typed"), "test/user")

    def test_usage(self):
        for arguments in (("user", self.database), ("user", self.database, "list", "x"), ("user", self.database, "add"),
                          ("user", self.database, "rename", "x"), ("user", self.database, "role", "test"), ("passwd", self.database),
                          ("shell", self.database, "su", "test")):
            command(*arguments, exit_code=2)


if __name__ == "__main__":
    harness.main()
