"""PostgreSQL with its defaults over its own protocol: batches as COPY ... FROM STDIN, single points as a prepared
INSERT, one transaction each; one table with the primary key (stream, t)."""
import glob
import os
import shutil
import socket
import struct

import debian
import points as generated
import programs

from .base import SocketPeer

VALUE_TYPES = {"G": "float8", "N": "float8", "K": "int8", "E": "text"}
STATEMENTS = {
    "insert": "INSERT INTO points VALUES ($1, $2, $3)",
    "last": "SELECT t, d FROM points WHERE stream = $1 ORDER BY t DESC LIMIT 1",
    "range": "SELECT t, d FROM points WHERE stream = $1 AND t >= $2 AND t <= $3 ORDER BY t",
}


def message(kind, *parts):
    body = b"".join(parts)
    return kind + struct.pack(">I", len(body) + 4) + body


def text(words):
    return words.encode() + b"\0"


def startup():
    version = struct.pack(">I", 3 << 16)
    return message(b"", version, text("user"), text("postgres"), text("database"), text("postgres"), b"\0")


def query(words):
    return message(b"Q", text(words))


def prepare_all():
    parses = [message(b"P", text(name), text(words), b"\0\0") for name, words in STATEMENTS.items()]
    return b"".join(parses) + message(b"S")


def execute(name, *parameters):
    values = b"".join(struct.pack(">I", len(value)) + value for value in (str(item).encode() for item in parameters))
    bind = message(b"B", b"\0", text(name), b"\0\0", struct.pack(">H", len(parameters)), values, b"\0\0")
    return bind + message(b"E", b"\0", struct.pack(">I", 0)) + message(b"S")


class PostgreSQL(SocketPeer):
    title = "PostgreSQL (COPY)"
    packages = ["postgresql-15", "postgresql-client-15", "libpq5"]
    synced = "yes (default)"
    protocol = "postgres"

    def install(self, root, version):
        (self.programs_folder,) = glob.glob(os.path.join(root, "usr/lib/postgresql/*/bin"))
        return super().install(root, version)

    def start(self):
        """As nobody when this is root, which it refuses to be."""
        options = {**programs.unprivileged(), "env": debian.environment(self.root)}
        cluster = os.path.join(self.data, "cluster")
        if not os.path.exists(cluster):
            self.make_cluster(cluster, options)
        self.spawn([os.path.join(self.programs_folder, "postgres"), "-D", cluster, "-p", str(self.port), "-k", "",
                    "-c", "listen_addresses=127.0.0.1", "-c", "max_connections=100"], **options)
        programs.until_ready(lambda: self.call("SELECT 1"), self.process)

    def make_cluster(self, cluster, options):
        """initdb takes seconds, so it runs once, and is copied."""
        made = os.path.join(self.programs.directory, "postgresql-initdb")
        if not os.path.exists(made):
            os.mkdir(made)
            if "user" in options:
                shutil.chown(made, options["user"], options["group"])
            programs.run([os.path.join(self.programs_folder, "initdb"), "-D", os.path.join(made, "cluster"),
                          "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8"], cwd=made, **options)
        programs.run(["cp", "-a", os.path.join(made, "cluster"), cluster])

    def children(self):
        """Backends and helpers are processes of their own, in sessions of their own."""
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children", encoding="ascii") as file:
            return [int(child) for child in file.read().split()]

    def call(self, words):
        """One query; returns its rows as (kind, payload): of COPY TO "d", of SELECT "D". OSError when it is refused."""
        with socket.create_connection(("127.0.0.1", self.port), programs.RUN_SECONDS_MAX) as connection:
            with connection.makefile("rwb") as stream:
                stream.write(startup() + query(words))
                stream.flush()
                read_messages(stream)
                return [payload for kind, payload in read_messages(stream) if kind in (b"d", b"D")]

    def make_streams(self, streams):
        self.call(f"CREATE TABLE points (stream int4, t float8, d {VALUE_TYPES[self.kind]}, PRIMARY KEY (stream, t))")

    def setup_requests(self):
        return [(startup(), 1), (prepare_all(), 1)]

    def insert_request(self, points):
        values = [value.replace("\\", "\\\\") for value in points.values] if points.kind == "E" else points.values
        rows = "".join([f"{points.stream}\t{time}\t{value}\n" for time, value in zip(points.times, values)])
        return query("COPY points FROM STDIN") + message(b"d", rows.encode()) + message(b"c"), 1

    def single_request(self, points):
        return execute("insert", points.stream, points.times[0], points.values[0]), 1

    def whole_query(self, stream):
        return f"COPY (SELECT t, d FROM points WHERE stream = {stream} ORDER BY t) TO STDOUT"

    def whole_request(self, points):
        return query(self.whole_query(points.stream)), 1

    def last_request(self, points):
        return execute("last", points.stream), 1

    def range_request(self, points, first, end):
        return execute("range", points.stream, points.times[first], points.times[end - 1]), 1

    def read_back(self, stream):
        rows = [row.decode().rstrip("\n").split("\t") for row in self.call(self.whole_query(stream))]
        if self.kind == "E":
            rows = [(time, value.replace("\\\\", "\\")) for time, value in rows]
        return generated.from_pairs(self.kind, rows, 1e6)

    def settle(self):
        """Table and index, without the log, whose files are used again."""
        self.call("VACUUM (ANALYZE) points")
        self.call("CHECKPOINT")
        (row,) = self.call("SELECT pg_total_relation_size('points')")
        return int(row[6:])  # one column: its count and length, then the text


def read_messages(stream):
    """Messages up to ReadyForQuery."""
    messages = []
    while True:
        kind, size = struct.unpack(">cI", stream.read(5))
        payload = stream.read(size - 4)
        if kind == b"E":
            raise ConnectionError(payload.replace(b"\0", b" ").decode(errors="replace"))
        if kind == b"Z":
            return messages
        messages.append((kind, payload))
