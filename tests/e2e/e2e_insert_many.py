"""POST /data: datapoints of several streams in one request, all of them or none."""
import json
import threading

import harness
from rest import API, RestTest, basic
from transcript import Client

STREAMS = ("a", "b", "c")


class InsertMany(RestTest):
    def setUp(self):
        super().setUp()
        self.actors = self.start_with_bob()
        for name in STREAMS:
            self.make_stream(f"test/user/{name}")
        self.connection = self.client()

    def insert(self, body, method="POST", login="test:test", status=200):
        text = body if isinstance(body, (str, bytes)) else json.dumps(body)
        answer = self.connection.ask(method, f"{API}/data", "", basic(login) if login else {}, text)
        self.assertEqual(answer.status, status, answer.text)
        return answer.text if status == 200 else json.loads(answer.text)["msg"]

    def data(self, stream, query="i1=0", login="test:test"):
        path = stream if "/" in stream else f"test/user/{stream}"
        return self.request("GET", f"{API}/crud/{path}/data?{query}", login=login).json()

    def nothing_stored(self):
        for name in STREAMS:
            self.assertEqual(self.data(name, "q=length"), 0)

    def test_an_object_of_streams(self):
        self.assertEqual(self.insert({"test/user/a": [{"t": 1, "d": 1.5}, {"t": 2, "d": "x"}], "test/user/b": [],
                                      "test/user/c": [{"t": 1, "d": {"k": [1]}}]}), "ok")
        self.assertEqual(self.data("a"), [{"t": 1, "d": 1.5}, {"t": 2, "d": "x"}])
        self.assertEqual(self.data("b"), [])
        self.assertEqual(self.data("c"), [{"t": 1, "d": {"k": [1]}}])
        self.assertEqual(self.insert("{}"), "ok")
        self.insert('{"test/user/a":[{"t":3,"d":3}],"test/user/a":[{"t":4,"d":4}]}')  # named twice
        self.assertEqual([point["d"] for point in self.data("a")], [1.5, "x", 3, 4])

    def test_lines(self):
        lines = [{"s": f"test/user/{name}", "t": n, "d": n} for n in range(1, 500) for name in STREAMS]
        self.assertEqual(self.insert("\n".join(map(json.dumps, lines)) + "\n"), "ok")
        for name in STREAMS:
            self.assertEqual(self.data(name), [{"t": n, "d": n} for n in range(1, 500)])

    def test_restamping(self):
        self.insert({"test/user/a": [{"t": 100, "d": 1}]})
        late = {"test/user/a": [{"t": 50, "d": 2}], "test/user/b": [{"t": 50, "d": 2}]}
        self.assertIn("test/user/a: ", self.insert(late, status=403))
        self.assertEqual(self.data("b"), [])
        self.insert(late, method="PUT")
        self.assertEqual(self.data("a")[1]["d"], 2)
        self.assertEqual(self.data("b"), [{"t": 50, "d": 2}])

    def test_the_first_offender_is_named_and_nothing_is_stored(self):
        self.make_stream("test/user/number", {"schema": '{"type":"number"}'})
        good = [{"t": 1, "d": 1}]
        for name, points, status, message in (
                ("test/user/nothere", good, 403, "test/user/nothere: "),
                ("nobody/user/a", good, 403, "nobody/user/a: "),
                ("test/user", good, 400, '"test/user" is not the path of a stream'),
                ("test/user/b/data", good, 400, '"test/user/b/data" is not the path of a stream'),
                ("test/us er/b", good, 400, '"test/us er/b" is not the path of a stream'),
                ("x/" * 200, good, 400, "is not the path of a stream"),
                ("test/user/number", good + [{"t": 2, "d": "x"}], 403, "test/user/number: At least one datapoint did not"),
                ("test/user/b", [{"t": 2, "d": 1}, {"t": 1, "d": 1}], 403, "test/user/b: "),
                ("test/user/b", [{"t": -2, "d": 1}], 403, "test/user/b: A datapoint cannot have a negative time"),
                ("test/user/b", [{"t": 1764000000000, "d": 1}], 400, "test/user/b: t is in seconds"),
                ("test/user/b", [{"value": 1}], 400, "line 1, byte "),
                ("test/user/b/downlink", good, 403, "test/user/b/downlink: The stream is not a downlink stream")):
            with self.subTest(name=name, message=message):
                body = {"test/user/a": good, name: points, "test/user/c": good}
                self.assertIn(message, self.insert(body, status=status))
                lines = [{"s": path, **point} for path, points in body.items() for point in points]
                self.insert("\n".join(map(json.dumps, lines)), status=status)
                self.nothing_stored()
        for text in ("", "[]", "7", '{"test/user/a":[{"t":1,"d":1}]', '{"test/user/a":{}}', "{\"s\":1}", "{\"d\":1}"):
            self.insert(text, status=400)
        self.nothing_stored()

    def test_permissions_per_stream(self):
        self.insert({"test/user/a": [{"t": 1, "d": 1}]}, login="bob:b", status=403)
        self.assertEqual(self.insert("{}", login=None, status=403), "Log in to insert datapoints")
        key = self.make_device("lamp")
        self.make_stream("test/lamp/on", {"downlink": True})
        self.make_stream("test/lamp/power")
        both = {"test/lamp/power": [{"t": 1, "d": 5}], "test/lamp/on": [{"t": 1, "d": True}]}
        self.insert(both, login=f":{key}")
        self.assertEqual(self.data("test/lamp/on"), [{"t": 1, "d": True}])
        message = self.insert({"test/user/a": [{"t": 1, "d": 1}], **both}, login="test:test", status=403)
        self.assertIn("test/lamp/power: Write access to stream data denied", message)
        self.insert({"test/lamp/on": [{"t": 2, "d": False}], "test/user/a": [{"t": 1, "d": 1}]})  # the downlink
        self.insert({"test/lamp/on/downlink": [{"t": 3, "d": True}]})
        self.assertEqual(self.data("test/lamp/on", "i1=0&downlink=true"),
                         [{"t": t, "d": d, "o": "test/user"} for t, d in ((2, False), (3, True))])
        message = self.insert({"test/lamp/on": [{"t": 4, "d": 1}], "test/lamp/on/downlink": [{"t": 4, "d": 2}]}, status=400)
        self.assertIn("name the same datapoints", message)

    def test_an_ephemeral_stream_stores_nothing(self):
        self.make_stream("test/user/e", {"ephemeral": True})
        self.insert({"test/user/e": [{"t": 1, "d": 1}], "test/user/a": [{"t": 1, "d": 1}]})
        self.assertEqual((self.data("e"), len(self.data("a"))), ([], 1))
        self.insert({"test/user/e": [{"t": 2, "d": 1}, {"t": 1, "d": 1}], "test/user/a": [{"t": 2, "d": 1}]}, status=403)
        self.assertEqual(len(self.data("a")), 1)

    def test_too_many_streams(self):
        names = (f"u/d/s{n}" for n in range(10001))
        message = self.insert("\n".join(json.dumps({"s": name, "d": 1}) for name in names), status=403)
        self.assertIn("u/d/s0: ", message)  # refused at the first stream, before any is kept

    def test_many_streams_at_once(self):
        streams = {f"s{n}": {} for n in range(1000)}
        key = self.make_device("many", {"streams": streams})
        self.insert({f"test/many/{name}": [{"t": 1, "d": name}] for name in streams}, login=f":{key}")
        for name in ("s0", "s500", "s999"):
            self.assertEqual(self.data(f"test/many/{name}"), [{"t": 1, "d": name}])

    def test_concurrent_inserts_are_whole(self):
        """Threads insert into the same streams in different orders: each insert is in all of them, in one order."""
        rounds, writers, failures = 50, 4, []

        def write(number):
            client = Client(self.port)
            for n in range(rounds):
                order = STREAMS if (n + number) % 2 else STREAMS[::-1]
                body = json.dumps({f"test/user/{name}": [{"d": [number, n]}] for name in order})
                answer = client.ask("POST", f"{API}/data", "", basic("test:test"), body)
                if answer.status != 200:
                    failures.append(answer.text)
            client.close()
        threads = [threading.Thread(target=write, args=(number,)) for number in range(writers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])
        columns = [[point["d"] for point in self.data(name)] for name in STREAMS]
        self.assertEqual(len(columns[0]), rounds * writers)
        self.assertEqual(columns[0], columns[1])
        self.assertEqual(columns[0], columns[2])


if __name__ == "__main__":
    harness.main()
