"""Every 4xx and 5xx is JSON with code, msg and ref, and nothing else: on all routes, by all kinds of errors, and by the
transport itself. The Python client of 0.3 parses each blindly; the JavaScript one looks for ref."""
import gzip
import json
import os
import re
import select
import socket

import harness
from rest import API, RestTest, basic
from transcript import UUID

MIB = 1 << 20
LIMIT = 3 * MIB
WANTED = {400, 401, 403, 404, 405, 409, 413, 415}


def routes():
    """[(method, path below /api/v1)] of the server's table."""
    with open(os.path.join(harness.SOURCE, "server", "api", "routes.c"), encoding="utf-8") as file:
        table = re.search(r"ROUTES\[\] = \{\n(.*?)\n\};", file.read(), re.DOTALL).group(1)
    found = re.findall(r'\{(?:HTTP_)?(\w+), "([^"]*)", \w+, (?:true|false)\}', table)
    assert len(found) == len(table.splitlines()), "a route that this script cannot read"
    return [("GET" if method == "ANY_METHOD" else method, path) for method, path in found]


class Errors(RestTest):
    def setUp(self):
        super().setUp()
        self.configuration["http_read_timeout"] = 1
        self.configuration["insert_limit_bytes"] = LIMIT
        self.seen = {}
        self.refs = set()

    def check(self, status, headers, body, about):
        self.seen.setdefault(status, []).append(about)
        if status < 400:
            return
        self.assertEqual(headers.get("Content-Type"), "application/json; charset=utf-8", about)
        said = json.loads(body)
        self.assertEqual(list(said), ["code", "msg", "ref"], about)
        self.assertEqual(said["code"], status, about)
        self.assertIsInstance(said["msg"], str, about)
        self.assertTrue(said["msg"].strip(), about)
        self.assertRegex(said["ref"], UUID, about)
        self.assertNotIn(said["ref"], self.refs, about)
        self.refs.add(said["ref"])
        self.assertEqual(headers.get("Cache-Control"), "no-store, must-revalidate", about)

    def ask(self, method, path, headers=None, body=None, login="test:test"):
        """On a connection of its own, by hand: http.client would refuse to send much of it."""
        fields = {"Host": "x", "Connection": "close", **(basic(login) if login else {}), **(headers or {})}
        if body is not None:
            fields["Content-Length"] = str(len(body))
        head = f"{method} {path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        return self.send(head.encode() + b"\r\n" + (body or b""), f"{method} {path} {headers}")

    def send(self, request, about=None, end=False):
        about = about or request[:80]
        with socket.create_connection(("127.0.0.1", self.port), timeout=harness.COMMAND_SECONDS_MAX) as raw:
            raw.sendall(request)
            if end:
                raw.shutdown(socket.SHUT_WR)
            answer = b""
            while piece := raw.recv(65536):
                answer += piece
        return self.read(answer, about, request.startswith(b"HEAD"))

    def read(self, answer, about, is_head=False):
        head, _, body = answer.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        self.assertRegex(lines[0], r"^HTTP/1\.1 \d{3} [A-Z]", about)
        self.assertNotIn(" Status", lines[0], about)
        status = int(lines[0].split()[1])
        headers = dict(line.split(": ", 1) for line in lines[1:])
        if is_head:
            self.assertEqual(body, b"", about)
        else:
            self.check(status, headers, body, about)
        return status

    def test_routes(self):
        """Each route by each kind of error that can be had at it."""
        self.start_with_bob()
        key = self.make_device("dev", {"apikey": "a-key-of-the-device"})
        self.make_stream("test/user/s", {"schema": "{\"type\":\"string\"}"})
        self.request("POST", f"{API}/crud/test/user/s/data", [{"d": "text"}], login="test:test")
        kinds = 0
        for method, pattern in routes():
            exists = f"{API}/" + pattern.replace(":user", "test").replace(":device", "user").replace(":stream", "s")
            missing = f"{API}/" + pattern.replace(":user", "none").replace(":device", "none").replace(":stream", "none")
            odd = f"{API}/" + re.sub(r":\w+", "0%20bad%3F", pattern)
            for path in {exists, missing, odd}:
                for headers in ({}, {"X-Requested-With": "XMLHttpRequest"}):
                    self.ask(method, path, headers, login=":no-such-key")
                self.ask(method, path + "?apikey=no-such-key", login=None)
                self.ask(method, path + "?a=%zz")
                self.ask("GET" if method == "DELETE" else method, path + "?q=nonsense&i1=x&t1=y&limit=z")
                self.ask(method, path + "/..")
                self.ask(method, path + "/%zz")
                self.ask("PATCH", path)
                self.ask("BREW", path)
                self.ask("HEAD", path + "?q=nonsense")
                self.ask(method, path, {"Transfer-Encoding": "gzip"})
                kinds += 12
                if path != exists:
                    self.ask(method, path)
                elif method == "DELETE":
                    continue
                else:
                    self.ask(method, path, login="test:wrong")
                for login in ("test:test", "bob:b", ":" + key, None):
                    for body in (b"", b"{", b"[1,", b"7", b"null", b'"x"', b"\xff", b'{"name":1,"no_field":2}', b"[{}]",
                                 b'{"streams":{"x":null}}', b'[{"t":"x"}]', b'[{"stream":"none/none/none","i1":0}]'):
                        if login == "test:test" and path == exists and method == "PUT" and body == b"":
                            continue
                        self.ask(method, path, body=body, login=login)
                        kinds += 1
                if method in ("POST", "PUT"):
                    self.ask(method, path, {"Content-Encoding": "br"}, b"[]")
                    self.ask(method, path, {"Content-Encoding": "gzip"}, b"no gzip")
                    self.ask(method, path, {"Content-Encoding": "gzip"}, gzip.compress(b"[")[:-3])
                    self.ask(method, path, {"Transfer-Encoding": "identity"}, b"[]")
                    self.ask(method, path, {"Origin": "http://other.example", "Sec-Fetch-Site": "cross-site"}, b"[]")
                    self.ask(method, path, {"Idempotency-Key": "x" * 2000}, b"[]")
                    self.ask(method, path, {"Content-Length": str(LIMIT * 3)})
                    kinds += 7
        self.ask("GET", f"{API}/crud/test/user/s/data?i1=0&transform=no_such_transform")
        self.ask("POST", f"{API}/crud/bob", body=b'{"email":"x@y","password":"x"}')
        for path in ("/none", "/a/b/c", "/a/b/c/d/e", "/api", "/api/v2/x", "/join?q=none", "/%00", "/favicon.ico"):
            self.ask("GET", path)
            self.ask("POST", path, body=b"{}")
        self.ask("POST", "/join", body=b'{"name":"joe","email":"j@k","password":"p"}', login=None)
        self.assertGreater(kinds, 1000)
        self.assertLessEqual(WANTED, set(self.seen))

    def test_too_many_guesses(self):
        self.create("--user", "test:test", failed_login_delay=0, failed_logins_max=3)
        self.start()
        statuses = [self.ask("GET", f"{API}/?q=this", login="test:wrong") for _ in range(6)]
        self.assertIn(429, statuses)

    def test_transport(self):
        """What is judged before any route is looked for."""
        self.start_with_bob()
        cases = {
            400: (b"nonsense\r\n\r\n", b"GET / HTTP/1.1\nHost: x\r\n\r\n", b"GET /a b HTTP/1.1\r\n\r\n",
                  b"GET * HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
                  b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n", b"GET / HTTP/1.1\r\n folded\r\n\r\n",
                  b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"),
            405: (b"BREW / HTTP/1.1\r\n\r\n",),
            408: (b"GET / HTTP/1.1\r\nHost:",
                  b"POST /api/v1/crud/test/user/s HTTP/1.1\r\nAuthorization: Basic dGVzdDp0ZXN0\r\nContent-Length: 9\r\n\r\n{"),
            414: (b"GET /" + b"a" * (17 << 10),),
            431: (b"GET / HTTP/1.1\r\nX: " + b"a" * (17 << 10), b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 70 + b"\r\n"),
            505: (b"GET / HTTP/2.0\r\n\r\n",),
        }
        for status, requests in cases.items():
            for request in requests:
                self.assertEqual(self.send(request), status, request[:80])
        self.assertEqual(self.send(b"GET / HTTP/1.1\r\nHos", end=True), 400)
        self.make_stream("test/user/s")
        data = f"{API}/crud/test/user/s/data"
        self.assertEqual(self.ask("POST", data, {"Content-Length": str(LIMIT + 1)}), 413)
        chunked = (f"POST {data} HTTP/1.1\r\nAuthorization: Basic dGVzdDp0ZXN0\r\nTransfer-Encoding: chunked\r\n\r\n").encode()
        self.assertEqual(self.send(chunked + b"%x\r\n[" % (LIMIT + 2) + b" " * (LIMIT + 1) + b"\r\n0\r\n\r\n"), 413)
        self.assertEqual(self.send(chunked + b"zz\r\n"), 400)
        self.assertEqual(self.send(chunked + b"9\r\n[", end=True), 400)

    def test_busy(self):
        """Of so many large bodies at once some are refused."""
        self.configuration["http_read_timeout"] = 60
        self.start_with_bob()
        self.make_stream("test/user/s")
        head = (f"POST {API}/crud/test/user/s/data HTTP/1.1\r\nAuthorization: Basic dGVzdDp0ZXN0\r\n"
                f"Content-Length: {LIMIT}\r\n\r\n").encode()
        held = []
        for _ in range(13):  # one sender may have twelve
            raw = socket.create_connection(("127.0.0.1", self.port), timeout=harness.COMMAND_SECONDS_MAX)
            self.addCleanup(raw.close)
            raw.sendall(head + b"[" + b" " * (MIB + 4096))
            held.append(raw)
        ready, _, _ = select.select(held, [], [], harness.COMMAND_SECONDS_MAX)
        answer = b""
        while piece := ready[0].recv(65536):
            answer += piece
        self.assertEqual(self.read(answer, "a large body"), 503)
        self.assertIn(b"Retry-After: ", answer)

if __name__ == "__main__":
    harness.main()
