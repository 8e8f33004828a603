"""Scripts that want more than they may have: the server's memory stays within a script's limit, and the request ends with an error."""
import http.client
import unittest
import urllib.parse

import harness
from rest import RestTest, basic

MIB = 1 << 20
POINTS = 200000
MARGIN = 16 * MIB  # parts of answers, batches of the cursor, and what the allocator keeps

REFUSED = [  # before anything is read
    ("(" * 5000 + "d" + ")" * 5000, 413, "nested"),
    ("{'a':" * 2000 + "d" + "}" * 2000, 413, "nested"),
    ("d" + "|d" * 30000, 413, ""),
    ("d+" * 20000 + "d", 413, ""),
    ("'" + "x" * 70000 + "'", 413, ""),
    ("next(1000000000)", 403, "cannot look"),
    ("regex('(a)\\\\1')", 403, ""),
    ("regex('(?=a)')", 403, "look-around"),
]
STOPPED = [  # while they run: an error, before or after the answer began
    "map(d, count)",
    "map(t, {'a': append, 'b': append})",
    "new",
    "append | length",
    "append | next(50) | length",
]


@unittest.skipIf(harness.program_has_sanitizer(), "a sanitizer's memory is not the server's")
class HostileScripts(RestTest):
    def setUp(self):
        super().setUp()
        self.create("--user", "test:test")
        self.start()
        self.data = self.make_stream("test/user/s")
        for first in range(0, POINTS, 50000):
            self.request("POST", self.data, login="test:test", body=[
                {"t": 1480000000 + i, "d": 1000000 + i} for i in range(first, first + 50000)])

    def process(self):
        with open(f"{self.database}/connectordb.pid", encoding="ascii") as file:
            return int(file.read().split()[0])

    def memory(self, key):
        with open(f"/proc/{self.process()}/status", encoding="ascii") as file:
            return next(int(line.split()[1]) for line in file if line.startswith(key)) * 1024

    def run_script(self, script):
        """(status, text, whether the answer is complete, bytes that the server had at most above what it had before)"""
        with open(f"/proc/{self.process()}/clear_refs", "w", encoding="ascii") as file:
            file.write("5")
        before = self.memory("VmHWM")
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=harness.COMMAND_SECONDS_MAX)
        path = self.data + "?i1=0&transform=" + urllib.parse.quote(script)
        connection.request("GET", path, headers=basic("test:test"))
        answer, complete, text = connection.getresponse(), True, b""
        try:
            text = answer.read()
        except http.client.IncompleteRead as failed:
            text, complete = failed.partial, False
        connection.close()
        return answer.status, text, complete, self.memory("VmHWM") - before

    def test_memory_and_errors(self):
        self.run_script("sum")  # buffers that the server keeps
        for script, status, message in REFUSED:
            got, text, _, memory = self.run_script(script)
            self.assertIn(got, (status, 414, 431), script[:80])  # or the request's head is too large already
            if got == status:
                self.assertIn(message.encode(), text)
            self.assertLess(memory, MARGIN, script[:80])
        for script in STOPPED:
            status, text, complete, memory = self.run_script(script)
            self.assertTrue(status in (400, 413) or not complete, (script, status, text[-200:]))
            self.assertLess(memory, 32 * MIB + MARGIN, script)
        self.request("GET", self.data + "?i1=0&i2=1", login="test:test")


if __name__ == "__main__":
    harness.main()
