"""The recorded transcripts of ConnectorDB 0.3 against a real server, as far as their routes exist.

Every step of a transcript is counted: judged by the record, deviating on purpose (the better form of its quirk, or reference/deviations.md),
or waiting for a part of the server that does not exist yet. The numbers are fixed below, so that no step goes missing unseen."""
import json
from urllib.parse import parse_qsl

import harness
from harness import shared
from rest import RestTest
from transcript import Actors, Client, differences, run_step

LATER_ROUTES = ("/api/v1/query/", "/api/v1/feed/", "/api/v1/login", "/api/v1/logout", "/api/v1/meta/transforms",
                "/api/v1/meta/interpolators", "/api/v1/crud/test/meta/log")


def segments(step):
    return [part for part in step["path"].split("/") if part][2:]


def cleaned(path):
    return "/" + "/".join(part for part in path.split("/") if part not in ("", "."))


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
    if step.get("body", "").startswith("\ufeff{"):
        return 200
    if step.get("body") == "garbage" and step["as"] in ("bob", "nobody"):
        return 403  # the body of who may not do this is not looked at
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
    if step["status"] == 301 and ".." in step["path"]:
        return 400
    if step["status"] == 301 and cleaned(step["path"]) != step["path"]:
        return "cleaned" if step["method"] == "GET" else 200
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


class Transcripts(RestTest):
    def judge_deviating(self, client, actors, step, wanted, answer):
        if wanted == "cleaned":
            plain = client.ask(step["method"], cleaned(step["path"]), actors.query(step), actors.headers(step),
                               step.get("body"))
            same = json.loads(plain.text).get("code") == json.loads(answer.text).get("code") \
                if answer.status >= 400 else plain.text == answer.text
            return [] if plain.status == answer.status and same else [f"not as its cleaned path: {plain}"]
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
        self.run_transcript(self.transcript("misc"), self.start_with_bob(), dependents, (46, 64, 43))

    def test_devices(self):
        # 42: devices that are refused now; 79-111: after updates, and the log streams
        dependents = {42, 79, 85, 108, 109, 111}
        self.run_transcript(self.transcript("devices"), self.start_with_bob(), dependents, (61, 14, 67))

    def test_session_before_an_export(self):
        # inserts into streams with a schema, and what they would have stored (test_after_import reads all of it)
        dependents = {4, 6, 8, 10, 12, 21, 23, 24, 36, 38, 41, 43, 46, 47, 50, 51, 52, 53, 55, 56, 57, 58}
        steps = harness.read_json(shared("vectors", "export", "session.json"))["steps"]
        self.configuration["time_ahead_max"] = 0  # a point is in the year 2100
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


if __name__ == "__main__":
    harness.main()
