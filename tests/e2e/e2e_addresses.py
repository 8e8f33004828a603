"""Who reaches the server and as whom: IPv4, IPv6, names, proxies."""
import http.client
import os
import re
import shutil
import socket
import subprocess
import unittest

import harness
from rest import API, RestTest, basic

NODE = """
const [url, login] = process.argv.slice(1);
fetch(url, {headers: {Authorization: 'Basic ' + Buffer.from(login).toString('base64')}})
  .then(answer => answer.text()).then(text => process.stdout.write(text))
  .catch(error => { console.error(error); process.exit(1); });
"""


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
        return True
    except OSError:
        return False


@unittest.skipUnless(has_ipv6(), "this machine has no address ::1")
class Addresses(RestTest):
    def ask(self, address, path=f"{API}/?q=this", login="test:test", headers=None):
        connection = http.client.HTTPConnection(address, self.port, timeout=harness.COMMAND_SECONDS_MAX)
        self.addCleanup(connection.close)
        connection.request("GET", path, headers={**(basic(login) if login else {}), **(headers or {})})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read().decode()

    def start_at(self, host, **configured):
        arguments = ("--host", host) if host else ()
        self.create("--user", "test:test", **configured)
        printed = harness.command("start", self.database, "--port", "0", *arguments).stdout
        self.port = int(re.search(r"http://[^\s/]+:(\d+)", printed).group(1))
        return printed

    def log(self):
        with open(os.path.join(self.database, "connectordb.log"), encoding="utf-8") as file:
            return file.read()

    def test_localhost_is_both(self):
        printed = self.start_at(None)
        self.assertIn("http://127.0.0.1:", printed)
        self.assertIn("only from this machine", printed)
        for address in ("127.0.0.1", "::1", "localhost"):
            self.assertEqual(self.ask(address)[2], "test/user", address)
        if not shutil.which("node"):
            self.skipTest("node is not installed: its fetch was not tried")
        for host in ("localhost", "127.0.0.1", "[::1]"):
            done = subprocess.run(["node", "-e", NODE, f"http://{host}:{self.port}{API}/?q=this", "test:test"],
                                  capture_output=True, text=True, timeout=harness.COMMAND_SECONDS_MAX, check=False)
            self.assertEqual((done.stdout, done.stderr), ("test/user", ""), host)

    def test_every_address(self):
        printed = self.start_at("::")
        self.assertIn("http://localhost:", printed)
        self.assertIn("every machine that reaches this one", printed)
        for address in ("127.0.0.1", "::1"):
            self.assertEqual(self.ask(address)[2], "test/user", address)
            self.assertEqual(self.ask(address, login="test:wrong")[0], 401)
        self.assertIn("failed login from 127.0.0.1 as 'test'", self.log())
        self.assertIn("failed login from ::1 as 'test'", self.log())
        self.assertNotIn("::ffff", self.log())

    def test_one_family(self):
        printed = self.start_at("::1")
        self.assertIn("http://[::1]:", printed)
        self.assertEqual(self.ask("::1")[2], "test/user")
        with self.assertRaises(OSError):
            self.ask("127.0.0.1")

    def test_only_a_trusted_proxy_forwards(self):
        self.start_at("::", trusted_proxies=["0::1", "::ffff:127.0.0.1"])
        forwarded = {"X-Forwarded-For": "192.0.2.1, 192.0.2.77", "X-Forwarded-Proto": "http, https"}
        for address in ("::1", "127.0.0.1"):
            self.ask(address, login="test:wrong", headers=forwarded)
            self.assertTrue(self.ask(address, f"{API}/login", headers=forwarded)[1]["Set-Cookie"].endswith("; Secure"))
            for proto in ("http", "https, http", "httpss", ""):
                cookie = self.ask(address, f"{API}/login", headers={"X-Forwarded-Proto": proto})[1]["Set-Cookie"]
                self.assertNotIn("Secure", cookie, proto)
        self.assertEqual(self.log().count("failed login from 192.0.2.77 as"), 2)
        self.stop()
        shutil.rmtree(self.database)
        self.start_at("::")
        self.ask("::1", login="test:wrong", headers=forwarded)
        self.assertNotIn("Secure", self.ask("::1", f"{API}/login", headers=forwarded)[1]["Set-Cookie"])
        self.assertIn("failed login from ::1 as", self.log())


if __name__ == "__main__":
    harness.main()
