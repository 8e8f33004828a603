"""Lists of users, devices and streams: complete, in order, and no burden on the catalog while a client takes its time."""
import json
import os
import socket

import harness
from folders import make_folder
from rest import API, RestTest, basic

MIB = 1 << 20


class Lists(RestTest):
    def setUp(self):
        super().setUp()
        self.create("--user", "test:test")

    def test_long_lists(self):
        """Longer than the pages they are read in."""
        folder = os.path.join(self.directory, "folder")
        users = {f"user{n:03}": {} for n in range(150)}
        users["many"] = {f"device{n:03}": {} for n in range(150)}
        users["many"]["full"] = {f"stream{n:03}": [] for n in range(300)}
        users["many"]["full2"] = {f"stream{n:03}": [] for n in range(65)}
        make_folder(folder, users)
        harness.command("import", self.database, folder)
        self.start()

        def names(path):
            listed = self.request("GET", f"{API}/crud/{path}", login="test:test").json()
            return [each["name"] for each in listed]

        self.assertEqual(names("?q=ls"), sorted([*users, "test"]))
        self.assertEqual(names("many?q=ls"), sorted([*users["many"], "meta", "user"]))
        self.assertEqual(names("many/full?q=ls"), sorted(users["many"]["full"]))
        self.assertEqual(names("many?q=streams"), sorted(users["many"]["full"]) + sorted(users["many"]["full2"]) + ["log"])
        self.assertEqual(names("many?q=streams&downlink=true"), [])
        self.assertEqual(names("many/device001?q=ls"), [])

    def test_a_slow_reader_does_not_hold_the_catalog(self):
        """It held a read transaction, and catalog.sqlite-wal grew with every change."""
        self.start()
        for n in range(24):
            self.request("POST", f"{API}/crud/test/user/long{n}", body={"description": "x" * 1000000}, login="test:test")
        slow = socket.socket()
        self.addCleanup(slow.close)
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.connect(("127.0.0.1", self.port))
        login = basic("test:test")["Authorization"]
        slow.sendall(f"GET {API}/crud/test/user?q=ls HTTP/1.1\r\nHost: x\r\nAuthorization: {login}\r\n\r\n".encode())
        self.assertIn(b"200 OK", slow.recv(1000))
        wal = os.path.join(self.database, "catalog.sqlite-wal")
        client = self.client()
        largest = 0
        body = json.dumps({"description": "y" * 500000})
        for _ in range(60):
            path = f"{API}/crud/test/user/other"
            self.assertEqual(client.ask("POST", path, "", basic("test:test"), body).status, 200)
            self.assertEqual(client.ask("DELETE", path, "", basic("test:test")).status, 200)
            largest = max(largest, os.path.getsize(wal))
        self.assertLess(largest, 12 * MIB)
        # the list is complete all the same
        slow.settimeout(60)
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * MIB)
        text = b""
        while b"0\r\n\r\n" not in text[-16:]:
            piece = slow.recv(1 << 16)
            self.assertTrue(piece)
            text += piece
        for n in range(24):
            self.assertIn(b'"name":"long%d"' % n, text)


if __name__ == "__main__":
    harness.main()
