#!/usr/bin/env python3
"""The commands themselves: usage, exit codes, the daemon's life, check and inspect."""
import json
import os
import pty
import re
import select
import signal
import socket
import stat
import subprocess
import unittest

from folders import FolderTest, make_folder
from harness import COMMAND_SECONDS_MAX, PROGRAM, SOURCE, command, main

SAMPLE = os.path.join(SOURCE, "samples", "home")
COMMANDS = ("create", "start", "stop", "run", "import", "export", "backup", "check", "repair",
            "inspect", "write", "stream", "user", "passwd", "shell")


class Usage(FolderTest):
    def refuse_usage(self, *arguments):
        done = command(*arguments, exit_code=2)
        self.assertEqual(done.stdout, "")
        lines = done.stderr.strip().splitlines()
        self.assertEqual(len(lines), 1, done.stderr)
        self.assertIn("--help", lines[0])
        return lines[0]

    def test_help(self):
        overview = command("--help").stdout
        for name in COMMANDS:
            self.assertIn(name, overview)
            for form in ("--help", "-h"):
                text = command(name, form).stdout
                self.assertIn(f"connectordb {name}", text)
                for option in ("--help", "--loglevel", "--logfile", "--quiet"):
                    self.assertIn(option, text)

    def test_version(self):
        semver = command("--semver").stdout.strip()
        self.assertRegex(semver, r"\A\d+\.\d+\.\d+\Z")
        self.assertIn(semver, command("--version").stdout)

    def test_wrong_usage(self):
        self.refuse_usage()
        self.refuse_usage("--conjure")
        self.assertIn("conjure", self.refuse_usage("conjure"))
        self.assertIn("shell", self.refuse_usage("shell", "db"))
        for name in COMMANDS:
            self.assertIn("--conjure", self.refuse_usage(name, "--conjure"))
            self.refuse_usage(name)
        self.refuse_usage("create", "a", "b")
        self.refuse_usage("create", "a", "--user")
        self.refuse_usage("export", "a")
        self.refuse_usage("import", "a", "b", "--resume", "--restart")
        self.refuse_usage("write", "roles", "file")
        self.refuse_usage("-l", "loud", "check", "a")
        for port in ("-1", "65536", "x", "", "1x"):
            self.assertIn("port", self.refuse_usage("start", "db", "--port", port))

    def test_options_stand_anywhere(self):
        command("--loglevel", "debug", "create", self.database, "--quiet")
        self.assertEqual(command("check", "-q", self.database).stdout, "")
        command("check", "--", self.database)

    def test_obsolete_options_are_named(self):
        done = command("create", self.database, "--sqlbackend", "postgres")
        self.assertIn("--sqlbackend has no effect", done.stderr)

    def test_spellings_of_old(self):
        """As ConnectorDB 0.3 and the programs around it call the command."""
        command("create", self.database, "--test", "--sqlbackend=sqlite3", "-l=ERROR")
        self.start("-l=ERROR", "-p=0")
        self.assertEqual(self.request("GET", "/api/v1/?q=this", login="test:test").body, b"test/user")
        self.stop()
        for level in ("DEBUG", "Info", "warn"):
            command("check", self.database, "--loglevel", level)
        command("check", self.database, "-l=LOUD", exit_code=2)
        command("create", self.database + "2", "--test", "--user", "a:b", exit_code=2)


class Create(FolderTest):
    def test_over_something(self):
        os.mkdir(self.database)
        self.refuse("create", self.database)
        self.assertEqual(os.listdir(self.database), [])
        self.refuse("create", self.path("nowhere", "db"))

    def test_bad_users_leave_nothing(self):
        for user in ("ann", "ann:", ":x", "1st:x", "admin:x", "a" * 30 + ":x", "a/b:x"):
            self.refuse("create", self.database, "--user", user)
            self.assertFalse(os.path.exists(self.database), user)
        self.refuse("create", self.database, "--user", "ann:x", "--email", "nowhere")
        self.assertFalse(os.path.exists(self.database))

    def test_messages_say_what_to_type(self):
        message = self.refuse("create", self.database, "--user", "admin:x")
        for name in ("admin", "root", "support", "nobody", "api"):
            self.assertIn(name, message)
        self.assertIn("--password-file FILE", self.refuse("create", self.database, "--user", "ann"))
        self.assertIn("--user NAME", command("create", self.database, "--password-file", "x", exit_code=2).stderr)
        command("create", self.database)
        printed = command("start", self.database, "--port", "0").stdout
        self.port = 0  # there is something to stop
        self.assertIn(f"connectordb stop {os.path.realpath(self.database)} stops it", printed)

    def test_password_file(self):
        for text, said in (("", "empty"), ("\n", "empty"), ("\r\n", "empty"), ("a\0b\n", "none of them is 0"),
                           ("x" * 4097, "at most 4096 bytes")):
            with open(self.path("password"), "w", encoding="ascii", newline="") as file:
                file.write(text)
            self.assertIn(said, self.refuse("create", self.database, "--user", "ann", "--password-file", self.path("password")))
        with open(self.path("password"), "w", encoding="ascii", newline="") as file:
            file.write("secret word\r\nsecond line\n")
        self.assertIn("exclude", self.refuse("create", self.database, "--user", "ann:x", "--password-file", self.path("password")))
        self.assertIn("No such file", self.refuse("create", self.database, "--user", "ann", "--password-file", self.path("none")))
        command("create", self.database, "--user", "ann", "--password-file", self.path("password"))
        self.start()
        answer = self.request("GET", "/api/v1/crud/ann", login="ann:secret word").json()
        self.assertEqual(answer["email"], "ann@localhost")

    def ask(self, *typed):
        """create --user ann on a terminal where that is typed; what it shows and its exit code."""
        try:
            master, slave = pty.openpty()
        except OSError as error:
            self.skipTest(f"no terminal to be had here: {error}")
        process = subprocess.Popen([PROGRAM, "create", self.database, "--user", "ann"], stdin=slave, stdout=slave, stderr=slave)
        os.close(slave)
        shown = b""
        try:
            for line in typed:
                while not shown.endswith(b": "):
                    shown += os.read(master, 4096)
                os.write(master, line.encode() + b"\n")
                shown += b"|"
            while part := os.read(master, 4096):
                shown += part
        except OSError:  # the terminal is closed
            pass
        os.close(master)
        return shown.decode(), process.wait(COMMAND_SECONDS_MAX)

    def test_password_is_asked_for(self):
        shown, exit_code = self.ask("secret", "secrets")
        self.assertEqual(exit_code, 1, shown)
        self.assertIn("differ", shown)
        self.assertFalse(os.path.exists(self.database))
        shown, exit_code = self.ask("secret", "secret")
        self.assertEqual(exit_code, 0, shown)
        self.assertNotIn("secret", shown)
        self.start()
        self.request("GET", "/api/v1/crud/ann", login="ann:secret")

    def test_password_leaves_the_process_list(self):
        """The configuration is a pipe that nobody writes to: create waits there, after it has read its arguments."""
        os.mkfifo(self.path("pipe"))
        process = subprocess.Popen([PROGRAM, "create", self.database, "--user", "ann:secret", "-c", self.path("pipe")],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            with open(self.path("pipe"), "wb"):  # returns when it reads there
                with open(f"/proc/{process.pid}/cmdline", "rb") as file:
                    arguments = file.read().split(b"\0")
            self.assertIn(b"ann:******", arguments)
        finally:
            process.kill()
            process.wait()

    def test_byte_order_marks(self):
        """At the start of a file it is nothing; elsewhere it is named."""
        with open(self.path("my.conf"), "wb") as file:
            file.write(b'\xef\xbb\xbf{"port": 80}')
        command("create", self.database, "-c", self.path("my.conf"))
        make_folder(self.folder, {"ann": {"phone": {"steps": "[]"}}})
        files = [os.path.join(folder, name) for folder, _, names in os.walk(self.folder) for name in names]
        for path in files:
            with open(path, "rb") as file:
                text = file.read()
            with open(path, "wb") as file:
                file.write(b"\xef\xbb\xbf" + text)
        command("import", self.database, self.folder)
        with open(self.path("my.conf"), "wb") as file:
            file.write(b'{"port": \xef\xbb\xbf80}')
        self.assertIn("byte order mark", self.refuse("create", self.path("db2"), "-c", self.path("my.conf")))
        make_folder(self.path("second"), {"bob": {"phone": {"steps": "[]"}}})
        with open(self.path("second", "bob", "user.json"), "r+b") as file:
            text = file.read()
            file.seek(0)
            file.write(b"{\xef\xbb\xbf" + text[1:])
        self.assertIn("byte order mark", self.refuse("import", self.database, self.path("second")))

    def test_database_of_an_old_version(self):
        os.mkdir(self.database)
        with open(os.path.join(self.database, "connectordb.conf"), "w", encoding="utf-8") as file:
            file.write('{"version": 1, "redis": {"hostname": "localhost"}, "nats": {}, "sql": {}}')
        for name in ("start", "check", "stop"):
            message = self.refuse(name, self.database)
            self.assertIn("database of ConnectorDB 0.3", message)
            self.assertIn(f"connectordb export {self.database} FOLDER", message)

    def test_user_is_admin(self):
        command("create", self.database, "--user", "ann:x:y", "--email", "ann@example.com")
        self.start()
        answer = self.request("GET", "/api/v1/crud/ann", login="ann:x:y").json()
        self.assertEqual((answer["role"], answer["email"]), ("admin", "ann@example.com"))

    def test_without_user(self):
        command("create", self.database)
        command("export", self.database, self.path("out"))
        self.assertEqual(os.listdir(self.path("out")), ["connectordb.json"])
        self.assertEqual(stat.S_IMODE(os.stat(self.database).st_mode), 0o700)

    def test_configuration(self):
        configuration = self.path("my.conf")
        command("write", "config", configuration)
        self.refuse("write", "config", configuration)
        command("create", self.database, "-c", configuration)
        with open(configuration, encoding="utf-8") as mine:
            with open(os.path.join(self.database, "connectordb.conf"), encoding="utf-8") as its:
                self.assertEqual(mine.read(), its.read())
        with open(configuration, "w", encoding="utf-8") as file:
            file.write('{\n"prot": 80}')
        said = command("create", self.path("db1"), "-c", configuration).stderr
        self.assertEqual(said, f'connectordb: warning: {configuration}:2: "prot" is not known, it means nothing\n')
        with open(configuration, "w", encoding="utf-8") as file:
            file.write('{\n"port": "80"}')
        message = self.refuse("create", self.path("db2"), "-c", configuration)
        self.assertIn(f'{configuration}:2: "port" must be', message)
        self.assertFalse(os.path.exists(self.path("db2")))
        self.refuse("create", self.path("db2"), "-c", self.path("nowhere"))


class Daemon(FolderTest):
    def setUp(self):
        super().setUp()
        command("create", self.database, "--user", "ann:x")

    def pid(self):
        with open(os.path.join(self.database, "connectordb.pid"), encoding="ascii") as file:
            return int(file.read())

    def alive(self, pid):
        """Neither gone nor a zombie."""
        try:
            with open(f"/proc/{pid}/stat", encoding="ascii") as file:
                return file.read().rsplit(")", 1)[1].split()[0] != "Z"
        except FileNotFoundError:
            return False

    def log(self):
        with open(os.path.join(self.database, "connectordb.log"), encoding="utf-8") as file:
            return file.read()

    def test_start_answers_and_stop_ends(self):
        self.start()
        pid = self.pid()
        self.assertEqual(self.request("GET", "/api/v1/?q=this", login="ann:x").body, b"ann/user")
        self.assertEqual(os.getsid(pid), pid, "a session of its own")
        self.assertEqual(os.readlink(f"/proc/{pid}/cwd"), "/")
        for number in (0, 1, 2):
            self.assertNotIn("pipe:", os.readlink(f"/proc/{pid}/fd/{number}"))
        self.assertEqual(stat.S_IMODE(os.stat(os.path.join(self.database, "connectordb.sock")).st_mode), 0o600)
        self.assertEqual(stat.S_IMODE(os.stat(os.path.join(self.database, "connectordb.log")).st_mode), 0o600)
        self.stop()
        self.assertFalse(self.alive(pid))
        for name in ("connectordb.pid", "connectordb.sock"):
            self.assertFalse(os.path.exists(os.path.join(self.database, name)), name)
        self.assertIn("stopped", self.log())
        self.assertNotIn("not closed cleanly", self.log())
        self.refuse("stop", self.database)
        self.start()
        self.assertNotIn("not closed cleanly", self.log())

    def test_second_owners_are_refused(self):
        self.start()
        for arguments in (("start", self.database), ("start", self.database, "--force"),
                          ("run", self.database, "--port", "0"), ("check", self.database)):
            message = self.refuse(*arguments)
            self.assertIn(self.database, message)
        self.assertIn(str(self.pid()), self.refuse("start", self.database))
        self.request("GET", "/api/v1/?q=this", login="ann:x")

    def test_starts_again_after_a_kill(self):
        for _ in range(3):
            self.start()
            self.request("POST", "/api/v1/crud/ann/user/s" + str(self.pid()), body={}, login="ann:x")
            path = f"/api/v1/crud/ann/user/s{self.pid()}/data"
            self.request("POST", path, body=[{"t": 1, "d": 2}], login="ann:x")
            self.kill()
            self.assertTrue(os.path.exists(os.path.join(self.database, "connectordb.sock")), "it could not clean up")
            self.start()
            self.assertEqual(self.request("GET", path + "?q=length", login="ann:x").body.strip(), b"1")
            self.stop()
        self.assertIn("not closed cleanly", self.log())

    def test_commands_right_after_a_kill(self):
        """The kernel may not have taken the killed server down yet: they wait for that instead of failing."""
        for arguments in (("start", "--port", "0"), ("check",), ("export", self.path("out")), ("backup", self.path("copy")),
                          ("repair",), ("import", SAMPLE)):
            self.start()
            os.kill(self.pid(), signal.SIGKILL)
            command(arguments[0], self.database, *arguments[1:])
            if arguments[0] == "start":
                self.stop()
        self.start()

    def test_stop_trusts_no_stale_pid(self):
        """The pid of a dead server may belong to somebody else by now: stop must not signal it."""
        stranger = self.bystander()
        with open(os.path.join(self.database, "connectordb.pid"), "w", encoding="ascii") as file:
            file.write(f"{stranger}\n")
        self.assertIn("no server is running", self.refuse("stop", self.database))
        self.start()
        self.assertNotEqual(self.pid(), stranger)
        self.kill()
        with open(os.path.join(self.database, "LOCK"), encoding="ascii") as file:
            fields = file.read().split()
        self.assertEqual(fields[4:], ["start"])
        with open(os.path.join(self.database, "connectordb.pid"), "w", encoding="ascii") as file:
            file.write(f"{stranger}\n")
        for name, record, said in (
                ("the killed server's", fields, "has ended"),
                ("its pid is a stranger's now", [str(stranger), *fields[1:]], "has ended"),
                ("an earlier version's, the same", [str(stranger)], f"LOCK names {stranger}"),
                ("nobody's", ["0"], "LOCK names 0"),
                ("of another PID namespace", [str(stranger), fields[1], "1", *fields[3:]], "another container"),
                ("of another boot", [str(stranger), *fields[1:3], "0" * 36, fields[4]], "another container")):
            with self.subTest(name):
                with self.hold_lock() as lock:
                    lock.write(f"{record[0]:>10} {' '.join(record[1:])}".encode().ljust(127) + b"\n")
                    lock.flush()
                    self.assertIn(said, self.refuse("stop", self.database))

    def test_stop_leaves_other_commands_alone(self):
        """The database is held by a live export: it is no server, and not signalled."""
        stranger = self.bystander()
        with open(f"/proc/{stranger}/stat", encoding="ascii") as file:
            start = file.read().rsplit(")", 1)[1].split()[19]
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            boot = file.read().strip()
        namespace = os.stat("/proc/self/ns/pid").st_ino
        lock = self.hold_lock()
        lock.write(f"{stranger:10} {start} {namespace} {boot} export".encode().ljust(127) + b"\n")
        lock.flush()
        self.assertIn(f"process {stranger} (connectordb export)", self.refuse("stop", self.database))
        self.assertIn(f"process {stranger} connectordb export", self.refuse("start", self.database))

    def test_backend(self):
        printed = command("start", self.database, "--backend").stdout
        self.port = 0  # there is something to stop
        self.assertNotIn("http://", printed)
        command("import", self.database, SAMPLE)
        command("export", self.database, self.path("out"))
        self.refuse("start", self.database)
        self.stop()

    def test_port_that_is_taken(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            message = self.refuse("start", self.database, "--port", str(taken.getsockname()[1]))
            self.assertIn(str(taken.getsockname()[1]), message)
        self.assertFalse(os.path.exists(os.path.join(self.database, "connectordb.pid")))
        self.start()

    def test_default_permissions(self):
        """The file that `write permissions` makes means the same as no file."""
        path = os.path.join(self.directory, "permissions.conf")
        command("write", "permissions", path)
        with open(os.path.join(SOURCE, "access", "permissions.conf"), encoding="utf-8") as expected, \
                open(path, encoding="utf-8") as file:
            self.assertEqual(file.read(), expected.read())
        self.assertIn("File exists", command("write", "permissions", path, exit_code=1).stderr)
        with open(os.path.join(self.database, "connectordb.conf"), "w", encoding="utf-8") as file:
            json.dump({"permissions": path}, file)
        self.start()
        self.assertEqual(self.request("GET", "/api/v1/?q=this").body, b"nobody")
        self.stop()

    def test_bad_configuration(self):
        path = os.path.join(self.database, "connectordb.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write("{\n// nothing\n\"port\": \"x\"}")
        self.assertIn("port", self.refuse("start", self.database))
        self.assertIn("port", self.refuse("export", self.database, self.path("out")))

    def test_log_that_cannot_be_opened(self):
        for file in (self.path("nowhere", "log"), self.directory):
            self.assertIn("cannot open the log", self.refuse("start", self.database, "--port", "0", "--logfile", file))

    def test_logs(self):
        log = self.path("my.log")
        printed = command("--loglevel", "debug", "start", self.database, "--port", "0", "--logfile", log)
        self.port = 0  # there is something to stop
        self.assertIn(log, printed.stdout)
        os.rename(log, log + ".1")
        os.kill(self.pid(), signal.SIGHUP)  # reopens it, for log rotation
        while not os.path.exists(log):
            select.select([], [], [], 0.001)
        self.stop()
        with open(log, encoding="utf-8") as file:
            self.assertIn("stopped", file.read())
        with open(log + ".1", encoding="utf-8") as file:
            self.assertIn("answers at", file.read())

    def test_run(self):
        process = subprocess.Popen([PROGRAM, "run", self.database, "--port", "0"], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            line = process.stdout.readline()
            self.port = int(re.search(r"http://127\.0\.0\.1:(\d+)", line).group(1))
            self.request("GET", "/api/v1/?q=this", login="ann:x")
            self.assertIn("in use by process", self.refuse("start", self.database))
            self.stop()
            _, errors = process.communicate(timeout=COMMAND_SECONDS_MAX)
        finally:
            process.kill()
            process.wait()
        self.assertEqual(process.returncode, 0, errors)
        self.assertIn("stopping", errors)
        process = subprocess.Popen([PROGRAM, "run", self.database, "--port", "0"], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=COMMAND_SECONDS_MAX)
        self.assertEqual(process.returncode, 0)

    def test_configuration_file_names_the_database(self):
        command("start", os.path.join(self.database, "connectordb.conf"), "--port", "0")
        self.port = 0  # there is something to stop
        self.assertIn("in use by process", self.refuse("start", self.database))
        command("stop", os.path.join(self.database, "connectordb.conf"))
        self.port = None

    def test_long_paths(self):
        """Longer than the address of a socket may be."""
        deep = os.path.join(self.directory, *["d" * 60] * 4)
        os.makedirs(deep)
        self.database = os.path.join(deep, "db")
        command("create", self.database)
        self.start()
        command("import", self.database, SAMPLE)
        command("export", self.database, self.path("out"))

    def test_control_socket_survives_nonsense(self):
        self.start()
        path = os.path.join(self.database, "connectordb.sock")
        for nonsense in (b"", b"\n", b"hello\n", b"{}\n", b'{"command":"export"}\n', b"[" * 100000 + b"\n",
                         b'{"command":"x","directory":"/x","filters":[],"threads":1,"resume":false,"restart":false,'
                         b'"sort":false,"skip_meta":false}\n',
                         b'{"command":"export","directory":"x","filters":[],"threads":1,"resume":false,'
                         b'"restart":false,"sort":false,"skip_meta":false}\n', b"x" * (2 << 20)):
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(path)
                try:
                    connection.sendall(nonsense)
                    connection.shutdown(socket.SHUT_WR)
                    answer = b""
                    while part := connection.recv(4096):
                        answer += part
                except (BrokenPipeError, ConnectionResetError):
                    continue
                self.assertTrue(answer.startswith(b'{"error":'), answer)
        command("export", self.database, self.path("out"))


class Escapes(FolderTest):
    """No name of a file or object reaches the terminal or the log as a command."""

    def assert_harmless(self, text):
        self.assertNotRegex(text.rstrip("\n"), r"[\x00-\x1f\x7f-\x9f]")

    def test_names_in_messages(self):
        evil = "evil\x1b]0;title\x07\n\x9b31m"
        command("create", self.database)
        make_folder(self.folder, {"ann": {"phone": {"steps": "[]"}}})
        os.makedirs(os.path.join(self.folder, "ann", evil))
        for arguments in (("import", self.database, self.folder), ("check", self.path(evil)), ("start", self.path(evil)),
                          ("create", self.path(evil, evil)), ("export", self.database, self.path(evil, evil)),
                          ("inspect", self.database, evil)):
            message = self.refuse(*arguments)
            self.assert_harmless(message)
            self.assertIn("evil\\x1b]0;title\\x07", message)
        done = command(evil, exit_code=2)
        self.assert_harmless(done.stderr)
        done = command("create", self.path("db" + evil))
        self.assert_harmless(done.stdout)
        self.start()
        self.refuse("import", self.database, self.folder)
        self.stop()
        with open(os.path.join(self.database, "connectordb.log"), encoding="utf-8") as file:
            log = file.read()
        self.assertIn("evil\\x1b", log)
        self.assert_harmless(log.replace("\n", ""))


class Looking(FolderTest):
    def setUp(self):
        super().setUp()
        command("create", self.database)
        command("import", self.database, SAMPLE)

    def segments(self):
        data = os.path.join(self.database, "data")
        return [os.path.join(data, name) for name in sorted(os.listdir(data)) if name.startswith("segment-")]

    def everything(self):
        found = {}
        for folder, _, names in os.walk(self.database):
            for name in names:
                path = os.path.join(folder, name)
                with open(path, "rb") as file:
                    found[path] = file.read()
        return found

    def test_check_changes_nothing(self):
        before = self.everything()
        command("check", self.database)
        self.assertTrue(before == self.everything())

    def test_check_finds_damage(self):
        path = self.segments()[0]
        with open(path, "r+b") as file:
            file.seek(os.path.getsize(path) // 3)
            byte = file.read(1)
            file.seek(-1, os.SEEK_CUR)
            file.write(bytes([byte[0] ^ 1]))
        before = self.everything()
        done = command("check", self.database, exit_code=1)
        self.assertIn(os.path.basename(path), done.stdout)
        self.assertIn("problem", done.stderr)
        self.assertTrue(before == self.everything())

    def test_inspect(self):
        overview = command("inspect", self.database).stdout
        for path in self.segments():
            name = os.path.basename(path)
            self.assertIn(name, overview)
            self.assertTrue(command("inspect", self.database, name).stdout)
        count = len(self.segments())
        self.assertRegex(overview.splitlines()[-1],
                         rf"\Ain all: {count} segments? \({count} of tier 0\) with \d+ bytes, \d+ points, .* a point; \d+ journals?\Z")
        self.refuse("inspect", self.database, "segment-999999")
        self.refuse("inspect", self.path("nowhere"))

    def test_what_is_no_database(self):
        os.mkdir(self.path("empty"))
        for name in ("check", "inspect", "start", "run", "stop"):
            self.refuse(name, self.path("empty"))
            self.refuse(name, self.path("nowhere"))
        self.assertEqual(os.listdir(self.path("empty")), [])

    def test_what_cannot_be_looked_at(self):
        """As for a user without the right to; for root, who runs the tests, it takes a link in a circle."""
        os.mkdir(self.path("closed"))
        os.symlink("catalog.sqlite", self.path("closed", "catalog.sqlite"))
        for name in ("check", "start", "stop"):
            self.assertIn("Too many levels of symbolic links", self.refuse(name, self.path("closed")))


class Terminal(FolderTest):
    def test_progress_line(self):
        """On a terminal one line is written over, and gone in the end."""
        make_folder(self.folder, {"ann": {"phone": {f"s{i}": "[" + ",".join(
            f'{{"t":{t},"d":{t % 100}}}' for t in range(200000)) + "]" for i in range(4)}}})
        command("create", self.database)
        try:
            master, slave = pty.openpty()
        except OSError as error:
            self.skipTest(f"no terminal to be had here: {error}")
        process = subprocess.Popen([PROGRAM, "import", self.database, self.folder], stdin=subprocess.DEVNULL,
                                   stdout=slave, stderr=subprocess.PIPE)
        os.close(slave)
        shown = b""
        try:
            while part := os.read(master, 4096):
                shown += part
        except OSError:  # the terminal is closed
            pass
        os.close(master)
        process.communicate(timeout=COMMAND_SECONDS_MAX)
        self.assertEqual(process.returncode, 0)
        text = shown.decode()
        self.assertIn("\r", text)
        self.assertRegex(text, r"[\d,]+ points, [\d.]+ MB, [\d.]+ [kM]? ?points/s")
        self.assertIn("800,000 points", text.splitlines()[-1])


if __name__ == "__main__":
    main()
