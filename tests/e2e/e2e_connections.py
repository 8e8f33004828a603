"""Many connections, large bodies, and limits of the process: who is answered, and what is left behind."""
import concurrent.futures
import json
import os
import re
import resource
import signal
import socket
import subprocess
import time
import unittest

import harness
from harness import command

ANOTHER_USER = 54322
WAIT_SECONDS_MAX = 60


def read_answer(raw):
    """One answer with Content-Length; b"" when the connection ended."""
    reply = b""
    while b"\r\n\r\n" not in reply:
        piece = raw.recv(65536)
        if not piece:
            return b""
        reply += piece
    head, body = reply.split(b"\r\n\r\n", 1)
    length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    while len(body) < length:
        body += raw.recv(65536)
    return head + b"\r\n\r\n" + body


class Connections(harness.DatabaseTest):
    def make(self, **configuration):
        file = os.path.join(self.directory, "c.conf")
        with open(file, "w", encoding="utf-8") as out:
            json.dump(configuration, out)
        command("create", self.database, "--user", "test:test", "-c", file)

    def resident_kib(self):
        with open(os.path.join(self.database, "connectordb.pid"), encoding="ascii") as file:
            pid = file.read().split()[0]
        with open(f"/proc/{pid}/status", encoding="ascii") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("VmRSS:"))

    def log(self):
        with open(os.path.join(self.database, "connectordb.log"), encoding="utf-8") as file:
            return file.read()

    def test_more_clients_than_threads(self):
        """Some of them were never answered, and the log said nothing."""
        self.make(connections_max=16)
        self.start()
        clients = [None] * 40
        for _ in range(3):
            for n, raw in enumerate(clients):
                answer = b""
                while not answer:
                    raw = clients[n] or socket.create_connection(("127.0.0.1", self.port), timeout=WAIT_SECONDS_MAX)
                    try:
                        raw.sendall(b"GET /api/v1/?q=this HTTP/1.1\r\nHost: x\r\n\r\n")
                        answer = read_answer(raw)
                    except (BrokenPipeError, ConnectionResetError):
                        pass
                    if not answer:
                        self.assertIsNotNone(clients[n], "a new connection was closed")
                        raw.close()
                        clients[n] = None
                self.assertTrue(answer.endswith(b"nobody"))
                clients[n] = raw
        for raw in clients:
            raw.close()
        self.assertEqual(self.log().count("connections_max"), 1)

    def test_memory_is_given_back(self):
        """What 1 MB inserts over many connections took stayed with the process."""
        if harness.program_has_sanitizer():
            self.skipTest("a sanitizer has an allocator of its own")
        self.make(connections_max=64, insert_limit_bytes=4 << 20)
        self.start()
        path = "/api/v1/crud/test/user/s"
        self.request("POST", path, {"ephemeral": True}, login="test:test")
        body = b"[" + b",".join(b'{"t":%d,"d":"abcdefgh"}' % n for n in range(1, 40000)) + b"]"
        self.assertLess(len(body), 1 << 20 | 1 << 19)
        before = self.resident_kib()
        largest = 0
        with concurrent.futures.ThreadPoolExecutor(12) as pool:
            for _ in pool.map(lambda _: self.request("POST", path + "/data", body, login="test:test"), range(48)):
                largest = max(largest, self.resident_kib())
        self.assertGreater(largest, before)
        until = time.monotonic() + WAIT_SECONDS_MAX
        while self.resident_kib() > before + (16 << 10) and time.monotonic() < until:
            time.sleep(0.2)
        self.assertLess(self.resident_kib(), before + (16 << 10))

    def run_limited(self, set_limits):
        """Runs the server as another user until it serves or ends. (serves, what it said)"""
        def prepare():
            os.setuid(ANOTHER_USER)
            set_limits()
        process = subprocess.Popen([self.program_for_all(), "run", self.database, "--port", "0"], stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, text=True, preexec_fn=prepare, stdin=subprocess.DEVNULL)
        said = ""
        serves = False
        for line in process.stdout:
            said += line
            if "Ctrl-C stops it" in line:
                serves = True
                self.port = int(re.search(r"127.0.0.1:(\d+)", line).group(1))
                self.assertEqual(self.request("GET", "/api/v1/?q=this").body, b"nobody")
                self.port = None
                process.send_signal(signal.SIGTERM)
        process.stdout.close()
        code = process.wait()
        self.assertEqual(code, 0 if serves else 1, said)
        self.assertFalse(os.path.exists(os.path.join(self.database, "connectordb.pid")), said)
        return serves, said

    @unittest.skipUnless(os.geteuid() == 0, "root can become another user")
    def test_few_threads_and_little_memory(self):
        """It aborted while it gave up starting, and left its pid file."""
        self.make(connections_max=256)
        for folder in (self.directory, os.path.dirname(self.directory)):  # the latter may be this run's own
            if os.stat(folder).st_mode & 0o777 == 0o700:
                os.chmod(folder, 0o755)
        for folder, _, names in os.walk(self.database):
            for path in [folder] + [os.path.join(folder, name) for name in names]:
                os.chown(path, ANOTHER_USER, ANOTHER_USER)
        for threads in (1, 2, 3, 4, 5, 6, 8, 10, 20, 50):
            with self.subTest(threads=threads):
                serves, said = self.run_limited(lambda: resource.setrlimit(resource.RLIMIT_NPROC, (threads, threads)))
                self.assertTrue(serves or "thread" in said, said)
                if threads >= 20:
                    self.assertTrue(serves, said)
                    self.assertIn("so many connections at most", said)
        for mib in (160, 320, 781):
            with self.subTest(mib=mib):
                if harness.program_has_sanitizer():
                    self.skipTest("a sanitizer reserves terabytes of address space")
                serves, said = self.run_limited(lambda: resource.setrlimit(resource.RLIMIT_AS, (mib << 20, mib << 20)))
                if mib >= 781:
                    self.assertTrue(serves, said)


if __name__ == "__main__":
    harness.main()
