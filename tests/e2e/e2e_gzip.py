"""gzip of bodies and answers: what is decoded, bombs and damage, who gets coded answers."""
import gzip
import http.client
import json
import zlib

import harness
from rest import API, RestTest, basic

MIB = 1 << 20


class Gzip(RestTest):
    def setUp(self):
        super().setUp()
        self.create("--user", "test:test", insert_limit_bytes=MIB)
        self.start()
        self.data = self.make_stream("test/user/s")
        self.connection = self.connect()

    def connect(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=harness.COMMAND_SECONDS_MAX)
        self.addCleanup(connection.close)
        return connection

    def ask(self, method, path, body=None, headers=None, chunked=False):
        """On one connection as long as the server keeps it."""
        self.connection.request(method, path, body=body, headers={**basic("test:test"), **(headers or {})}, encode_chunked=chunked)
        answer = self.connection.getresponse()
        return answer, answer.read()

    def insert(self, body, status=200, chunked=False, coding="gzip"):
        headers = {"Content-Encoding": coding}
        if chunked:
            headers["Transfer-Encoding"] = "chunked"
            body = [body[at:at + 1000] for at in range(0, len(body), 1000)]
        answer, text = self.ask("POST", self.data, body, headers, chunked)
        self.assertEqual(answer.status, status, text)
        return text.decode() if status == 200 else json.loads(text)["msg"]

    def length(self):
        return int(self.ask("GET", self.data + "?q=length")[1])

    def test_bodies(self):
        points = [{"t": i, "d": i / 3} for i in range(1, 20001)]
        plain = json.dumps(points).encode()
        self.insert(gzip.compress(plain))
        self.insert(gzip.compress(b'[{"t":20001,"d":1}]', 9), coding="X-GZIP", chunked=True)
        self.assertEqual(self.length(), 20001)
        self.assertEqual(json.loads(self.ask("GET", self.data + "?i1=0&i2=20000")[1]), points)
        self.ask("POST", f"{API}/crud/test/dev", gzip.compress(b"{}"), {"Content-Encoding": "gzip"})
        self.assertEqual(self.ask("GET", f"{API}/crud/test/dev")[0].status, 200)
        self.assertIn("ends too early", self.insert(b"", 400))  # no body has no coding

    def test_what_is_refused(self):
        good = gzip.compress(b'[{"t":1,"d":"' + b"x" * 1000 + b'"}]')
        self.assertIn("is not gzip at byte", self.insert(b'[{"t":1,"d":1}]', 400))
        self.assertIn("is not gzip at byte", self.insert(zlib.compress(b"[]"), 400))
        for size in (1, 9, 10, 20, len(good) - 8, len(good) - 1):
            self.assertIn(f"ends early at byte {size}", self.insert(good[:size], 400))
            self.assertIn(f"ends early at byte {size}", self.insert(good[:size], 400, chunked=True))
        damaged = good[:-5] + bytes([good[-5] ^ 1]) + good[-4:]  # of the checksum
        self.assertIn("is damaged at byte", self.insert(damaged, 400))
        for more in (b"\0", b"[]", good):
            self.assertIn(f"is followed by other data at byte {len(good)}", self.insert(good + more, 400))
            self.assertIn(f"is followed by other data at byte {len(good)}", self.insert(good + more, 400, chunked=True))
        for coding in ("br", "deflate", "gzip, gzip", "deflate, gzip"):
            answer, _ = self.ask("POST", self.data, good, {"Content-Encoding": coding})
            self.assertEqual((answer.status, answer.headers["Accept-Encoding"]), (415, "gzip"))
        self.assertEqual(self.length(), 0)
        self.insert(good)
        self.assertEqual(self.length(), 1)

    def test_bombs(self):
        bomb = gzip.compress(b"[" + b" " * (200 * MIB) + b"]")
        self.assertLess(len(bomb), MIB)
        for chunked in (False, True):
            self.assertIn(f"the limit of {MIB} bytes", self.insert(bomb, 413, chunked))
        nested = gzip.compress(gzip.compress(b" " * (200 * MIB)))
        self.insert(nested, 400)
        self.insert(gzip.compress(b"[" + b" " * (MIB - 2) + b"]"))
        self.insert(gzip.compress(b"[" + b" " * (MIB - 1) + b"]"), 413)
        with open(f"/proc/{self.pid()}/status", encoding="ascii") as file:
            peak = next(int(line.split()[1]) for line in file if line.startswith("VmHWM"))
        if not harness.program_has_sanitizer():
            self.assertLess(peak, 100 << 10)
        self.insert(gzip.compress(b'[{"t":1,"d":1}]'))

    def pid(self):
        with open(f"{self.database}/connectordb.pid", encoding="ascii") as file:
            return int(file.read())

    def get(self, path, accept, method="GET"):
        answer, text = self.ask(method, path, headers={} if accept is None else {"Accept-Encoding": accept})
        return answer, text

    def test_answers(self):
        for first in range(0, 60000, 20000):
            self.insert(gzip.compress(json.dumps([{"t": i + 1, "d": i} for i in range(first, first + 20000)]).encode()))
        for path, is_long in (("?i1=0", True), ("?i1=0&i2=10000", False), ("?i1=0&i2=100", False)):
            _, plain = self.get(self.data + path, "identity")
            for accept in ("gzip", "gzip, deflate", "br;q=1, *;q=0.5"):
                answer, coded = self.get(self.data + path, accept)
                self.assertEqual(answer.headers["Content-Encoding"], "gzip")
                self.assertIn("Accept-Encoding", answer.headers.get_all("Vary"))
                self.assertEqual(answer.headers["Transfer-Encoding"], "chunked" if is_long else None)
                self.assertEqual(gzip.decompress(coded), plain)
                self.assertLess(len(coded), len(plain) / 2)
            for accept in (None, "", "gzip;q=0", "br", "identity, gzip;q=0.5"):
                answer, text = self.get(self.data + path, accept)
                self.assertIsNone(answer.headers["Content-Encoding"])
                self.assertIn("Accept-Encoding", answer.headers.get_all("Vary"))
                self.assertEqual(text, plain)
        answer, text = self.get(self.data + "?i1=0&i2=2", "gzip")  # too short to be worth it
        self.assertEqual((answer.headers["Content-Encoding"], len(json.loads(text))), (None, 2))
        answer, text = self.get(self.data + "?i1=0&i2=10000", "gzip", "HEAD")
        self.assertEqual((answer.status, text), (200, b""))
        answer, text = self.get(f"{API}/nothing", "gzip")
        self.assertEqual((answer.status, json.loads(text)["code"]), (404, 404))

    def test_an_old_client_gets_it_whole_or_not(self):
        self.insert(gzip.compress(json.dumps([{"t": i + 1, "d": i} for i in range(30000)]).encode()))
        connection = self.connect()
        connection._http_vsn, connection._http_vsn_str = 10, "HTTP/1.0"  # pylint: disable=protected-access
        connection.request("GET", self.data + "?i1=0", headers={**basic("test:test"), "Accept-Encoding": "gzip"})
        answer = connection.getresponse()
        self.assertIsNone(answer.headers["Content-Encoding"])
        self.assertEqual(len(json.loads(answer.read())), 30000)


if __name__ == "__main__":
    harness.main()
