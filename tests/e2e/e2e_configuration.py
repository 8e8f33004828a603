"""connectordb.conf: what is said about it, and how a running server takes a new one."""
import json
import os
import signal
import time

import harness
from rest import API, RestTest


class Configuration(RestTest):
    def setUp(self):
        super().setUp()
        self.path = os.path.join(self.database, "connectordb.conf")

    def write(self, **configured):
        """As an editor does it: another file takes the place."""
        self.write_text(json.dumps({**self.configuration, **configured}, indent=1))

    def write_text(self, text):
        with open(self.path + ".new", "w", encoding="utf-8") as file:
            file.write(text)
        os.rename(self.path + ".new", self.path)

    def log(self):
        with open(os.path.join(self.database, "connectordb.log"), encoding="utf-8") as file:
            return file.read()

    def await_log(self, text, count=1):
        deadline = time.monotonic() + harness.COMMAND_SECONDS_MAX
        while self.log().count(text) < count:
            self.assertLess(time.monotonic(), deadline, f"{text}\n{self.log()}")
            time.sleep(0.02)

    def hang_up(self):
        with open(os.path.join(self.database, "connectordb.pid"), encoding="ascii") as file:
            os.kill(int(file.read()), signal.SIGHUP)

    def insert(self, size, status):
        body = json.dumps([{"d": "x" * size}]).encode()
        return self.request("POST", self.data, body=body, login="test:test", status=status)

    def start_with_stream(self, *arguments, **configured):
        self.create("--user", "test:test", **configured)
        self.start(*arguments)
        self.data = self.make_stream("test/user/s")

    def test_changes_while_it_runs(self):
        self.start_with_stream(insert_limit_bytes=1000)
        self.insert(2000, 413)
        self.write(insert_limit_bytes=5000, loglevel="debug", port=1, siteurl="https://db.example")
        self.await_log('the configuration has changed: "loglevel" is now debug')
        self.assertIn('the configuration has changed: "insert_limit_bytes" is now 5000', self.log())
        self.assertIn('"siteurl" will be https://db.example when the server is started again', self.log())
        self.assertNotIn('"port"', self.log())  # --port says another one, and still does
        self.insert(2000, 200)
        self.await_log(f"debug POST {self.data} 200")
        self.write(insert_limit_bytes=1000, loglevel="warn", siteurl="https://db.example")
        self.await_log('"insert_limit_bytes" is now 1000')
        self.insert(2000, 413)
        self.assertEqual(self.log().count('"siteurl" will be'), 1)  # it is no news

    def test_a_wrong_file_changes_nothing(self):
        self.start_with_stream(insert_limit_bytes=1000)
        for text, said in (('{\n"insert_limit_bytes": 5000,\n"port": "x"}', ':3: "port" must be a whole number'),
                           ('{\n"insert_limit_bytes": 5000', ":2: "), ("", ":1: "),
                           ('{"insert_limit_bytes": 50}', ':1: "insert_limit_bytes" must be'),
                           ('{"tls": {"enabled": true}}', ':1: "tls" needs'), ('{"captcha":true}', ':1: "captcha"')):
            self.write_text(text)
            self.await_log("the configuration stays as it was: " + self.path + said)
            self.insert(2000, 413)
        self.write(insert_limit_bytes=5000, unknown=1, captcha={"enabled": True})
        self.await_log('"insert_limit_bytes" is now 5000')
        self.await_log('"unknown" is not known')
        self.await_log('"captcha" is enabled, but this version has no captcha')
        self.insert(2000, 200)

    def test_hang_up_reads_all_again(self):
        permissions = os.path.join(self.directory, "permissions")
        with open(os.path.join(harness.SOURCE, "access", "permissions.conf"), encoding="utf-8") as file:
            default = file.read().replace('"watch": true', '"watch": false')
        with open(permissions, "w", encoding="utf-8") as file:
            file.write(default)
        self.start_with_stream("--loglevel", "info", insert_limit_bytes=1000, watch=False, permissions=permissions)
        self.hang_up()
        self.await_log("connectordb.conf again; nothing has changed")
        self.await_log(f"read the permissions in {permissions} again")
        self.write(insert_limit_bytes=5000, watch=False, permissions=permissions, loglevel="debug")
        with open(permissions, "w", encoding="utf-8") as file:
            file.write("{")
        self.insert(2000, 413)  # it is not watched
        self.hang_up()
        self.await_log("the permissions stay as they were: " + permissions)
        self.insert(2000, 200)
        self.assertNotIn('"loglevel"', self.log())  # the command line says another one

    def test_limits_of_logins(self):
        self.start_with_stream(failed_logins_max=3)
        for _ in range(3):
            self.request("GET", f"{API}/?q=this", login="test:wrong", status=401)
        self.request("GET", f"{API}/?q=this", login="test:wrong", status=429)
        self.write(failed_logins_max=0)
        self.await_log('"failed_logins_max" is now 0')
        for _ in range(10):
            self.request("GET", f"{API}/?q=this", login="test:wrong", status=401)

    def test_what_is_said_at_the_start(self):
        self.create("--user", "test:test")
        self.write_text('{"version": 1,\n// a comment\n"prot": 80,\n"cookie": {"maxage": 60,\n"flavour": "vanilla"}}')
        done = harness.command("start", self.database, "--port", "0")
        self.port = int(done.stdout.split("127.0.0.1:")[1].split(" ")[0])
        for line, key in ((3, "prot"), (5, "cookie.flavour")):
            said = f'{self.path}:{line}: "{key}" is not known, it means nothing'
            self.assertIn(f"connectordb: warning: {said}\n", done.stderr)
            self.assertIn(f"warn {said}\n", self.log())
        self.stop()
        self.write_text('{"version": 1,\n\n"port": 65536}')
        done = harness.command("start", self.database, exit_code=1)
        self.assertIn(f'{self.path}:3: "port" must be a whole number from 0 to 65535', done.stderr)


if __name__ == "__main__":
    harness.main()
