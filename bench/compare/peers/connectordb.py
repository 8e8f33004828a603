"""ConnectorDB itself, as anybody would run it: `connectordb create`, `connectordb run`, REST with an API key."""
import base64
import json
import os
import shutil
import time

import points as generated
import programs

from .base import SocketPeer, folder_bytes, http_request

KEY = "compare-key"
AUTHORIZATION = "Authorization: Basic " + base64.b64encode(f":{KEY}".encode()).decode() + "\r\n"
PASSWORD = "Basic " + base64.b64encode(b"compare:compare").decode()

TRANSFER_STREAMS = 4


class ConnectorDB(SocketPeer):
    title = "ConnectorDB"
    synced = "yes (default)"

    def install(self, root, version):
        return programs.run([self.command, "--version"]).strip().removeprefix("ConnectorDB ")

    @property
    def command(self):
        return self.programs.path("connectordb")

    @property
    def database(self):
        return os.path.join(self.data, "db")

    def start(self):
        if not os.path.exists(self.database):
            programs.run([self.command, "create", self.database, "--user", "compare:compare"])
        self.spawn([self.command, "run", self.database, "--port", str(self.port)])
        programs.until_ready(lambda: self.ask("GET", "/api/v1/meta/version"), self.process)

    def make_streams(self, streams):
        body = {"apikey": KEY, "streams": {f"s{stream}": {} for stream in streams}}
        self.ask("POST", "/api/v1/crud/compare/data", json.dumps(body), {"Authorization": PASSWORD})

    def path(self, stream):
        return f"/api/v1/crud/compare/data/s{stream}/data"

    def insert_request(self, points):
        body = "[" + ",".join(map('{"t":%s,"d":%s}'.__mod__, zip(points.times, points.values))) + "]"
        return http_request("POST", self.path(points.stream), body.encode(), AUTHORIZATION)

    def query_request(self, points, query):
        return http_request("GET", f"{self.path(points.stream)}?{query}", headers=AUTHORIZATION)

    def whole_request(self, points):
        return self.query_request(points, "i1=0")

    def last_request(self, points):
        return self.query_request(points, "i1=-1")

    def range_request(self, points, first, end):
        from_time = points.micros[first] / 1e6 - 0.5  # points are a second apart
        return self.query_request(points, f"t1={from_time:.6f}&t2={from_time + end - first:.6f}")

    def read_back(self, stream):
        text = self.ask("GET", f"{self.path(stream)}?i1=0", headers=dict([AUTHORIZATION.strip().split(": ")]))
        lines = text.decode()[1:-1].replace('},{"t":', '}\n{"t":').split("\n") if len(text) > 2 else []
        return generated.Points(self.kind, stream, lines).truth()

    def timed(self, *arguments):
        started = time.monotonic()
        programs.run([self.command, *arguments])
        return time.monotonic() - started

    def settle(self):
        """There is no command that seals journals before they are full. So the points go through a folder of JSON into
        a new database, which consists of segments like those that sealing makes, and which is read afterwards."""
        self.stop_all()
        folder, copy = os.path.join(self.directory, "export"), os.path.join(self.directory, "copy")
        programs.run([self.command, "export", self.database, folder])
        programs.run([self.command, "create", copy])
        programs.run([self.command, "import", copy, folder])
        shutil.rmtree(self.database)
        os.rename(copy, self.database)
        self.start()
        return folder_bytes(os.path.join(self.database, "data"), lambda name: name.startswith("segment-"))

    def transfer(self, kind, points):
        """The whole commands, process start included."""
        self.stop_all()
        shutil.rmtree(self.directory, ignore_errors=True)
        os.makedirs(self.data)
        folder = os.path.join(self.directory, "generated")
        programs.run([self.programs.path("compare_data"), kind, str(TRANSFER_STREAMS), str(points), folder])
        programs.run([self.command, "create", self.database])
        moved = TRANSFER_STREAMS * points
        return {"import": moved / self.timed("import", self.database, folder),
                "export": moved / self.timed("export", self.database, os.path.join(self.directory, "export"))}
