"""VictoriaMetrics, one node, over its HTTP import and export of JSON lines. It holds float64 values at milliseconds and
nothing else; what it was given becomes visible a second later and is written some seconds later, or when told to flush.
reduce_mem_usage makes its exports stream, which is three times faster."""
import json
import os

import debian
import points as generated
import programs

from .base import SocketPeer, folder_bytes, http_request

FAR = 4102444800  # the year 2100


class VictoriaMetrics(SocketPeer):
    title = "VictoriaMetrics"
    packages = ["victoria-metrics"]
    synced = "no (cannot be configured)"
    kinds = "GKN"

    def start(self):
        server = os.path.join(self.root, "usr/bin/victoria-metrics")
        self.spawn([server, f"-httpListenAddr=127.0.0.1:{self.port}", f"-storageDataPath={self.data}",
                    "-retentionPeriod=100y", "-search.maxSamplesPerQuery=10000000000", "-loggerLevel=WARN"],
                   env=debian.environment(self.root))
        programs.until_ready(lambda: self.ask("GET", "/health"), self.process)

    def insert_request(self, points):
        head = f'{{"metric":{{"__name__":"{points.kind}","s":"{points.stream}"}},"values":['
        times = ",".join([str(round(micros / 1000)) for micros in points.micros])
        body = f'{head}{",".join(points.values)}],"timestamps":[{times}]}}\n'
        return http_request("POST", "/api/v1/import", body.encode())

    def export_path(self, stream, start=0.0, end=float(FAR)):
        match = f"%7B__name__%3D%22{self.kind}%22%2Cs%3D%22{stream}%22%7D"
        return f"/api/v1/export?match%5B%5D={match}&start={start:.3f}&end={end:.3f}&reduce_mem_usage=1"

    def whole_request(self, points):
        return http_request("GET", self.export_path(points.stream))

    def last_request(self, points):
        """There is no question for the last point: the value at its time, which is told."""
        return http_request("GET", f"/api/v1/query?query={self.kind}%7Bs%3D%22{points.stream}%22%7D"
                                   f"&time={points.micros[-1] / 1e6 + 0.001:.3f}")

    def range_request(self, points, first, end):
        from_time = points.micros[first] / 1e6 - 0.5
        return http_request("GET", self.export_path(points.stream, from_time, from_time + end - first))

    def read_back(self, stream):
        self.ask("GET", "/internal/force_flush")
        parse = generated.parser(self.kind)
        back = []
        for line in self.ask("GET", self.export_path(stream)).splitlines():
            # Numbers of K are read as they are printed, so that an integer that is no longer one shows.
            series = json.loads(line, parse_float=float, parse_int=parse)
            back += zip((int(millis) * 1000 for millis in series["timestamps"]), series["values"])
        return sorted(back)

    def settle(self):
        self.ask("GET", "/internal/force_flush")
        self.ask("GET", "/internal/force_merge")
        self.wait_for_merge()
        return folder_bytes(os.path.join(self.data, "data")) + folder_bytes(os.path.join(self.data, "indexdb"))

    def wait_for_merge(self):
        def idle():
            metrics = self.ask("GET", "/metrics").decode().splitlines()
            active = [line.split()[-1] for line in metrics if line.startswith("vm_active_") and "merges" in line]
            return all(float(count) == 0 for count in active)
        programs.until_ready(idle, self.process)
