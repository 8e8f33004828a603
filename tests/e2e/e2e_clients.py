"""Clients that exist, over HTTPS: the npm package connectordb, Node's fetch, Java, curl. Their programs are in clients/."""
import json
import os
import shutil
import subprocess
import unittest
import unittest.mock

import harness
from folders import make_folder
from rest import API
from tls import TlsTest

CLIENTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "clients")


def needs(*programs):
    missing = [program for program in programs if not shutil.which(program)]
    return unittest.skipIf(missing, f"not installed: {', '.join(missing)}")


def node_has_fetch():
    if not shutil.which("node"):
        return False
    done = subprocess.run(["node", "-e", "fetch"], capture_output=True, timeout=harness.COMMAND_SECONDS_MAX, check=False)
    return done.returncode == 0


class Clients(TlsTest):
    def run_client(self, *arguments, **environment):
        done = subprocess.run(arguments, capture_output=True, text=True, timeout=harness.COMMAND_SECONDS_MAX, check=False,
                              stdin=subprocess.DEVNULL, env={**os.environ, **environment})
        self.assertEqual(done.returncode, 0, f"{done.stdout}{done.stderr}")
        return done.stdout

    @needs("node", "npm")
    def test_javascript_client(self):
        """Each method of the npm package connectordb."""
        folder = self.npm_packages("clients", "javascript.js")
        self.start_tls()
        said = self.run_client("node", os.path.join(folder, "javascript.js"), self.url,
                               NODE_EXTRA_CA_CERTS=self.file("ca.pem"))
        self.assertEqual(said, "23 methods\n")

    @unittest.skipUnless(node_has_fetch(), "no Node with fetch is installed")
    def test_node_itself(self):
        self.start_tls()
        said = self.run_client("node", os.path.join(CLIENTS, "fetch.mjs"), self.url, self.file("ca.pem"),
                               NODE_EXTRA_CA_CERTS=self.file("ca.pem"))
        self.assertEqual(said, "ok\n")

    @needs("java", "javac")
    def test_java(self):
        self.start_tls()
        said = self.run_client("java", os.path.join(CLIENTS, "Client.java"), self.url, self.file("ca.pem"))
        self.assertEqual(said, "ok\n")

    def curl(self, path, *arguments):
        return self.run_client("curl", "-sS", "--cacert", self.file("ca.pem"), "-u", "test:test", *arguments,
                               f"{self.url}{API}/{path}")

    def test_our_own_transfers(self):
        """connectordb import and export with an https:// URL."""
        points = [{"t": 1500000000 + i, "d": i / 8} for i in range(20000)]
        folder, out = (os.path.join(self.directory, name) for name in ("folder", "out"))
        make_folder(folder, {"ann": {"user": {"n": points, "t": [{"t": 1, "d": "a"}]}, "meta": {}}}, version=1)
        self.start_tls()
        url = self.url.replace("127.0.0.1", "localhost")
        with unittest.mock.patch.dict(os.environ, {"CONNECTORDB_PASSWORD": "test"}):
            refused = harness.command("import", url, folder, "--user", "test", exit_code=1).stderr
            self.assertIn("certificate", refused)
            harness.command("import", url, folder, "--user", "test", "--cacert", self.file("ca.pem"))
            harness.command("export", url, out, "ann", "--user", "test", "--cacert", self.file("ca.pem"))
        self.assertEqual(harness.canonical(harness.folder_points(out)["ann/user/n/data.json"]),
                         harness.canonical(harness.folder_points(folder)["ann/user/n/data.json"]))

    @needs("curl")
    def test_curl(self):
        self.start_tls()
        self.assertEqual(self.curl("?q=this"), "test/user")
        self.assertEqual(json.loads(self.curl("crud/test/user/curl", "-d", "{}"))["name"], "curl")
        points = [{"t": 1480000000 + i, "d": f"the {i}th value"} for i in range(50000)]
        path = os.path.join(self.directory, "points.json")
        with open(path, "w", encoding="ascii") as file:
            json.dump(points, file)
        # -d @FILE has a Content-Length; -T - is chunked; both are large enough for Expect: 100-continue
        self.assertEqual(self.curl("crud/test/user/curl/data", "--data-binary", "@" + path), "ok")
        self.assertEqual(json.loads(self.curl("crud/test/user/curl/data?i1=0", "--compressed")), points)
        with open(path, "rb") as file:
            done = subprocess.run(["curl", "-sS", "--cacert", self.file("ca.pem"), "-u", "test:test", "-T", "-",
                                   f"{self.url}{API}/crud/test/user/curl/data"], stdin=file, capture_output=True, text=True,
                                  timeout=harness.COMMAND_SECONDS_MAX, check=False)
        self.assertEqual((done.stdout, done.stderr), ("ok", ""))
        self.assertEqual(self.curl("crud/test/user/curl/data?q=length"), "100000")
        # a session in a jar, as a script would keep one
        jar = os.path.join(self.directory, "cookies")
        self.assertEqual(self.curl("login", "-c", jar), "ok")
        self.assertEqual(self.run_client("curl", "-sS", "--cacert", self.file("ca.pem"), "-b", jar, f"{self.url}{API}/?q=this"),
                         "test/user")
        refused = subprocess.run(["curl", "-sS", f"{self.url}{API}/?q=this"], capture_output=True, text=True,
                                 timeout=harness.COMMAND_SECONDS_MAX, check=False)
        self.assertEqual(refused.returncode, 60, "a certificate of an unknown CA was taken")


if __name__ == "__main__":
    harness.main()
