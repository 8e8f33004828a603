"""Redis Streams: one stream a series; the id of an entry is the time, milliseconds and the microseconds beyond them. A
batch is a transaction, so that it is one unit and one fsync. Everything is in memory as well."""
import os
import socket
import time

import debian
import points as generated
import programs

from .base import SocketPeer, folder_bytes

REWRITE_SECONDS_MAX = 300


def encode(*words):
    return ("*%d\r\n" % len(words) + "".join(f"${len(word)}\r\n{word}\r\n" for word in words)).encode("ascii")


def entry_id(micros):
    return f"{micros // 1000}-{micros % 1000}"


class Redis(SocketPeer):
    title = "Redis Streams"
    packages = ["redis-server", "redis-tools"]
    synced = "yes (`appendfsync always` set)"
    protocol = "resp"

    def start(self):
        server = os.path.join(self.root, "usr/bin/redis-server")
        self.spawn([server, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", self.data, "--save", "",
                    "--appendonly", "yes", "--appendfsync", "always"], env=debian.environment(self.root))
        programs.until_ready(lambda: self.call("PING") == b"PONG", self.process)

    def call(self, *words):
        """One command; returns its reply: bytes, a list of such, or None. An error reply is bytes, too."""
        with socket.create_connection(("127.0.0.1", self.port), programs.RUN_SECONDS_MAX) as connection:
            connection.sendall(encode(*words))
            with connection.makefile("rb") as replies:
                return read_reply(replies)

    def key(self, stream):
        return f"{self.kind}:{stream}"

    def add(self, points):
        key = self.key(points.stream)
        return b"".join(encode("XADD", key, entry_id(micros), "d", value)
                        for micros, value in zip(points.micros, points.values))

    def insert_request(self, points):
        return encode("MULTI") + self.add(points) + encode("EXEC"), len(points) + 2

    def single_request(self, points):
        return self.add(points), 1

    def whole_request(self, points):
        return encode("XRANGE", self.key(points.stream), "-", "+"), 1

    def last_request(self, points):
        return encode("XREVRANGE", self.key(points.stream), "+", "-", "COUNT", "1"), 1

    def range_request(self, points, first, end):
        ends = entry_id(points.micros[first]), entry_id(points.micros[end - 1])
        return encode("XRANGE", self.key(points.stream), *ends), 1

    def read_back(self, stream):
        parse = generated.parser(self.kind)
        back = []
        for name, fields in self.call("XRANGE", self.key(stream), "-", "+"):
            millis, micros = name.split(b"-")
            back.append((int(millis) * 1000 + int(micros), parse(fields[1].decode())))
        return back

    def settle(self):
        self.call("BGREWRITEAOF")
        deadline = time.monotonic() + REWRITE_SECONDS_MAX
        while b"aof_rewrite_in_progress:1" in self.call("INFO", "persistence"):
            if time.monotonic() > deadline:
                raise programs.Failed("the AOF rewrite does not end")
            time.sleep(0.05)
        return folder_bytes(self.data)


def read_reply(replies):
    line = replies.readline()
    kind, rest = line[:1], line[1:-2]
    if kind == b"*":
        return [read_reply(replies) for _ in range(int(rest))]
    if kind == b"$":
        return replies.read(int(rest) + 2)[:-2] if rest != b"-1" else None
    return rest
