"""The permission matrix of ConnectorDB 0.3 (vectors/rest/permissions.json): each actor, operation and target against a real server."""
import json
import os
import re

import harness
from rest import API, RestTest
from transcript import Actors, Client, differences, recorded, run_step, same_json

HERE = os.path.dirname(os.path.abspath(__file__))
READS = ("this", "list users", "count users", "count devices", "count streams", "read user", "list devices", "list user streams",
         "read device", "list streams", "read stream", "read data", "read length", "read downlink")


class Requests:
    """Makes the requests of cells. `admin` asks for what a cell needs to know of its target."""

    def __init__(self, matrix, client, actors):
        self.operations = matrix["operations"]
        self.client, self.actors = client, actors
        self.counter = 11

    def step(self, cell):
        actor, operation, target = cell[:3]
        operation = self.operations[operation]
        step = {"as": actor, "auth": "none" if actor == "nobody" else "apikey-basic" if "/" in actor else "basic",
                "method": operation["method"], "path": operation["path"].replace("{t}", target or "")}
        if "query" in operation:
            step["query"] = operation["query"]
        if "body" in operation:
            step["body"] = self.body(operation["body"], target)
        return step

    def body(self, text, target):
        marks = set(re.findall(r"\{(t|name|n|role|public|visible|user_editable|downlink)\}", text))
        values = {"t": target, "name": target.split("/")[-1], "downlink": json.dumps(target.endswith("/dl"))}
        if "n" in marks:
            values["n"] = str(self.counter)
            self.counter += 1
        if marks & {"role", "public", "visible", "user_editable"}:
            current = json.loads(self.as_admin(target).text)
            current["role"] = current["role"] or "none"
            values.update({key: json.dumps(current[key]) for key in marks & current.keys()})
        for mark in marks:
            text = text.replace("{" + mark + "}", values[mark])
        key = re.search(r"\$\{apikey:(.*?)\}", text)
        return text.replace(key.group(0), self.actors.newest.get(key.group(1), "")) if key else text

    def as_admin(self, target):
        return run_step(self.client, self.actors, {"as": "test", "auth": "basic", "method": "GET", "path": f"{API}/crud/{target}"})

    def result(self, answer):
        """What a cell records of an answer with 200: lists shortened to names."""
        if not answer.headers["content-type"].startswith("application/json"):
            return answer.text
        found = json.loads(answer.text)
        if isinstance(found, list) and found and "name" in found[0]:
            return [f"{each['device']}/{each['name']}" if "device" in each else each["name"] for each in found]
        return found


def same_result(actors, wanted, got):
    if isinstance(wanted, list) and wanted and isinstance(wanted[0], str):
        return isinstance(got, list) and sorted(wanted) == sorted(got)
    if wanted == "${count}":
        return str(got).isdigit()
    return same_json(actors, wanted, got)


class Permissions(RestTest):
    def test_matrix(self):
        matrix = recorded("permissions")
        self.create("--user", "test:test", "--email", "root@localhost")
        self.start()
        deviations = harness.read_json(os.path.join(HERE, "transcripts", "deviations.json"))["permissions"]
        actors, client = Actors({"test": "test"}), Client(self.port)
        self.addCleanup(client.close)
        for step in matrix["setup"]:
            self.assertEqual(differences(actors, step, run_step(client, actors, step)), [])
        requests = Requests(matrix, client, actors)
        judged = deviating = 0
        failures = []
        for number, cell in enumerate(matrix["cells"]):
            entry = find(deviations, cell)
            answer = run_step(client, actors, requests.step(cell))
            judged, deviating = judged + (entry is None), deviating + (entry is not None)
            found = self.judge(requests, actors, cell, entry, answer)
            if found:
                failures.append(f"{number} {cell}: {found}, got {answer}")
        print(f"\npermissions: {judged} cells judged by the record, {deviating} deviating on purpose, of {len(matrix['cells'])}",
              flush=True)
        self.assertEqual(failures, [], f"{len(failures)}\n" + "\n".join(failures[:30]))
        self.assertEqual((judged, deviating), (6384, 205) if len(matrix["cells"]) == 6589 else (2285, 111))

    @staticmethod
    def judge(requests, actors, cell, entry, answer):
        status = entry.get("status", cell[3]) if entry else cell[3]
        if answer.status != status:
            return f"status {status} wanted"
        if status != 200 or cell[1] not in READS or len(cell) < 5:
            return None
        wanted = entry["json"] if entry and "json" in entry else cell[4]
        if entry and "fields" in entry and isinstance(wanted, dict):
            wanted = {**wanted, **{key: value for key, value in entry["fields"].items() if key in wanted}}
        return None if same_result(actors, wanted, requests.result(answer)) else f"{wanted} wanted"


def find(deviations, cell):
    """The entry whose "actors", "operations" and "targets" (regular expressions) match the cell."""
    for entry in deviations:
        if re.fullmatch(entry.get("actors", ".*"), cell[0]) and re.fullmatch(entry.get("operations", ".*"), cell[1]) and \
                re.fullmatch(entry.get("targets", ".*"), cell[2] or "") and entry.get("recorded", cell[3]) == cell[3]:
            return entry
    return None


if __name__ == "__main__":
    harness.main()
