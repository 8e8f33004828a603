"""What the end-to-end scripts share: the program, a database in a temporary directory, HTTP. Standard library only."""
import base64
import fcntl
import http.client
import inspect
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import unittest

PROGRAM = os.environ.get("CONNECTORDB", "")
SOURCE = os.environ.get("CONNECTORDB_SOURCE_DIR") or os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.realpath(__file__))))
SHARED = os.environ.get("CONNECTORDB_SHARED") or os.path.join(SOURCE, "..", "shared")
SKIPPED = 77
COMMAND_SECONDS_MAX = 120
NPM_SECONDS_MAX = 120


def program_has_sanitizer():
    """It has an allocator of its own then, reserves terabytes of address space, and looks for leaks through /proc."""
    with open(PROGRAM, "rb") as file:
        content = file.read()
    return b"__asan_init" in content or b"__tsan_init" in content


def shared(*parts):
    """A path in the shared folder; skips the test when it is not there."""
    path = os.path.join(SHARED, *parts)
    if not os.path.exists(path):
        raise unittest.SkipTest(f"{path} is not there")
    return path


def command(*arguments, exit_code=0):
    """Runs `connectordb arguments...`; returns what it printed. Any other exit code fails the test."""
    done = subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, timeout=COMMAND_SECONDS_MAX,
                          stdin=subprocess.DEVNULL)
    if done.returncode != exit_code:
        raise AssertionError(f"connectordb {' '.join(arguments)}: exit {done.returncode}, not {exit_code}\n"
                             f"{done.stdout}{done.stderr}")
    return done


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    def json(self):
        return json.loads(self.body)


class DatabaseTest(unittest.TestCase):
    """Each test has self.directory and self.database (a path that does not exist yet); a server that the test started is
    stopped after it."""

    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="connectordb-e2e-")
        self.database = os.path.join(self.directory, "db")
        self.port = None
        self.addCleanup(self.clean_up)

    def clean_up(self):
        try:
            if self.port is not None:
                self.stop()
            self.check_log()
        finally:
            shutil.rmtree(self.directory)

    def check_log(self):
        """A daemon's exit code is nobody's: what a sanitizer found is in its log."""
        path = os.path.join(self.database, "connectordb.log")
        if os.path.exists(path):
            with open(path, encoding="utf-8", errors="replace") as file:
                log = file.read()
            self.assertNotIn("Sanitizer", log)
            self.assertNotIn("runtime error:", log)

    def start(self, *arguments):
        """Starts the daemon on a free port."""
        printed = command("start", self.database, "--port", "0", *arguments)
        found = re.search(r"http://[^\s/]+:(\d+)", printed.stdout + printed.stderr)
        self.assertIsNotNone(found, f"start does not say where it listens: {printed.stdout}{printed.stderr}")
        self.port = int(found.group(1))

    def stop(self):
        command("stop", self.database)
        self.port = None

    def kill(self):
        """Kills the daemon and returns when the kernel has let go of the database, which is later than its death: a
        thread of it may still hold the lock."""
        with open(os.path.join(self.database, "connectordb.pid"), encoding="ascii") as file:
            os.kill(int(file.read()), signal.SIGKILL)
        self.port = None
        with open(os.path.join(self.database, "LOCK"), "rb") as file:
            whole_file = struct.pack("hhqqi4x", fcntl.F_RDLCK, os.SEEK_SET, 0, 0, 0)
            fcntl.fcntl(file, fcntl.F_OFD_SETLKW, whole_file)  # waits; closing unlocks

    def bystander(self):
        """A process that has nothing to do with the database; the test fails when a command ends it."""
        process = subprocess.Popen(["sleep", "1000"])

        def end():
            self.assertIsNone(process.poll(), "a stranger was signalled")
            process.kill()
            process.wait()
        self.addCleanup(end)
        return process.pid

    def hold_lock(self):
        """Locks the database as another process of it would, and returns the file; closing that releases it."""
        file = open(os.path.join(self.database, "LOCK"), "r+b")
        self.addCleanup(file.close)
        fcntl.fcntl(file, fcntl.F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
        return file

    def program_for_all(self):
        """The program where every user can run it: a checkout in a home directory may be closed to others."""
        folder = os.path.realpath(PROGRAM)
        while folder != "/":
            folder = os.path.dirname(folder)
            if not os.stat(folder).st_mode & 0o001:
                break
        else:
            return PROGRAM
        copy = os.path.join(self.directory, "connectordb")
        if not os.path.exists(copy):
            shutil.copy2(PROGRAM, copy)
            os.chmod(copy, 0o755)
            for folder in (self.directory, os.path.dirname(self.directory)):  # the latter may be this run's own
                if os.stat(folder).st_mode & 0o777 == 0o700:
                    os.chmod(folder, 0o755)
        return copy

    def npm_packages(self, folder, *programs):
        """The packages of FOLDER/package-lock.json, whose hashes npm compares; the folder that holds them, and the programs.
        Skips the test where npm cannot fetch them."""
        source, target = os.path.join(os.path.dirname(os.path.abspath(__file__)), folder), os.path.join(self.directory, folder)
        missing = [program for program in ("node", "npm") if not shutil.which(program)]
        if missing:
            self.skipTest(f"not installed: {', '.join(missing)}")
        os.mkdir(target)
        for name in ("package.json", "package-lock.json", *programs):
            shutil.copy(os.path.join(source, name), target)
        try:
            done = subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline", "--fetch-retries=1",
                                   "--fetch-timeout=20000"], cwd=target, capture_output=True, text=True, timeout=NPM_SECONDS_MAX,
                                  stdin=subprocess.DEVNULL, check=False)
        except subprocess.TimeoutExpired:
            self.skipTest(f"npm did not fetch the packages of {folder} within {NPM_SECONDS_MAX} s")
        self.assertNotIn("EINTEGRITY", done.stderr, "a package is not the one of package-lock.json")
        self.assertNotIn("EUSAGE", done.stderr, "package.json and package-lock.json differ")
        if done.returncode != 0:
            self.skipTest(f"npm cannot fetch the packages of {folder}: {done.stderr[-500:]}")
        return target

    def request(self, method, path, body=None, login=None, status=200):
        """One request on its own connection. login: "user:password"; body: bytes, or anything else as JSON."""
        headers = {}
        if login is not None:
            headers["Authorization"] = "Basic " + base64.b64encode(login.encode()).decode()
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=COMMAND_SECONDS_MAX)
        try:
            connection.request(method, path, body=body, headers=headers)
            answer = Answer(connection.getresponse())
        finally:
            connection.close()
        self.assertEqual(answer.status, status, f"{method} {path}: {answer.body[:500]!r}")
        return answer


def read_json(*parts):
    with open(os.path.join(*parts), encoding="utf-8") as file:
        return json.load(file)


def folder_points(root):
    """{path of a stream's data or downlink file below root: its datapoints} of an export folder"""
    found = {}
    for folder, _, names in os.walk(root):
        for name in names:
            if name in ("data.json", "downlink.json"):
                path = os.path.join(folder, name)
                found[os.path.relpath(path, root)] = read_json(path)
    return found


def canonical(value):
    """A text that is the same for the same JSON value: 5 is 5.0 but neither 5.5 nor true; keys in any order."""
    def whole(item):
        if isinstance(item, float) and item.is_integer() and abs(item) < 2**53:
            return int(item)
        if isinstance(item, list):
            return [whole(each) for each in item]
        if isinstance(item, dict):
            return {key: whole(each) for key, each in item.items()}
        return item
    return json.dumps(whole(value), sort_keys=True)


def program_has_thread_sanitizer():
    with open(PROGRAM, "rb") as file:
        return b"__tsan_init" in file.read()


def tests_of(suite):
    for each in suite:
        yield from tests_of(each) if isinstance(each, unittest.TestSuite) else [each]


def load_concurrent_tests(loader, suite, _pattern):
    """With TSan: only the tests that have threads themselves, if the script has such; it sees nothing in the others."""
    def has_threads(test):
        return "hread" in inspect.getsource(getattr(test, test.id().split(".")[-1]))
    tests = list(tests_of(suite))
    return loader.suiteClass([test for test in tests if has_threads(test)] or tests)


def main():
    if not os.access(PROGRAM, os.X_OK):
        print("skipped: CONNECTORDB does not name the program")
        sys.exit(SKIPPED)
    if program_has_thread_sanitizer():
        sys.modules["__main__"].load_tests = load_concurrent_tests
    unittest.main(verbosity=2)
