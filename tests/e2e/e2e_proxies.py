"""ConnectorDB behind nginx and haproxy with the samples of packaging/: data, logins, who the client is, long answers, kept
connections, WebSocket upgrades, and the errors of the proxies themselves."""
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
import unittest

import harness
from rest import API, basic
from tls import TlsTest

ANOTHER_USER = 54325  # nobody else counts its processes
CONNECTIONS = int(os.environ.get("CONNECTORDB_CONNECTIONS", "200"))
POINTS = 100000
OTHER_ADDRESS = "127.0.0.2"  # of a client that is not the proxy
START_TRIES = 5


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def find_program(name):
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")


class Proxy:
    """What both tests do; a subclass makes the configuration of its proxy from the sample."""
    name = None

    def setUp(self):
        if not find_program(self.name):
            self.skipTest(f"{self.name} is not installed")
        super().setUp()
        self.folder_of_proxy = os.path.join(self.directory, "proxy")
        os.mkdir(self.folder_of_proxy)
        with open(os.path.join(self.folder_of_proxy, "both.pem"), "w", encoding="ascii") as both:
            for name in ("server.pem", "server.key"):
                shutil.copy(os.path.join(self.directory, name), self.folder_of_proxy)
                with open(os.path.join(self.directory, name), encoding="ascii") as file:
                    both.write(file.read())

    def start_server(self):
        self.create("--user", "test:test", trusted_proxies=["127.0.0.1"], siteurl="https://localhost")
        self.start()
        return self.port

    def sample(self, *path):
        with open(os.path.join(harness.SOURCE, "packaging", *path), encoding="utf-8") as file:
            return file.read()

    def replaced(self, text, *pairs):
        for pattern, new in pairs:
            text, count = re.subn(pattern, new, text)
            self.assertGreater(count, 0, f"the sample has no {pattern}")
        return text

    def write(self, name, text):
        path = os.path.join(self.folder_of_proxy, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def become_another_user(self):
        """Run by root, the proxy is another user, as it would be."""
        if os.geteuid() != 0:
            return None
        for folder in (self.directory, os.path.dirname(self.directory)):
            if os.stat(folder).st_mode & 0o777 == 0o700:
                os.chmod(folder, 0o755)
        for folder, _, names in os.walk(self.folder_of_proxy):
            for path in [folder] + [os.path.join(folder, name) for name in names]:
                os.chown(path, ANOTHER_USER, ANOTHER_USER)

        def become():
            os.setgid(ANOTHER_USER)
            os.setuid(ANOTHER_USER)
        return become

    def start_proxy(self, backend_port):
        for _ in range(START_TRIES):
            self.proxy_port = free_port()
            log = os.path.join(self.directory, "proxy.log")
            command = self.configure(backend_port)
            with open(log, "wb") as output:
                process = subprocess.Popen([find_program(self.name), *command], stdin=subprocess.DEVNULL, stdout=output,
                                           stderr=output, preexec_fn=self.become_another_user(), cwd=self.folder_of_proxy)
            if self.await_port(process):
                self.addCleanup(self.end, process)
                return
            process.wait()
            with open(log, encoding="utf-8", errors="replace") as file:
                said = file.read()
            self.assertRegex(said, "(?i)address already in use|cannot bind")  # somebody was faster
        self.fail("no free port")

    def await_port(self, process):
        deadline = time.monotonic() + harness.COMMAND_SECONDS_MAX
        while process.poll() is None and time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", self.proxy_port), timeout=harness.COMMAND_SECONDS_MAX).close()
                return True
            except ConnectionRefusedError:
                time.sleep(0.02)
        return False

    @staticmethod
    def end(process):
        process.send_signal(signal.SIGTERM)
        process.wait()

    def connect(self, source=None):
        connection = http.client.HTTPSConnection("127.0.0.1", self.proxy_port, context=self.context,
                                                 timeout=harness.COMMAND_SECONDS_MAX,
                                                 source_address=(source, 0) if source else None)
        self.addCleanup(connection.close)
        return connection

    def ask(self, connection, method, path, body=None, login="test:test", headers=None):
        connection.request(method, path, body=body, headers={**(basic(login) if login else {}), **(headers or {})})
        answer = connection.getresponse()
        return answer, answer.read()

    def assert_error(self, answer, text, status):
        said = json.loads(text)
        self.assertEqual((answer.status, said["code"]), (status, status), text)
        self.assertEqual(sorted(said), ["code", "msg", "ref"])
        self.assertRegex(said["ref"], "^[0-9a-f-]{32,36}$")
        self.assertTrue(answer.headers["Content-Type"].startswith("application/json"))

    def test_requests(self):
        self.start_proxy(self.start_server())
        connection = self.connect()
        self.assertEqual(self.ask(connection, "GET", f"{API}/?q=this")[1], b"test/user")
        self.assertEqual(self.ask(connection, "GET", "//api/v1//?q=this")[1], b"test/user")
        stream = f"{API}/crud/test/user/s/"
        answer, text = self.ask(connection, "POST", stream, b"{}")  # with a slash: never redirected
        self.assertEqual((answer.status, json.loads(text)["name"]), (200, "s"))
        points = [{"t": 1480000000 + i, "d": f"the {i}th value of a long answer"} for i in range(POINTS)]
        for first in range(0, POINTS, POINTS // 2):
            body = json.dumps(points[first:first + POINTS // 2]).encode()
            self.assertEqual(self.ask(connection, "POST", stream + "data", body)[1], b"ok")
        self.assertEqual(json.loads(self.ask(connection, "GET", stream + "data?i1=0")[1]), points)
        connection.request("POST", stream + "data", body=iter([b'[{"d":', b"1}]"]), headers=basic("test:test"),
                           encode_chunked=True)
        self.assertEqual(connection.getresponse().read(), b"ok")
        self.assertEqual(self.ask(connection, "GET", stream + "data?q=length")[1], b"%d" % (POINTS + 1))
        answer, text = self.ask(connection, "GET", f"{API}/crud/test/user/none")
        self.assert_error(answer, text, 404)
        self.assertEqual(self.ask(connection, "GET", "/ready")[1], b"ok")
        self.assert_error(*self.ask(connection, "GET", "/metrics"), 401)  # who comes through a proxy is not local
        # a body that ConnectorDB refuses, and one that the proxy does
        answer, text = self.ask(self.connect(), "POST", stream + "data", b"[" + b" " * (11 << 20) + b"]")
        self.assert_error(answer, text, 413)
        self.assertIn(b"10485760", text)
        announced = {"Content-Length": str(17 << 20)}
        self.assert_error(*self.ask(self.connect(), "POST", stream + "data", headers=announced), 413)

    def test_who_the_client_is(self):
        self.start_proxy(self.start_server())
        connection = self.connect(OTHER_ADDRESS)
        answer, _ = self.ask(connection, "GET", f"{API}/login")
        cookie = answer.headers["Set-Cookie"]
        self.assertTrue(cookie.endswith("; Secure"), cookie)
        headers = {"Cookie": cookie.split(";")[0]}
        self.assertEqual(self.ask(connection, "GET", f"{API}/?q=this", login=None, headers=headers)[1], b"test/user")
        claimed = {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "http"}
        answer, text = self.ask(connection, "GET", f"{API}/?q=this", login="test:wrong", headers=claimed)
        self.assert_error(answer, text, 401)
        with open(os.path.join(self.database, "connectordb.log"), encoding="utf-8") as file:
            log = file.read()
        self.assertRegex(log, rf"(?i)login.*{re.escape(OTHER_ADDRESS)}")
        self.assertNotIn("203.0.113.7", log)

    def test_many_kept_connections(self):
        """More than the server has connections: they end at the proxy."""
        self.configuration["connections_max"] = 32
        self.start_proxy(self.start_server())
        connections = [self.connect() for _ in range(CONNECTIONS)]
        for _ in range(2):
            for connection in connections:
                self.assertEqual(self.ask(connection, "GET", f"{API}/?q=this")[1], b"test/user")
        sockets = {connection.sock for connection in connections}
        self.assertEqual(len(sockets), CONNECTIONS)
        self.assertNotIn(None, sockets, "the proxy has closed a connection")

    def test_without_server(self):
        port = self.start_server()
        self.start_proxy(port)
        self.stop()
        answer, text = self.ask(self.connect(), "GET", f"{API}/?q=this")
        self.assert_error(answer, text, 503)
        self.assertEqual(answer.headers["Retry-After"], "1")

    def test_upgrade(self):
        """A connection that was upgraded carries bytes both ways."""
        with socket.create_server(("127.0.0.1", 0)) as backend:
            backend.settimeout(harness.COMMAND_SECONDS_MAX)
            self.start_proxy(backend.getsockname()[1])
            heads = []

            def serve():
                server, _ = backend.accept()
                with server:
                    head = b""
                    while b"\r\n\r\n" not in head:
                        head += server.recv(65536)
                    heads.append(head.lower())
                    server.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                                   b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n")
                    while piece := server.recv(65536):
                        server.sendall(piece.upper())
            thread = threading.Thread(target=serve)
            thread.start()
            with socket.create_connection(("127.0.0.1", self.proxy_port), timeout=harness.COMMAND_SECONDS_MAX) as plain:
                with self.context.wrap_socket(plain, server_hostname="localhost") as client:
                    client.sendall(b"GET /api/v1/websocket HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
                                   b"Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                                   b"Sec-WebSocket-Version: 13\r\n\r\n")
                    answer = b""
                    while b"\r\n\r\n" not in answer:
                        answer += client.recv(65536)
                    self.assertTrue(answer.startswith(b"HTTP/1.1 101 "), answer)
                    for word in (b"ping", b"pong"):
                        client.sendall(word)
                        self.assertEqual(client.recv(65536), word.upper())
            thread.join()
            self.assertIn(b"upgrade: websocket", heads[0])
            self.assertIn(b"x-forwarded-proto: https", heads[0])


class Nginx(Proxy, TlsTest):
    name = "nginx"

    def configure(self, backend_port):
        sample = self.replaced(
            self.sample("nginx", "connectordb.conf"), (r"127\.0\.0\.1:3124", f"127.0.0.1:{backend_port}"),
            (r"listen 443 ", f"listen 127.0.0.1:{self.proxy_port} "), (r" *listen \[::\]:443 .*\n", ""),
            (r"/etc/nginx/connectordb/fullchain\.pem", os.path.join(self.folder_of_proxy, "server.pem")),
            (r"/etc/nginx/connectordb/privkey\.pem", os.path.join(self.folder_of_proxy, "server.key")))
        included = self.write("connectordb.conf", sample)
        temporary = "".join(f"    {name}_temp_path {name};\n"
                            for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        path = self.write("nginx.conf", "daemon off;\nworker_processes 1;\npid nginx.pid;\nerror_log stderr;\n"
                          f"events {{ worker_connections {CONNECTIONS * 2 + 1000}; }}\n"
                          f"http {{\n    access_log off;\n{temporary}    include {included};\n}}\n")
        return ["-p", self.folder_of_proxy, "-e", "stderr", "-c", path]


class Haproxy(Proxy, TlsTest):
    name = "haproxy"

    def configure(self, backend_port):
        sample = self.replaced(
            self.sample("haproxy", "haproxy.cfg"), (r"127\.0\.0\.1:3124", f"127.0.0.1:{backend_port}"),
            (r"bind :::443 v4v6 ", f"bind 127.0.0.1:{self.proxy_port} "),
            (r"/etc/haproxy/connectordb\.pem", os.path.join(self.folder_of_proxy, "both.pem")),
            (r" *(user|group) haproxy\n", ""), (r" *chroot .*\n", ""), (r"log /dev/log local0", "log stderr format raw local0"),
            (r"maxconn 20000", f"maxconn {CONNECTIONS + 50}"))
        return ["-db", "-f", self.write("haproxy.cfg", sample)]


if __name__ == "__main__":
    harness.main()
