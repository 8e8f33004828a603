"""The page of the server, its files, and joining."""
import http.client
import json
import os
import re

import harness
from rest import API, RestTest, basic
from transcript import Client


class Page(RestTest):
    def permissions(self, **nobody):
        with open(os.path.join(harness.SOURCE, "access", "permissions.conf"), encoding="utf-8") as file:
            permissions = json.loads(re.sub(r"^\s*//.*$", "", file.read(), flags=re.M))
        permissions["user_roles"]["nobody"].update(nobody)
        permissions["allowed_email_suffixes"] = ["@example.com", "@localhost"]
        path = os.path.join(self.directory, "permissions.conf")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(permissions, file)
        return path

    def begin(self, **configured):
        self.create("--user", "test:test", **configured)
        self.start()
        self.http = self.client()

    def get(self, path, status=200, headers=None, method="GET", body=None, query=""):
        answer = self.http.ask(method, path, query, headers, body)
        self.assertEqual(answer.status, status, answer.text[:300])
        return answer

    def test_the_page(self):
        self.begin()
        page = self.get("/")
        self.assertEqual(page.headers["Content-Type"], "text/html; charset=utf-8")
        self.assertIn("default-src 'self'", page.headers["Content-Security-Policy"])
        for path in ("/login", "/join", "/test", "/test/user", "/test/user/s", "/nosuch", "//test//"):
            self.assertEqual(self.get(path).text, page.text)
        self.assertNotRegex(page.text, r"(?i)\son\w+=|<script>|https?://")  # the policy would refuse it, or it leads elsewhere
        for name in re.findall(r'(?:href|src)="(/www/[^"]+)"', page.text):
            with self.subTest(name=name):
                file = self.get(name)
                self.assertGreater(len(file.text), 100)
                self.assertEqual(file.headers["X-Content-Type-Options"], "nosniff")
        script, style = (re.search(rf'"(/www/[a-z]+\.{kind})"', page.text).group(1) for kind in ("js", "css"))
        self.assertIn("text/javascript", self.get(script).headers["Content-Type"])
        self.assertIn("text/css", self.get(style).headers["Content-Type"])
        self.assertIn("# ", self.get("/www/API.md").text)
        self.assertEqual(self.get("/", method="HEAD").text, "")
        self.assertIn("Disallow: /", self.get("/robots.txt").text)
        self.get("/favicon.ico")

    def test_files_that_the_browser_has(self):
        """A browser asks each time, and gets a file again only when it changed."""
        self.begin()
        files = re.findall(r'"(/www/[a-z]+\.[a-z]+)"', self.get("/").text)
        transferred = 0
        for name in ["/", *files]:
            with self.subTest(name=name):
                tag = self.get(name).headers["ETag"]
                self.assertRegex(tag, r'^"[0-9a-f]{16}"$')
                for sent in (tag, f"W/{tag}", f'"other", {tag}', "*"):
                    known = self.get(name, 304, headers={"If-None-Match": sent})
                    self.assertEqual((known.text, known.headers["ETag"], known.headers["Content-Length"]), ("", tag, None))
                self.get(name, headers={"If-None-Match": '"0123456789abcdef"'})
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=harness.COMMAND_SECONDS_MAX)
                connection.request("GET", name, headers={"Accept-Encoding": "gzip"})
                answer = connection.getresponse()
                transferred += len(answer.read())
                self.assertEqual(answer.getheader("ETag"), tag)
                connection.close()
        self.assertLess(transferred, 100000)
        self.get("/", 200)  # the connection goes on after a 304

    def test_what_is_not_there(self):
        self.begin()
        for path in ("/www/none.js", "/www", "/www/icon.svg/x", "/a/b/c/d", "/no%20name", "/x.html", "/api", "/api/v2", "/..%2fetc"):
            with self.subTest(path=path):
                self.assertIn(json.loads(self.get(path, 400 if ".." in path else 404).text)["code"], (400, 404))
        for method in ("POST", "PUT", "DELETE"):
            answer = self.get("/", 405, method=method, body="{}")
            self.assertIn("GET", answer.headers["Allow"])
        self.get("/join", 405, method="PUT", body="{}")

    def test_logging_out(self):
        self.begin()
        cookie = self.get(f"{API}/login", headers=basic("test:test")).headers["Set-Cookie"].split(";")[0]
        answer = self.get("/logout", 302, headers={"Cookie": cookie})
        self.assertEqual(answer.headers["Location"], "/")
        self.assertIn("Max-Age=0", answer.headers["Set-Cookie"])
        self.get(f"{API}/?q=this", 401, headers={"Cookie": cookie})

    def test_without_a_page(self):
        self.begin(frontend_enabled=False)
        for path in ("/", "/login", "/join", "/www/icon.svg", "/test"):
            self.get(path, 404)
        self.get(f"{API}/?q=this")

    def join(self, body, status=200, headers=None):
        answer = self.get("/join", status, method="POST", headers=headers, body=body if isinstance(body, str) else json.dumps(body))
        return answer.text if status == 200 else json.loads(answer.text)["msg"]

    def test_joining_is_off_by_default(self):
        self.begin()
        self.assertFalse(json.loads(self.get("/join", query="q=allowed").text)["join"])
        self.assertIn("logged in", self.join({"name": "ann", "email": "ann@example.com", "password": "x"}, 403))

    def test_joining(self):
        self.begin(permissions=self.permissions(join=True, join_role="user"))
        self.assertEqual(json.loads(self.get("/join", query="q=allowed").text), {"join": True, "message": ""})
        self.assertEqual(self.join({"name": "ann", "email": "ann@example.com", "password": "x", "role": "admin",
                                    "streams": {"mood": {"schema": '{"type":"number"}'}}}), "ok")
        ann = json.loads(self.get(f"{API}/crud/ann", headers=basic("ann:x")).text)
        self.assertEqual((ann["role"], ann["email"]), ("user", "ann@example.com"))
        self.get(f"{API}/crud/ann/user/mood", headers=basic("ann:x"))
        for body, status in (({"name": "ann", "email": "b@example.com", "password": "x"}, 409),
                             ({"name": "bea", "email": "ann@example.com", "password": "x"}, 409),
                             ({"name": "bea", "email": "b@elsewhere.org", "password": "x"}, 403),
                             ({"name": "admin", "email": "b@example.com", "password": "x"}, 403),
                             ({"name": "b a", "email": "b@example.com", "password": "x"}, 400),
                             ({"name": "bea", "email": "b@example.com"}, 403), ({"email": "b@example.com", "password": "x"}, 400),
                             ({"name": "bea", "email": "b@example.com", "password": "x", "devices": {"d": {}}}, 403),
                             ("[]", 400), ("", 400)):
            with self.subTest(body=body):
                self.join(body, status)
        foreign = {"Sec-Fetch-Site": "cross-site", "Origin": "http://evil.example"}
        self.join({"name": "bea", "email": "b@example.com", "password": "x"}, 403, foreign)
        self.assertEqual(json.loads(self.get(f"{API}/", query="q=countusers", headers=basic("test:test")).text), 2)

    def test_joining_is_limited(self):
        self.configuration.update(failed_logins_max=3)
        self.begin(permissions=self.permissions(join=True, join_role="user"))
        statuses = []
        for n in range(6):
            answer = Client(self.port).ask("POST", "/join", "", None, json.dumps({"name": f"u{n}", "email": f"u{n}@example.com", "password": "x"}))
            statuses.append(answer.status)
        self.assertEqual(statuses[:3], [200] * 3)
        self.assertIn(429, statuses)


if __name__ == "__main__":
    harness.main()
