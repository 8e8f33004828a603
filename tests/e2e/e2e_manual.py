#!/usr/bin/env python3
"""Manual pages and completion have every command and every option, and bash completes with them.

What is expected comes from `connectordb COMMAND --help` and from the tables in the source, not from the program that
writes pages and completion."""
import glob
import os
import pty
import re
import select
import shutil
import subprocess
import tempfile
import time
import unittest

from harness import COMMAND_SECONDS_MAX, PROGRAM, SOURCE, command, main

MANUAL = os.path.join(os.path.dirname(PROGRAM), "manual")
COMPLETION = os.path.join(MANUAL, "connectordb.bash")


def setUpModule():
    if not os.path.exists(COMPLETION):
        raise unittest.SkipTest(f"{COMPLETION} is not there: builds with sanitizers do not make it")


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def commands():
    listed = command("--help").stdout.split("\nCommands:\n")[1].split("\n\n")[0]
    return re.findall(r"^  (\w+) ", listed, re.MULTILINE)


def options(name):
    """[(letter or "", name, value or "")] of `NAME --help`."""
    text = command(name, "--help").stdout.split("\nOptions:\n")[1]
    return re.findall(r"^  (?:-(\w),|   ) --([\w-]+)(?: (\S+))?", text, re.MULTILINE)


def plain(page):
    """The text of a manual page without the macros and escapes of roff."""
    text = re.sub(r"\\f[BIR]|\\&", "", read(os.path.join(MANUAL, page)))
    return re.sub(r"\\(.)", r"\1", text)


class Pages(unittest.TestCase):
    def setUp(self):
        if not os.path.exists(os.path.join(MANUAL, "connectordb.1")):
            self.skipTest("scdoc is not installed")

    def test_every_command_has_a_page(self):
        names = {"connectordb.1"} | {f"connectordb-{name}.1" for name in commands()}
        self.assertEqual({os.path.basename(path) for path in glob.glob(os.path.join(MANUAL, "*.1"))}, names)
        for name in commands():
            self.assertIn(f"connectordb-{name}(1)", plain("connectordb.1"))

    def test_prose_is_of_a_command(self):
        prose = {os.path.basename(path)[:-len(".scd")] for path in glob.glob(os.path.join(SOURCE, "cli", "manual", "*.scd"))}
        self.assertLessEqual(prose, set(commands()) | {"connectordb", "connectordb.conf"})

    def test_the_configuration_is_in_its_page(self):
        with tempfile.TemporaryDirectory() as folder:
            command("write", "config", os.path.join(folder, "conf"))
            text = read(os.path.join(folder, "conf"))
        page = plain("connectordb.conf.5")
        for line in text.splitlines():
            self.assertIn(line.strip(), page)

    def test_every_option_is_in_its_page(self):
        for name in commands():
            page = plain(f"connectordb-{name}.1")
            for letter, option, value in options(name):
                with self.subTest(command=name, option=option):
                    line = (f"-{letter}, " if letter else "") + f"--{option}" + (f" {value}" if value else "")
                    self.assertIn(f"\n{line}\n", page)

    def test_every_entry_of_the_tables_is_in_a_page(self):
        entries = set()
        for path in glob.glob(os.path.join(SOURCE, "cli", "*.c")):
            entries |= set(re.findall(r'\{(?:\.name = )?"([\w-]+)",\s*(?:\.letter = )?(?:0|\'\w\'),?\s*(?:\.type = )?OPTION_',
                                      read(path)))
            entries |= set(re.findall(r'\{\.name = "([\w-]+)",\s*\.type = OPTION_', read(path)))
        self.assertGreater(len(entries), 30)
        pages = "".join(plain(os.path.basename(path)) for path in glob.glob(os.path.join(MANUAL, "*.1")))
        self.assertEqual([entry for entry in entries if not re.search(rf"--{entry}\b(?!-)", pages)], [])

    def test_usage_is_the_synopsis(self):
        for name in commands():
            usage = command(name, "--help").stdout.splitlines()[0]
            self.assertIn(f"\n{usage} [OPTION...]\n", plain(f"connectordb-{name}.1"))

    def test_formatters_have_nothing_to_say(self):
        pages = sorted(glob.glob(os.path.join(MANUAL, "*.[15]")))
        formatters = {"mandoc": ["mandoc", "-Tlint", "-Werror"], "groff": ["groff", "-man", "-ww", "-z", "-Tutf8", "-K", "utf8"]}
        installed = [formatter for formatter in formatters if shutil.which(formatter)]
        if not installed:
            self.skipTest("neither mandoc nor groff is installed")
        for formatter in installed:
            done = subprocess.run(formatters[formatter] + pages, capture_output=True, text=True, timeout=COMMAND_SECONDS_MAX)
            self.assertEqual((done.stdout + done.stderr).strip(), "", formatter)


class Shell:
    """An interactive bash with the completion."""

    def __init__(self, directory):
        self.process, self.terminal = pty.fork()
        if self.process == 0:
            os.chdir(directory)
            os.execvpe("bash", ["bash", "--norc", "--noprofile", "-i"],
                       os.environ | {"PS1": "", "INPUTRC": "/dev/null", "TERM": "dumb", "HISTFILE": ""})
        self.output = b""
        self.send(f"stty -echo cols 4000; source '{COMPLETION}'\n"
                  "bind 'set enable-bracketed-paste off'; bind 'set bell-style none'\n"
                  "bind '\"\\C-x\\C-a\": insert-completions'\n"
                  "bind -x '\"\\C-x\\C-b\": printf \"<<%s>>\\n\" \"$READLINE_LINE\"'\n"
                  "PS1='re''ady> '\n")
        self.read(rb"ready> ")  # readline has the terminal now

    def send(self, text):
        os.write(self.terminal, text.encode())

    def read(self, pattern):
        """Returns the match; what is before it and itself are consumed."""
        deadline = time.monotonic() + COMMAND_SECONDS_MAX
        while not (match := re.search(pattern, self.output)):
            if not select.select([self.terminal], [], [], max(0, deadline - time.monotonic()))[0]:
                raise AssertionError(f"no {pattern} in {self.output}")
            self.output += os.read(self.terminal, 65536)
        self.output = self.output[match.end():]
        return match

    def complete(self, line):
        """What a line becomes when all its completions are inserted: a list of the words that are new."""
        start = line.rsplit(" ", 1)[0]
        self.send(f"{line}\x18\x01\x18\x02\x15")
        done = self.read(rb"<<(.*?)>>\r?\n").group(1).decode()
        assert done.startswith(start), (line, done)
        return done[len(start):].split()

    def close(self):
        self.send("\x15exit\n")
        os.waitpid(self.process, 0)
        os.close(self.terminal)


class Completion(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if not shutil.which("bash"):
            raise unittest.SkipTest("bash is not installed")
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        for name in ("database", "dumps"):
            os.mkdir(os.path.join(cls.folder.name, name))
        with open(os.path.join(cls.folder.name, "data.conf"), "w", encoding="ascii"):
            pass
        cls.shell = Shell(cls.folder.name)
        cls.addClassCleanup(cls.shell.close)

    def assert_completes(self, line, *expected):
        self.assertEqual(sorted(self.shell.complete(f"connectordb {line}")), sorted(expected), line)

    def test_commands(self):
        self.assertEqual(self.shell.complete("connectordb "), sorted(commands()))
        self.assert_completes("ins", "inspect")
        self.assert_completes("--loglevel debug -q ins", "inspect")
        self.assertLessEqual({"--version", "--semver", "--help", "--quiet"}, set(self.shell.complete("connectordb -")))

    def test_options(self):
        for name in commands():
            expected = [f"--{option}" for _, option, _ in options(name)] + [
                f"-{letter}" for letter, _, _ in options(name) if letter]
            self.assert_completes(f"{name} -", *expected)

    def test_values(self):
        for name in commands():
            for letter, option, value in options(name):
                words = [word for word in value.split("|") if word.islower()] if "|" in value else []
                if words:
                    self.assert_completes(f"{name} --{option} ", *words)
                    self.assert_completes(f"{name} --{option}={words[0][:1]}", *(
                        [f"--{option}=" + " ".join(word for word in words if word.startswith(words[0][:1]))]))
        self.assert_completes("query -f nd", "ndjson")

    def test_words_of_the_usage(self):
        self.assert_completes("user database ", "list", "add", "delete", "passwd", "role")
        self.assert_completes("user --role admin database a", "add")
        self.assert_completes("write p", "permissions")
        self.assert_completes("stream database ", "cut", "ls", "usage")

    def test_folders_and_files(self):
        self.assert_completes("start da", "database")
        self.assert_completes("start --port 0 da", "database")
        self.assert_completes("export http://127.0.0.1:3124 du", "dumps")
        self.assert_completes("backup database du", "dumps")
        self.assert_completes("create --config da", "data.conf", "database")
        self.assert_completes("create --user ann:secret da", "database")

    def test_nothing_where_nothing_is_known(self):
        for line in ("query database d", "run --host d", "user database add d", "nonsense d"):
            self.assert_completes(line, "d")


if __name__ == "__main__":
    main()
