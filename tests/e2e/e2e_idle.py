"""A server to which nothing comes does nothing: no thread of it wakes, nothing is written; and an empty database is
small."""
import glob
import os
import re
import time
import unittest

import harness
from rest import RestTest

QUIET_SECONDS = 1.5  # longer than any interval at which a thread looked around
SIZE_MAX = 5 << 20


def size_on_disk(folder):
    paths = [os.path.join(parent, name) for parent, _, names in os.walk(folder) for name in names]
    return sum(os.lstat(path).st_blocks * 512 for path in paths + [folder])


class Idle(RestTest):
    def process(self):
        with open(os.path.join(self.database, "connectordb.pid"), encoding="ascii") as file:
            return int(file.read())

    def activity(self):
        """How often each thread has waited, and what the process has written."""
        process = self.process()
        found = {}
        for path in glob.glob(f"/proc/{process}/task/*/status"):
            with open(path, encoding="ascii") as file:
                waits = re.search(r"^voluntary_ctxt_switches:\s*(\d+)", file.read(), re.MULTILINE)
            found[path] = waits and waits.group(1)
        try:
            with open(f"/proc/{process}/io", encoding="ascii") as file:
                found["written"] = re.search(r"wchar: (\d+)", file.read()).group(1)
        except OSError:  # not every system tells
            pass
        return found

    def await_quiet(self):
        deadline = time.monotonic() + harness.COMMAND_SECONDS_MAX
        before, since = self.activity(), time.monotonic()
        while time.monotonic() < since + QUIET_SECONDS:
            self.assertLess(time.monotonic(), deadline, "it does not come to rest")
            time.sleep(0.1)
            now = self.activity()
            if now != before:
                before, since = now, time.monotonic()

    @unittest.skipIf(harness.PROGRAM and harness.program_has_sanitizer(), "sanitizers have threads that wake")
    def test_it_sleeps(self):
        """And a request wakes it. (After a request, too, once its buffers are freed: test_http_clients.)"""
        self.create("--user", "test:test", fsync="interval:20")
        self.start()
        if not os.path.exists(f"/proc/{self.process()}/task"):
            self.skipTest("/proc does not tell of threads")
        self.await_quiet()
        data = self.make_stream("test/user/s")
        self.request("POST", data, body=[{"d": 1}], login="test:test")
        self.assertEqual(self.request("GET", data + "?q=length", login="test:test").json(), 1)

    def test_an_empty_database_is_small(self):
        self.create("--user", "test:test")
        self.assertLess(size_on_disk(self.database), SIZE_MAX)
        self.start()
        self.request("POST", self.make_stream("test/user/s"), body=[{"d": 1}], login="test:test")
        self.assertLess(size_on_disk(self.database), SIZE_MAX)
        self.stop()
        self.assertLess(size_on_disk(self.database), SIZE_MAX)


if __name__ == "__main__":
    harness.main()
