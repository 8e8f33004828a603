"""The REST API against a real server: the recorded transcripts as far as their routes exist, and what the recordings do not hold.

Every step of a transcript is counted: judged by the record, deviating on purpose (the better form of its quirk, or reference/deviations.md),
or waiting for a part of the server that does not exist yet. The numbers are fixed below, so that no step goes missing unseen."""
import hashlib
import json
import os
import socket
import threading
import time
from base64 import b64encode
from http.client import HTTPConnection
from urllib.parse import parse_qsl

import harness
from harness import shared
from transcript import Actors, Client, differences, run_step

API = "/api/v1"
LATER_ROUTES = ("/api/v1/query/", "/api/v1/feed/", "/api/v1/login", "/api/v1/logout", "/api/v1/meta/transforms",
                "/api/v1/meta/interpolators", "/api/v1/crud/test/meta/log")


def segments(step):
    return [part for part in step["path"].split("/") if part][2:]


def is_waiting(step):
    """A route, or something a route does, that this version does not have."""
    path = segments(step)
    if not step["path"].startswith("/api") and step["status"] != 405:
        return True  # the website
    if step["path"].startswith(LATER_ROUTES) or step["as"] == "carol":
        return True  # carol is created over REST
    if step["auth"] == "cookie" or "transform" in dict(parse_qsl(step.get("query", ""))):
        return True
    if path and path[0] == "crud" and len(path) in (2, 3, 4) and step["method"] == "PUT":
        return True
    if path and path[0] == "crud" and len(path) == 2 and step["method"] in ("POST", "DELETE"):
        return True
    return "conform to the stream's schema" in json.dumps(step.get("json", ""))


def wanted_instead(step):
    """The status and content that a deviating step should have; None: as recorded."""
    quirk, message = step.get("quirk", ""), json.dumps(step.get("json", ""))
    if "UNIQUE constraint" in message:
        return 409
    if quirk.startswith(("a body that is not a JSON object is taken", "null where", "the reference crashes")):
        return 400
    if quirk.startswith("an unknown role is accepted"):
        return 403
    if quirk.startswith("the body is cut at insert_limit_bytes"):
        return 413
    if quirk.startswith("the downlink part of a stream that is not"):
        return 403
    if quirk.startswith(("an HTML page for an unknown path", "405 with an empty body for a path that does not exist")):
        return 404
    if step["method"] == "HEAD" and step["status"] == 405:
        return 400 if step["path"].endswith("/data") else 200
    if step["status"] == 301 and step["path"].endswith("/") and "//" not in step["path"]:
        return "slash" if step["method"] == "GET" else 200
    if step["path"] == "/api/v1/crud" and step["status"] == 301:
        return 200
    if "%2F" in step["path"] and step["status"] == 405:
        return 404
    if quirk.startswith("any origin is echoed"):
        return "origin"
    if step["path"] == "/api/v1/meta/version" and step["status"] == 200:
        return "version"
    if quirk.startswith(("405 with an empty body", "message leaks", "raw SQL", "meaningless message")):
        return step["status"]
    return None


class RestTest(harness.DatabaseTest):
    def create(self, *arguments):
        """A database whose failed logins are answered at once."""
        configuration = os.path.join(self.directory, "configuration")
        with open(configuration, "w", encoding="utf-8") as file:
            json.dump({"version": 1, "failed_login_delay": 0}, file)
        harness.command("create", self.database, "--config", configuration, *arguments)

    def start_with_bob(self, password="b", email="b@b.c"):
        """A database with the admin test and the plain user bob, as if bob had been created over REST."""
        self.create("--user", "test:test")
        folder = os.path.join(self.directory, "import")
        os.makedirs(os.path.join(folder, "bob"))
        salt = "salt"
        bob = {"name": "bob", "nickname": "", "email": email, "description": "", "icon": "", "role": "user",
               "public": True, "password": hashlib.sha512((password + salt).encode()).hexdigest(),
               "password_salt": salt, "password_scheme": "SHA512"}
        for path, content in (("connectordb.json", {"Version": 2, "ConnectorDB": "0.3.0"}), ("bob/user.json", bob)):
            with open(os.path.join(folder, path), "w", encoding="utf-8") as file:
                json.dump(content, file)
        harness.command("import", self.database, folder)
        self.start()
        return Actors({"test": "test", "bob": password})


class Transcripts(RestTest):
    def judge_deviating(self, client, actors, step, wanted, answer):
        if wanted == "slash":
            plain = client.ask(step["method"], step["path"].rstrip("/"), actors.query(step), actors.headers(step),
                               step.get("body"))
            same = json.loads(plain.text).get("code") == json.loads(answer.text).get("code") \
                if answer.status >= 400 else plain.text == answer.text
            return [] if plain.status == answer.status and same else [f"not as without slash: {plain}"]
        if wanted == "version":
            return [] if answer.status == 200 and answer.text.count(".") == 2 else ["not a version"]
        if wanted == "origin":
            found = differences(actors, step, answer, ("access-control-allow-origin", "content-length"))
            if answer.headers["Access-Control-Allow-Origin"] == step["request_headers"]["Origin"]:
                found.append("echoes a foreign origin")
            return [each for each in found if "0.3.0" not in each]
        if answer.status != wanted:
            return [f"status {wanted} wanted"]
        if wanted == 200 and step["method"] != "HEAD":
            return [] if json.loads(answer.text) else ["an empty answer"]
        if step["method"] == "HEAD":
            return [] if answer.text == "" else ["a body after HEAD"]
        error = json.loads(answer.text)
        if answer.status == 405 and "GET" not in answer.headers.get("Allow", ""):
            return ["405 without Allow"]
        return [] if error["code"] == wanted and error["msg"] and "constraint" not in error["msg"] else ["not an error object"]

    def run_transcript(self, steps, actors, dependents, counts):
        """dependents: numbers of steps that show what a waiting step would have done. counts: (judged, deviating, waiting)."""
        client = Client(self.port)
        self.addCleanup(client.close)
        judged = deviating = waiting = 0
        failures = []
        for number, step in enumerate(steps):
            if number in dependents or is_waiting(step):
                waiting += 1
                continue
            if "${huge" in step.get("body", ""):
                step = {**step, "body": '[{"t":5000,"d":"' + "x" * 10485760 + '"}]'}
            wanted = wanted_instead(step)
            answer = run_step(client, actors, step)
            if wanted is None:
                judged += 1
                found = differences(actors, step, answer)
            else:
                deviating += 1
                found = self.judge_deviating(client, actors, step, wanted, answer)
            if found:
                failures.append(f"{number} {step['as']} {step['method']} {step['path'][:80]} {step.get('query', '')[:60]} "
                                f"{step.get('body', '')[:80]}: {found}; got {answer}")
        print(f"\n{judged} judged by the record, {deviating} deviating on purpose, {waiting} waiting for later parts, "
              f"of {len(steps)}", flush=True)
        self.assertEqual(failures, [], "\n".join(failures[:20]))
        self.assertEqual((judged, deviating, waiting), counts)

    def transcript(self, name):
        return harness.read_json(shared("vectors", "rest", name + ".json"))["steps"]

    def test_streams(self):
        # 16-23 and 40: which schemas are valid; 67-70, 80-91: after updates
        dependents = {16, 19, 22, 23, 40, 68, 70, *range(84, 92)}
        self.run_transcript(self.transcript("streams"), self.start_with_bob(), dependents, (41, 9, 44))

    def test_data(self):
        # the stream s has a schema: nothing can be inserted into it yet; 54-58, 69-89: after updates; meta/log
        dependents = {7, 14, 15, 17, 21, 22, 23, 24, 9, 54, 55, 58, 70, 71, 73, 74, 82, 84, 89, 90, 91, 92, 93, 51}
        self.run_transcript(self.transcript("data"), self.start_with_bob(), dependents, (47, 11, 36))

    def test_errors(self):
        dependents = {204, 212, 214, 219, 222, 229}  # after updates
        self.run_transcript(self.transcript("errors"), self.start_with_bob(), dependents, (115, 48, 157))

    def test_misc(self):
        # 5-17: bob is there from the beginning, the log streams are not
        dependents = {5, 6, 7, 14, 17}
        self.run_transcript(self.transcript("misc"), self.start_with_bob(), dependents, (51, 59, 43))

    def test_devices(self):
        # 42: devices that are refused now; 79-111: after updates, and the log streams
        dependents = {42, 79, 85, 108, 109, 111}
        self.run_transcript(self.transcript("devices"), self.start_with_bob(), dependents, (61, 14, 67))

    def test_session_before_an_export(self):
        # inserts into streams with a schema, and what they would have stored (test_after_import reads all of it)
        dependents = {4, 6, 8, 10, 12, 21, 23, 24, 36, 38, 41, 43, 46, 47, 50, 51, 52, 53, 55, 56, 57, 58}
        steps = harness.read_json(shared("vectors", "export", "session.json"))["steps"]
        self.run_transcript(steps, self.start_with_bob("secret:\u00e9", "bob@example.com"), dependents, (34, 0, 25))

    def test_after_import(self):
        steps = harness.read_json(shared("vectors", "export", "session.json"))["after_import"]
        self.create("--user", "tmp:tmp", "--email", "tmp@localhost")
        harness.command("import", self.database, shared("vectors", "export", "data"))
        self.start()
        actors = Actors({"test": "test", "bob": "secret:\u00e9"})
        for device in ("test/values", "bob/phone"):
            described = harness.read_json(shared("vectors", "export", "data", *device.split("/"), "device.json"))
            actors.newest[device] = described["apikey"]
        self.run_transcript(steps, actors, set(), (19, 0, 1))


def basic(login):
    return {"Authorization": "Basic " + b64encode(login.encode()).decode()}


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
        self.create("--user", "test:test")

    def client(self):
        client = Client(self.port)
        self.addCleanup(client.close)
        return client

    def make_device(self, name, body=b"{}"):
        return self.request("POST", f"{API}/crud/test/{name}", body=body, login="test:test").json()["apikey"]

    def make_stream(self, path, body=b"{}"):
        self.request("POST", f"{API}/crud/{path}", body=body, login="test:test")
        return f"{API}/crud/{path}/data"

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
            self.assertIn(status, (301, 400, 404), target[:40])
            self.assertNotIn(b"root:", reply)
            if status != 301:
                self.assertEqual(json.loads(reply.split(b"\r\n\r\n", 1)[1])["code"], status)
        self.assertEqual(self.request("GET", f"{API}/?q=this").body, b"nobody")

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
            "behind many headers": "".join(f"X-{n}: x\r\n" for n in range(70)) + "Content-Length: 15\r\n",
        }
        for name, headers in cases.items():
            with self.subTest(name), socket.create_connection(("127.0.0.1", self.port)) as raw:
                raw.sendall(f"POST {data} HTTP/1.1\r\nHost: x\r\n{login}{headers}\r\n".encode() + body)
                raw.shutdown(socket.SHUT_WR)
                reply = b""
                while piece := raw.recv(65536):
                    reply += piece
                self.assertEqual(reply.count(b"HTTP/1.1 "), 1, reply)
                self.assertEqual(json.loads(reply.split(b"\r\n\r\n", 1)[1])["code"], 400)
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
