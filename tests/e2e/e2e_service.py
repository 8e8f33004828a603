#!/usr/bin/env python3
"""The server as a service of systemd: what it tells the service manager and the journal, and that what the unit allows
is enough. No systemd runs here; NOTIFY_SOCKET is a socket of the test's own."""
import ctypes
import os
import platform
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import unittest

from harness import COMMAND_SECONDS_MAX, PROGRAM, SOURCE, DatabaseTest, command, main, program_has_sanitizer

UNIT = os.path.join(SOURCE, "packaging", "systemd", "connectordb.service.in")
EXPOSURE_MAX = 1.5
ARCHITECTURES = {"x86_64": (0xC000003E, "x86_64-linux-gnu/asm/unistd_64.h"), "aarch64": (0xC00000B7, "asm-generic/unistd.h")}


class ServiceTest(DatabaseTest):
    def setUp(self):
        super().setUp()
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(self.listener.close)
        self.listener.settimeout(COMMAND_SECONDS_MAX)
        self.listener.bind(os.path.join(self.directory, "notify"))
        self.log_path = os.path.join(self.directory, "log")
        command("create", self.database)

    def run_service(self, notify=None, environment=(), **options):
        """`connectordb run` with its log in self.log_path."""
        with open(self.log_path, "wb") as log:
            process = subprocess.Popen([PROGRAM, "run", "--quiet", self.database, "--port", "0"], stdin=subprocess.DEVNULL,
                                       stdout=subprocess.DEVNULL, stderr=log,
                                       env=os.environ | {"NOTIFY_SOCKET": notify or self.listener.getsockname()} | dict(environment),
                                       **options)

        def end():
            if process.poll() is None:
                process.kill()
            process.wait(COMMAND_SECONDS_MAX)
        self.addCleanup(end)
        return process

    def message(self):
        """{name: value} of the next message to the service manager"""
        return dict(line.split("=", 1) for line in self.listener.recv(4096).decode().split("\n"))

    def await_ready(self):
        """The message, and self.port."""
        message = self.message()
        self.assertEqual(message["READY"], "1")
        found = re.search(r"answers at http://[^:]+:(\d+)", message["STATUS"])
        self.assertIsNotNone(found, message)
        self.service_port = int(found.group(1))
        return message

    def ask(self, method, path, **options):
        self.port = self.service_port
        try:
            return self.request(method, path, **options)
        finally:
            self.port = None  # it is no daemon that clean_up stops

    def log(self):
        with open(self.log_path, encoding="utf-8") as file:
            return file.read()

    def end_service(self, process):
        process.send_signal(signal.SIGTERM)
        self.assertEqual(self.message(), {"STOPPING": "1", "STATUS": "stopping"})
        self.assertEqual(process.wait(COMMAND_SECONDS_MAX), 0, self.log())


class Notifications(ServiceTest):
    def test_ready_when_it_answers_and_stopping(self):
        process = self.run_service()
        self.assertEqual(int(self.await_ready()["MAINPID"]), process.pid)
        self.ask("GET", "/")
        self.end_service(process)

    def test_a_reload_is_announced_and_ends_nothing(self):
        process = self.run_service()
        self.await_ready()
        os.rename(os.path.join(self.database, "connectordb.conf"), os.path.join(self.directory, "old"))
        with open(os.path.join(self.database, "connectordb.conf"), "w", encoding="ascii") as file:
            file.write('{"watch": false, "insert_limit_bytes": 54321}')
        process.send_signal(signal.SIGHUP)
        message = self.message()
        self.assertEqual(message["RELOADING"], "1")
        self.assertGreater(int(message["MONOTONIC_USEC"]), 0)
        self.await_ready()
        self.assertIn('"insert_limit_bytes" is now 54321', self.log())
        self.ask("GET", "/")
        self.end_service(process)

    def test_an_abstract_socket(self):
        self.listener.close()
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(self.listener.close)
        self.listener.settimeout(COMMAND_SECONDS_MAX)
        name = f"connectordb-test-{os.getpid()}"
        self.listener.bind("\0" + name)
        process = self.run_service("@" + name)
        self.await_ready()
        self.end_service(process)

    def test_a_daemon_names_its_process(self):
        done = subprocess.run([PROGRAM, "start", self.database, "--port", "0"], capture_output=True, text=True,
                              env=os.environ | {"NOTIFY_SOCKET": self.listener.getsockname()}, timeout=COMMAND_SECONDS_MAX)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.port = 0  # there is something to stop
        self.assertIn(f"process {self.await_ready()['MAINPID']};", done.stdout)
        self.stop()
        self.assertEqual(self.message()["STOPPING"], "1")

    def test_who_cannot_be_told_is_in_the_log(self):
        for name in (os.path.join(self.directory, "nobody"), "vsock:2:1234", "/" + "long" * 50):
            with self.subTest(name=name):
                process = self.run_service(name)
                self.await_log("NOTIFY_SOCKET=")
                command("stop", self.database)
                self.assertEqual(process.wait(COMMAND_SECONDS_MAX), 0)

    def await_log(self, text):
        for _ in range(COMMAND_SECONDS_MAX * 20):
            if text in self.log():
                return
            select.select([], [], [], 0.05)
        self.fail(f"no {text} in {self.log()}")

    def test_a_configuration_behind_a_link_is_watched(self):
        """An administrator wants it in /etc."""
        path = os.path.join(self.database, "connectordb.conf")
        target = os.path.join(self.directory, "etc", "connectordb.conf")
        os.mkdir(os.path.dirname(target))
        os.rename(path, target)
        os.symlink(target, path)
        process = self.run_service()
        self.await_ready()
        with open(target + ".new", "w", encoding="ascii") as file:
            file.write('{"insert_limit_bytes": 54321}')
        os.rename(target + ".new", target)
        self.await_log('"insert_limit_bytes" is now 54321')
        backup = os.path.join(self.directory, "backup")
        command("backup", self.database, backup)
        self.assertFalse(os.path.islink(os.path.join(backup, "connectordb.conf")))
        self.end_service(process)
        command("check", self.database)


class Journal(ServiceTest):
    def run_with_journal(self, stream):
        process = self.run_service(environment={"JOURNAL_STREAM": stream})
        self.await_ready()
        self.end_service(process)
        return self.log().splitlines()

    def test_lines_have_priorities(self):
        open(self.log_path, "wb").close()
        status = os.stat(self.log_path)  # the inode stays when it is opened again
        lines = self.run_with_journal(f"{status.st_dev}:{status.st_ino}")
        self.assertGreater(len(lines), 1)
        for line in lines:
            self.assertRegex(line, r"^<[3467]>[^\d]")

    def test_another_stream_gets_times(self):
        for line in self.run_with_journal("1:2"):
            self.assertRegex(line, r"^\d{4}-\d\d-\d\dT[\d:.]+Z (debug|info|warn|error) ")


class Unit(ServiceTest):
    def setUp(self):
        super().setUp()
        if not shutil.which("systemd-analyze"):
            self.skipTest("systemd-analyze is not installed")
        with open(UNIT, encoding="utf-8") as file:
            self.unit = file.read().replace("@CONNECTORDB_BINDIR@", os.path.dirname(PROGRAM))
        self.unit_path = os.path.join(self.directory, "connectordb.service")
        with open(self.unit_path, "w", encoding="utf-8") as file:
            file.write(self.unit)

    def analyze(self, *arguments):
        done = subprocess.run(["systemd-analyze", "--no-pager", *arguments], capture_output=True, text=True,
                              timeout=COMMAND_SECONDS_MAX)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def test_exposure(self):
        found = re.search(r"exposure level for connectordb.service: ([\d.]+)", self.analyze("security", "--offline=true", self.unit_path))
        self.assertLessEqual(float(found.group(1)), EXPOSURE_MAX)

    def test_the_unit_is_valid(self):
        said = self.analyze("verify", "--man=no", self.unit_path)
        self.assertNotIn("connectordb", said)

    def members(self, name):
        if not name.startswith("@"):
            return {name}
        found = set()
        for line in self.analyze("syscall-filter", name).splitlines()[1:]:
            word = line.strip()
            if word and not word.startswith("#"):
                found |= self.members(word)
        return found

    def allowed_calls(self):
        allowed = set()
        for words in re.findall(r"^SystemCallFilter=(.*)", self.unit, re.MULTILINE):
            members = set().union(*(self.members(word) for word in words.lstrip("~").split()))
            allowed = allowed - members if words.startswith("~") else allowed | members
        return allowed

    def filter_program(self):
        """What systemd makes of SystemCallFilter, for prctl(2): calls that are not listed fail with EPERM."""
        machine = platform.machine()
        header = os.path.join("/usr/include", ARCHITECTURES.get(machine, (0, ""))[1])
        if machine not in ARCHITECTURES or not os.path.isfile(header):
            self.skipTest(f"the numbers of {machine}'s system calls are not known here")
        with open(header, encoding="utf-8") as file:
            numbers = dict(re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)", file.read()))
        calls = self.allowed_calls()
        self.assertIn("read", calls)
        load, equal, give = 0x20, 0x15, 0x06
        allow, deny, kill = 0x7FFF0000, 0x00050001, 0x80000000
        program = [(load, 0, 0, 4), (equal, 1, 0, ARCHITECTURES[machine][0]), (give, 0, 0, kill), (load, 0, 0, 0)]
        # systemd itself adds these: what it needs to start the program, and what every program needs to end
        for call in sorted(calls | self.members("@default") | {"execve", "exit", "exit_group", "rt_sigreturn"}):
            if call in numbers:
                program += [(equal, 0, 1, int(numbers[call])), (give, 0, 0, allow)]
        program.append((give, 0, 0, deny))
        return b"".join(struct.pack("HBBI", *instruction) for instruction in program)

    def test_the_system_calls_suffice(self):
        if program_has_sanitizer():
            self.skipTest("sanitizers need more system calls")
        instructions = self.filter_program()
        libc = ctypes.CDLL(None, use_errno=True)
        buffer = ctypes.create_string_buffer(instructions)
        program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(instructions) // 8, ctypes.addressof(buffer)))

        def confine():
            no_new_privileges, set_seccomp, mode_filter = 38, 22, 2
            if libc.prctl(no_new_privileges, 1, 0, 0, 0) or libc.prctl(set_seccomp, mode_filter, program, 0, 0):
                os._exit(77)
        free = self.run_service()
        self.await_ready()
        self.end_service(free)
        storage = re.search(r"storage by \w+", self.log()).group(0)
        process = self.run_service(preexec_fn=confine)
        self.await_ready()
        self.assertIn(storage, self.log())  # io_uring, where the kernel has it
        password = os.path.join(self.directory, "password")
        with open(os.open(password, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as file:
            file.write("test\n")
        command("user", self.database, "add", "test", "--password-file", password)
        stream = "/api/v1/crud/test/user/s"
        self.ask("POST", stream, body={}, login="test:test")
        for i in range(20):
            self.ask("POST", stream + "/data", body=[{"t": 1480000000 + i, "d": i}], login="test:test")
        answer = self.ask("GET", stream + "/data?i1=0&transform=d*2", login="test:test").json()
        self.assertEqual([point["d"] for point in answer], list(range(0, 40, 2)))
        command("backup", self.database, os.path.join(self.directory, "backup"))
        command("export", self.database, os.path.join(self.directory, "export"))
        command("user", self.database, "list")
        process.send_signal(signal.SIGHUP)
        self.assertEqual(self.message()["RELOADING"], "1")
        self.await_ready()
        self.end_service(process)
        self.assertNotIn(" error ", self.log())
        self.assertNotIn(" warn ", self.log())


if __name__ == "__main__":
    main()
