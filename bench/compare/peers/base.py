"""What a peer must offer: Peer for all, SocketPeer for servers. A library in the loader's process is in embedded.py."""
import http.client
import os
import shutil
import signal
import subprocess

import programs

STOP_SECONDS_MAX = 60
BLOCK_BYTES = 512  # of st_blocks


class Peer:
    title = ""       # as in the table
    packages = []    # of Debian; the first one gives the version
    synced = ""      # who syncs before it acknowledges, and how that was configured
    kinds = "GKNE"   # the data sets that it can hold
    writers = 32     # how many connections or threads may load at once

    def __init__(self, directory, settings):
        self.directory = directory
        self.programs = settings.programs
        self.root = None  # of the unpacked packages
        self.kind = None

    @property
    def data(self):
        return os.path.join(self.directory, "data")

    def install(self, root, version):
        """Makes ready what was unpacked to `root`; returns the version to print."""
        self.root = root
        return version

    def fresh(self, kind, streams):
        """An empty database, ready to take points of that kind into the streams of these numbers."""
        self.stop_all()
        shutil.rmtree(self.directory, ignore_errors=True)
        os.makedirs(self.data)
        self.kind = kind

    def load(self, connections, batch):
        """Inserts each connection's Points, `batch` at once. {"seconds", "p50", "p99"}."""
        raise NotImplementedError

    def settle(self):
        """Flushes and compacts what the peer would in its own time; returns the bytes that the data takes on disk."""
        raise NotImplementedError

    def read_whole(self, points, repeats):
        """Reads stream 0 as text. {"seconds" of one time, "received" bytes of one time}."""
        raise NotImplementedError

    def read_last(self, points, count):
        """Asks for the last point so many times. {"p50"}."""
        raise NotImplementedError

    def read_ranges(self, points, ranges):
        """Reads the ranges (first, end) of indices, one after the other. {"p50"}."""
        raise NotImplementedError

    def read_back(self, stream):
        """Everything in the stream, as Points.truth() gives it."""
        raise NotImplementedError

    def transfer(self, kind, points):
        """Moves some streams of so many points in from a folder of JSON, and out to one: {"import", "export": points/s}
        each. None: has no such thing."""
        return None

    def start_acknowledged_load(self, connections, batch, every_us):
        """Starts loading, on each connection a batch every so many microseconds or as fast as it goes; returns a
        process that prints "CONNECTION NUMBER" for each batch that was acknowledged."""
        raise NotImplementedError

    def kill(self, loader):
        """kill -9 of the process that stores."""
        raise NotImplementedError

    def restart(self):
        """After kill(): opens the same data again; returns when it can be read."""
        raise NotImplementedError

    def stop_all(self):
        """Ends what was started, whatever state it is in."""


class SocketPeer(Peer):
    """A server: requests are bytes that compare_load sends; (bytes, answers to wait for) each."""
    protocol = "http"

    def __init__(self, directory, settings):
        super().__init__(directory, settings)
        self.process = None
        self.port = None

    # What a server's module adds

    def start(self):
        """Starts the server on self.port and waits until it answers."""
        raise NotImplementedError

    def make_streams(self, streams):
        """Makes what must be there before points are."""

    def setup_requests(self):
        return []

    def insert_request(self, points):
        raise NotImplementedError

    def single_request(self, points):
        """An insert of one point."""
        return self.insert_request(points)

    def whole_request(self, points):
        raise NotImplementedError

    def last_request(self, points):
        raise NotImplementedError

    def range_request(self, points, first, end):
        raise NotImplementedError

    def children(self):
        """Further processes of the server's, to be killed with it."""
        return []

    # What follows from it

    def spawn(self, command, **options):
        """Starts the server's process; what it says goes to a log in the peer's directory."""
        with open(os.path.join(self.directory, "log"), "ab") as log:
            self.process = subprocess.Popen(command, cwd=self.directory, stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, start_new_session=True, **options)

    def fresh(self, kind, streams):
        super().fresh(kind, streams)
        self.port = programs.free_port()
        self.start()
        self.make_streams(streams)

    def requests(self, points, batch):
        if batch == 1:
            return [self.single_request(part) for part in points.slices(1)]
        return [self.insert_request(part) for part in points.slices(batch)]

    def send(self, connections):
        return self.programs.load(self.protocol, self.port, self.setup_requests(), connections)

    def load(self, connections, batch):
        return self.send([self.requests(points, batch) for points in connections])

    def read_whole(self, points, repeats):
        report = self.send([[self.whole_request(points)] * repeats])
        return {"seconds": report["p50"], "received": report["received"] / repeats}

    def read_last(self, points, count):
        return self.send([[self.last_request(points)] * count])

    def read_ranges(self, points, ranges):
        return self.send([[self.range_request(points, first, end) for first, end in ranges]])

    def start_acknowledged_load(self, connections, batch, every_us):
        files = [self.programs.write_requests(i, self.setup_requests(), self.requests(points, batch))
                 for i, points in enumerate(connections)]
        command = self.programs.load_command(self.protocol, self.port, self.setup_requests(), files,
                                             "--acks", "--every", str(every_us))
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def kill(self, loader):
        children = self.children()
        self.process.send_signal(signal.SIGKILL)
        for child in children:
            try:
                os.kill(child, signal.SIGKILL)
            except ProcessLookupError:
                pass  # went with its parent
        self.process.wait()

    def restart(self):
        self.start()

    def stop_all(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(STOP_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                self.kill(None)
        self.process = None

    # HTTP for the servers that speak it

    def ask(self, method, path, body=None, headers=None):
        """One request; returns the body of the answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=programs.RUN_SECONDS_MAX)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            text = answer.read()
        except http.client.HTTPException as error:
            raise programs.Failed(f"{method} {path}: {error!r}") from error
        finally:
            connection.close()
        if answer.status // 100 != 2:
            raise programs.Failed(f"{method} {path}: {answer.status} {text[:300]}")
        return text


def http_request(method, path, body=b"", headers=""):
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{headers}"
    if method == "POST":
        head += f"Content-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body, 1


def folder_bytes(folder, chosen=lambda name: True):
    """Bytes that the files of a folder take on the disk (a hole takes none), of those whose name is chosen."""
    total = 0
    for place, _, names in os.walk(folder):
        total += sum(os.lstat(os.path.join(place, name)).st_blocks for name in names if chosen(name))
    return total * BLOCK_BYTES
