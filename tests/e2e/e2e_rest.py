"""The REST API against a real server: what the recorded transcripts (e2e_transcripts.py) do not hold."""
import json
import os
import socket
import threading
import time
from http.client import HTTPConnection

import harness
from rest import API, RestTest, basic
from transcript import Client


class Others(RestTest):
    def test_what_others_may(self):
        self.start_with_bob()
        self.request("POST", f"{API}/crud/test/user/notes", body=b"{}", login="test:test")
        data = f"{API}/crud/test/user/notes/data"
        self.request("POST", data, body=[{"t": 1, "d": "private"}], login="test:test")
        bob = Client(self.port)
        self.addCleanup(bob.close)
        login = basic("bob:b")
        for path in ("test", "test/user", "test/user/notes", "test/nosuch", "nosuch/user/notes"):
            answer = bob.ask("GET", f"{API}/crud/{path}", "", login)
            self.assertEqual(answer.status, 404)
            self.assertNotIn("private", answer.text)
        self.assertEqual(bob.ask("GET", data, "i1=0", login).status, 403)
        self.assertEqual(bob.ask("GET", data, "q=length", login).status, 403)
        missing = bob.ask("GET", data.replace("notes", "nosuch"), "i1=0", login)
        self.assertEqual(missing.status, 403)
        for method, path, body in (("POST", data, "[]"), ("PUT", data, "[]"), ("DELETE", data[:-5], None),
                                   ("POST", f"{API}/crud/test/user/mine", "{}"), ("POST", f"{API}/crud/test/d", "{}"),
                                   ("DELETE", f"{API}/crud/test/user", None)):
            self.assertEqual(bob.ask(method, path, "", login, body).status, 403, (method, path))
            self.assertEqual(bob.ask(method, path, "", None, body).status, 403, (method, path))
        # his own things, and an admin's view of them
        own = f"{API}/crud/bob/user/mood"
        self.assertEqual(bob.ask("POST", own, "", login, "{}").status, 200)
        self.assertEqual(bob.ask("POST", own + "/data", "", login, '[{"t":1,"d":5}]').status, 200)
        self.assertEqual(bob.ask("GET", own + "/data", "i1=0", basic("test:test")).text, '[{"t":1,"d":5}]')
        self.assertEqual(bob.ask("POST", own + "/data", "", basic("test:test"), '[{"t":2,"d":6}]').status, 403)


class Rest(RestTest):
    def setUp(self):
        super().setUp()
        self.create("--user", "test:test", "--email", "root@localhost")

    def test_logins(self):
        self.start()
        key = self.make_device("dev")
        client = self.client()
        this = f"{API}/"

        def who(headers=None, query="q=this"):
            answer = client.ask("GET", this, query, headers)
            return answer.text if answer.status == 200 else answer.status

        self.assertEqual(who(), "nobody")
        self.assertEqual(who(basic("test:test")), "test/user")
        self.assertEqual(who(basic("TEST:test")), "test/user")
        self.assertEqual(who(basic("root@localhost:test")), "test/user")
        self.assertEqual(who(basic("Root@LocalHost:test")), "test/user")
        self.assertEqual(who(basic(":" + key)), "test/dev")
        self.assertEqual(who(None, "q=this&apikey=" + key), "test/dev")
        self.assertEqual(who(basic("test:test"), "q=this&apikey=" + key), "test/user")
        for wrong in ("test:Test", "test:", "nosuch:test", ":", ":wrong", ":" + key + " ", ":" + key.upper()):
            self.assertEqual(who(basic(wrong)), 401, wrong)
        self.assertEqual(who(None, "q=this&apikey=wrong"), 401)
        self.assertEqual(who(None, "q=this&apikey="), "nobody")
        for malformed in ("Basic", "Basic !!!", "Basic dGVzdA==", "Bearer " + key, "Digest x", "Basic dGVzdAA6eA=="):
            self.assertEqual(who({"Authorization": malformed}), "nobody", malformed)
        refused = client.ask("GET", this, "q=this", basic("test:wrong"))
        self.assertIn("Basic", refused.headers["WWW-Authenticate"])
        unknown = client.ask("GET", this, "q=this", basic("nosuch:wrong"))
        self.assertEqual(json.loads(refused.text)["msg"], json.loads(unknown.text)["msg"])

    def test_long_passwords_and_keys(self):
        """Whatever a database takes as a password or key can be used, as far as it fits into a header."""
        password = "p" * 4096
        self.database = os.path.join(self.directory, "other")
        self.create("--user", "ann:" + password)
        self.start()
        key = "k" * 8000
        self.request("POST", f"{API}/crud/ann/dev", body={"apikey": key}, login="ann:" + password)
        self.assertEqual(self.request("GET", f"{API}/?q=this", login="ann:" + password).body, b"ann/user")
        self.assertEqual(self.request("GET", f"{API}/?q=this", login=":" + key).body, b"ann/dev")
        self.request("GET", f"{API}/?q=this", login=":" + key + "k", status=401)
        self.request("GET", f"{API}/?q=this", login="ann:" + password + "p", status=401)

    def test_head_and_options(self):
        self.start()
        data = self.make_stream("test/user/notes")
        self.request("POST", data, body=[{"t": 1, "d": "x"}], login="test:test")
        client = self.client()
        for path, query in ((f"{API}/", "q=this"), (f"{API}/crud/test", ""), (f"{API}/crud/test", "q=ls"), (data, "i1=0"),
                            (data, "q=length"), (data, ""), (f"{API}/meta/version", ""), (f"{API}/nothere", "")):
            got = client.ask("GET", path, query, basic("test:test"))
            head = client.ask("HEAD", path, query, basic("test:test"))
            self.assertEqual((head.status, head.text), (got.status, ""), path)
            self.assertEqual(head.headers["Content-Length"], got.headers["Content-Length"])
            self.assertEqual(head.headers["Content-Type"], got.headers["Content-Type"])
        options = client.ask("OPTIONS", data)
        self.assertEqual((options.status, options.text), (200, ""))
        self.assertEqual(options.headers["Access-Control-Allow-Headers"], "Content-Type, Authorization")
        wrong = client.ask("PATCH", data, "", basic("test:test"))
        self.assertEqual((wrong.status, wrong.headers["Allow"]), (405, "GET, HEAD, POST, PUT, OPTIONS"))
        self.assertEqual(json.loads(wrong.text)["code"], 405)
        unknown = client.ask("FOO", data)
        self.assertEqual((unknown.status, json.loads(unknown.text)["code"]), (405, 405))

    def test_cross_origin(self):
        self.start()
        client = self.client()
        own = client.ask("GET", f"{API}/meta/version", "", {"Origin": f"http://localhost:{self.port}"})
        self.assertEqual(own.headers["Access-Control-Allow-Origin"], f"http://localhost:{self.port}")
        foreign = client.ask("GET", f"{API}/meta/version", "", {"Origin": "http://foo.com"})
        self.assertEqual(foreign.headers["Access-Control-Allow-Origin"], f"http://localhost:{self.port}")
        self.stop()
        with open(os.path.join(self.database, "connectordb.conf"), "w", encoding="utf-8") as file:
            json.dump({"version": 1, "allowcrossorigin": True}, file)
        self.start()
        client = self.client()
        foreign = client.ask("GET", f"{API}/meta/version", "", {"Origin": "http://foo.com"})
        self.assertEqual(foreign.headers["Access-Control-Allow-Origin"], "*")
        self.assertEqual(foreign.headers["Access-Control-Allow-Credentials"], "false")

    def test_broken_json_names_its_place(self):
        self.start()
        data = self.make_stream("test/user/notes")
        client = self.client()
        for body, place in (('[{"t":1,"d":1},\n {"t":2,"d":}]', "line 2, byte 28"), ("", "byte 0"), ("[", "byte 1"),
                            ('[{"t":1,"d":"\\x"}]', "byte 13"), ('[{"t":1,"d":1}] x', "byte 16")):
            answer = client.ask("POST", data, "", basic("test:test"), body)
            self.assertEqual(answer.status, 400, body)
            self.assertIn(place, json.loads(answer.text)["msg"], body)
        self.assertEqual(client.ask("GET", data, "q=length", basic("test:test")).text, "0")

    def test_deep_object_body(self):
        self.start()
        client = self.client()
        path = f"{API}/crud/test/user/deep"
        for body in ("[" * 100000, '{"a":' * 50000, '{"streams":' + "[" * 200 + "]" * 200 + "}"):
            self.assertEqual(client.ask("POST", path, "", basic("test:test"), body).status, 400)
        self.assertEqual(client.ask("POST", path, "", basic("test:test"), '{"x":"[[[[{{{{"}').status, 200)

    def test_a_device_comes_with_its_streams_or_not_at_all(self):
        self.start()
        path = f"{API}/crud/test/phone"
        for name, stream, status in (("a b", {}, 403), ("s", {"icon": "no icon"}, 403), ("s", {"schema": "[]"}, 403),
                                     ("s", {"downlink": 1}, 400), ("s", None, 400), ("s", [], 400),
                                     ("s", {"description": "x" * ((1 << 20) + 1)}, 403)):
            body = {"streams": {"first": {"downlink": True}, name: stream, "last": {}}}
            answer = self.request("POST", path, body=body, login="test:test", status=status)
            self.assertTrue(answer.json()["msg"], name)
            self.request("GET", path, login="test:test", status=404)
            self.request("GET", f"{path}/first", login="test:test", status=404)
        count = self.request("GET", f"{API}/?q=countstreams", login="test:test").json()
        self.request("POST", path, body={"streams": {"first": {"downlink": True}, "last": {}}}, login="test:test")
        listed = self.request("GET", f"{path}?q=ls", login="test:test").json()
        self.assertEqual([each["name"] for each in listed], ["first", "last"])
        self.assertEqual(self.request("GET", f"{API}/?q=countstreams", login="test:test").json(), count + 2)

    def test_chunked_upload(self):
        self.start()
        data = self.make_stream("test/user/notes")
        wanted = [{"t": n, "d": n * 1.5} for n in range(1, 2001)]
        text = json.dumps(wanted).encode()
        connection = HTTPConnection("127.0.0.1", self.port, timeout=harness.COMMAND_SECONDS_MAX)
        self.addCleanup(connection.close)
        pieces = [text[at:at + 777] for at in range(0, len(text), 777)]
        connection.request("POST", data, body=iter(pieces), headers=basic("test:test"), encode_chunked=True)
        answer = connection.getresponse()
        self.assertEqual((answer.status, answer.read()), (200, b"ok"))
        self.assertEqual(self.request("GET", data + "?i1=0", login="test:test").json(), wanted)

    def test_long_range_is_streamed(self):
        self.start()
        data = self.make_stream("test/user/long")
        wanted = []
        for first in range(0, 60000, 20000):
            batch = [{"t": n + 1, "d": n} for n in range(first, first + 20000)]
            self.request("POST", data, body=batch, login="test:test")
            wanted += batch
        answer = self.request("GET", data + "?i1=0", login="test:test")
        self.assertEqual(answer.headers["Transfer-Encoding"], "chunked")
        self.assertTrue(answer.json() == wanted)
        part = self.request("GET", data + "?t1=1000&t2=50000&limit=48000", login="test:test").json()
        self.assertTrue(part == wanted[1000:49000])

    def test_many_clients_insert_at_once(self):
        self.start()
        own = [(self.make_device(f"dev{n}"), self.make_stream(f"test/dev{n}/s")) for n in range(8)]
        commands = self.make_stream("test/dev0/commands", b'{"downlink":true}')
        failed = []

        def insert(key, path):
            client = Client(self.port)
            for n in range(1, 101):
                answers = [client.ask("POST", path, "", basic(":" + key), '[{"t":%d,"d":%d}]' % (n, n)),
                           client.ask("PUT", commands, "", basic("test:test"), '[{"d":%d}]' % n)]
                failed.extend(repr(answer) for answer in answers if (answer.status, answer.text) != (200, "ok"))
            client.close()

        threads = [threading.Thread(target=insert, args=each) for each in own]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failed, [])
        for _, path in own:
            points = self.request("GET", path + "?i1=0", login="test:test").json()
            self.assertEqual(points, [{"t": n, "d": n} for n in range(1, 101)])
        points = self.request("GET", commands + "?i1=0&downlink=true", login="test:test").json()
        self.assertEqual(len(points), 800)
        self.assertEqual({point["o"] for point in points}, {"test/user"})
        times = [point["t"] for point in points]
        self.assertEqual(times, sorted(times))
        self.assertEqual(sorted(point["d"] for point in points), sorted(list(range(1, 101)) * 8))

    def test_secrets_stay_out_of_the_log(self):
        self.start("--loglevel", "debug")
        key = self.make_device("dev")
        data = self.make_stream("test/dev/s")
        self.request("GET", f"{data}?i1=0&apikey={key}")
        self.request("POST", f"{data}?apikey={key}", body=[{"t": 1, "d": 1}])
        self.request("GET", f"{data}?i1=x&apikey={key}", status=400)
        self.request("GET", f"{API}/?q=this&apikey={key}x", status=401)
        self.request("GET", f"{API}/?q=this", login="test:wrongpassword", status=401)
        self.stop()
        with open(os.path.join(self.database, "connectordb.log"), encoding="utf-8") as file:
            log = file.read()
        self.assertIn("/crud/test/dev/s/data", log)
        for secret in (key, "wrongpassword", "test:test", basic("test:test")["Authorization"]):
            self.assertNotIn(secret, log)

    def test_hostile_targets(self):
        """CVE-2025-55763 and relatives: no path reaches a file, the server goes on."""
        self.start()
        targets = ["/" + "a" * 15000, "/./" * 4000, "/tmp" + "/a" * 7000, "/%2e%2e" * 2000, "/api/v1/crud/" + "%41" * 4500,
                   "/etc/passwd", "/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/api/v1/crud/%00", "/api/v1/crud/%zz",
                   "/api/v1/crud/a?" + "x=1&" * 100, "/api/v1/crud/a?%"]
        for target in targets:
            with socket.create_connection(("127.0.0.1", self.port)) as raw:
                raw.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
                reply = b""
                while piece := raw.recv(65536):
                    reply += piece
            status = int(reply.split()[1])
            self.assertNotIn(b"root:", reply)
            if target in ("/./" * 4000, "/etc/passwd"):  # the root, and what could be a user and a device: the page
                self.assertIn(b"<title>ConnectorDB</title>", reply)
                continue
            self.assertIn(status, (400, 404), target[:40])
            self.assertEqual(json.loads(reply.split(b"\r\n\r\n", 1)[1])["code"], status)
        self.assertEqual(self.request("GET", f"{API}/?q=this").body, b"nobody")

    def test_paths_that_are_the_same(self):
        """They were redirected to the cleaned path, which made clients lose their method or body."""
        self.start()
        data = self.make_stream("test/user/notes")
        client = self.client()
        paths = (data, data + "/", "/" + data, data.replace("/crud/", "//crud/./"), data + "//./")
        for n, path in enumerate(paths, 1):
            self.assertEqual(client.ask("POST", path, "", basic("test:test"), '[{"t":%d,"d":1}]' % n).text, "ok", path)
            self.assertEqual(client.ask("GET", path, "q=length", basic("test:test")).text, str(n))
        for path in (data + "/..", "/api/v1/crud/test/../test", "/..", data.replace("/crud/", "/%2e%2E/crud/")):
            answer = client.ask("GET", path, "q=length", basic("test:test"))
            self.assertEqual((answer.status, json.loads(answer.text)["code"]), (400, 400), path)

    def test_unclear_ends_of_requests(self):
        """What a proxy could read in another way is refused, and nothing behind it is taken for a request."""
        self.start()
        data = self.make_stream("test/user/notes")
        body = b'[{"t":1,"d":1}]'
        login = "Authorization: " + basic("test:test")["Authorization"] + "\r\n"
        cases = {
            "two lengths": "Content-Length: 15\r\nContent-Length: 2\r\n",
            "length and chunks": "Content-Length: 15\r\nTransfer-Encoding: chunked\r\n",
            "chunks and length": "Transfer-Encoding: chunked\r\nContent-Length: 15\r\n",
            "two encodings": "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n",
            "hexadecimal": "Content-Length: 0xf\r\n",
            "sign": "Content-Length: +15\r\n",
            "list": "Content-Length: 15, 15\r\n",
            "junk": "Content-Length: 15x\r\n",
            "blank before the colon": "Content-Length : 15\r\n",
            "blank before the colon of chunks": "Transfer-Encoding : chunked\r\n",
            "identity": "Transfer-Encoding: identity\r\nContent-Length: 15\r\n",
            "behind a folded line": "X: y\r\n z\r\nContent-Length: 15\r\n",
            "behind a line without a name": ": y\r\nContent-Length: 15\r\n",
            "behind a line that is not ASCII": "\xe9: y\r\nContent-Length: 15\r\n",
            "behind many headers": "".join(f"X-{n}: x\r\n" for n in range(70)) + "Content-Length: 15\r\n",
        }
        for name, headers in cases.items():
            with self.subTest(name), socket.create_connection(("127.0.0.1", self.port)) as raw:
                raw.sendall(f"POST {data} HTTP/1.1\r\nHost: x\r\n{login}{headers}\r\n".encode("latin-1") + body)
                raw.shutdown(socket.SHUT_WR)
                reply = b""
                while piece := raw.recv(65536):
                    reply += piece
                self.assertEqual(reply.count(b"HTTP/1.1 "), 1, reply)
                self.assertEqual(json.loads(reply.split(b"\r\n\r\n", 1)[1])["code"],
                                 431 if name == "behind many headers" else 400)
                self.assertIn(b"Connection: close", reply)
        self.assertEqual(self.request("GET", data + "?q=length", login="test:test").body, b"0")

    def test_stop_completes_what_is_under_way(self):
        """A daemon that stops while clients insert: what was acknowledged is there when it starts again."""
        self.start()
        data = self.make_stream("test/user/notes")
        acknowledged = []

        def insert():
            client = Client(self.port)
            try:
                for n in range(1, 100000):
                    if client.ask("POST", data, "", basic("test:test"), '[{"t":%d,"d":%d}]' % (n, n)).status != 200:
                        break
                    acknowledged.append(n)
            except OSError:
                pass
            client.close()

        thread = threading.Thread(target=insert)
        thread.start()
        while len(acknowledged) < 50 and thread.is_alive():
            time.sleep(0.001)
        self.stop()
        thread.join()
        self.start()
        stored = self.request("GET", data + "?i1=0", login="test:test").json()
        self.assertEqual([point["d"] for point in stored][:len(acknowledged)], acknowledged)
        self.assertLessEqual(len(stored), len(acknowledged) + 1)


if __name__ == "__main__":
    harness.main()
