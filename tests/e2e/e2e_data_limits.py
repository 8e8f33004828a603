"""How many bytes the data of a stream and of a device may have, by the role of its owner."""
import json
import os
import re

import harness
from rest import API, RestTest, basic

STREAM_BYTES, DEVICE_BYTES = 100, 150
VALUE = "x" * 19  # 20 bytes of msgpack


class DataLimits(RestTest):
    def setUp(self):
        super().setUp()
        with open(os.path.join(harness.SOURCE, "access", "permissions.conf"), encoding="utf-8") as file:
            permissions = json.loads(re.sub(r"^\s*//.*$", "", file.read(), flags=re.M))
        permissions["user_roles"]["user"].update(max_stream_size=STREAM_BYTES, max_device_size=DEVICE_BYTES)
        path = os.path.join(self.directory, "permissions.conf")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(permissions, file)
        self.create("--user", "test:test", permissions=path)
        self.start()
        self.request("POST", f"{API}/crud/ann", login="test:test", body={
            "email": "ann@localhost", "password": "ann", "streams": {
                "a": {}, "b": {}, "c": {"downlink": True}, "e": {"ephemeral": True}}})
        self.connection = self.client()

    def insert(self, stream, values, login="ann:ann", method="POST"):
        path = f"{API}/crud/{stream if '/' in stream else 'ann/user/' + stream}/data"
        answer = self.connection.ask(method, path, "", basic(login), json.dumps([{"d": value} for value in values]))
        return answer.status, answer.text if answer.status == 200 else json.loads(answer.text)["msg"]

    def length(self, stream, query=""):
        return self.request("GET", f"{API}/crud/ann/user/{stream}/data?q=length{query}", login="ann:ann").json()

    def test_a_stream(self):
        self.assertEqual(self.insert("a", [VALUE] * 4), (200, "ok"))
        for method in ("POST", "PUT"):
            status, message = self.insert("a", [VALUE] * 2, method=method)
            self.assertEqual(status, 403)
            self.assertIn("has 40 bytes of values: with the 80 that are stored the stream would exceed its limit of 100", message)
        self.assertEqual(self.insert("a", [VALUE]), (200, "ok"))  # up to the limit
        self.assertEqual(self.insert("a", [1])[0], 403)
        self.assertEqual(self.insert("a", []), (200, "ok"))
        self.assertEqual(self.insert("e", [VALUE] * 20), (200, "ok"))  # stores nothing
        self.assertEqual(self.length("a"), 5)
        self.stop()
        self.start()
        self.connection = self.client()
        self.assertEqual(self.insert("a", [1])[0], 403)
        self.request("DELETE", f"{API}/crud/ann/user/a", login="ann:ann")
        self.request("POST", f"{API}/crud/ann/user/a", body={}, login="ann:ann")
        self.assertEqual(self.insert("a", [VALUE] * 5), (200, "ok"))

    def test_a_device(self):
        self.assertEqual(self.insert("a", [VALUE] * 5), (200, "ok"))
        self.assertEqual(self.insert("b", [VALUE] * 2), (200, "ok"))
        status, message = self.insert("c", [VALUE])
        self.assertEqual(status, 403)
        self.assertIn("with the 140 that are stored the device would exceed its limit of 150", message)
        self.assertEqual(self.insert("c", ["x" * 9]), (200, "ok"))
        self.assertEqual([self.length(name) for name in "abc"], [5, 2, 1])

    def test_the_owners_role_counts_not_the_writers(self):
        for _ in range(2):
            self.assertEqual(self.insert("c", [VALUE] * 2, login="test:test"), (200, "ok"))
        status, message = self.insert("c", [VALUE] * 2, login="test:test")
        self.assertEqual(status, 403)
        self.assertIn("the stream would exceed", message)
        self.assertEqual(self.length("c", "&downlink=true"), 4)
        self.request("POST", f"{API}/crud/test/user/s", body={}, login="test:test")
        self.assertEqual(self.insert("test/user/s", [VALUE] * 50, login="test:test"), (200, "ok"))


if __name__ == "__main__":
    harness.main()
