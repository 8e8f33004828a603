#!/usr/bin/env python3
"""How the program starts and ends in every environment that a process can be given: one named case for each cell of the matrix, with
the exit code and the message that are expected. A case that this machine does not allow says so and is skipped."""
import fcntl
import itertools
import os
import re
import resource
import signal
import subprocess
import unittest

from folders import FolderTest
from harness import COMMAND_SECONDS_MAX, PROGRAM, SOURCE, command, main, program_has_sanitizer

SAMPLE = os.path.join(SOURCE, "samples", "home")

NOBODY = 65534
ADDRESS_SPACES = (60, 200, 800)  # MiB
THREADS = (0, 3, 50)


def ignore(*numbers):
    """For preexec_fn: what nohup, or `&` in a script, does to a command."""
    def set_dispositions():
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)
    return set_dispositions


def signals_of(pid, field):
    """The set of signal numbers in a field (SigIgn, SigCgt, SigBlk) of /proc/PID/status."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        mask = int(re.search(rf"^{field}:\s*(\w+)", file.read(), re.MULTILINE).group(1), 16)
    return {number for number in range(1, 65) if mask >> (number - 1) & 1}


class Matrix(FolderTest):
    def setUp(self):
        super().setUp()
        command("create", self.database)

    def spawn(self, *arguments, **options):
        """The program with pipes, ended after the test whatever happens."""
        options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | options
        process = subprocess.Popen([PROGRAM, *arguments], **options)

        def end():
            if process.poll() is None:
                process.kill()
            process.communicate(timeout=COMMAND_SECONDS_MAX)
        self.addCleanup(end)
        return process

    def shell(self, script, exit_code=0):
        """Runs `sh -c script` with $P the program and $DB the database; its redirections make the environment."""
        done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, timeout=COMMAND_SECONDS_MAX,
                              stdin=subprocess.DEVNULL, env=os.environ | {"P": PROGRAM, "DB": self.database})
        self.assertEqual(done.returncode, exit_code, f"{script}\n{done.stdout}{done.stderr}")
        return done

    def read(self, name):
        with open(os.path.join(self.database, name), encoding="utf-8") as file:
            return file.read()

    def pid(self):
        return int(self.read("connectordb.pid"))

    def await_run(self, process):
        """Waits until a `run` answers."""
        line = process.stdout.readline()
        self.assertIn("answers at http://", line, line or process.stderr.read())


class Descriptors(Matrix):
    def test_start_with_closed_standard_descriptors(self):
        for count in (1, 2, 3):
            for closed in itertools.combinations((0, 1, 2), count):
                with self.subTest(closed=closed):
                    self.shell("$P start $DB --port 0 " + " ".join(f"{number}>&-" for number in closed))
                    self.port = 0  # there is something to stop
                    pid = self.pid()
                    log = os.path.join(self.database, "connectordb.log")
                    self.assertEqual([os.readlink(f"/proc/{pid}/fd/{number}") for number in (0, 1, 2)], ["/dev/null", log, log])
                    self.assertRegex(self.read("LOCK"), rf"\A *{pid} \d+ \d+ [-\w]+ start *\n\Z")
                    self.stop()

    def test_run_without_standard_error_writes_no_log_into_a_file_of_the_database(self):
        process = self.spawn("run", self.database, "--port", "0", stderr=None, preexec_fn=lambda: os.close(2))
        self.await_run(process)
        self.assertEqual(os.readlink(f"/proc/{process.pid}/fd/2"), "/dev/null")
        self.assertRegex(self.read("LOCK"), rf"\A *{process.pid} \d+ \d+ [-\w]+ run *\n\Z")
        command("stop", self.database)
        self.assertEqual(process.wait(COMMAND_SECONDS_MAX), 0)

    def test_transfers_with_closed_standard_descriptors(self):
        self.shell(f"$P import $DB {SAMPLE} <&- >&- 2>&-")
        self.shell(f"$P export $DB {self.path('out')} <&- >&- 2>&-")
        self.shell(f"$P backup $DB {self.path('copy')} <&- >&- 2>&-")
        self.shell("$P check $DB <&- >&- 2>&-")
        command("check", self.path("copy"))

    def test_daemon_holds_nothing_that_it_inherited(self):
        """A lock of the starting script is free, and the reader of its pipe comes to its end, while the daemon runs on."""
        lock = self.path("script.lock")
        done = self.shell(f"(flock 9; $P start $DB --port 0) 9>{lock} 8>&1 7>{self.path('other')}")
        self.port = 0  # there is something to stop
        self.assertIn("answers at", done.stdout)
        with open(lock, encoding="ascii") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        pid = self.pid()
        held = [os.readlink(f"/proc/{pid}/fd/{number}") for number in os.listdir(f"/proc/{pid}/fd")]
        self.assertEqual([path for path in held if path.startswith(self.directory) and not path.startswith(self.database)], [])


class Signals(Matrix):
    def end_run(self, ignored, sent, reason):
        process = self.spawn("run", self.database, "--port", "0", preexec_fn=ignore(*ignored))
        self.await_run(process)
        for number in sent:
            process.send_signal(number)
        if reason == "Terminated":
            process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=COMMAND_SECONDS_MAX)
        self.assertEqual(process.returncode, 0, errors)
        self.assertIn(f"stopping: {reason}", errors)
        self.assertFalse(os.path.exists(os.path.join(self.database, "connectordb.pid")))

    def test_run_ends_by_each_signal(self):
        for number, reason in ((signal.SIGHUP, "Hangup"), (signal.SIGINT, "Interrupt"), (signal.SIGTERM, "Terminated")):
            with self.subTest(reason):
                self.end_run((), (number,), reason)

    def test_run_under_nohup_survives_hangup(self):
        self.end_run((signal.SIGHUP,), (signal.SIGHUP,), "Terminated")

    def test_run_in_the_background_of_a_script_survives_interrupt(self):
        self.end_run((signal.SIGINT,), (signal.SIGINT,), "Terminated")

    def test_run_that_ignored_everything_ends_by_stop(self):
        process = self.spawn("run", self.database, "--port", "0", preexec_fn=ignore(signal.SIGHUP, signal.SIGINT, signal.SIGTERM))
        self.await_run(process)
        command("stop", self.database)
        self.assertEqual(process.wait(COMMAND_SECONDS_MAX), 0)

    def test_run_under_nohup_with_a_log_file_reopens_it(self):
        log = self.path("my.log")
        process = self.spawn("run", self.database, "--port", "0", "--logfile", log, preexec_fn=ignore(signal.SIGHUP))
        self.await_run(process)
        os.rename(log, log + ".1")
        process.send_signal(signal.SIGHUP)
        command("stop", self.database)
        self.assertEqual(process.wait(COMMAND_SECONDS_MAX), 0)
        with open(log, encoding="utf-8") as file:
            self.assertIn("stopping: Terminated", file.read())

    def test_transfers_keep_ignored_signals(self):
        """Each waits for the LOCK of a dead process, gets both signals there, and goes on when the LOCK is free."""
        dead = subprocess.Popen(["true"])
        dead.wait()
        for arguments in (("import", SAMPLE), ("export", self.path("out")), ("backup", self.path("copy"))):
            with self.subTest(arguments[0]):
                with self.hold_lock() as lock:
                    lock.write(f"{dead.pid:10} 1 0 - start".encode().ljust(127) + b"\n")
                    lock.flush()
                    process = self.spawn(arguments[0], self.database, *arguments[1:],
                                         preexec_fn=ignore(signal.SIGHUP, signal.SIGINT))
                    while signal.SIGTERM not in signals_of(process.pid, "SigCgt"):
                        self.assertIsNone(process.poll())
                    self.assertLessEqual({signal.SIGHUP, signal.SIGINT}, signals_of(process.pid, "SigIgn"))
                    process.send_signal(signal.SIGHUP)
                    process.send_signal(signal.SIGINT)
                _, errors = process.communicate(timeout=COMMAND_SECONDS_MAX)
                self.assertEqual(process.returncode, 0, errors)


class Namespaces(Matrix):
    def unshare(self, options, script, exit_code=0):
        """Runs the script in new namespaces, where that is allowed."""
        probe = subprocess.run(["unshare", *options, "true"], capture_output=True, text=True, check=False)
        if probe.returncode != 0:
            self.skipTest(f"unshare {' '.join(options)} is not allowed here: {probe.stderr.strip()}")
        done = subprocess.run(["unshare", *options, "sh", "-c", script], capture_output=True, text=True,
                              timeout=COMMAND_SECONDS_MAX, stdin=subprocess.DEVNULL,
                              env=os.environ | {"P": PROGRAM, "DB": self.database})
        self.assertEqual(done.returncode, exit_code, f"{script}\n{done.stdout}{done.stderr}")
        return done

    def test_stop_from_another_pid_namespace(self):
        self.start()
        pid = self.pid()
        for options in (["-pf", "--mount-proc"], ["-pf"]):
            done = self.unshare(options, '$P stop "$DB"; exit $?', 1)
            self.assertIn("its server runs in another container", done.stderr)
            self.assertEqual(len(done.stderr.splitlines()), 1)
        done = self.unshare(["-pf", "--mount-proc"], '$P start "$DB" --port 0; exit $?', 1)
        self.assertIn(f"in use by a process of another container or machine (process {pid} there", done.stderr)
        os.kill(pid, 0)  # it lives

    def test_export_from_another_pid_namespace(self):
        self.start()
        self.unshare(["-pf", "--mount-proc"], f'$P export "$DB" {self.path("out")}; exit $?')

    def test_run_as_the_first_process_of_a_container(self):
        """PID 1 gets no signal that it did not ask for; stop must end it all the same."""
        options = ["-pf", "--mount-proc"]
        self.unshare(options, "true")
        process = subprocess.Popen(["unshare", *options, PROGRAM, "run", self.database, "--port", "0"], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            self.await_run(process)
            self.assertEqual(self.pid(), 1)
            with open(f"/proc/{process.pid}/task/{process.pid}/children", encoding="ascii") as file:
                os.kill(int(file.read()), signal.SIGTERM)
            _, errors = process.communicate(timeout=COMMAND_SECONDS_MAX)
        finally:
            process.kill()
            process.wait()
        self.assertEqual(process.returncode, 0, errors)
        self.assertIn("stopping: Terminated", errors)

    def test_start_as_the_first_process_of_a_container(self):
        """Its end would be the daemon's."""
        done = self.unshare(["-pf", "--mount-proc"], 'exec $P start "$DB" --port 0', 1)
        self.assertIn("use connectordb run", done.stderr)

    def test_life_without_proc(self):
        if program_has_sanitizer():
            self.skipTest("LeakSanitizer needs /proc")
        script = f'''mount -t tmpfs none /proc || exit 9
            $P start "$DB" --port 0 && $P export "$DB" {self.path("out")} && $P stop "$DB" &&
            $P backup "$DB" {self.path("copy")} && $P check {self.path("copy")}'''
        done = self.unshare(["-m"], script)
        self.assertIn("stopped", done.stdout)

    def test_start_without_proc_on_a_path_too_long_for_a_socket(self):
        if program_has_sanitizer():
            self.skipTest("LeakSanitizer needs /proc")
        deep = os.path.join(self.directory, *["d" * 60] * 3)
        os.makedirs(deep)
        self.database = os.path.join(deep, "db")
        command("create", self.database)
        done = self.unshare(["-m"], 'mount -t tmpfs none /proc || exit 9; $P start "$DB" --port 0', 1)
        self.assertIn("too long for its control socket where /proc is not mounted", done.stderr)
        self.assertEqual(len(done.stderr.splitlines()), 1)

    def test_stop_without_proc_signals_no_stranger(self):
        stranger = self.bystander()
        with self.hold_lock() as lock:
            lock.write(f"{stranger:10} 1 0 - start".encode().ljust(127) + b"\n")
            lock.flush()
            done = self.unshare(["-m"], 'mount -t tmpfs none /proc || exit 9; $P stop "$DB"', 1)
        self.assertIn("cannot be identified", done.stderr)


class Owners(Matrix):
    """A database of the user nobody, and root who works on it."""

    def setUp(self):
        super().setUp()
        if os.geteuid() != 0:
            self.skipTest("only root can make a database of another user")
        command("import", self.database, SAMPLE)
        os.chmod(self.directory, 0o755)
        for path in (self.database, *self.contents()):
            os.chown(path, NOBODY, NOBODY)

    def contents(self):
        return [os.path.join(folder, name) for folder, folders, files in os.walk(self.database) for name in folders + files]

    def state(self):
        found = {}
        for path in (self.database, *self.contents()):
            about = os.stat(path)
            found[path] = (about.st_uid, about.st_gid, about.st_mode, about.st_mtime_ns)
        return found

    def test_commands_that_write_are_refused(self):
        before = self.state()
        for arguments in (("start", "--port", "0"), ("run", "--port", "0"), ("import", SAMPLE), ("repair",)):
            with self.subTest(arguments[0]):
                message = self.refuse(arguments[0], self.database, *arguments[1:])
                self.assertIn("belongs to the user nobody", message)
                self.assertIn("sudo -u 'nobody' connectordb", message)
                self.assertIn("--as-owner", message)
                self.assertEqual(self.state(), before)

    def test_commands_that_read_change_nothing_or_are_refused(self):
        before = self.state()
        for name in ("export", "backup"):
            done = subprocess.run([PROGRAM, name, self.database, self.path(name)], capture_output=True, text=True, check=False,
                                  timeout=COMMAND_SECONDS_MAX, stdin=subprocess.DEVNULL)
            if done.returncode != 0:
                self.assertIn("sudo -u 'nobody' connectordb", done.stderr)
            self.assertEqual(self.state(), before)

    def test_commands_that_look_change_nothing(self):
        before = self.state()
        for arguments in (("check",), ("inspect",)):
            command(arguments[0], self.database, *arguments[1:])
            self.assertEqual(self.state(), before)
        self.assertIn("no server is running", self.refuse("stop", self.database))
        self.assertEqual(self.state(), before)

    def test_as_owner(self):
        """Everything that root's commands make is the owner's."""
        printed = command("start", self.database, "--port", "0", "--as-owner").stdout
        self.port = 0  # there is something to stop
        self.assertIn("answers at", printed)
        self.assertEqual(os.stat(f"/proc/{self.pid()}").st_uid, NOBODY)
        self.assertEqual({os.stat(path).st_uid for path in self.contents()}, {NOBODY})
        command("export", self.database, self.path("by-the-server"), exit_code=1)  # nobody may not write there
        os.mkdir(self.path("out"))
        os.chown(self.path("out"), NOBODY, NOBODY)
        command("export", self.database, self.path("out", "running"))
        self.stop()
        command("export", "--as-owner", self.database, self.path("out", "stopped"))
        command("repair", "--as-owner", self.database)
        with open(os.open(self.path("password"), os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as file:
            file.write("secret\n")  # readable for root alone
        command("user", "--as-owner", self.database, "add", "ann", "--password-file", self.path("password"))
        self.assertEqual({os.stat(path).st_uid for path in self.contents()}, {NOBODY})

    def test_another_user_is_refused(self):
        os.chmod(self.database, 0o777)
        for path in self.contents():
            os.chmod(path, 0o777)
        before = self.state()
        for arguments, said in ((("start", "--port", "0"), "belongs to the user nobody"),
                                (("start", "--port", "0", "--as-owner"), "only root")):
            done = subprocess.run([self.program_for_all(), arguments[0], self.database, *arguments[1:]], capture_output=True, text=True, user=1,
                                  check=False, timeout=COMMAND_SECONDS_MAX, stdin=subprocess.DEVNULL)
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertIn(said, done.stderr)
            self.assertEqual(self.state(), before)


class Limits(Matrix):
    """The server serves with less, or says in one line why it cannot, and leaves nothing behind."""

    def under(self, kind, value, *arguments):
        """The finished command under a limit; skips where the program itself (one with a sanitizer) cannot be run so."""
        def set_limit():
            if os.geteuid() == 0:
                os.setgroups([])
                os.setgid(NOBODY)
                os.setuid(NOBODY)
            resource.setrlimit(kind, (value, value))

        # The search for leaks takes a thread and memory of its own, and ends the program where it gets neither.
        environment = os.environ | {"ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"}
        program = self.program_for_all()

        def run(*words):
            return subprocess.run([program, *words], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
                                  env=environment, timeout=COMMAND_SECONDS_MAX, preexec_fn=set_limit)
        try:
            probe = run("--version")
        except (OSError, subprocess.SubprocessError) as error:
            self.skipTest(f"the program cannot be started with this limit: {error}")
        if probe.returncode != 0:
            self.skipTest(f"the program does not run with this limit: {probe.stderr.strip()[:200]}")
        return run(*arguments)

    def give_away(self):
        if os.geteuid() == 0:
            os.chmod(self.directory, 0o755)
            for folder, _, files in os.walk(self.database):
                for path in (folder, *(os.path.join(folder, name) for name in files)):
                    os.chown(path, NOBODY, NOBODY)

    def assert_serves_or_says_why(self, kind, value, *said):
        """Returns whether it served. said: one of them is in the message of a refusal."""
        self.give_away()
        done = self.under(kind, value, "start", self.database, "--port", "0")
        if done.returncode == 0:
            self.port = int(re.search(r"http://[^\s/]+:(\d+)", done.stdout).group(1))
            self.request("GET", "/api/v1/?q=this", status=200)
            self.stop()
        else:
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
            self.assertNotIn("ended before it answered", done.stderr)
            self.assertTrue(any(text in done.stderr for text in said), done.stderr)
            for name in ("connectordb.pid", "connectordb.sock"):
                self.assertFalse(os.path.exists(os.path.join(self.database, name)), name)
            self.assertIn("no server is running", self.refuse("stop", self.database))
        command("check", self.database)
        return done.returncode == 0

    def test_descriptors(self):
        for value, serves in ((6, False), (8, False), (12, False), (64, True)):
            with self.subTest(descriptors=value):
                self.assertEqual(self.assert_serves_or_says_why(resource.RLIMIT_NOFILE, value, "Too many open files"), serves)

    def test_address_space(self):
        for mebibytes in ADDRESS_SPACES:
            with self.subTest(mebibytes=mebibytes):
                self.assert_serves_or_says_why(resource.RLIMIT_AS, mebibytes << 20, "emory", "thread")

    def test_memory(self):
        for mebibytes in (4, 20):
            with self.subTest(mebibytes=mebibytes):
                self.assert_serves_or_says_why(resource.RLIMIT_DATA, mebibytes << 20, "emory", "thread")

    def test_file_size(self):
        for kibibytes in (8, 64, 512):
            with self.subTest(kibibytes=kibibytes):
                self.assert_serves_or_says_why(resource.RLIMIT_FSIZE, kibibytes << 10, "ulimit -f", "File too large")

    def test_threads(self):
        if os.geteuid() != 0:
            self.skipTest("only root can count on the processes of another user being few")
        for processes in THREADS:
            with self.subTest(processes=processes):
                self.assert_serves_or_says_why(resource.RLIMIT_NPROC, processes, "thread", "process", "Resource temporarily unavailable")

    def test_read_only_mount(self):
        """A server cannot be had there, looking can."""
        probe = subprocess.run(["unshare", "-m", "true"], capture_output=True, text=True, check=False)
        if probe.returncode != 0:
            self.skipTest(f"unshare -m is not allowed here: {probe.stderr.strip()}")
        before = "mount --bind $DB $DB && mount -o remount,bind,ro $DB || exit 9; "
        for name, exit_code in (("start", 1), ("run", 1), ("repair", 1), ("check", 0), ("inspect", 0)):
            with self.subTest(name):
                done = subprocess.run(["unshare", "-m", "sh", "-c", f"{before}$P {name} $DB"], capture_output=True, text=True, check=False,
                                      timeout=COMMAND_SECONDS_MAX, stdin=subprocess.DEVNULL,
                                      env=os.environ | {"P": PROGRAM, "DB": self.database})
                self.assertEqual(done.returncode, exit_code, done.stderr)
                if exit_code:
                    self.assertIn("Read-only file system", done.stderr)
                    self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)


if __name__ == "__main__":
    main()
