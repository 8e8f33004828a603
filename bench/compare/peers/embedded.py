"""Peers that are a library: the program (embedded.c) stores, reads and prints in its own process, without a socket."""
import json
import signal
import subprocess

import points as generated
import programs

from .base import Peer, folder_bytes


class EmbeddedPeer(Peer):
    program = ""  # its path
    environment = None

    def command(self, *arguments):
        return [self.program, self.data, self.kind, *map(str, arguments)]

    def run(self, *arguments):
        return programs.run(self.command(*arguments), env=self.environment)

    def load(self, connections, batch):
        """The program makes the same points itself."""
        return json.loads(self.run("load", sum(map(len, connections)), batch, len(connections)))

    def settle(self):
        self.run("settle")
        return folder_bytes(self.data)

    def read_whole(self, points, repeats):
        return json.loads(self.run("all", repeats))

    def read_last(self, points, count):
        return json.loads(self.run("last", count))

    def read_ranges(self, points, ranges):
        """As many random ranges of the same length; the program chooses its own."""
        return json.loads(self.run("ranges", len(ranges), len(points)))

    def read_back(self, stream):
        return generated.Points(self.kind, stream, self.run("dump", stream).splitlines()).truth()

    def start_acknowledged_load(self, connections, batch, every_us):
        command = self.command("load", sum(map(len, connections)), batch, len(connections), every_us)
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                env=self.environment)

    def kill(self, loader):
        loader.send_signal(signal.SIGKILL)

    def restart(self):
        """Opening is recovering: reading does it."""
        self.run("last", 1)
