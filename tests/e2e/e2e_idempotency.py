"""Idempotency-Key: an insert that is sent again stores nothing twice, also after kill -9, and a key is for one request only."""
import json
import threading

import harness
from rest import API, RestTest, basic
from transcript import Client


class Idempotency(RestTest):
    def setUp(self):
        super().setUp()
        self.start_with_bob()
        self.data = {name: self.make_stream(f"test/user/{name}") for name in "ab"}
        self.http = self.client()

    def insert(self, key, body, path=None, method="POST", status=200, login="test:test", client=None):
        headers = {**basic(login), **({"Idempotency-Key": key} if key is not None else {})}
        answer = (client or self.http).ask(method, path or self.data["a"], "", headers, body if isinstance(body, str) else json.dumps(body))
        self.assertEqual(answer.status, status, answer.text)
        return answer.headers.get("Idempotency-Replayed")

    def values(self, name="a"):
        return [point["d"] for point in self.request("GET", self.data[name] + "?i1=0", login="test:test").json()]

    def restart(self, kill):
        if kill:
            self.kill()
        else:
            self.stop()
        self.start()
        self.http = self.client()

    def test_a_retry_stores_nothing_twice(self):
        for _ in range(3):
            self.insert("one", [{"t": 1, "d": 1}])
        self.assertEqual(self.insert("one", [{"t": 1, "d": 1}]), "true")
        self.assertIsNone(self.insert("two", [{"t": 1, "d": 1}]))
        self.assertIsNone(self.insert(None, [{"t": 1, "d": 1}]))
        self.assertEqual(self.values(), [1, 1, 1])
        self.insert("put", [{"t": 0.5, "d": 2}], method="PUT")
        self.assertEqual(self.insert("put", [{"t": 0.5, "d": 2}], method="PUT"), "true")
        self.assertEqual(self.values(), [1, 1, 1, 2])

    def test_after_a_restart(self):
        many = json.dumps({f"test/user/{name}": [{"d": 1}] for name in "ab"})
        for n, kill in enumerate((True, False, True)):
            self.insert(f"key {n}", [{"d": n}])
            self.insert(f"many {n}", many, f"{API}/data")
            before = self.values(), self.values("b")
            self.restart(kill)
            for m in range(n + 1):
                self.assertEqual(self.insert(f"key {m}", [{"d": m}]), "true")
                self.assertEqual(self.insert(f"many {m}", many, f"{API}/data"), "true")
            self.insert(f"many {n}", [{"d": 1}], status=422)
            self.assertEqual((self.values(), self.values("b")), before)
        self.stop()
        harness.command("check", self.database)

    def test_another_request_with_the_same_key(self):
        self.insert("key", [{"t": 1, "d": 1}])
        self.insert("key", [{"t": 1, "d": 2}], status=422)
        self.insert("key", [{"t": 1, "d": 1}], method="PUT", status=422)
        self.insert("key", [{"t": 1, "d": 1}], path=self.data["b"], status=422)
        self.insert("key", "[", status=400)
        self.assertEqual(self.insert("key", [{"t": 1, "d": 1}]), "true")
        self.assertEqual((self.values(), self.values("b")), ([1], []))

    def test_refused_inserts_leave_their_key_free(self):
        self.insert("key", [{"t": 2, "d": 1}, {"t": 1, "d": 1}], status=403)
        self.insert("key", "no json", status=400)
        self.insert("key", [{"t": 1, "d": 1}], path=self.data["a"].replace("/a/", "/missing/"), status=403)
        self.assertIsNone(self.insert("key", [{"t": 1, "d": 1}]))
        self.assertEqual(self.values(), [1])

    def test_keys_belong_to_who_sends_them(self):
        bob = self.data["a"].replace("test/user/a", "bob/user/a")
        self.request("POST", bob.replace("/data", ""), body={}, login="bob:b")
        self.insert("key", [{"t": 1, "d": 1}])
        self.assertIsNone(self.insert("key", [{"t": 1, "d": 1}], path=bob, login="bob:b"))
        for key in ("", "x" * 256):
            self.insert(key, [{"t": 1, "d": 1}], status=400)

    def test_retries_at_the_same_time(self):
        """Only one of them stores; the others are answered like it, or told to wait."""
        statuses = []

        def send():
            client = Client(self.port)
            headers = {**basic("test:test"), "Idempotency-Key": "race"}
            answer = client.ask("POST", self.data["a"], "", headers, json.dumps([{"t": n, "d": n} for n in range(1, 2000)]))
            statuses.append((answer.status, answer.headers.get("Idempotency-Replayed"), answer.headers.get("Retry-After")))
            client.close()
        threads = [threading.Thread(target=send) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(statuses.count((200, None, None)), 1, statuses)
        for status in statuses:
            self.assertIn(status, ((200, None, None), (200, "true", None), (409, None, "1")))
        self.assertEqual(self.values(), list(range(1, 2000)))

    def test_exports_and_listings_know_nothing_of_it(self):
        self.insert("key", [{"t": 1, "d": 1}])
        harness.command("export", self.database, self.directory + "/out")
        self.stop()
        self.start()
        self.assertNotIn("removed", self.log_text())

    def log_text(self):
        with open(self.database + "/connectordb.log", encoding="utf-8") as file:
            return file.read()


if __name__ == "__main__":
    harness.main()
