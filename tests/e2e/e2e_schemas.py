"""JSON Schemas of streams: which ones are taken, and what they let in."""
import json
import threading

import harness
from folders import make_folder, stream, write_json
from rest import API, RestTest, basic
from transcript import Client

NOT_VALID = "The provided schema is not a valid JSONSchema: "
NOT_CONFORMING = "At least one datapoint did not conform to the stream's schema: datapoint "
OBJECT = {"type": "object", "required": ["x"], "properties": {"x": {"type": "number"}, "name": {"pattern": "^[a-z]+$"}}}
BROKEN = (('{"type":"zork"}', '"type"'), ('{"type":5}', '"type"'), ('{"$ref":"http://example.com/x"}', '"$ref"'),
          ('{"pattern":"("}', '"pattern"'), ("[]", "object"), ("nonsense", "object"), ('{"type":"number"', "byte 16"))


class Schemas(RestTest):
    def setUp(self):
        super().setUp()
        self.create("--user", "test:test")

    def refused(self, method, path, body, message):
        answer = self.request(method, path, body=body, login="test:test", status=403).json()["msg"]
        self.assertTrue(answer.startswith(message), answer)
        return answer

    def make(self, name, schema):
        self.request("POST", f"{API}/crud/test/user/{name}", body={"schema": schema}, login="test:test")
        return f"{API}/crud/test/user/{name}/data"

    def insert(self, data, *values, method="POST"):
        self.request(method, data, body=[{"t": n, "d": value} for n, value in enumerate(values, 1)], login="test:test")

    def stored(self, data):
        return [point["d"] for point in self.request("GET", data + "?i1=0", login="test:test").json()]

    def test_a_schema_must_be_one(self):
        self.start()
        path = f"{API}/crud/test/user/s"
        for schema, part in BROKEN:
            body = {"schema": schema}
            for method, where, sent in (("POST", path, body), ("POST", f"{API}/crud/test/d", {"streams": {"s": body}}),
                                        ("POST", f"{API}/crud/ann", {"email": "a@b", "password": "p", "streams": {"s": body}}),
                                        ("POST", f"{API}/crud/ann", {"email": "a@b", "password": "p",
                                                                     "devices": {"d": {"streams": {"s": body}}}})):
                self.assertIn(part, self.refused(method, where, sent, NOT_VALID))
                self.request("GET", where, login="test:test", status=404)
        data = self.make("s", '{"type":"number"}')
        for schema, part in BROKEN:
            self.assertIn(part, self.refused("PUT", path, {"schema": schema}, NOT_VALID))
        self.assertEqual(self.request("GET", path, login="test:test").json()["schema"], '{"type":"number"}')
        self.insert(data, 1)

    def test_all_of_an_insert_conforms_or_nothing_is_stored(self):
        self.start()
        numbers, objects = self.make("numbers", '{"type":"number"}'), self.make("objects", json.dumps(OBJECT))
        self.insert(numbers, 1, 2.5)
        self.insert(objects, {"x": 1, "name": "abc"})
        for method in ("POST", "PUT"):
            for data, values, message in (
                    (numbers, [3, 4, "5"], "2: d is a string, it must be a number"),
                    (numbers, [None], "0: d is "),
                    (objects, [{"x": 2}, {}], "1: d lacks the member \"x\""),
                    (objects, [{"x": 2}, {"x": 1}, {"x": True}], "2: d.x is "),
                    (objects, [{"x": 2, "name": "A"}], "0: d.name ")):
                points = [{"t": 10 + n, "d": value} for n, value in enumerate(values)]
                self.refused(method, data, points, NOT_CONFORMING + message)
        self.request("POST", numbers, body=[], login="test:test")
        self.assertEqual(self.stored(numbers), [1, 2.5])
        self.assertEqual(self.stored(objects), [{"x": 1, "name": "abc"}])

    def test_schemas_that_take_anything(self):
        self.start()
        for name, schema in (("empty", ""), ("braces", " { } "), ("word", "true"), ("title", '{"title":"a"}')):
            data = self.make(name, schema)
            self.insert(data, 1, "a", None, {"x": []})
            self.assertEqual(self.stored(data), [1, "a", None, {"x": []}])

    def test_ephemeral_streams_and_downlinks_are_checked_as_well(self):
        self.start()
        key = self.make_device("lamp", json.dumps({"streams": {
            "e": {"schema": '{"type":"number"}', "ephemeral": True},
            "d": {"schema": '{"type":"boolean"}', "downlink": True}}}).encode())
        client = self.client()
        for path, login, body, status in (("e", ":" + key, '[{"d":1}]', 200), ("e", ":" + key, '[{"d":"x"}]', 403),
                                          ("d", "test:test", '[{"d":true}]', 200), ("d", "test:test", '[{"d":1}]', 403),
                                          ("d", ":" + key, '[{"d":1}]', 403), ("d", ":" + key, '[{"d":false}]', 200)):
            answer = client.ask("POST", f"{API}/crud/test/lamp/{path}/data", "", basic(login), body)
            self.assertEqual(answer.status, status, (path, login, body, answer))
            self.assertTrue(status == 200 or NOT_CONFORMING + "0" in json.loads(answer.text)["msg"])

    def test_a_changed_schema_counts_from_the_next_insert_on(self):
        self.start()
        path, data = f"{API}/crud/test/user/s", self.make("s", '{"type":"number"}')
        self.insert(data, 1)
        self.refused("POST", data, [{"d": "x"}], NOT_CONFORMING)
        for schema, good, bad in (('{"type":"string"}', "x", 1), ('{"maximum":5}', 5, 6), ('{"type":"number"}', 7, "y")):
            self.request("PUT", path, body={"schema": schema}, login="test:test")
            self.refused("POST", data, [{"d": bad}], NOT_CONFORMING)
            self.request("POST", data, body=[{"d": good}], login="test:test")
        self.assertEqual(self.stored(data), [1, "x", 5, 7])
        self.request("DELETE", path, login="test:test")
        self.make("s", "{}")
        self.request("POST", data, body=[{"d": "anything"}], login="test:test")
        self.stop()
        self.start()
        self.request("PUT", path, body={"schema": '{"type":"number"}'}, login="test:test")
        self.refused("POST", data, [{"d": "x"}], NOT_CONFORMING)

    def test_a_change_while_others_insert(self):
        """An answered change of the schema holds for every insert that is sent after it."""
        self.start()
        path, data = f"{API}/crud/test/user/s", self.make("s", '{"type":"number"}')
        changing, failed = threading.Event(), []

        def insert():
            client = Client(self.port)
            while not changing.is_set():
                answers = {client.ask("PUT", data, "", basic("test:test"), f'[{{"d":{value}}}]').status for value in ('1', '"x"')}
                if not answers <= {200, 403}:
                    failed.append(answers)
            client.close()

        threads = [threading.Thread(target=insert) for _ in range(3)]
        for thread in threads:
            thread.start()
        try:
            for n in range(40):
                kind, bad = (("string", 1), ("number", "x"))[n % 2]
                self.request("PUT", path, body={"schema": json.dumps({"type": kind})}, login="test:test")
                self.refused("PUT", data, [{"d": bad}], NOT_CONFORMING)
        finally:
            changing.set()
            for thread in threads:
                thread.join()
        self.assertEqual(failed, [])

    def test_an_imported_schema_that_does_not_compile(self):
        folder = f"{self.directory}/folder"
        make_folder(folder, {"ann": {"phone": {"s": [{"t": 1, "d": 1}]}}})
        write_json(stream("s", schema='{"type":"zork"}'), folder, "ann", "phone", "s", "stream.json")
        harness.command("import", self.database, folder)
        self.start()
        data = f"{API}/crud/ann/phone/s/data"
        client = self.client()
        for _ in range(2):
            answer = client.ask("POST", data, "", basic(":key of ann/phone"), '[{"t":2,"d":2}]')
            self.assertEqual(answer.status, 403)
            self.assertTrue(json.loads(answer.text)["msg"].startswith("The stream's schema is not a valid JSONSchema"), answer)
            self.assertIn("zork" if "zork" in answer.text else '\\"type\\"', answer.text)
        self.assertEqual(client.ask("GET", data, "i1=0", basic(":key of ann/phone")).text, '[{"t":1,"d":1}]')
        self.request("PUT", data[:-5], body={"schema": '{"type":"number"}'}, login="test:test")
        self.assertEqual(client.ask("POST", data, "", basic(":key of ann/phone"), '[{"t":2,"d":2}]').status, 200)


if __name__ == "__main__":
    harness.main()
