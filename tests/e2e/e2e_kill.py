#!/usr/bin/env python3
"""kill -9 of a real server under four inserting clients: after each restart every stream holds whole batches in order,
nothing that was answered `ok` is missing, nothing is invented. A fifth client inserts into several streams at once: of each of
its inserts all streams have their part, or none has. $CONNECTORDB_ROUNDS kills, 3 unless told otherwise;
$CONNECTORDB_SEED repeats the choices."""
import base64
import http.client
import json
import os
import random
import re
import signal
import subprocess
import threading
import time

from harness import COMMAND_SECONDS_MAX, PROGRAM, DatabaseTest, command, main

ROUNDS = int(os.environ.get("CONNECTORDB_ROUNDS") or 3)
SEED = int(os.environ.get("CONNECTORDB_SEED") or time.time_ns())
CLIENTS = 4
GATEWAY = CLIENTS  # the number of the client that inserts into several streams at once
GATEWAY_STREAMS = 3
POINTS_OF_BATCH = 40
ANSWERS_MAX = 300  # of a round


def batch_size(client, first):
    """Points of the batch that starts at this index of a client's stream."""
    return 1 + random.Random(client * 1000003 + first).randrange(POINTS_OF_BATCH)


def point(client, index):
    value = index * 7 % 1000 / 100 if client % 2 else f"{client}: the {index}th value"
    return {"t": 1500000000 + index / 4, "d": value}


class Client(threading.Thread):
    """Inserts batch after batch until the server is gone."""

    def __init__(self, test, number):
        super().__init__()
        self.test = test
        self.number = number
        self.wrong = None  # an answer that is no `ok`

    def insert(self, first, count):
        """The path and the body of an insert of so many points."""
        points = [point(self.number, index) for index in range(first, first + count)]
        if self.number != GATEWAY:
            return f"crud/test/user/s{self.number}/data", json.dumps(points)
        if count % 2:
            return "data", json.dumps({f"test/user/g{n}": points for n in range(GATEWAY_STREAMS)})
        return "data", "\n".join(json.dumps({"s": f"test/user/g{n}", **a_point}) for a_point in points
                                 for n in range(GATEWAY_STREAMS))

    def run(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.test.port, timeout=COMMAND_SECONDS_MAX)
        login = base64.b64encode(b"test:test").decode()
        first = self.test.acknowledged[self.number]
        while True:
            count = batch_size(self.number, first)
            path, body = self.insert(first, count)
            try:
                connection.request("POST", "/api/v1/" + path, body=body, headers={"Authorization": "Basic " + login})
                response = connection.getresponse()
                text = response.read()
            except (OSError, http.client.HTTPException):
                break
            if response.status == 503:
                continue
            if response.status != 200 or text != b"ok":
                self.wrong = (response.status, text)
                break
            first += count
            self.test.acknowledge(self.number, first)
        connection.close()


class KillLoop(DatabaseTest):
    def setUp(self):
        super().setUp()
        self.process = None
        self.changed = threading.Condition()
        self.answers = 0
        self.acknowledged = [0] * (CLIENTS + 1)
        self.addCleanup(self.kill)

    def acknowledge(self, number, length):
        with self.changed:
            self.acknowledged[number] = length
            self.answers += 1
            self.changed.notify()

    def serve(self):
        self.process = subprocess.Popen([PROGRAM, "run", self.database, "--port", "0"], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        found = re.search(r"http://[^\s/]+:(\d+)", line)
        self.assertIsNotNone(found, f"the server said '{line}'")
        self.port = int(found.group(1))

    def kill(self):
        if self.process is None:
            return
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()
        self.process = None
        self.port = None

    def use_small_journals(self):
        path = os.path.join(self.database, "connectordb.conf")
        with open(path, encoding="utf-8") as file:
            text = file.read()
        text, count = re.subn(r'"journal_bytes": \d+', '"journal_bytes": 65536', text)
        self.assertEqual(count, 1)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)

    def insert_until(self, answers):
        """Runs the clients, kills the server after so many answers."""
        self.answers = 0
        clients = [Client(self, number) for number in range(CLIENTS + 1)]
        for client in clients:
            client.start()
        with self.changed:
            enough = self.changed.wait_for(lambda: self.answers >= answers, timeout=COMMAND_SECONDS_MAX)
        self.kill()
        for client in clients:
            client.join()
            self.assertIsNone(client.wrong)
        self.assertTrue(enough, f"only {self.answers} answers")

    def read(self, stream):
        return self.request("GET", f"/api/v1/crud/test/user/{stream}/data?i1=0", login="test:test").json()

    def verify(self):
        for number in range(CLIENTS + 1):
            found = self.read(f"s{number}" if number != GATEWAY else "g0")
            self.assertEqual(found, [point(number, index) for index in range(len(found))], f"stream {number}")
            acknowledged = self.acknowledged[number]
            self.assertIn(len(found), (acknowledged, acknowledged + batch_size(number, acknowledged)))
            self.acknowledged[number] = len(found)
        for n in range(1, GATEWAY_STREAMS):
            self.assertEqual(self.read(f"g{n}"), found, "an insert into several streams is there in part")

    def test_kill(self):
        print(f"CONNECTORDB_SEED={SEED}")
        choice = random.Random(SEED)
        command("create", self.database, "--user", "test:test")
        self.use_small_journals()
        self.serve()
        for name in [f"s{n}" for n in range(CLIENTS)] + [f"g{n}" for n in range(GATEWAY_STREAMS)]:
            self.request("POST", f"/api/v1/crud/test/user/{name}", body={}, login="test:test")
        answers = 0
        for _ in range(ROUNDS):
            self.insert_until(choice.randrange(ANSWERS_MAX))
            answers += self.answers
            if choice.randrange(4) == 0:
                command("check", self.database)  # what a kill leaves is no damage
            self.serve()
            self.verify()
        self.kill()
        command("check", self.database)
        print(f"{ROUNDS} kills, {answers} acknowledged inserts, {sum(self.acknowledged)} points, all there")


if __name__ == "__main__":
    main()
