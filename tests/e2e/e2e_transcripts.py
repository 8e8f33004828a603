"""The recorded transcripts of ConnectorDB 0.3 against a real server: every step is judged by the record, or by the form that
deviations.json gives it on purpose, with the reason; or it waits for a part of the server that does not exist yet (waiting.json). The
numbers are fixed below, so that no step goes missing unseen."""
import json
import os
import xml.etree.ElementTree

import harness
import openapi
from harness import shared
from rest import RestTest
from transcript import Actors, Client, differences, recorded, run_step

HERE = os.path.dirname(os.path.abspath(__file__))
HUGE_BODY = '[{"t":5000,"d":"' + "x" * 10485760 + '"}]'


def read_steps(file, name):
    """Number of a step -> its entry in deviations.json or waiting.json."""
    entries = harness.read_json(os.path.join(HERE, "transcripts", file)).get(name, [])
    found = {number: entry for entry in entries for number in entry["steps"]}
    assert len(found) == sum(len(entry["steps"]) for entry in entries), f"{file}: {name}: a step is there twice"
    return found


def cleaned(path):
    return "/" + "/".join(part for part in path.split("/") if part not in ("", "."))


def deviating_differences(client, actors, step, entry, answer):
    """As differences(), by an entry: "status" with "json" (a body, null: any) or the rest of the step; or one of these words in "like"."""
    like = entry.get("like")
    if "replace" in entry:
        text = step["text"]
        for old, new in entry["replace"]:
            assert old in text, old
            text = text.replace(old, new)
        return differences(actors, {**step, "text": text}, answer)
    if like == "path without empty segments":
        plain = client.ask(step["method"], cleaned(step["path"]), actors.query(step), actors.headers(step), step.get("body"))
        same = json.loads(plain.text).get("code") == json.loads(answer.text).get("code") \
            if answer.status >= 400 else plain.text == answer.text
        return [] if plain.status == answer.status and same else [f"not as its cleaned path: {plain}"]
    if like == "a feed":
        feed = xml.etree.ElementTree.fromstring(answer.text)
        contents = [content.text or "" for content in feed.iter("{http://www.w3.org/2005/Atom}content")]
        return [] if answer.status == 200 and contents[-1] in ("", "null") else ["not a feed that ends with nothing"]
    if like == "a version":
        return [] if answer.status == 200 and answer.text.count(".") == 2 else ["not a version"]
    if like == "only the own origin":
        found = differences(actors, {**step, **entry}, answer, ("access-control-allow-origin", "content-length"))
        if answer.headers["Access-Control-Allow-Origin"] == step["request_headers"]["Origin"]:
            found.append("echoes a foreign origin")
        return [each for each in found if "0.3.0" not in each]
    if like == "HEAD":
        return [] if answer.text == "" and answer.status == entry["status"] else ["a body after HEAD"]
    wanted = {"status": entry["status"], "method": step["method"]}
    if "json" in entry:
        wanted["json"] = entry["json"]
    found = differences(actors, wanted, answer)
    if answer.status == 405 and "GET" not in answer.headers.get("Allow", ""):
        found.append("405 without Allow")
    if answer.status >= 400 and not answer.text:
        found.append("no error object")
    return found


class Transcripts(RestTest):
    def run_transcript(self, name, steps, actors, counts):
        """counts: (judged, deviating, waiting)."""
        client = Client(self.port)
        self.addCleanup(client.close)
        deviations, waits = read_steps("deviations.json", name), read_steps("waiting.json", name)
        judged = deviating = waiting = 0
        failures = []
        for number, step in enumerate(steps):
            if number in waits:
                waiting += 1
                continue
            if "${huge" in step.get("body", ""):
                step = {**step, "body": HUGE_BODY}
            answer = run_step(client, actors, step)
            if number in deviations:
                deviating += 1
                found = deviating_differences(client, actors, step, deviations[number], answer)
            else:
                judged += 1
                found = differences(actors, step, answer)
            if cleaned(step["path"]).startswith("/api/v1"):
                found = found + openapi.answer_faults(step["method"], step["path"], answer.status, answer.headers["Content-Type"], answer.text)
            if found:
                failures.append(f"{number} {step['as']} {step['method']} {step['path'][:80]} {step.get('query', '')[:60]} "
                                f"{step.get('body', '')[:80]}: {found}; got {answer}")
        print(f"\n{name}: {judged} judged by the record, {deviating} deviating on purpose, {waiting} waiting for later parts, "
              f"of {len(steps)}", flush=True)
        self.assertEqual(failures, [], "\n".join(failures[:20]))
        self.assertEqual((judged, deviating, waiting), counts)

    def run_recorded(self, name, counts):
        steps = recorded(name)["steps"]
        self.create("--user", "test:test", "--email", "root@localhost")
        self.start()
        self.run_transcript(name, steps, Actors({"test": "test"}), counts)

    def test_users(self):
        self.run_recorded("users", (151, 16, 0))

    def test_devices(self):
        self.run_recorded("devices", (122, 20, 0))

    def test_streams(self):
        self.run_recorded("streams", (80, 14, 0))

    def test_metalog(self):
        self.run_recorded("metalog", (28, 1, 0))

    def test_meta(self):
        self.run_recorded("meta", (3, 1, 0))

    def test_login(self):
        self.run_recorded("login", (46, 6, 0))

    def test_query(self):
        self.run_recorded("query", (33, 3, 0))

    def test_feed(self):
        self.run_recorded("feed", (14, 8, 0))

    def test_data(self):
        self.run_recorded("data", (86, 8, 0))

    def test_errors(self):
        self.run_recorded("errors", (252, 68, 0))

    def test_misc(self):
        self.run_recorded("misc", (85, 68, 0))

    def test_permissions_create_delete(self):
        self.run_recorded("permissions_create_delete", (752, 0, 0))

    def test_session_before_an_export(self):
        self.configuration["time_ahead_max"] = 0  # a point is in the year 2100
        self.create("--user", "test:test", "--email", "root@localhost")
        self.start()
        steps = harness.read_json(shared("vectors", "export", "session.json"))["steps"]
        self.run_transcript("session", steps, Actors({"test": "test"}), (58, 1, 0))

    def test_after_import(self):
        steps = harness.read_json(shared("vectors", "export", "session.json"))["after_import"]
        self.create("--user", "tmp:tmp", "--email", "tmp@localhost")
        harness.command("import", self.database, shared("vectors", "export", "data"))
        self.start()
        actors = Actors({"test": "test", "bob": "secret:\u00e9"})
        for device in ("test/values", "bob/phone"):
            described = harness.read_json(shared("vectors", "export", "data", *device.split("/"), "device.json"))
            actors.newest[device] = described["apikey"]
        self.run_transcript("after_import", steps, actors, (19, 1, 0))


if __name__ == "__main__":
    harness.main()
