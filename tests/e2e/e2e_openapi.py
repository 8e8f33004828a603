#!/usr/bin/env python3
"""The description of the REST API in OpenAPI: complete, served, and sound. The recorded steps are checked by it in e2e_transcripts.py."""
import json
import os
import re

import harness
import openapi
from rest import API, RestTest, basic

METHODS = {"get", "put", "post", "delete"}


def operations():
    return {(method.upper(), path): operation for path, described in openapi.DOCUMENT["paths"].items()
            for method, operation in described.items() if method in METHODS}


class OpenApi(RestTest):
    def test_it_has_the_routes_of_the_program(self):
        with open(os.path.join(harness.SOURCE, "server", "api", "routes.c"), encoding="utf-8") as file:
            text = file.read()
        routes, services = (re.findall(r'\{(HTTP_[A-Z]+|ANY_METHOD), "([^"]*)"', text.split(f"{name}[] = {{")[1].split("};")[0])
                            for name in ("ROUTES", "SERVICE_ROUTES"))
        wanted = {(method.replace("ANY_METHOD", "HTTP_GET")[5:], re.sub(r":([a-z]+)", r"{\1}", f"{base}/{pattern}".rstrip("/")))
                  for base, found in (("/api/v1", routes), ("", services)) for method, pattern in found}
        self.assertGreater(len(wanted), 30)
        self.assertEqual(wanted | {("GET", "/join"), ("POST", "/join")}, set(operations()))

    def test_it_is_sound(self):
        def walk(value):
            if isinstance(value, dict):
                if "$ref" in value:
                    openapi.resolve(value)
                for member in value.values():
                    walk(member)
            elif isinstance(value, list):
                for item in value:
                    walk(item)
        walk(openapi.DOCUMENT)
        names = [operation["operationId"] for operation in operations().values()]
        self.assertEqual(len(names), len(set(names)))
        for (_, path), operation in operations().items():
            there = [openapi.resolve(each) for each in openapi.DOCUMENT["paths"][path].get("parameters", []) + operation.get("parameters", [])]
            self.assertEqual({each["name"] for each in there if each["in"] == "path"}, set(re.findall(r"\{(\w+)\}", path)), path)
            for response in operation["responses"].values():
                for content in openapi.resolve(response).get("content", {}).values():
                    openapi.faults(content["schema"], None)  # knows each word of the schema

    def test_what_it_says_is_checked(self):
        user = {"name": "ann", "email": "a@b.c"}
        for schema, value, wrong in (("User", user, {**user, "password": "x"}), ("User", user, {"email": "a@b.c"}), ("User", user, {"name": 5}),
                                     ("Datapoint", {"t": 1, "d": None}, {"t": "1", "d": 2}), ("Datapoint", {"t": 1, "d": 2}, {"t": 1}),
                                     ("Datapoint", {"t": 1.5, "d": []}, {"t": True, "d": 1}), ("Name", "a-b_9", "9a")):
            schema = {"$ref": f"#/components/schemas/{schema}"}
            self.assertEqual(openapi.faults(schema, value), [])
            self.assertNotEqual(openapi.faults(schema, wrong), [])
        self.assertNotEqual(openapi.answer_faults("GET", f"{API}/crud/ann", 200, "text/plain", "x"), [])
        self.assertNotEqual(openapi.answer_faults("GET", f"{API}/nowhere", 200, "text/plain", "x"), [])

    def test_a_running_server(self):
        self.create("--user", "test:test")
        self.start()
        client = self.client()
        steps = [("GET", "/health", "", None), ("GET", "/ready", "", None), ("GET", "/metrics", "", None), ("GET", API, "q=this", None),
                 ("GET", API, "q=metrics", None), ("GET", API, "q=countusers", None), ("GET", f"{API}/crud", "q=ls", None),
                 ("POST", f"{API}/crud/test/phone", "", {"streams": {"a": {}, "b": {"downlink": True}}}), ("GET", f"{API}/crud/test", "q=devices", None),
                 ("GET", f"{API}/crud/test", "q=streams", None), ("GET", f"{API}/crud/test/phone", "q=ls", None), ("GET", f"{API}/crud/test/phone/a", "", None),
                 ("POST", f"{API}/crud/test/user/n", "", {}), ("POST", f"{API}/crud/test/user/n/data", "", [{"t": 1, "d": {"a": [1, None]}}, {"t": 2, "d": "x"}]),
                 ("PUT", f"{API}/crud/test/user/n/data", "", [{"t": 1, "d": 5}]), ("POST", f"{API}/data", "", {"test/user/n": [{"t": 3, "d": 1}]}),
                 ("GET", f"{API}/crud/test/user/n/data", "i1=0", None), ("GET", f"{API}/crud/test/user/n/data", "q=length", None),
                 ("GET", f"{API}/crud/test/user/n/data", "i1=0&format=csv", None), ("GET", f"{API}/crud/test/user/n/data", "i1=0&every=day&fn=count", None),
                 ("GET", f"{API}/crud/test/user/n/data", "q=time2index&t=2", None), ("POST", f"{API}/query/merge", "", [{"stream": "test/user/n"}]),
                 ("POST", f"{API}/query/dataset", "", {"t1": 0, "t2": 2, "dt": 1, "dataset": {"n": {"stream": "test/user/n", "interpolator": "closest"}}}),
                 ("GET", f"{API}/feed/test/user/n.atom", "", None), ("GET", f"{API}/meta/transforms", "", None), ("GET", f"{API}/meta/interpolators", "", None),
                 ("GET", f"{API}/meta/version", "", None), ("GET", f"{API}/login", "", None), ("GET", "/join", "q=allowed", None),
                 ("PUT", f"{API}/crud/test/phone/a", "", {"nickname": "A"}), ("DELETE", f"{API}/crud/test/phone", "", None)]
        for method, path, query, body in steps:
            with self.subTest(method=method, path=path, query=query):
                answer = client.ask(method, path, query, basic("test:test"), None if body is None else json.dumps(body))
                self.assertEqual(answer.status, 200, answer)
                self.assertEqual(openapi.answer_faults(method, path, answer.status, answer.headers["Content-Type"], answer.text), [])
        served = client.ask("GET", "/www/openapi.json")
        self.assertIn("application/json", served.headers["Content-Type"])
        self.assertEqual(json.loads(served.text), openapi.DOCUMENT)


if __name__ == "__main__":
    harness.main()
