"""bench/compare, as far as it needs no peer: ConnectorDB itself and SQLite, tiny, so that it cannot rot."""
import json
import os
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import unittest

from harness import PROGRAM, SOURCE

COMPARE = os.path.join(SOURCE, "bench", "compare")
sys.path.insert(0, COMPARE)
import kill
from points import Points

POINTS = 4000
BUILD = os.path.dirname(os.path.dirname(os.path.realpath(PROGRAM)))

# Whole answers: protocol, bytes, and how many answers they are.
ANSWERS = {
    "with a length": ("http", b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n[\r\n\r\n", 1),
    "without a body": ("http", b"HTTP/1.1 204 No Content\r\nA: b\r\n\r\n", 1),
    "chunked": ("http", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1f\r\n" + b"0\r\n\r\n" * 6 +
                b"x\r\n0\r\n\r\n", 1),
    "chunked, trailer": ("http", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: b\r\n\r\n", 1),
    "long": ("http", b"HTTP/1.1 200 OK\r\nContent-Length: 600000\r\n\r\n" + b"\n" * 600000, 1),
    "status": ("resp", b"+OK\r\n", 1),
    "transaction": ("resp", b"+OK\r\n+QUEUED\r\n*1\r\n$3\r\n1-0\r\n", 3),
    "nested": ("resp", b"*2\r\n*2\r\n$1\r\na\r\n*0\r\n*2\r\n$4\r\n\r\n\r\n\r\n*1\r\n$-1\r\n", 1),
    "rows": ("postgres", b"D\0\0\0\x09E\0\0\0\x04C\0\0\0\x04Z\0\0\0\x05I", 1),
    "http error": ("http", b"HTTP/1.1 503 Busy\r\nContent-Length: 2\r\n\r\nno", None),
    "http error without a body": ("http", b"HTTP/1.1 503 no\r\n\r\n", None),
    "resp error": ("resp", b"-ERR no\r\n", None),
    "error in an array": ("resp", b"*2\r\n+OK\r\n-ERR no\r\n", None),
    "postgres error": ("postgres", b"E\0\0\0\x06no", None),
}
REQUEST = b"request"


def serve(listener, answer, pieces):
    """Answers each request of one connection, the answer in pieces of that many bytes."""
    connection, _ = listener.accept()
    with connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while connection.recv(len(REQUEST), socket.MSG_WAITALL) == REQUEST:
            for first in range(0, len(answer), pieces):
                connection.sendall(answer[first:first + pieces])


class Compare(unittest.TestCase):
    def test_everything_comes_back(self):
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run([os.path.join(COMPARE, "compare"), "--points", str(POINTS), "--programs", BUILD,
                                   "--no-limits", "--kinds", "E", "--results", folder, "connectordb", "sqlite"],
                                  capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            for name, title in (("connectordb", "ConnectorDB"), ("sqlite", "SQLite (in process)")):
                with self.subTest(name):
                    self.assertIn(f"\n| {title} | yes", done.stdout)
                    with open(os.path.join(folder, f"{name}.json"), encoding="utf-8") as file:
                        self.check_peer(json.load(file))

    def check_peer(self, results):
        self.assertEqual(list(results["kinds"]), ["E"])
        for kind in results["kinds"].values():
            self.assertEqual((kind["returned"], kind["exact"]), (POINTS, POINTS))
            self.assertGreater(kind["load_1"], 0)
            self.assertGreater(kind["read_bytes_rate"], kind["read_rate"])
            self.assertGreater(kind["bytes_per_point"], 0)
        self.assertEqual((results["kill"]["missing"], results["kill"]["invented"]), (0, 0))
        self.assertGreaterEqual(results["kill"]["acknowledged"], POINTS * kill.KILLED_AFTER)

    def load(self, protocol, answer, answers, pieces):
        """compare_load with three requests against a server that answers each like that."""
        with tempfile.NamedTemporaryFile() as file, socket.create_server(("127.0.0.1", 0)) as listener:
            file.write((struct.pack("<II", len(REQUEST), answers) + REQUEST) * 3)
            file.flush()
            server = threading.Thread(target=serve, args=(listener, answer, pieces), daemon=True)
            server.start()
            done = subprocess.run([os.path.join(BUILD, "bench", "compare_load"), protocol,
                                   str(listener.getsockname()[1]), "--setup", "1", file.name],
                                  capture_output=True, text=True, timeout=60)
            server.join()
            return done

    def test_answers_end_where_they_end(self):
        for name, (protocol, answer, answers) in ANSWERS.items():
            for pieces in (7, len(answer)) if len(answer) < 1000 else (65536,):
                with self.subTest(name, pieces=pieces):
                    done = self.load(protocol, answer, answers or 1, pieces)
                    if answers is None:
                        self.assertEqual(done.returncode, 1)
                        self.assertIn("no", done.stderr)
                        continue
                    self.assertEqual(done.returncode, 0, done.stderr)
                    report = json.loads(done.stdout)
                    self.assertEqual((report["requests"], report["received"]), (2, 2 * len(answer)))

    def test_losses_are_noticed(self):
        points = Points("G", 0, ['{"t":%d,"d":%d}' % (second, second) for second in range(1, 11)])
        truth = points.truth()
        for name, back, expected in (
                ("all there", truth, (0, 4, 0)),
                ("just the acknowledged", truth[:6], (0, 0, 0)),
                ("the end is missing", truth[:4], (2, 0, 0)),
                ("one in the middle is missing", truth[:2] + truth[3:6], (1, 0, 0)),
                ("another value", truth[:5] + [(truth[5][0], 77.0)], (1, 0, 1)),
                ("twice", truth[:6] + truth[5:6], (0, 0, 1)),
                ("never sent", truth[:6] + [(99, 1.0)], (0, 0, 1)),
                ("nothing", [], (6, 0, 0))):
            with self.subTest(name):
                self.assertEqual(kill.compare(points, 6, back), expected)


if __name__ == "__main__":
    unittest.main()
