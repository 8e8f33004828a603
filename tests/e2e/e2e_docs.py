#!/usr/bin/env python3
"""The commands in the pages for users work as they are written, from the first to the last of each page.

A block ```sh is run; a block ``` without a language after it is what it must print in the end. Each page has an empty
home directory with samples/ and docs/ in it, one shell for all of its blocks, and its own port in the place of 3124.
What a test must not do to the machine (sudo, systemctl, paths outside of the home directory) is replaced; see below.
"""
import os
import re
import shutil
import signal
import socket
import subprocess
import unittest

from harness import PROGRAM, SOURCE, DatabaseTest, command, main

BUILD = os.path.dirname(os.path.dirname(PROGRAM))
SHELL_SECONDS_MAX = 120

# Programs that are found first. $HOME/bin has them; REAL is the PATH without it.
STUBS = {
    "sudo": 'while [ "${1#-}" != "$1" ]; do shift 2; done; exec "$@"',
    "useradd": 'mkdir -p "$HOME/var/lib/connectordb"',
    "cmake": f'[ "$1" != --install ] || exec env PATH="$REAL" cmake --install {BUILD} --prefix "$4" >/dev/null',
    # enable --now: runs what the unit says
    "systemctl": '''[ "$2" = --now ] || exit 0
        unit=$HOME/usr/lib/systemd/system/$3.service
        eval "$(sed -n "s|/var/lib|$HOME&|; s/^Environment=//p" "$unit")"
        eval "exec $(sed -n 's/^ExecStart=//p' "$unit") --port $PORT" >"$HOME/service.log" 2>&1 &
        echo $! >"$HOME/service.pid"
        until grep -q "answers at" "$HOME/service.log"; do kill -0 $! || exit 1; sleep 0.02; done''',
}
OPTIONAL = ("restic", "rclone")  # a block that calls one that is not installed is left out
PATHS = {"/var/lib/connectordb": "$HOME/var/lib/connectordb", "/usr/local": "$HOME/usr"}


def blocks(path):
    """[(commands, expected end of the output or None)] of a page"""
    with open(os.path.join(SOURCE, path), encoding="utf-8") as file:
        found = re.findall(r"^```([a-z]*)\n(.*?)^```$", file.read(), re.MULTILINE | re.DOTALL)
    result = []
    for language, text in found:
        if language == "sh":
            result.append([text, None])
        elif language == "" and result:
            result[-1][1] = text
    return result


class Pages(DatabaseTest):
    def setUp(self):
        super().setUp()
        self.addCleanup(self.stop_servers)  # before clean_up
        for name in ("samples", "docs"):
            os.symlink(os.path.join(SOURCE, name), os.path.join(self.directory, name))
        os.makedirs(self.file("bin"))
        os.makedirs(self.file("tools"))
        for name, text in {**STUBS, "../tools/install-dependencies": ":"}.items():
            self.script(self.file("bin", name), text)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.free_port = free.getsockname()[1]
        path = os.pathsep.join((os.path.dirname(PROGRAM), os.environ["PATH"]))
        self.environment = {**os.environ, "HOME": self.directory, "REAL": path, "PORT": str(self.free_port),
                            "PATH": self.file("bin") + os.pathsep + path}

    def file(self, *parts):
        return os.path.join(self.directory, *parts)

    def script(self, path, text):
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"#!/bin/sh\n{text}\n")
        os.chmod(path, 0o755)

    def stop_servers(self):
        for name in os.listdir(self.directory):
            if os.path.exists(self.file(name, "connectordb.pid")):
                command("stop", self.file(name))
        if os.path.exists(self.file("service.pid")):
            command("stop", self.file("var", "lib", "connectordb", "db"))

    def adapt(self, text):
        text = text.replace("localhost:3124", f"127.0.0.1:{self.free_port}")
        text = re.sub(r"connectordb start (\S+)", rf"connectordb start \1 --port {self.free_port}", text)
        text = text.replace("curl ", "curl -sSf -w '\\n' ")
        for path, replacement in PATHS.items():
            text = text.replace(path, replacement.replace("$HOME", self.directory))
        return text

    def can_run(self, text):
        missing = [name for name in OPTIONAL if re.search(rf"^{name} ", text, re.MULTILINE) and not shutil.which(name)]
        if missing:
            print(f"left out, {missing[0]} is not installed:\n{text}")
        return not missing

    def run_page(self, path, before=""):
        """Returns what the blocks printed, one text for each."""
        end = "---- end of a block ----"
        pieces = [piece for piece in blocks(path) if self.can_run(piece[0])]
        self.assertTrue(pieces, path)
        script = "set -euo pipefail\n" + before + "".join(
            f"\n{self.adapt(text)}\necho; echo '{end}'\n" for text, _ in pieces)
        done = subprocess.run(["bash", "-c", script], cwd=self.directory, env=self.environment, capture_output=True,
                              text=True, stdin=subprocess.DEVNULL, timeout=SHELL_SECONDS_MAX)
        self.assertEqual(done.returncode, 0, f"{path}\n{done.stdout}\n{done.stderr}")
        printed = done.stdout.split(end + "\n")
        for (text, expected), output in zip(pieces, printed):
            if expected is not None:
                self.assertEqual(output.strip().splitlines()[-len(expected.splitlines()):], expected.splitlines(), text)
        return printed

    def test_readme(self):
        self.run_page("README.md")

    def test_backups(self):
        self.run_page("docs/backups.md")

    def test_from_03(self):
        os.mkdir(self.file("old"))
        self.script(self.file("old", "connectordb"), 'cp -r samples/home "$3"')  # as 0.3 would have written it
        printed = self.run_page("docs/from-0.3.md")
        self.assertRegex(printed[-2].strip().splitlines()[-1], r"^\d{4,}$")

    def test_raspberry_pi(self):
        self.run_page("docs/raspberry-pi.md")

    def test_sensors(self):
        printed = self.run_page("docs/sensors.md")
        self.assertIn('"apikey"', printed[1])
        self.assertEqual(printed[3].split(), ["ok", "ok"])


class SendMeasurements(DatabaseTest):
    """samples/sensor/send-measurements, while the server and the script itself are killed."""
    VALUES = 60

    def setUp(self):
        super().setUp()
        command("create", self.database, "--user", "test:test")
        self.start()
        device = self.request("POST", "/api/v1/crud/test/boiler", body={"streams": {"t": {}}}, login="test:test").json()
        self.key = os.path.join(self.directory, "key")
        with open(self.key, "w", encoding="ascii") as file:
            file.write(device["apikey"] + "\n")
        self.script = None

    def send(self, port=None):
        self.script = subprocess.Popen(
            [os.path.join(SOURCE, "samples", "sensor", "send-measurements"), "--url",
             f"http://127.0.0.1:{port or self.port}", "--stream", "test/boiler/t", "--key-file", self.key, "--spool",
             os.path.join(self.directory, "spool"), "--retry", "0.05"],
            stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        return self.script

    def write(self, first, last):
        for value in range(first, last):
            self.script.stdin.write(f"{value}\n")
        self.script.stdin.flush()

    def stored(self):
        answer = self.request("GET", "/api/v1/crud/test/boiler/t/data?t1=0", login="test:test").json()
        return [point["d"] for point in answer]

    def finish(self, exit_code=0):
        _, errors = self.script.communicate(timeout=120)
        self.assertEqual(self.script.returncode, exit_code, errors)
        return errors

    def test_everything_arrives_once(self):
        self.send()
        self.write(0, self.VALUES)
        self.finish()
        self.assertEqual(self.stored(), list(range(self.VALUES)))

    def test_the_server_is_killed(self):
        self.send()
        self.write(0, 20)
        port = self.port
        self.kill()
        self.write(20, 40)
        self.assertIn("trying again", self.script.stderr.readline())
        printed = command("start", self.database, "--port", str(port))
        self.assertIn(str(port), printed.stdout)
        self.port = port
        self.write(40, self.VALUES)
        self.finish()
        self.assertEqual(self.stored(), list(range(self.VALUES)))

    def test_the_script_is_killed(self):
        """After the server took a batch and before the script learned of it: a proxy keeps the answer back."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.settimeout(SHELL_SECONDS_MAX)
            self.send(listener.getsockname()[1])
            self.write(0, 10)
            while self.forward(listener):  # until an insert was answered, which the script does not see
                pass
            self.script.send_signal(signal.SIGKILL)
            self.script.communicate()
        stored = len(self.stored())
        self.assertGreater(stored, 0)
        self.send()
        self.write(10, self.VALUES)
        self.finish()
        values = self.stored()
        self.assertEqual(values[:stored], list(range(stored)))
        self.assertEqual(values[-(self.VALUES - 10):], list(range(10, self.VALUES)))
        self.assertEqual(values, sorted(set(values)))

    def forward(self, listener):
        """One connection: the request on to the server, its answer back unless it was an insert. False: it was."""
        client, _ = listener.accept()
        with client, socket.create_connection(("127.0.0.1", self.port), timeout=SHELL_SECONDS_MAX) as server:
            client.settimeout(SHELL_SECONDS_MAX)
            request = b""
            while b"\r\n\r\n" not in request:
                request += client.recv(65536)
            head, _, body = request.partition(b"\r\n\r\n")
            length = re.search(rb"(?i)content-length: *(\d+)", head)
            while length and len(body) < int(length.group(1)):
                body += client.recv(65536)
            server.sendall(head + b"\r\n\r\n" + body)
            stream = server.makefile("rb")
            answer = stream.readline()
            if request.startswith(b"POST"):
                self.assertIn(b" 200 ", answer)
                return False
            client.sendall(answer + stream.read())
            return True

    def test_a_wrong_key(self):
        with open(self.key, "w", encoding="ascii") as file:
            file.write("wrong-wrong-wrong-wrong")
        self.send()
        self.write(0, 5)
        self.assertRegex(self.finish(exit_code=1), "send-measurements: 40[13]")

    def test_what_is_no_json(self):
        self.send()
        self.script.stdin.write("1\nno number\n2\n")
        self.assertIn("no number", self.finish())
        self.assertEqual(self.stored(), [1, 2])


if __name__ == "__main__":
    main()
