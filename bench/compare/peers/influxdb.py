"""InfluxDB 1.6: one measurement a data set, a tag for the stream, the line protocol at microseconds; defaults but for
two waits before it compacts what is idle (10 minutes and 4 hours), so that it settles while we look."""
import json
import os
import time
import urllib.parse

import debian
import points as generated
import programs

from .base import SocketPeer, folder_bytes, http_request

SETTLE_SECONDS_MAX = 120
SETTLED_SECONDS = 5

CONFIGURATION = """
reporting-disabled = true
bind-address = "127.0.0.1:{rpc_port}"
[meta]
dir = "{data}/meta"
[data]
dir = "{data}/data"
wal-dir = "{data}/wal"
query-log-enabled = false
cache-snapshot-write-cold-duration = "2s"
compact-full-write-cold-duration = "4s"
[http]
bind-address = "127.0.0.1:{port}"
log-enabled = false
[monitor]
store-enabled = false
[logging]
level = "warn"
"""


class InfluxDB(SocketPeer):
    title = "InfluxDB"
    packages = ["influxdb"]
    synced = "yes (default `wal-fsync-delay=0`)"

    def start(self):
        configuration = os.path.join(self.directory, "influxdb.conf")
        with open(configuration, "w", encoding="utf-8") as file:
            file.write(CONFIGURATION.format(data=self.data, port=self.port, rpc_port=programs.free_port()))
        self.spawn([os.path.join(self.root, "usr/bin/influxd"), "run", "-config", configuration],
                   env=debian.environment(self.root))
        programs.until_ready(lambda: self.ask("GET", "/query?q=SHOW+DATABASES"), self.process)

    def make_streams(self, streams):
        self.ask("POST", "/query?q=CREATE+DATABASE+compare")

    def insert_request(self, points):
        head = f"{points.kind},s={points.stream} d="
        values = points.values
        if points.kind == "K":
            values = [value + "i" for value in values]
        elif points.kind == "E":
            values = ['"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"' for value in values]
        body = "\n".join([f"{head}{value} {micros}" for value, micros in zip(values, points.micros)])
        return http_request("POST", "/write?db=compare&precision=u", body.encode())

    def query_path(self, stream, condition="", order=""):
        text = f"SELECT d FROM {self.kind} WHERE s = '{stream}'{condition}{order}"
        return f"/query?db=compare&epoch=u&chunked=true&q={urllib.parse.quote(text)}"

    def whole_request(self, points):
        return http_request("GET", self.query_path(points.stream))

    def last_request(self, points):
        return http_request("GET", self.query_path(points.stream, order=" ORDER BY time DESC LIMIT 1"))

    def range_request(self, points, first, end):
        condition = f" AND time >= {points.micros[first]}u AND time <= {points.micros[end - 1]}u"
        return http_request("GET", self.query_path(points.stream, condition))

    def read_back(self, stream):
        parse = generated.parser(self.kind)
        back = []
        for chunk in self.ask("GET", self.query_path(stream)).splitlines():
            for result in json.loads(chunk)["results"]:
                for series in result.get("series", []):
                    back += [(micros, parse(value)) for micros, value in series["values"]]
        return back

    def settle(self):
        """There is no command for it: wait until the log is empty and the size stands still."""
        deadline = time.monotonic() + SETTLE_SECONDS_MAX
        size, since = -1, time.monotonic()
        while time.monotonic() < deadline:
            now = folder_bytes(os.path.join(self.data, "data")), folder_bytes(os.path.join(self.data, "wal"))
            if now != size:
                size, since = now, time.monotonic()
            elif now[1] == 0 and time.monotonic() - since > SETTLED_SECONDS:
                return now[0]
            time.sleep(0.2)
        raise programs.Failed(f"its files do not settle: {size}")
