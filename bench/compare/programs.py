"""The programs in C that make the data and the load, and servers as child processes."""
import json
import os
import pwd
import socket
import struct
import subprocess
import sys
import time

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
RUN_SECONDS_MAX = 600
READY_SECONDS_MAX = 60


class Failed(Exception):
    """A program or server failed; the text says how."""


def run(command, **options):
    done = subprocess.run(command, capture_output=True, text=True, timeout=RUN_SECONDS_MAX, stdin=subprocess.DEVNULL,
                          **options)
    if done.returncode != 0:
        raise Failed(f"{os.path.basename(command[0])}: {(done.stderr + done.stdout).strip()[-400:]}")
    return done.stdout


def build():
    """Builds the release; returns its folder."""
    for command in (["cmake", "--preset", "release"], ["cmake", "--build", "--preset", "release"]):
        subprocess.run(command, cwd=SOURCE, stdout=sys.stderr, check=True)
    return os.path.join(SOURCE, "build")


def until_ready(ask, process):
    """Calls ask() until it returns something true; what it raises as OSError means: not yet."""
    deadline = time.monotonic() + READY_SECONDS_MAX
    while time.monotonic() < deadline:
        if process is not None and process.poll() is not None:
            raise Failed(f"{os.path.basename(process.args[0])} ended with {process.returncode}")
        try:
            answer = ask()
            if answer:
                return answer
        except OSError:
            pass
        time.sleep(0.02)
    raise Failed("the server does not get ready")


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def unprivileged():
    """Options of a command for servers that refuse to run as root: as nobody then."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


class Programs:
    def __init__(self, build_folder, directory):
        self.build = os.path.abspath(build_folder)
        self.directory = directory

    def path(self, name):
        return os.path.join(self.build, "cli" if name == "connectordb" else "bench", name)

    def data(self, kind, stream, points):
        """The stream's datapoints, one JSON text each."""
        return run([self.path("compare_data"), kind, str(stream), str(points)]).splitlines()

    def write_requests(self, number, setup, requests):
        """A file of requests for one connection: each (bytes, answers). Returns its path."""
        path = os.path.join(self.directory, f"requests-{number}")
        with open(path, "wb") as file:
            for request, answers in [*setup, *requests]:
                file.write(struct.pack("<II", len(request), answers))
                file.write(request)
        return path

    def load(self, protocol, port, setup, connections):
        """Sends each connection's requests; returns what compare_load reports."""
        files = [self.write_requests(i, setup, requests) for i, requests in enumerate(connections)]
        try:
            return json.loads(run(self.load_command(protocol, port, setup, files)))
        finally:
            for file in files:
                os.unlink(file)

    def load_command(self, protocol, port, setup, files, *options):
        return [self.path("compare_load"), protocol, str(port), "--setup", str(len(setup)), *options, *files]
