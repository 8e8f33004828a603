"""Bodies of requests: who may send them, what they cost, which limit is named."""
import json
import os
import resource
import socket
import time

import harness
from folders import make_folder
from rest import API, RestTest, basic

MIB = 1 << 20


class BodyTest(RestTest):
    def process(self):
        with open(os.path.join(self.database, "connectordb.pid"), encoding="ascii") as file:
            return int(file.read().split()[0])

    def memory(self, key):
        """VmRSS, VmHWM or VmSize of the server in bytes."""
        with open(f"/proc/{self.process()}/status", encoding="ascii") as file:
            for line in file:
                if line.startswith(key + ":"):
                    return int(line.split()[1]) * 1024
        raise AssertionError(key)

    def forget_peak(self):
        with open(f"/proc/{self.process()}/clear_refs", "w", encoding="ascii") as file:
            file.write("5")

    def begin(self, path, length, login=None, sent=b"", method="POST"):
        """A connection with a request whose body has begun."""
        raw = socket.create_connection(("127.0.0.1", self.port))
        self.addCleanup(raw.close)
        headers = f"Content-Length: {length}\r\n"
        if login:
            headers += f"Authorization: {basic(login)['Authorization']}\r\n"
        raw.sendall(f"{method} {path} HTTP/1.1\r\nHost: x\r\n{headers}\r\n".encode())
        raw.sendall(sent)
        return raw

    def status_of(self, raw):
        reply = b""
        while b"\r\n" not in reply:
            piece = raw.recv(65536)
            if not piece:
                break
            reply += piece
        return int(reply.split()[1])


class Memory(BodyTest):
    def setUp(self):
        super().setUp()
        self.create("--user", "test:test")
        self.start()

    def test_bodies_of_nobody_are_not_read(self):
        """They were parsed before anybody asked who sends them: 2.5 GB were resident afterwards."""
        many = b'{"a":[' + b"{}," * (4 * MIB // 3 - 100) + b"{}]}"
        # memory of a sanitizer is not the server's
        bound = MIB * (1000 if os.environ.get("ASAN_OPTIONS") and self.memory("VmSize") > 1 << 40 else 16)
        for path, status in (("nosuch/thing", 403), ("nosuch/no/thing", 403), ("a/b/c/data", 403), ("a/b/c/d/e", 404)):
            self.forget_peak()
            before = self.memory("VmRSS")
            for _ in range(8):
                raw = self.begin(f"{API}/crud/{path}", len(many), sent=many)
                self.assertEqual(self.status_of(raw), status)
                raw.close()
            self.assertLess(self.memory("VmHWM") - before, bound, path)

    def test_an_object_of_many_values_costs_little(self):
        for piece in (b"{},", b"[],", b'{"a":{}},', b'"",', b"1,"):
            body = b'{"a":[' + piece * (4 * MIB // len(piece) - 100) + b"0]}"
            self.forget_peak()
            before = self.memory("VmRSS")
            answer = self.request("POST", f"{API}/crud/test/dev", body=body, login="test:test", status=413)
            self.assertIn("20000 values", answer.json()["msg"])
            self.assertLess(self.memory("VmHWM") - before, 64 * MIB)
        body = {"streams": {f"s{n}": {"schema": "{}", "icon": "", "downlink": True} for n in range(1000)}}
        self.request("POST", f"{API}/crud/test/dev", body=body, login="test:test")
        self.assertEqual(len(self.request("GET", f"{API}/crud/test/dev?q=ls", login="test:test").json()), 1000)

    def test_without_memory(self):
        """It was 400, not a JSON object: line -1."""
        body = {"more": [{}] * 19000}
        process = self.process()
        self.request("POST", f"{API}/crud/test/first", body={}, login="test:test")
        client = self.client()
        client.ask("GET", f"{API}/", "q=this", basic("test:test"))  # a thread with its buffers
        if self.memory("VmSize") > 1 << 40:
            self.skipTest("a sanitizer has memory of its own")
        before = resource.prlimit(process, resource.RLIMIT_DATA)
        resource.prlimit(process, resource.RLIMIT_DATA, (self.memory("VmData") + MIB // 4, before[1]))
        answer = client.ask("POST", f"{API}/crud/test/dev", "", basic("test:test"), json.dumps(body))
        resource.prlimit(process, resource.RLIMIT_DATA, before)
        self.assertEqual(answer.status, 503, answer.text)
        self.assertEqual(answer.headers["Retry-After"], "1")
        self.request("POST", f"{API}/crud/test/dev", body=body, login="test:test")


class Places(BodyTest):
    def setUp(self):
        super().setUp()
        self.configuration["http_read_timeout"] = 60
        self.start_with_bob()
        self.request("POST", f"{API}/crud/test/user/s", body={}, login="test:test")
        self.request("POST", f"{API}/crud/bob/user/s", body={}, login="bob:b")
        self.points = json.dumps([{"t": n, "d": "x" * 1000} for n in range(1, 2001)]).encode()

    def test_nobody_holds_none(self):
        """Twenty bodies of over 1 MiB that drip took all places: an insert of 2 MiB was 503."""
        dripping = [self.begin(f"{API}/crud/test/user/s/data", 8 * MIB, sent=b"[" + b" " * (2 * MIB)) for _ in range(20)]
        self.request("POST", f"{API}/crud/test/user/s/data", body=self.points, login="test:test")
        for raw in dripping:
            self.assertEqual(self.status_of(raw), 403)

    def test_no_account_holds_all(self):
        sent = b"[" + b" " * (9 * MIB)
        held = []
        for _ in range(8):
            raw = self.begin(f"{API}/crud/bob/user/s/data", 10 * MIB, "bob:b", sent)
            held.append(raw)
        refused = 0
        for raw in held:
            raw.settimeout(0.5)
            try:
                self.assertEqual(self.status_of(raw), 503)
                refused += 1
            except TimeoutError:
                pass
        self.assertGreater(refused, 0)
        self.assertLess(refused, len(held))
        self.request("POST", f"{API}/crud/test/user/s/data", body=self.points, login="test:test")
        for raw in held:
            raw.close()
        own = self.points.replace(b'"x', b'"y')
        for attempt in range(100):  # the server notices the closed connections
            answer = self.client().ask("POST", f"{API}/crud/bob/user/s/data", "", basic("bob:b"), own.decode())
            if answer.status == 200:
                return
            time.sleep(0.1)
        self.fail("what bob held is not given back")


class Refusals(BodyTest):
    def setUp(self):
        super().setUp()
        self.create("--user", "test:test")

    def test_content_encoding(self):
        self.start()
        data = self.make_stream("test/user/s")
        client = self.client()
        for path, body in ((data, "[]"), (f"{API}/crud/test/dev", "{}")):
            for encoding in ("br", "deflate, gzip", "nonsense"):
                answer = client.ask("POST", path, "", {**basic("test:test"), "Content-Encoding": encoding}, body)
                self.assertEqual((answer.status, json.loads(answer.text)["code"]), (415, 415), encoding)
            answer = client.ask("POST", path, "", {**basic("test:test"), "Content-Encoding": "identity"}, body)
            self.assertEqual(answer.status, 200)

    def test_byte_order_mark(self):
        self.start()
        data = self.make_stream("test/user/s", b"\xef\xbb\xbf{}")
        self.request("POST", data, body=b'\xef\xbb\xbf[{"t":1,"d":2}]', login="test:test")
        for path, body in ((data, b'[\xef\xbb\xbf{"t":2,"d":2}]'), (data[:-7] + "/x", b'{"a":\xef\xbb\xbf"b"}'),
                           (data[:-7] + "/x", b' \xef\xbb\xbf{}')):
            answer = self.request("POST", path, body=body, login="test:test", status=400)
            self.assertIn("byte order mark", answer.json()["msg"])
        self.assertEqual(self.request("GET", data + "?i1=0", login="test:test").json(), [{"t": 1, "d": 2}])

    def test_the_limit_that_was_met_is_named(self):
        """67,000 points of 67 MB were "at most 16777216 datapoints"."""
        self.configuration["insert_limit_bytes"] = 100 * MIB
        self.database += "2"
        self.create("--user", "test:test")
        self.start()
        data = self.make_stream("test/user/s")
        value = "x" * 1010
        body = ("[" + ",".join('{"t":%d,"d":"%s"}' % (n, value) for n in range(1, 67001)) + "]").encode()
        answer = self.request("POST", data, body=body, login="test:test", status=413)
        self.assertIn("64 MiB of values", answer.json()["msg"])
        self.assertEqual(self.request("GET", data + "?q=length", login="test:test").body, b"0")

    def test_points_of_unknown_keys(self):
        self.start()
        data = self.make_stream("test/user/s")
        answer = self.request("POST", data, body=[{"value": 3}], login="test:test", status=400)
        self.assertIn('the value belongs in "d"', answer.json()["msg"])
        self.request("POST", data, body=[{"t": 1}, {}, {"d": 2, "value": 3}], login="test:test")
        self.assertEqual([point["d"] for point in self.request("GET", data + "?i1=0", login="test:test").json()],
                         [None, None, 2])

    def test_times_in_milliseconds(self):
        """They were taken, and the stream refused every real time from then on."""
        self.start()
        data = self.make_stream("test/user/s")
        gone = self.make_stream("test/user/gone", b'{"ephemeral":true}')
        for path in (data, gone):
            for method in ("POST", "PUT"):
                for time_text, unit in (("1764000000000", "milliseconds"), ("1764000000000000", "microseconds"),
                                        ("1764000000000000000", "nanoseconds")):
                    for body in ('[{"t":%s,"d":1}]', '[{"t":5,"d":1},{"t":%s,"d":1}]', '[{"t":%s,"d":1},{"d":2}]'):
                        answer = self.request(method, path, body=(body % time_text).encode(), login="test:test", status=400)
                        self.assertEqual(answer.json()["msg"], f"t is in seconds; {time_text} looks like {unit}")
        for far in (time.time() + 11 * 365 * 86400, 1e30):
            answer = self.request("POST", data, body=[{"t": far, "d": 1}], login="test:test", status=400)
            self.assertIn("time_ahead_max", answer.json()["msg"])
        self.assertEqual(self.request("GET", data + "?q=length", login="test:test").body, b"0")
        soon = time.time() + 9 * 365 * 86400
        self.request("POST", data, body=[{"t": soon, "d": 1}], login="test:test")

    def test_import_takes_any_time(self):
        folder = os.path.join(self.directory, "folder")
        points = [{"t": 1764000000000, "d": 1}]
        make_folder(folder, {"ann": {"user": {"s": points}}})
        harness.command("import", self.database, folder)
        self.start()
        got = self.request("GET", f"{API}/crud/ann/user/s/data?i1=0", login="test:test").json()
        self.assertEqual(got, points)


if __name__ == "__main__":
    harness.main()
