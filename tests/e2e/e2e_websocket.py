#!/usr/bin/env python3
"""WebSocket: subscriptions, inserts, what is refused, what ends a socket; the recorded sessions are in e2e_websocket_sessions.py."""
import json
import os
import re
import socket
import struct
import subprocess
import sys
import threading

import harness
from rest import RestTest
from tls import TlsTest
from websocket import BINARY, CLOSE, PING, PONG, TEXT, Closed, WebSocket, frame

API = "/api/v1/crud"


class WebSocketTest(RestTest):
    def setUp(self):
        super().setUp()
        self.create("--user", "test:test")
        self.start()
        self.call("POST", "/test/dev", {"streams": {"x": {}, "n": {"schema": '{"type":"number"}'}, "dl": {"downlink": True},
                                                    "ep": {"ephemeral": True}}})
        self.key = ":" + self.call("GET", "/test/dev").json()["apikey"]

    def call(self, method, path, body=None, login="test:test", status=200):
        return self.request(method, API + path, body, login=login, status=status)

    def connect(self, login=None, **options):
        client = WebSocket(self.port, self.key if login is None else login, **options)
        self.addCleanup(client.abort)
        return client

    def insert(self, stream, points, login=None):
        self.call("POST", f"/test/dev/{stream}/data", points, login=login or self.key)

    def assert_closed(self, client, *codes):
        with self.assertRaises(Closed) as caught:
            while True:
                client.receive()
        self.assertIn(caught.exception.args[0], codes, caught.exception.args)


class Subscriptions(WebSocketTest):
    def test_points_transforms_and_order(self):
        client = self.connect()
        self.assertEqual(client.command("subscribe", "test/dev/x"), {"id": 1, "ok": True})
        self.assertEqual(client.command("subscribe", "test/dev/x"), {"id": 1, "ok": True})  # once is enough
        self.insert("x", [{"t": 1, "d": 2**63}, {"t": 2, "d": {"a": [1.5, "\u2028"]}}])
        self.assertEqual(client.receive(), {"stream": "test/dev/x", "data": [{"t": 1, "d": 2**63}, {"t": 2, "d": {"a": [1.5, "\u2028"]}}]})
        client.command("unsubscribe", "test/dev/x")
        client.command("subscribe", "test/dev/x", transform=" if d>5 | d*2 ")
        self.insert("x", [{"t": 3, "d": 1}])
        self.insert("x", [{"t": 4, "d": 6}, {"t": 5, "d": 1}])
        self.assertEqual(client.receive(), {"stream": "test/dev/x", "transform": " if d>5 | d*2 ", "data": [{"t": 4, "d": 12}]})
        client.command("unsubscribe_all")
        self.insert("x", [{"t": 6, "d": 7}])
        self.assertTrue(client.quiet())

    def test_every_point_once_in_order(self):
        """From four threads, to three subscribers, one of which reads nothing at first."""
        clients = [self.connect() for _ in range(3)]
        for client in clients:
            client.command("subscribe", "test/dev/ep")
            client.command("subscribe", "test/dev/x")

        def insert(number):
            for i in range(200):
                self.insert("x", [{"d": [number, i]}])
        threads = [threading.Thread(target=insert, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        received = [[] for _ in clients]
        for client, points in list(zip(clients, received))[:2]:
            while len(points) < 800:
                points += client.receive()["data"]
        for thread in threads:
            thread.join()
        while len(received[2]) < 800:
            received[2] += clients[2].receive()["data"]
        stored = self.call("GET", "/test/dev/x/data?i1=0", login=self.key).json()
        for points in received:
            self.assertEqual(points, stored)

    def test_downlinks_and_ephemeral_streams(self):
        client = self.connect()
        client.command("subscribe", "test/dev/dl/downlink")
        client.command("subscribe", "test/dev/ep")
        client.command("subscribe", "test/dev/ep", transform="d+1")
        self.insert("dl", [{"t": 5, "d": "on"}], login="test:test")
        self.assertEqual(client.receive(), {"stream": "test/dev/dl/downlink", "data": [{"t": 5, "d": "on", "o": "test/user"}]})
        self.insert("dl", [{"t": 5, "d": 1}])
        self.insert("ep", [{"t": 9, "d": 1}])
        messages = sorted((client.receive(), client.receive()), key=len)
        self.assertEqual(messages, [{"stream": "test/dev/ep", "data": [{"t": 9, "d": 1}]},
                                    {"stream": "test/dev/ep", "transform": "d+1", "data": [{"t": 9, "d": 2}]}])
        self.request("POST", "/api/v1/data", {"test/dev/ep": [{"d": 3}], "test/dev/x": [{"d": 3}]}, login=self.key)
        self.assertEqual({message["data"][0]["d"] for message in (client.receive(), client.receive())}, {3, 4})
        self.assertIn("ok", client.command("insert", "test/dev/dl", d=[{"t": 6, "d": 2}]))
        self.assertTrue(client.quiet())
        self.assertIn("error", client.command("subscribe", "test/dev/x/downlink"))

    def test_refusals_leave_the_socket_open(self):
        self.call("POST", "/bob", {"email": "b@b.c", "password": "b"})
        for login, arg, transform in ((None, "test/dev", ""), (None, "test/dev/nothing", ""), (None, "", ""), (None, "a/b/c/d", ""),
                                      (None, "test/dev/x/y/z", ""), (None, "x" * 500 + "/a/b", ""), (None, "test/dev/x", "zz("),
                                      ("bob:b", "test/dev/x", ""), ("", "test/dev/x", "")):
            with self.subTest(arg=arg, login=login):
                client = self.connect(login) if login != "" else self.connect(headers=(), login="")
                self.assertIn("error", client.command("subscribe", arg, transform=transform))
                self.assertTrue(client.quiet())
                client.abort()
        client = self.connect()
        self.assertIn("error", client.command("zork"))
        self.assertIn("error", client.command("insert", "test/dev/nothing", d=[{"d": 1}]))

    def test_a_transform_that_fails_sends_nothing(self):
        client = self.connect()
        client.command("subscribe", "test/dev/x", transform="d+1")
        self.insert("x", [{"t": 1, "d": {}}])
        self.insert("x", [{"t": 2, "d": 1}])
        self.assertEqual(client.receive()["data"], [{"t": 2, "d": 2}])

    def test_a_deleted_stream_ends_its_subscription(self):
        client = self.connect()
        client.command("subscribe", "test/dev/x")
        client.command("subscribe", "test/dev/n")
        self.call("DELETE", "/test/dev/x")
        self.call("POST", "/test/dev/x", {})
        self.insert("x", [{"t": 1, "d": 1}])
        self.insert("n", [{"t": 1, "d": 2}])
        self.assertEqual(client.receive(), {"stream": "test/dev/n", "data": [{"t": 1, "d": 2}]})

    def test_a_lost_right_ends_a_subscription(self):
        self.call("POST", "/test/rd", {"role": "reader"})
        reader = self.connect(":" + self.call("GET", "/test/rd").json()["apikey"])
        reader.command("subscribe", "test/dev/x")
        self.insert("x", [{"t": 1, "d": 1}])
        self.assertEqual(reader.receive()["data"][0]["d"], 1)
        self.call("PUT", "/test/rd", {"role": "none"})
        self.insert("x", [{"t": 2, "d": 2}])
        self.assertTrue(reader.quiet())

    def test_a_new_key_and_a_deleted_device_end_the_socket(self):
        client = self.connect()
        client.command("subscribe", "test/dev/x")
        self.key = ":" + self.call("PUT", "/test/dev", {"apikey": ""}).json()["apikey"]
        self.insert("x", [{"t": 1, "d": 1}])
        self.assert_closed(client, 1008)
        client = self.connect()
        self.call("DELETE", "/test/dev")
        client.send({"cmd": "insert", "arg": "test/dev/x", "d": [{"d": 1}]})
        self.assert_closed(client, 1008)

    def test_a_stream_that_is_cut_goes_on(self):
        client = self.connect()
        self.insert("x", [{"t": 1, "d": 1}, {"t": 2, "d": 2}])
        client.command("subscribe", "test/dev/x")
        harness.command("stream", self.database, "cut", "test/dev/x", "--after", "1")
        client.command("subscribe", "test/dev/x", transform="d")  # the same stream, its new series
        self.insert("x", [{"t": 3, "d": 3}])
        self.assertEqual(client.receive()["data"], [{"t": 3, "d": 3}])


class Inserts(WebSocketTest):
    def test_restamped_stored_and_acknowledged(self):
        client = self.connect()
        self.assertEqual(client.command("insert", "test/dev/x", "a", d=[{"t": 1, "d": 1}, {"t": 2, "d": 2}]), {"id": "a", "ok": True})
        self.assertEqual(client.command("insert", "test/dev/x", {"b": [1]}, d=[{"t": 1.5, "d": 3}]), {"id": {"b": [1]}, "ok": True})
        self.assertEqual(self.call("GET", "/test/dev/x/data?i1=0", login=self.key).json(),
                         [{"t": 1, "d": 1}, {"t": 2, "d": 2}, {"t": 2.00001, "d": 3}])
        self.assertIn("datapoint 0", client.command("insert", "test/dev/n", d=[{"d": "text"}])["error"])
        for points in ({"d": 1}, [{"value": 3}], [{"t": 9, "d": 1}, {"t": 8, "d": 1}], [{"t": -1, "d": 1}]):
            self.assertIn("error", client.command("insert", "test/dev/x", d=points), points)
        self.assertIn("ok", client.command("insert", "test/dev/x", d=[]))
        self.assertIn("ok", client.command("insert", "test/dev/x"))
        self.assertEqual(self.call("GET", "/test/dev/x/data?q=length", login=self.key).body, b"3")

    def test_digits_and_keys_are_kept(self):
        client = self.connect()
        client.send('{"d" : [{"t":1,"d":{"b":18446744073709551615,"a":"\\"}]","d":[{}]}}] , "id":7,"cmd":"insert","arg":"test/dev/x"}')
        self.assertEqual(client.receive(), {"id": 7, "ok": True})
        self.assertEqual(self.call("GET", "/test/dev/x/data?i1=0", login=self.key).body,
                         b'[{"t":1,"d":{"b":18446744073709551615,"a":"\\"}]","d":[{}]}}]')

    def test_many_without_waiting(self):
        """Acknowledged in order; bad ones among them are refused alone."""
        client = self.connect()
        messages, count = b"", 3000
        for i in range(count):
            bad = i % 100 == 50
            stream, value = ("n", i) if i % 3 else ("x", {"i": i})
            messages += frame(json.dumps({"cmd": "insert", "id": i, "arg": "test/dev/" + stream,
                                          "d": [{"t": 1 + i, "d": value} if not bad else 5]}).encode())
        threading.Thread(target=client.socket.sendall, args=(messages,), daemon=True).start()
        for i in range(count):
            answer = client.receive()
            self.assertEqual(answer["id"], i)
            self.assertEqual("error" in answer, i % 100 == 50, answer)
        stored = (self.call("GET", "/test/dev/x/data?i1=0", login=self.key).json()
                  + self.call("GET", "/test/dev/n/data?i1=0", login=self.key).json())
        self.assertEqual(len(stored), count - count // 100)
        self.assertEqual({point["t"] for point in stored}, {1 + i for i in range(count) if i % 100 != 50})

    def test_acknowledged_is_stored_after_a_kill(self):
        client = self.connect()
        acknowledged = set()

        def send():
            try:
                for i in range(100000):
                    client.send({"cmd": "insert", "id": i, "arg": "test/dev/x", "d": [{"t": 1 + i, "d": i}]})
            except OSError:
                pass  # killed
        sender = threading.Thread(target=send)
        sender.start()
        while len(acknowledged) < 2000:
            acknowledged.add(client.receive()["id"])
        self.kill()
        try:
            while True:
                acknowledged.add(client.receive()["id"])
        except Closed:
            pass
        sender.join()
        self.start()
        stored = {point["d"] for point in self.call("GET", "/test/dev/x/data?i1=0", login=self.key).json()}
        self.assertEqual(acknowledged - stored, set())

    def test_old_clients_see_no_acknowledgement(self):
        client = self.connect()
        client.send({"cmd": "insert", "arg": "test/dev/x", "d": [{"t": 1, "d": 1}]})
        client.send({"cmd": "subscribe", "arg": "test/dev/nothing"})
        self.assertTrue(client.quiet())
        self.assertEqual(self.call("GET", "/test/dev/x/data?q=length", login=self.key).body, b"1")


class Documentation(WebSocketTest):
    def test_the_example_in_the_api_document(self):
        with open(os.path.join(harness.SOURCE, "docs", "API.md"), encoding="utf-8") as file:
            example = re.search(r"```python\n(import base64.*?)```", file.read(), re.DOTALL).group(1)
        self.call("POST", "/test/user/temperature", {})
        example = example.replace(" 3124,", f" {self.port},").replace('"localhost"', '"127.0.0.1"')
        done = subprocess.run([sys.executable, "-c", example], capture_output=True, text=True, timeout=harness.COMMAND_SECONDS_MAX)
        self.assertEqual((done.stdout, done.stderr), ("", ""))
        self.assertEqual(self.call("GET", "/test/user/temperature/data?q=length").body, b"10000")


class Protocol(WebSocketTest):
    def test_handshakes_that_are_refused(self):
        for options, status in (
            (dict(login=":wrong"), 401), (dict(query="apikey=zz"), 101),
            (dict(version=8), 400), (dict(headers=("Content-Length: 5",)), 400),
        ):
            with self.subTest(options=options):
                self.assertEqual(self.connect(**options).status, status)
        for status, head in ((404, "GET /api/v1/websocket HTTP/1.1\r\nHost: x\r\n\r\n"), (404, "GET /api/v1/websocket HTTP/1.0\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n"),
                     (400, "GET /api/v1/websocket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: short\r\n\r\n")):
            with socket.create_connection(("127.0.0.1", self.port), timeout=harness.COMMAND_SECONDS_MAX) as plain:
                plain.sendall(head.encode())
                self.assertIn(f" {status} ".encode(), plain.recv(4096))
        self.assertEqual(self.request("POST", "/api/v1/websocket", b"", status=405).json()["code"], 405)

    def test_origins(self):
        """With a password or key any page may connect; with a cookie only the site's own."""
        cookie = self.request("GET", "/api/v1/login", login="test:test").headers["Set-Cookie"].split(";")[0]
        own, other = f"Origin: http://localhost:{self.port}", "Origin: https://evil.example"
        self.assertEqual(self.connect(headers=(other,)).status, 101)
        host = f"Host: localhost:{self.port}"
        stranger = WebSocket(self.port, headers=("Cookie: " + cookie, other))
        self.addCleanup(stranger.abort)
        self.assertEqual(stranger.status, 403)
        client = WebSocket(self.port, headers=("Cookie: " + cookie,))
        self.addCleanup(client.abort)
        self.assertEqual(client.status, 101, (own, host))
        self.assertIn("ok", client.command("subscribe", "test/dev/x"))

    def test_control_frames_and_fragments(self):
        client = self.connect()
        client.send_frame(b"hello", PING)
        self.assertEqual(client.frame(), (PONG, b"hello"))
        text = json.dumps({"cmd": "subscribe", "arg": "test/dev/x", "id": 1}).encode()
        client.send_frame(text[:10], TEXT, final=False)
        client.send_frame(b"in between", PING)
        client.send_frame(text[10:11], 0, final=False)
        client.send_frame(b"", 0, final=False)
        client.send_frame(text[11:], 0)
        self.assertEqual(client.frame(), (PONG, b"in between"))
        self.assertEqual(client.receive(), {"id": 1, "ok": True})
        for byte in frame(text):  # one by one
            client.socket.sendall(bytes([byte]))
        self.assertEqual(client.receive(), {"id": 1, "ok": True})
        client.send_frame(struct.pack(">H", 1000) + b"bye", CLOSE)
        self.assertEqual(client.frame(), (CLOSE, struct.pack(">H", 1000)))
        self.assertEqual(client.socket.recv(1), b"")

    def test_what_closes_a_socket(self):
        huge = b'"' + b"x" * (1 << 20) + b'"'
        for data, codes in (
            (frame(b"notjson"), (None,)), (frame(b"[]"), (None,)), (frame(b'{"cmd":5}'), (None,)), (frame(b'{"cmd":"subscribe","arg":7}'), (None,)),
            (frame(b"\xff{}"), (1007,)), (frame(b"x", BINARY), (1003,)), (frame(b"{}", masked=False), (1002,)),
            (frame(b"{}", reserved=1), (1002,)), (frame(b"{}", 3), (1002,)), (frame(b"{}", 0), (1002,)), (frame(b"x" * 126, PING), (1002,)),
            (frame(b"x", PING, final=False), (1002,)), (frame(b"{", final=False) + frame(b"}"), (1002,)), (frame(b"x", CLOSE), (1002,)),
            (frame(huge), (1009, "lost")), (b"\x81\xff" + b"\xff" * 12, (1002,)), (b"\x81\xfe\x00\x05" + b"\x00" * 9, (1002,)),
            (frame(huge[:600000], final=False) + frame(huge[:600000], 0), (1009, "lost")),
            (frame(b"[" * 10000), (None,)), (frame(b'{"cmd":"insert","id":"' + b"x" * 300 + b'"}'), (None,)),
        ):
            with self.subTest(data=data[:30]):
                client = self.connect()
                try:
                    client.socket.sendall(data)
                except OSError:
                    pass  # it did not wait for all of it
                self.assert_closed(client, *codes)
        self.assertTrue(self.connect().quiet())

    def test_pings_and_silent_clients(self):
        self.stop()
        with open(os.path.join(self.database, "connectordb.conf"), "w", encoding="utf-8") as file:
            json.dump({"websocket": {"ping_period": 1, "pong_wait": 3}}, file)
        self.start()
        client = self.connect()
        for _ in range(4):  # answered, it stays
            opcode, payload = client.frame()
            self.assertEqual(opcode, PING)
            client.send_frame(payload, PONG)
        self.assertEqual(client.frame()[0], PING)
        self.assert_closed(client, 1001)

    def test_a_stopping_server_says_so(self):
        client = self.connect()
        client.command("subscribe", "test/dev/x")
        self.stop()
        self.assert_closed(client, 1001)

    def test_half_of_the_connections_stay_for_requests(self):
        self.stop()
        with open(os.path.join(self.database, "connectordb.conf"), "w", encoding="utf-8") as file:
            json.dump({"connections_max": 8}, file)
        self.start()
        clients = [self.connect() for _ in range(4)]
        self.assertEqual([client.status for client in clients], [101] * 4)
        self.assertEqual(self.connect().status, 503)
        self.insert("x", [{"d": 1}])
        clients[0].abort()

    def test_unfinished_messages_hold_a_bounded_part_of_the_memory(self):
        """As bodies of requests: what nobody's sockets hold leaves room for others."""
        clients = [WebSocket(self.port) for _ in range(60)]
        unfinished = frame(b"x" * 1000000, length=1 << 20)
        for client in clients:
            self.addCleanup(client.abort)
            try:
                client.socket.sendall(unfinished)
            except OSError:
                pass  # it was closed meanwhile
        self.insert("x", [{"d": "y" * 500000}])
        codes = set()
        for client in clients:
            client.socket.settimeout(0.01)
            try:
                client.receive()
            except Closed as closed:
                codes.add(closed.args[0])
            except TimeoutError:
                codes.add("open")
        self.assertTrue(codes & {1013, "lost"} and codes <= {1013, "lost", "open"}, codes)

    def test_a_client_that_goes_away(self):
        for _ in range(20):
            client = self.connect()
            client.command("subscribe", "test/dev/x")
            client.abort()
        self.insert("x", [{"d": 1}])
        self.assertTrue(self.connect().quiet())


class Https(TlsTest):
    def test_over_tls(self):
        self.start_tls()
        client = WebSocket(self.port, "test:test", context=self.context)
        self.addCleanup(client.abort)
        points = [{"t": 1 + i, "d": "x" * 1000} for i in range(500)]
        self.assertEqual(client.command("subscribe", "test/user/s", 1).get("ok"), None)
        self.fetch_tls("POST", API + "/test/user/s", {})
        self.assertIn("ok", client.command("subscribe", "test/user/s"))
        client.send({"cmd": "insert", "arg": "test/user/s", "d": points})
        self.assertEqual(client.receive(), {"stream": "test/user/s", "data": points})

    def fetch_tls(self, method, path, body):
        import base64
        import http.client
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=self.context, timeout=harness.COMMAND_SECONDS_MAX)
        connection.request(method, path, json.dumps(body), {"Authorization": "Basic " + base64.b64encode(b"test:test").decode()})
        self.assertEqual(connection.getresponse().status, 200)
        connection.close()


if __name__ == "__main__":
    harness.main()
