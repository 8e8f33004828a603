#!/usr/bin/env python3
"""Sessions of WebSockets that were recorded from ConnectorDB 0.3 (../shared/vectors/websocket.json), one after the other."""
import json

import harness
from rest import RestTest
from transcript import run_step, same_json
from websocket import Closed, WebSocket

# Where this server does better: the group, and the messages (expect) or datapoints (rest) that take the place of recorded ones.
STORED_TIME = "the message carries the stored time, not the one that was sent"
EVERY_MESSAGE = "every message is read on its own"
DEVIATIONS = {
    ("subscribe", '{"stream": "test/dev/w", "data": [{"t": 1, "d": 5}]}'): ({"stream": "test/dev/w", "data": [{"t": 2.00001, "d": 5}]}, STORED_TIME),
    ("subscribe", '{"stream": "test/dev/w", "data": null}'): (None, "an insert of nothing is no message"),
    ("insert", '{"stream": "test/dev/x", "data": [{"t": 1.5, "d": 5}]}'): ({"stream": "test/dev/x", "data": [{"t": 2.00001, "d": 5}]}, STORED_TIME),
    ("missing keys repeat the last command", '{"stream": "test/dev/n", "transform": "d*2", "data": [{"t": 470, "d": 8}]}'):
        ({"stream": "test/dev/n", "data": [{"t": 470, "d": 4}]}, EVERY_MESSAGE),
    ("missing keys repeat the last insert", '[{"t": 480, "d": 4}, {"t": 480, "d": 4}]'): ([{"t": 470, "d": 4}, {"t": 480, "d": 4}], EVERY_MESSAGE),
    ("missing keys repeat the last insert", '[{"t": 480, "d": 5}]'): ([{"t": "${now}", "d": 5}], EVERY_MESSAGE),
}
# A refused subscription ended the handling of the socket there: what comes here because it goes on.
GOES_ON = {"transform error": [{"stream": "test/dev/n", "data": [{"t": 310, "d": 5}]}]}


class Socket:
    """Keeps messages that come before they are asked for."""

    def __init__(self, client):
        self.client = client
        self.messages = []

    def settle(self):
        """Until the server has done what was sent so far."""
        self.client.send({"cmd": "unsubscribe", "arg": "a/b/c", "id": "settle"})
        while (message := self.client.receive()) != {"id": "settle", "ok": True}:
            self.messages.append(message)

    def next(self):
        return self.messages.pop(0) if self.messages else self.client.receive()


class Sessions(RestTest):
    def deviate(self, group, wanted):
        found = DEVIATIONS.get((group, json.dumps(wanted)))
        self.deviating += found is not None
        return (found[0] if found else wanted), found is not None

    def expect_all(self, session, socket, wanted):
        """These messages next; their order counts only within a stream and transform."""
        got = [socket.next() for _ in wanted]

        def order(message):
            return (message["stream"], message.get("transform", ""))
        for want, have in zip(sorted(wanted, key=order), sorted(got, key=order)):
            self.assertTrue(same_json(self.actors, want, have), f"{session['group']}: {have}, not {want}")

    def run_rest(self, session, step):
        answer = run_step(self.client_, self.actors, step)
        self.assertEqual(answer.status, step["status"], f"{session['group']}: {step} {answer}")
        if "json" in step and step["status"] == 200:
            wanted, _ = self.deviate(session["group"], step["json"])
            self.assertTrue(same_json(self.actors, wanted, json.loads(answer.text)), f"{session['group']}: {answer}, not {wanted}")

    def run_events(self, session, socket):
        waiting = []
        for event in [*session["events"], {"end": True}]:
            if "expect" in event:
                wanted, _ = self.deviate(session["group"], event["expect"])
                waiting += [] if wanted is None else [wanted]
                continue
            self.expect_all(session, socket, waiting)
            waiting = []
            if "send" in event:
                text = event["send"]
                socket.client.send(text if not text.startswith("${huge") else '"' + "x" * (1 << 20) + '"')
                if not any("expect_close" in other or "closed" in other for other in session["events"]):
                    socket.settle()
            elif "rest" in event:
                self.run_rest(session, event["rest"])
            elif "expect_nothing_for_seconds" in event or "end" in event:
                if not any("expect_close" in other or "closed" in other for other in session["events"]):
                    socket.settle()
                if socket.messages != GOES_ON.get(session["group"]):
                    self.assertEqual(socket.messages, [], session["group"])
            else:  # expect_close, closed
                with self.assertRaises(Closed) as caught:
                    socket.next()
                if "expect_close" in event:
                    self.assertEqual(caught.exception.args[0], event["expect_close"])

    def run_session(self, session):
        query = self.actors.fill(session.get("query", ""))
        login = None
        if not query and session["as"] != "nobody":
            login = f"{session['as']}:{self.actors.passwords.get(session['as'], '')}" if "/" not in session["as"] \
                else ":" + self.actors.newest[session["as"]]
        with WebSocket(self.port, login, query) as client:
            self.assertEqual(client.status, session["handshake"], session["group"])
            if client.status == 101:
                self.run_events(session, Socket(client))

    def test_recorded(self):
        recorded = harness.read_json(harness.shared("vectors", "websocket.json"))
        self.actors = self.start_with_bob(password="unused", email="unused@x")
        self.request("DELETE", "/api/v1/crud/bob", login="test:test")  # the set-up makes him
        self.client_ = self.client()
        self.deviating = 0
        for step in recorded["setup"]:
            answer = run_step(self.client_, self.actors, step)
            self.assertEqual(answer.status, step["status"], step)
            if "json" in step:
                self.assertTrue(same_json(self.actors, step["json"], json.loads(answer.text)), f"{answer} {step}")
        for session in recorded["sessions"]:
            with self.subTest(group=session["group"], note=session.get("note")):
                self.run_session(session)
        print(f"{len(recorded['sessions'])} sessions, {self.deviating} of their messages in a better form")
        self.assertEqual(self.deviating, len(DEVIATIONS))


if __name__ == "__main__":
    harness.main()
