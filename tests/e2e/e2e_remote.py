#!/usr/bin/env python3
"""Export and import over the REST API: the same folder comes back; interrupted ones are gone on with; a request whose outcome is unknown is not repeated."""
import json
import os
import re
import shutil
import socket
import subprocess
import threading

from folders import FolderTest, files_of, make_folder, stream, write_json
from harness import COMMAND_SECONDS_MAX, PROGRAM, command, main, read_json, shared
from tls import TlsTest

API = "/api/v1/crud"
NUMBERS = [{"t": 1500000000 + i, "d": i % 1000 / 4} for i in range(12000)]
TEXTS = [{"t": 10 + i / 2, "d": {"text": "<&>\u2028 \u00e9" * (i % 50), "n": [None, True, -1e-7, 2**63]}} for i in range(300)]
LONG = [{"t": i + 1, "d": "x" * 300000} for i in range(60)]  # more than a body may have


class Proxy:
    """In front of a server. `cut(request)` is asked for each request: "drop": it is handed on, and its answer is not
    given back; "hold": nothing more goes either way. Idempotency-Key is taken out of requests if `without_key`."""

    def __init__(self, port, cut=lambda request: None, without_key=False):
        self.port, self.cut, self.without_key = port, cut, without_key
        self.held = threading.Event()
        self.requests = []
        self.sockets = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.sockets.append(client)
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    @staticmethod
    def message(file):
        """One request or answer with Content-Length or chunks; b"" at the end."""
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = file.readline()
            if not line:
                return b""
            head += line
        found = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
        if found:
            return head + file.read(int(found.group(1)))
        if not re.search(rb"(?i)\r\ntransfer-encoding: *chunked", head):
            return head
        body = b""
        while True:
            line = file.readline()
            size = int(line, 16)
            body += line + file.read(size + 2)
            if size == 0:
                return head + body

    def serve(self, client):
        server = socket.create_connection(("127.0.0.1", self.port))
        self.sockets.append(server)
        try:
            with client, server, client.makefile("rb") as requests, server.makefile("rb") as answers:
                while request := self.message(requests):
                    line = request.split(b"\r\n", 1)[0].decode()
                    self.requests.append(line)
                    if self.without_key:
                        request = re.sub(rb"(?i)Idempotency-Key: [^\r]*\r\n", b"", request, count=1)
                    action = self.cut(line)
                    if action == "hold":
                        self.held.set()
                        requests.read()  # until the client goes away
                        return
                    server.sendall(request)
                    answer = self.message(answers)
                    if action == "drop" or not answer:
                        return
                    client.sendall(answer)
        except OSError:
            return

    def close(self):
        self.listener.close()
        for connection in self.sockets:
            connection.close()


class CutAt:
    """Acts on the n-th request that matches, and on none else (hold: on all behind it, too)."""

    def __init__(self, pattern, number, action):
        self.pattern, self.left, self.action = pattern, number, action
        self.lock = threading.Lock()

    def __call__(self, line):
        with self.lock:
            if self.left <= 0:
                return self.action if self.action == "hold" else None
            self.left -= bool(re.search(self.pattern, line))
            return self.action if self.left == 0 else None


class RemoteTest(FolderTest):
    def setUp(self):
        super().setUp()
        os.environ["CONNECTORDB_PASSWORD"] = "secret"
        self.addCleanup(os.environ.pop, "CONNECTORDB_PASSWORD", None)
        self.serve("db")

    def serve(self, name):
        """Another database with its server, instead of the one before."""
        if self.port is not None:
            self.stop()
        self.database = self.path(name)
        command("create", self.database, "--user", "adm:secret")
        self.start()
        self.url = f"http://127.0.0.1:{self.port}"

    def proxy(self, *arguments, **options):
        proxy = Proxy(self.port, *arguments, **options)
        self.addCleanup(proxy.close)
        return proxy

    def fill(self, **more):
        make_folder(self.folder, {"ann": {"user": {"mood": TEXTS[:3]}, "phone": {"steps": NUMBERS, "notes": TEXTS, "none": []},
                                          "meta": {}}, "bob": {"user": {}, "meta": {}}, **more})
        write_json(stream("lamp", downlink=True), self.folder, "ann", "phone", "lamp", "stream.json")
        write_json([], self.folder, "ann", "phone", "lamp", "data.json")
        write_json([{"t": 5, "d": True, "o": "ann/user"}], self.folder, "ann", "phone", "lamp", "downlink.json")
        command("import", self.database, self.folder)

    def remote(self, what, url, folder, *arguments, **options):
        return command(what, url, folder, "--user", "adm", *arguments, **options)

    def compare(self, got, expected, but=()):
        """Two folders of ann and bob: the same but for passwords, the version, and these files."""
        got, expected = files_of(got), files_of(expected)
        for files in (got, expected):
            for path in list(files):
                if path.startswith("adm" + os.sep) or path == "connectordb.json" or f"meta{os.sep}" in path or path in but:
                    del files[path]
                elif path.endswith("user.json"):
                    files[path] = {key: value for key, value in json.loads(files[path]).items() if "password" not in key}
        self.assertEqual(sorted(got), sorted(expected))
        for path, content in expected.items():
            self.assertEqual(got[path], content, path)


class Folders(RemoteTest):
    def test_there_and_back(self):
        self.fill()
        printed = self.remote("export", self.url, self.path("remote")).stdout
        self.assertIn("12,304 points", printed)
        command("export", self.database, self.path("local"))
        self.compare(self.path("remote"), self.path("local"))
        self.assertEqual(read_json(self.path("remote"), "connectordb.json")["Version"], 1)
        self.serve("db2")
        printed = self.remote("import", self.url, self.path("remote"), "ann", "bob").stdout
        self.assertIn("1 datapoints lost their sender", printed)
        command("export", self.database, self.path("again"))
        self.compare(self.path("again"), self.path("local"))
        self.assertEqual(self.request("GET", "/api/v1/?q=this", login="ann:ann").body, b"ann/user")
        self.assertEqual(self.request("GET", "/api/v1/?q=this", login=":key of ann/phone").body, b"ann/phone")

    def test_the_recorded_export(self):
        demo = shared("data", "demo")
        command("import", self.database, demo)
        self.remote("export", self.url, self.path("remote"), "demo")
        command("export", self.database, self.path("local"), "demo")
        self.compare(self.path("remote"), self.path("local"))

    def test_paths_and_own_account(self):
        self.fill()
        self.request("PUT", API + "/ann/user", {"role": "user"}, login="adm:secret")
        self.remote("export", self.url, self.path("one"), "ann/phone/notes")
        self.assertEqual(sorted(os.listdir(self.path("one", "ann", "phone"))), ["device.json", "notes"])
        message = self.remote("export", self.url, self.path("two"), "ann/phone/nothing", exit_code=1).stderr
        self.assertIn("ann/phone/nothing", message)
        os.environ["CONNECTORDB_APIKEY"] = "key of ann/user"
        self.addCleanup(os.environ.pop, "CONNECTORDB_APIKEY", None)
        command("export", self.url, self.path("own"))
        self.assertEqual(sorted(os.listdir(self.path("own"))), ["ann", "connectordb.json"])

    def test_bodies_that_are_too_large_are_halved(self):
        make_folder(self.folder, {"ann": {"user": {"long": LONG}, "meta": {}}}, version=1)
        self.remote("import", self.url, self.folder)
        self.assertEqual(self.request("GET", f"{API}/ann/user/long/data?q=length", login="ann:ann").body, b"60")
        self.remote("export", self.url, self.path("remote"), "ann")
        self.assertEqual(read_json(self.path("remote"), "ann", "user", "long", "data.json"), LONG)

    def test_refusals_name_the_reason(self):
        self.fill()
        self.remote("export", self.url, self.path("remote"))
        for arguments, message in (
            (("export", self.url, self.path("remote"), "--user", "adm"), "is a complete export already"),
            (("import", self.url, self.path("remote"), "--user", "adm"), "there is such a user already; --resume"),
            (("export", self.url, self.path("x"), "--user", "nobody"), "401"),
            (("export", "http://127.0.0.1:1", self.path("x"), "--user", "adm"), "127.0.0.1"),
            (("export", self.url + "/nothing", self.path("x"), "--user", "adm"), "is not the address of a ConnectorDB"),
            (("export", self.url, self.path("x")), "CONNECTORDB_APIKEY"),
            (("import", self.url, self.path("nothing"), "--user", "adm"), "nothing"),
            (("export", "http://a b", self.path("x"), "--user", "adm"), "is no address"),
        ):
            with self.subTest(arguments=arguments):
                self.assertIn(message, self.refuse(*arguments))
        self.assertFalse(os.path.exists(self.path("x")))
        for arguments in (("import", self.url, self.path("remote"), "--sort"), ("export", self.database, self.path("x"), "--user", "adm")):
            self.assertIn("URL", command(*arguments, exit_code=2).stderr)

    def test_a_broken_file_is_named(self):
        self.fill()
        self.remote("export", self.url, self.path("remote"), "ann")
        with open(self.path("remote", "ann", "phone", "steps", "data.json"), "r+", encoding="utf-8") as file:
            text = file.read().replace('"d":1.25}', '"d":1.25 }x', 1)
            file.seek(0)
            file.write(text)
        self.serve("db2")
        message = self.remote("import", self.url, self.path("remote"), "ann", exit_code=1).stderr
        self.assertIn("steps/data.json", message)
        self.assertIn("line 1", message)


class Interrupted(RemoteTest):
    def kill_when_held(self, what, proxy, folder, *paths):
        """Starts the command through the proxy and kills it when the proxy holds a request."""
        process = subprocess.Popen([PROGRAM, what, proxy.url, folder, "--user", "adm", "-j1", *paths], stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        held = proxy.held.wait(COMMAND_SECONDS_MAX)
        process.kill()
        process.wait()
        self.assertTrue(held)

    def test_export(self):
        self.fill()
        command("export", self.database, self.path("local"))
        for number in (2, 4, 6):
            self.kill_when_held("export", self.proxy(CutAt("data.i1=", number, "hold")), self.path("remote"))
            self.assertIn("--resume", self.refuse("export", self.url, self.path("remote"), "--user", "adm"))
            self.remote("export", self.url, self.path("remote"), "--resume")
            self.compare(self.path("remote"), self.path("local"))
            shutil.rmtree(self.path("remote"))

    def test_an_export_cut_within_a_datapoint(self):
        self.fill()
        command("export", self.database, self.path("local"))
        whole = self.path("local", "ann", "phone", "notes", "data.json")
        with open(whole, "rb") as file:
            text = file.read()
        for size in (0, 1, 2, 40, len(text) // 2, len(text) // 2 + 1, len(text) - 2, len(text) - 1, len(text)):
            os.makedirs(self.path("remote", "ann", "phone", "notes"))
            with open(self.path("remote", "ann", "phone", "notes", "data.json.part"), "wb") as file:
                file.write(text[:size])
            self.remote("export", self.url, self.path("remote"), "--resume", "ann/phone/notes")
            with open(self.path("remote", "ann", "phone", "notes", "data.json"), "rb") as file:
                self.assertEqual(file.read(), text, size)
            shutil.rmtree(self.path("remote"))

    def test_import(self):
        self.fill()
        self.remote("export", self.url, self.path("remote"))
        command("export", self.database, self.path("local"))
        for number in (1, 3, 6):
            self.serve(f"db{number}")
            self.kill_when_held("import", self.proxy(CutAt("POST .*/data", number, "hold")), self.path("remote"), "ann", "bob")
            self.remote("import", self.url, self.path("remote"), "ann", "bob", "--resume")
            command("export", self.database, self.path(f"again{number}"))
            self.compare(self.path(f"again{number}"), self.path("local"))

    def test_an_unknown_outcome_is_not_repeated(self):
        self.fill()
        self.remote("export", self.url, self.path("remote"))
        command("export", self.database, self.path("local"))
        for number, without_key in ((1, False), (4, False), (2, True), (5, True)):
            self.serve(f"db{number}")
            proxy = self.proxy(CutAt("POST .*/data", number, "drop"), without_key)
            self.remote("import", proxy.url, self.path("remote"), "ann", "bob")
            command("export", self.database, self.path(f"again{number}"))
            self.compare(self.path(f"again{number}"), self.path("local"))

    def test_a_lost_answer_is_asked_for_again(self):
        self.fill()
        command("export", self.database, self.path("local"))
        self.remote("export", self.proxy(CutAt("data.i1=", 3, "drop")).url, self.path("remote"))
        self.compare(self.path("remote"), self.path("local"))

    def test_a_stream_of_other_points_is_not_gone_on_with(self):
        self.fill()
        self.remote("export", self.url, self.path("remote"), "ann")
        self.serve("db2")
        for method, path, body in (("POST", "/ann", {"email": "a@b", "password": "ann"}), ("POST", "/ann/phone", {}),
                                   ("POST", "/ann/phone/steps", {})):
            self.request(method, API + path, body, login="adm:secret")
        key = self.request("GET", API + "/ann/phone", login="adm:secret").json()["apikey"]
        self.request("POST", API + "/ann/phone/steps/data", [{"t": 1, "d": 1}], login=":" + key)
        message = self.refuse("import", self.url, self.path("remote"), "ann", "--user", "adm", "--resume")
        self.assertIn("it cannot be gone on with", message)


class Https(TlsTest):
    def test_verified_by_our_ca(self):
        self.start_tls()
        os.environ["CONNECTORDB_PASSWORD"] = "test"
        self.addCleanup(os.environ.pop, "CONNECTORDB_PASSWORD", None)
        url, folder = f"https://127.0.0.1:{self.port}", os.path.join(self.directory, "remote")
        self.assertIn("certificate", command("export", url, folder, "--user", "test", exit_code=1).stderr)
        command("export", url, folder, "--user", "test", "--cacert", self.file("ca.pem"))
        self.assertIn("test", os.listdir(folder))


if __name__ == "__main__":
    main()
