"""HTTPS: clients verify a certificate of a CA of our own; renewals drop no connection; redirect80 and its challenges."""
import http.client
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import time
import unittest

import harness
import prometheus
from rest import API, basic
from tls import TlsTest


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


IDLE = 200  # connections at once


class Tls(TlsTest):
    certificates = ("one", "two")

    def connect(self):
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=self.context, timeout=harness.COMMAND_SECONDS_MAX)
        self.addCleanup(connection.close)
        connection.connect()
        return connection

    def ask(self, connection, method, path, body=None, login="test:test", status=200):
        connection.request(method, path, body=body, headers=basic(login))
        answer = connection.getresponse()
        text = answer.read().decode()
        self.assertEqual(answer.status, status, text)
        return answer, text

    def log(self):
        with open(os.path.join(self.database, "connectordb.log"), encoding="utf-8") as file:
            return file.read()

    def await_log(self, text):
        deadline = time.monotonic() + harness.COMMAND_SECONDS_MAX
        while text not in self.log():
            self.assertLess(time.monotonic(), deadline, self.log())
            time.sleep(0.05)

    def certificate_name(self, connection):
        return dict(part[0] for part in connection.sock.getpeercert()["subject"])["commonName"]

    def test_data_both_ways(self):
        self.start_tls()
        connection = self.connect()
        self.assertIn(connection.sock.version(), ("TLSv1.3", "TLSv1.2"))
        self.ask(connection, "POST", f"{API}/crud/test/user/s", "{}")
        points = [{"t": 1480000000 + i, "d": f"the {i}th value of a long answer"} for i in range(100000)]
        for first in range(0, len(points), 50000):
            self.ask(connection, "POST", f"{API}/crud/test/user/s/data", json.dumps(points[first:first + 50000]))
        _, text = self.ask(connection, "GET", f"{API}/crud/test/user/s/data?i1=0")
        self.assertEqual(json.loads(text), points)
        answer, _ = self.ask(connection, "GET", f"{API}/login")
        self.assertTrue(answer.headers["Set-Cookie"].endswith("; Secure"))
        self.ask(connection, "GET", f"{API}/crud/test", login="test:no", status=401)
        # a chunked body, and a body that is refused while it is still being sent
        connection.request("POST", f"{API}/crud/test/user/s/data", body=iter([b'[{"d":', b"1}]"]), headers=basic("test:test"), encode_chunked=True)
        self.assertEqual(connection.getresponse().read(), b"ok")
        self.ask(self.connect(), "POST", f"{API}/crud/test/user/s/data", "[" + " " * (11 << 20) + "]", status=413)

    def test_requests_in_one_record_and_in_many(self):
        self.start_tls()
        request = b"GET /api/v1/meta/version HTTP/1.1\r\nHost: x\r\n\r\n"
        socket_ = self.connect().sock
        socket_.sendall(request * 20)
        for byte in request:
            socket_.sendall(bytes([byte]))
        socket_.sendall(request[:-4] + b"\r\nConnection: close\r\n\r\n")
        said = b""
        while part := socket_.recv(65536):
            said += part
        self.assertEqual(said.count(b"HTTP/1.1 200 OK"), 22)

    def test_protocols(self):
        self.start_tls()
        for version, wanted in ((ssl.TLSVersion.TLSv1_2, "TLSv1.2"), (ssl.TLSVersion.TLSv1_3, "TLSv1.3")):
            self.context.minimum_version = self.context.maximum_version = version
            self.assertEqual(self.connect().sock.version(), wanted)
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
        old.set_ciphers("ALL:@SECLEVEL=0")
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
        with socket.create_connection(("127.0.0.1", self.port), timeout=harness.COMMAND_SECONDS_MAX) as plain:
            with self.assertRaises((ssl.SSLError, ConnectionError)):
                old.wrap_socket(plain)
        stranger = ssl.create_default_context()
        with socket.create_connection(("127.0.0.1", self.port), timeout=harness.COMMAND_SECONDS_MAX) as plain:
            with self.assertRaises(ssl.SSLCertVerificationError):
                stranger.wrap_socket(plain, server_hostname="localhost")
        self.context.set_alpn_protocols(["h2", "http/1.1"])
        self.context.minimum_version, self.context.maximum_version = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
        self.assertEqual(self.connect().sock.selected_alpn_protocol(), "http/1.1")

    def test_clients_that_are_no_tls(self):
        self.start_tls(http_read_timeout=1)
        plain = http.client.HTTPConnection("127.0.0.1", self.port, timeout=harness.COMMAND_SECONDS_MAX)
        self.addCleanup(plain.close)
        plain.request("GET", f"{API}/?q=this")
        answer = plain.getresponse()
        self.assertEqual(answer.status, 400)
        self.assertIn("HTTPS", json.loads(answer.read())["msg"])
        for garbage in (b"\x16", b"\x16\x03\x01\xff\xff" + b"x" * 70000, b"\x16\x03\x01\x00\x05hello" * 10, b""):
            with socket.create_connection(("127.0.0.1", self.port), timeout=harness.COMMAND_SECONDS_MAX) as silent:
                try:
                    silent.sendall(garbage)
                    while silent.recv(4096):
                        pass
                except ConnectionError:
                    pass
        self.ask(self.connect(), "GET", f"{API}/?q=this")

    def test_slow_requests_are_cut_off(self):
        self.start_tls(http_read_timeout=1)
        socket_ = self.connect().sock
        socket_.sendall(b"GET /api/v1/meta/version HTTP/1.1\r\nHost:")
        said = b""
        while part := socket_.recv(65536):
            said += part
        self.assertIn(b"408", said)

    def test_a_renewal_drops_no_connection(self):
        self.start_tls()
        kept = self.connect()
        self.ask(kept, "GET", f"{API}/?q=this")
        self.assertEqual(self.certificate_name(kept), "one")
        kept.request("GET", "/metrics")
        expiry = prometheus.Metrics(kept.getresponse().read().decode()).get(
            "connectordb_tls_certificate_expiry_timestamp_seconds")
        self.assertLess(abs(expiry - time.time() - 2 * 86400), 3600)
        self.install("two")
        self.await_log("read the certificate in ")
        self.assertEqual(self.certificate_name(self.connect()), "two")
        self.ask(kept, "GET", f"{API}/?q=this")
        # a certificate that is wrong changes nothing
        with open(os.path.join(self.directory, "server.pem"), "w", encoding="ascii") as file:
            file.write("nonsense")
        self.await_log("the certificate stays as it was: ")
        self.assertEqual(self.certificate_name(self.connect()), "two")
        self.install("one")
        with open(os.path.join(self.database, "connectordb.pid"), encoding="ascii") as file:
            os.kill(int(file.read()), signal.SIGHUP)
        self.await_log("read the certificate in ")
        deadline = time.monotonic() + harness.COMMAND_SECONDS_MAX
        while self.certificate_name(self.connect()) != "one":
            self.assertLess(time.monotonic(), deadline)
        self.ask(kept, "GET", f"{API}/?q=this")

    def test_another_certificate_by_configuration(self):
        self.start_tls()
        path = os.path.join(self.database, "connectordb.conf")

        def configure(name):
            tls = {"enabled": True, "key": self.file(name + ".key"), "cert": self.file(name + ".pem")}
            with open(path + ".new", "w", encoding="utf-8") as file:
                json.dump({**self.configuration, "tls": tls}, file)
            os.rename(path + ".new", path)
        kept = self.connect()
        configure("two")
        self.await_log("two.pem again")
        self.assertEqual(self.certificate_name(self.connect()), "two")
        configure("none")
        self.await_log("the certificate stays as it was: ")
        self.assertEqual(self.certificate_name(self.connect()), "two")
        self.ask(kept, "GET", f"{API}/?q=this")

    def test_what_cannot_be_served_is_said(self):
        key, certificate = os.path.join(self.directory, "server.key"), os.path.join(self.directory, "server.pem")
        for tls, message in (({"enabled": True}, '"key" and "cert"'),
                             ({"enabled": True, "acme": {"enabled": True}}, "certbot or uacme"),
                             ({"enabled": True, "key": "none", "cert": certificate}, "none: No such file or directory"),
                             ({"enabled": True, "key": key, "cert": key}, "server.key: no certificate in PEM"),
                             ({"enabled": True, "key": self.file("two.key"), "cert": certificate}, "two.key: "),
                             ({"enabled": True, "kee": key, "cert": certificate}, '"tls" needs "key" and "cert"')):
            shutil.rmtree(self.database, ignore_errors=True)
            harness.command("create", self.database)
            configuration = os.path.join(self.database, "connectordb.conf")
            with open(configuration, "w", encoding="utf-8") as file:
                json.dump({"version": 1, "tls": tls}, file)
            done = harness.command("start", self.database, "--port", "0", exit_code=1)
            self.assertIn(message, done.stderr)

    def test_plain_http_on_demand(self):
        self.start_tls()
        self.stop()
        self.start("--http")
        self.assertEqual(self.request("GET", f"{API}/?q=this", login="test:test").body, b"test/user")

    def resident_kib(self):
        with open(os.path.join(self.database, "connectordb.pid"), encoding="ascii") as file:
            pid = file.read().split()[0]
        with open(f"/proc/{pid}/status", encoding="ascii") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("VmRSS:"))

    def check_idle_connections(self, make, kib_max):
        """Each costs so much at most when its thread has waited for a while, and goes on afterwards."""
        def ask(connection):
            connection.request("GET", f"{API}/?q=this", headers=basic("test:test"))
            self.assertEqual(connection.getresponse().read(), b"test/user")
        idle = [make()]
        self.addCleanup(idle[0].close)
        ask(idle[0])
        before = self.resident_kib()
        while len(idle) <= IDLE:
            idle.append(make())
            self.addCleanup(idle[-1].close)
            ask(idle[-1])
        deadline = time.monotonic() + harness.COMMAND_SECONDS_MAX
        while (each := (self.resident_kib() - before) / IDLE) > kib_max and time.monotonic() < deadline:
            time.sleep(0.1)
        self.assertLessEqual(each, kib_max)
        for connection in idle:
            ask(connection)

    def test_idle_connections_cost_little(self):
        """It was 25 KiB and 56 KiB: threads kept the stack of the last request, and a random generator each."""
        if harness.program_has_sanitizer():
            self.skipTest("a sanitizer has an allocator of its own")
        self.start_tls()
        self.check_idle_connections(self.connect, 40)
        self.stop()
        self.start("--http")
        self.check_idle_connections(lambda: http.client.HTTPConnection(
            "127.0.0.1", self.port, timeout=harness.COMMAND_SECONDS_MAX), 20)

    def test_redirects(self):
        port = free_port()
        challenges = os.path.join(self.directory, "challenges")
        os.mkdir(challenges)
        with open(os.path.join(challenges, "to_ken-1"), "w", encoding="ascii") as file:
            file.write("to_ken-1.thumbprint")
        with open(os.path.join(self.directory, "secret"), "w", encoding="ascii") as file:
            file.write("secret")
        self.start_tls(redirect80=port, acme_challenge=challenges)

        def ask(path, host="db.example:80", method="GET"):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=harness.COMMAND_SECONDS_MAX)
            self.addCleanup(connection.close)
            connection.putrequest(method, path, skip_host=True)
            if host is not None:
                connection.putheader("Host", host)
            connection.endheaders()
            answer = connection.getresponse()
            return answer.status, answer.headers.get("Location"), answer.read().decode()
        self.assertEqual(ask("/api/v1/?q=this&x=%0d%0aA:b")[:2], (308, f"https://db.example:{self.port}/api/v1/?q=this&x=%0d%0aA:b"))
        self.assertEqual(ask("/", "[::1]:80", "POST")[:2], (308, f"https://[::1]:{self.port}/"))
        for host in ("evil.example/path", "a b", "x@y", "", "a..b//", None):
            status, location, _ = ask("/p", host)
            self.assertIn((status, location), ((308, f"https://localhost:{self.port}/p"), (308, f"https://127.0.0.1:{self.port}/p"),
                                               (400, None)), host)
        for length in (5000, 16000, 17000):  # CVE-2025-55763: long addresses of redirects
            status, _, text = ask("/" + "a" * length)
            self.assertEqual((status, json.loads(text)["code"]), (414, 414))
            self.assertEqual(sorted(json.loads(text)), ["code", "msg", "ref"])
        prefix = "/.well-known/acme-challenge/"
        self.assertEqual(ask(prefix + "to_ken-1"), (200, None, "to_ken-1.thumbprint"))
        for token in ("", "none", "../secret", "..%2fsecret", "%2e%2e/secret", "to_ken-1/", "x" * 200):
            self.assertEqual(ask(prefix + token)[0], 404, token)
        self.ask(self.connect(), "GET", f"{API}/?q=this")

    def test_other_programs(self):
        self.start_tls()
        url = f"https://localhost:{self.port}{API}/?q=this"
        if shutil.which("curl"):
            done = subprocess.run(["curl", "-sS", "--ipv4", "--cacert", self.file("ca.pem"), "-u", "test:test", url], capture_output=True,
                                  text=True, timeout=harness.COMMAND_SECONDS_MAX, check=False)
            self.assertEqual((done.stdout, done.stderr), ("test/user", ""))
        if shutil.which("node"):
            script = ("const https=require('https'),fs=require('fs');https.get(process.argv[1],{ca:fs.readFileSync(process.argv[2]),"
                      "family:4,auth:'test:test'},r=>r.on('data',d=>process.stdout.write(d))).on('error',e=>{console.error(e);process.exit(1)})")
            done = subprocess.run(["node", "-e", script, url, self.file("ca.pem")], capture_output=True, text=True,
                                  timeout=harness.COMMAND_SECONDS_MAX, check=False)
            self.assertEqual((done.stdout, done.stderr), ("test/user", ""))


if __name__ == "__main__":
    harness.main()
