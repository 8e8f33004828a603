"""/metrics, /health and /ready: each line, that counts move by what was done, who may read them, and Prometheus."""
import http.client
import json
import os
import re
import resource
import shutil
import socket
import subprocess
import time
import unittest
import urllib.error
import urllib.parse
import urllib.request

import harness
import prometheus
from rest import API, RestTest, basic

KEY = "0123456789abcdef-key"


class Served(RestTest):
    def begin(self, **configured):
        self.create("--user", "test:test", **configured)
        self.start()

    def get(self, path="/metrics", **headers):
        """status, body"""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=harness.COMMAND_SECONDS_MAX)
        try:
            connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
            answer = harness.Answer(connection.getresponse())
        finally:
            connection.close()
        return answer

    def metrics(self, **headers):
        answer = self.get(**headers)
        self.assertEqual(answer.status, 200, answer.body)
        self.assertEqual(answer.headers["Content-Type"], "text/plain; version=0.0.4; charset=utf-8")
        return prometheus.Metrics(answer.body.decode())

    def await_true(self, what, condition):
        deadline = time.monotonic() + harness.COMMAND_SECONDS_MAX
        while not condition():
            self.assertLess(time.monotonic(), deadline, what)
            time.sleep(0.02)


class Text(Served):
    def test_all_that_it_has(self):
        self.begin()
        data = self.make_stream("test/user/s")
        self.names_and_types()
        self.they_are_in_the_documentation()
        self.counters_only_grow(data)

    def names_and_types(self):
        found = self.metrics()
        version = harness.command("--version").stdout.split()[-1]
        self.assertEqual(found.get("connectordb_build_info", version=version), 1)
        for name, kind in (("connectordb_http_requests_total", "counter"),
                           ("connectordb_http_request_duration_seconds", "histogram"),
                           ("connectordb_commit_sync_duration_seconds", "histogram"),
                           ("process_resident_memory_bytes", "gauge"), ("process_start_time_seconds", "gauge")):
            self.assertEqual(found.types[name], kind)
        self.assertLess(abs(found.get("process_start_time_seconds") - time.time()), 3600)
        self.assertEqual(found.get("connectordb_tls_certificate_expiry_timestamp_seconds"), 0)
        self.assertEqual(found.get("connectordb_last_backup_timestamp_seconds"), 0)
        harness.command("backup", self.database, os.path.join(self.directory, "backup"))
        self.assertLess(abs(self.metrics().get("connectordb_last_backup_timestamp_seconds") - time.time()), 3600)
        for name in ("process_resident_memory_bytes", "process_open_fds", "connectordb_disk_free_bytes",
                     "connectordb_http_connections", "connectordb_journals", "connectordb_ready"):
            self.assertGreater(found.get(name), 0, name)

    def they_are_in_the_documentation(self):
        """And the documentation names no others."""
        with open(os.path.join(harness.SOURCE, "docs", "OPERATING.md"), encoding="utf-8") as file:
            named = set(re.findall(r"`((?:connectordb|process)_[a-z_]+)`", file.read()))
        self.assertEqual(named, set(self.metrics().types))

    def counters_only_grow(self, data):
        before = self.metrics().monotone()
        for _ in range(3):
            self.request("POST", data, body=[{"d": 1}], login="test:test")
            after = self.metrics().monotone()
            for key, value in before.items():
                self.assertGreaterEqual(after[key], value, key)
            before = after


class Counts(Served):
    def difference(self, before, after, name, **labels):
        return after.get(name, **labels) - before.get(name, **labels)

    def test_inserts_and_requests(self):
        """On one connection: a request is counted after its answer was sent, and before the next one is read."""
        self.begin()
        data = self.make_stream("test/user/s")
        other = self.make_stream("test/user/s2")
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=harness.COMMAND_SECONDS_MAX)
        self.addCleanup(connection.close)

        def ask(method, path, body=None, login="test:test", status=200):
            connection.request(method, path, body and json.dumps(body), basic(login))
            answer = harness.Answer(connection.getresponse())
            self.assertEqual(answer.status, status, answer.body)
            self.assertNotIn("Connection", answer.headers)  # it stays
            return answer

        def scrape():
            return prometheus.Metrics(ask("GET", "/metrics").body.decode())

        def no_others():
            return self.metrics().get("connectordb_http_connections") == 2  # its own, and the kept one
        scrape()
        self.await_true("the earlier connections have ended", no_others)
        self.await_true("and so has that one", lambda: scrape().get("connectordb_http_connections") == 1)
        before = scrape()
        ask("POST", data, [{"t": 1, "d": 1}, {"t": 2, "d": 2}, {"t": 3, "d": 3}])
        ask("POST", data, [{"t": 4, "d": 4}])
        ask("POST", data, [{"t": 1, "d": 0}], status=403)  # it is older
        ask("POST", f"{API}/data",
            {"test/user/s": [{"t": 5, "d": 5}], "test/user/s2": [{"t": 5, "d": 5}, {"t": 6, "d": 6}]})
        ask("GET", data + "?i1=0")
        ask("HEAD", other + "?i1=0")
        ask("GET", f"{API}/crud/test/user/none", status=404)
        ask("GET", f"{API}/crud/test", login="test:wrong", status=401)
        ask("GET", "/nothing/at/this/path", status=404)
        ask("GET", "/")
        after = scrape()

        def moved(name, by, **labels):
            self.assertEqual(self.difference(before, after, name, **labels), by, f"{name} {labels}")
        moved("connectordb_inserts_total", 4)
        moved("connectordb_inserted_points_total", 7)
        moved("connectordb_commits_total", 3)
        moved("connectordb_commit_sync_duration_seconds_count", 3)
        moved("connectordb_failed_logins_total", 1)
        moved("connectordb_http_requests_total", 11)  # and the one that `before` is of
        requests, durations = "connectordb_http_requests_total", "connectordb_http_request_duration_seconds_count"
        route = f"{API}/crud/:user/:device/:stream/data"
        for method, path, status, count in (
                ("POST", route, "200", 2), ("POST", route, "403", 1), ("GET", route, "200", 2),
                ("POST", f"{API}/data", "200", 1), ("GET", f"{API}/crud/:user/:device/:stream", "404", 1),
                ("GET", f"{API}/crud/:user", "401", 1), ("any", "page", "404", 1), ("any", "page", "200", 1),
                ("GET", "/metrics", "200", 1)):
            moved(requests, count, method=method, route=path, status=status)
        moved(durations, 3, method="POST", route=route)
        moved(durations, 11)
        self.assertGreater(self.difference(before, after, "connectordb_http_request_body_bytes_total"), 100)
        self.assertGreater(self.difference(before, after, "connectordb_journal_written_bytes_total"), 0)

    def test_the_catalog(self):
        self.begin()
        before = self.metrics()

        def is_more(users, devices, streams):
            after = self.metrics()
            return [self.difference(before, after, f"connectordb_{what}") for what in
                    ("users", "devices", "streams")] == [users, devices, streams]
        self.make_stream("test/user/a")
        self.make_stream("test/user/b")
        self.make_device("phone")
        self.await_true("the new ones are counted", lambda: is_more(0, 1, 2))
        self.request("DELETE", f"{API}/crud/test/user/a", login="test:test")
        self.await_true("the deleted one is not counted", lambda: is_more(0, 1, 1))

    def test_journals_become_segments(self):
        self.begin(journal_bytes=65536)
        data = self.make_stream("test/user/s")
        points = 0
        while self.metrics().get("connectordb_sealed_journals_total") < 2:
            self.request("POST", data, body=[{"d": "x" * 997} for _ in range(30)], login="test:test")
            points += 30
        self.await_true("nothing is left to seal", lambda: not self.metrics().get("connectordb_journals_unsealed"))
        found = self.metrics()
        self.assertGreaterEqual(found.get("connectordb_segments"), 1)
        self.assertGreater(found.get("connectordb_segment_bytes"), 0)
        self.assertLessEqual(found.get("connectordb_segment_points"), found.get("connectordb_inserted_points_total"))
        self.assertGreater(found.get("connectordb_segment_points"), 0)


class Ready(Served):
    def test_it_is(self):
        self.begin()
        for path in ("/health", "/ready", "/health/", "//ready"):
            answer = self.get(path, X_Forwarded_For="203.0.113.7")
            self.assertEqual((answer.status, answer.body), (200, b"ok"), path)
        for path in ("/health", "/ready", "/metrics"):
            self.assertEqual(self.request("POST", path, body=b"", status=405).headers["Allow"], "GET, HEAD, OPTIONS")
            self.request("HEAD", path)
        self.request("GET", "/health/x", status=200)  # the page of a device

    def test_without_space(self):
        """The limit of the size of files is set while the server runs: its journal cannot grow."""
        self.begin()
        data = self.make_stream("test/user/s")
        with open(os.path.join(self.database, "connectordb.pid"), encoding="ascii") as file:
            process = int(file.read())
        limits = resource.prlimit(process, resource.RLIMIT_FSIZE)
        resource.prlimit(process, resource.RLIMIT_FSIZE, (2 << 20, limits[1]))
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=harness.COMMAND_SECONDS_MAX)
        self.addCleanup(connection.close)

        def insert():
            connection.request("POST", data, json.dumps([{"d": "x" * 60_000}]), basic("test:test"))
            statuses.append(harness.Answer(connection.getresponse()).status)
            return statuses[-1]
        statuses = []
        self.await_true("inserts are refused", lambda: insert() == 503 and self.get("/ready").status == 503)
        answer = self.get("/ready")
        self.assertIn("Inserts are not taken: the file size limit is reached", answer.json()["msg"])
        self.assertIn("Retry-After", answer.headers)
        self.assertEqual(self.get("/health").status, 200)
        found = self.metrics()
        self.assertEqual(found.get("connectordb_ready"), 0)
        self.assertEqual(found.get("connectordb_inserts_refused_total", reason="no_space"), statuses.count(503))
        self.await_true("the background has noted it",
                        lambda: self.metrics().get("connectordb_background_failing") > 0)
        self.await_true("the reason is in the log",
                        lambda: self.metrics().get("connectordb_log_messages_total", level="error") > 0)
        resource.prlimit(process, resource.RLIMIT_FSIZE, limits)
        self.await_true("it is ready again", lambda: self.get("/ready").status == 200)
        self.await_true("inserts are taken", lambda: insert() == 200)
        self.assertEqual(self.metrics().get("connectordb_ready"), 1)


class Access(Served):
    """Who may read /metrics."""

    def test_who(self):
        bearer = {"Authorization": f"Bearer {KEY}"}
        password = basic("prometheus:" + KEY)
        wrong = {"Authorization": "Bearer 0123456789abcdef-kex"}
        elsewhere = [{"X-Forwarded-For": "127.0.0.1"}, {"Forwarded": "for=127.0.0.1"}, {"Via": "1.1 proxy"},
                     {"X-Real-IP": "::1"}, {"Host": "db.example"}, {"Host": "127.0.0.1.example"},
                     {"Host": "localhost.example:80"}]
        here = [{}, {"Host": "localhost:3124"}, {"Host": "127.0.0.1"}, {"Host": "[::1]:3124"}, {"Host": ""}]
        self.begin()
        for headers in ({}, {"Authorization": "Bearer "}, basic("test:test"), basic(":")):  # there is no key yet
            answer = self.get(X_Forwarded_For="203.0.113.7", **headers)
            self.assertEqual(answer.status, 401)
            self.assertIn("metrics", answer.json()["msg"])
        self.assertEqual(self.get(**basic("test:wrong")).status, 200)  # from here nobody is asked
        path = os.path.join(self.database, "connectordb.conf")
        answers = {  # here, elsewhere, the key, a wrong key
            "local": (200, 401, 200, 401), "key": (401, 401, 200, 401), "all": (200, 200, 200, 200),
            "off": (404, 404, 404, 404)}
        for access, (of_here, of_elsewhere, of_key, of_wrong) in answers.items():
            with open(path + ".new", "w", encoding="utf-8") as file:
                json.dump({**self.configuration, "metrics": {"access": access, "key": KEY}}, file)
            os.rename(path + ".new", path)
            text = '"metrics.key" is now another one' if access == "local" else f'"metrics.access" is now {access}'
            self.await_true(access, lambda said=text: said in self.log())
            for status, requests in ((of_here, here), (of_elsewhere, elsewhere),
                                     (of_key, [bearer, password]), (of_wrong, [wrong, basic("test:test")])):
                for headers in requests:
                    if requests in ([bearer, password], [wrong, basic("test:test")]):
                        headers = {**headers, "X-Forwarded-For": "203.0.113.7"}
                    with self.subTest(access=access, headers=headers):
                        self.assertEqual(self.get(**headers).status, status)
        self.assertNotIn(KEY, self.log())

    def log(self):
        with open(os.path.join(self.database, "connectordb.log"), encoding="utf-8") as file:
            return file.read()

    def test_by_a_log_in(self):
        self.begin(metrics={"access": "off"})
        self.request("POST", f"{API}/crud/ann", {"email": "a@b.c", "password": "a", "devices": {"phone": {}}}, login="test:test")
        text = self.request("GET", f"{API}/?q=metrics", login="test:test").body.decode()
        self.assertEqual(prometheus.Metrics(text).get("connectordb_users"), 2)
        for login in ("ann:a", None):
            self.request("GET", f"{API}/?q=metrics", login=login, status=403)

    def test_wrong_keys_are_limited(self):
        self.begin(failed_logins_max=3, metrics={"access": "key", "key": KEY})
        statuses = [self.get(Authorization="Bearer wrong").status for _ in range(12)]
        self.assertEqual(statuses[0], 401)
        self.assertIn(429, statuses)


class Scraped(Served):
    """By the programs of Prometheus, where they are installed."""

    def program(self, name):
        found = shutil.which(name)
        if not found:
            raise unittest.SkipTest(f"{name} is not installed (Debian's package prometheus)")
        return found

    def test_promtool_finds_nothing(self):
        promtool = self.program("promtool")
        self.begin()
        data = self.make_stream("test/user/s")
        self.request("POST", data, body=[{"d": 1}], login="test:test")
        done = subprocess.run([promtool, "check", "metrics"], input=self.get().body, capture_output=True,
                              timeout=harness.COMMAND_SECONDS_MAX, check=False)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"", b""))

    def run_prometheus(self):
        """On a free port, which another process may take first: then once more."""
        configuration = os.path.join(self.directory, "prometheus.json")
        with open(configuration, "w", encoding="utf-8") as file:  # JSON is YAML
            json.dump({"scrape_configs": [{"scrape_interval": "500ms", "scrape_timeout": "500ms",
                "job_name": "connectordb", "authorization": {"credentials": KEY},
                "static_configs": [{"targets": [f"127.0.0.1:{self.port}"]}]}]}, file)
        with socket.socket() as listening:
            listening.bind(("127.0.0.1", 0))
            port = listening.getsockname()[1]
        with open(os.path.join(self.directory, "prometheus.log"), "wb") as log:
            process = subprocess.Popen(
                [self.program("prometheus"), f"--config.file={configuration}",
                 f"--storage.tsdb.path={self.directory}/prometheus", f"--web.listen-address=127.0.0.1:{port}"],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL)

        def end():
            process.kill()
            process.wait()
        self.addCleanup(end)
        return process, f"http://127.0.0.1:{port}"

    def ask(self, address, query):
        """The value of the only sample, or None."""
        try:
            with urllib.request.urlopen(f"{address}/api/v1/query?query={urllib.parse.quote(query)}",
                                        timeout=harness.COMMAND_SECONDS_MAX) as answer:
                found = json.loads(answer.read())["data"]["result"]
        except (urllib.error.URLError, ConnectionError):
            return None
        return float(found[0]["value"][1]) if len(found) == 1 else None

    def test_prometheus_reads_them(self):
        self.program("prometheus")
        if harness.program_has_sanitizer():
            raise unittest.SkipTest("it takes seconds and would find nothing more")
        self.begin(metrics={"access": "key", "key": KEY})
        data = self.make_stream("test/user/s")
        process, address = self.run_prometheus()
        deadline = time.monotonic() + harness.COMMAND_SECONDS_MAX
        while self.ask(address, 'up{job="connectordb"}') != 1:
            if process.poll() is not None:
                process, address = self.run_prometheus()
            self.assertLess(time.monotonic(), deadline, "Prometheus does not scrape")
            time.sleep(0.1)
        points = self.metrics(**{"Authorization": f"Bearer {KEY}"}).get("connectordb_inserted_points_total")
        self.request("POST", data, body=[{"d": n} for n in range(7)], login="test:test")
        self.await_true("Prometheus sees the points",
                        lambda: self.ask(address, "connectordb_inserted_points_total") == points + 7)


if __name__ == "__main__":
    harness.main()
