#!/usr/bin/env python3
"""The web app in Chromium: log in, plot, zoom, insert, make and delete; accessible, and nothing that its policy forbids."""
import os
import shutil
import subprocess
import unittest

import harness
from rest import API, RestTest

CHROMIUM = shutil.which("chromium")
HOSTILE = "<img src=x onerror=alert(1)>"
SECONDS_MAX = 240
PLACES = [{"t": 1500000000 + 60 * i, "d": {"latitude": 52 + i / 1000, "longitude": 13 + (i % 7) / 1000}} for i in range(50)]


class Browser(RestTest):
    def make(self, name, points=(), **fields):
        self.request("POST", f"{API}/crud/test/user/{name}", fields, login="test:test")
        self.request("POST", f"{API}/crud/test/user/{name}/data", list(points), login="test:test")

    @unittest.skipUnless(CHROMIUM, "Chromium is not installed (Debian: chromium)")
    @unittest.skipIf(harness.program_has_sanitizer(), "the browser is tried with the release build")
    def test_the_app(self):
        self.create("--user", "test:test")
        self.start()
        if b"app.js" not in self.request("GET", "/").body:
            self.skipTest("the program has no web app")
        self.request("PUT", f"{API}/crud/test", {"public": True}, login="test:test")  # only then it may have public devices
        folder = self.npm_packages("browser", "browser.mjs")
        self.make("numbers", ({"t": 1500000000 + i * 10, "d": round(20 + i % 900 / 100 + i / 5000, 2)} for i in range(20000)))
        self.make("lamp", ({"t": 1500000000 + i * 600, "d": i % 3 == 0} for i in range(300)), schema='{"type":"boolean"}', downlink=True)
        self.make("way", PLACES)
        self.make("texts", [{"t": 1, "d": HOSTILE}, {"t": 2, "d": {"a": [1, None]}}], nickname=HOSTILE, description=HOSTILE)
        self.make("mood", schema='{"type":"integer","minimum":0,"maximum":10}', datatype="rating.stars")
        screenshots = os.environ.get("CONNECTORDB_SCREENSHOTS", os.path.join(self.directory, "screenshots"))
        os.makedirs(screenshots, exist_ok=True)
        done = subprocess.run(["node", os.path.join(folder, "browser.mjs"), f"http://127.0.0.1:{self.port}", CHROMIUM, screenshots],
                              capture_output=True, text=True, timeout=SECONDS_MAX, check=False, stdin=subprocess.DEVNULL,
                              env={**os.environ, "HOME": self.directory})
        self.assertEqual((done.returncode, done.stdout.splitlines()[-1:]), (0, ["ok"]), f"{done.stdout}{done.stderr}")
        print(done.stdout, end="")
        self.assertTrue(self.request("GET", f"{API}/crud/test/shared", login="test:test").json()["public"])


if __name__ == "__main__":
    harness.main()
