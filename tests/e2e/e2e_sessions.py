"""Sessions of browsers: /login, /logout, the cookie, what ends it, and what a page of another site cannot do with it."""
import json
import os
import re

import harness
from rest import API, RestTest, basic

SITE = {"Sec-Fetch-Site": "same-origin"}
FOREIGN = {"Sec-Fetch-Site": "cross-site", "Origin": "http://evil.example"}


class Sessions(RestTest):
    def setUp(self):
        super().setUp()
        self.start_with_bob()
        self.http = self.client()

    def ask(self, path, headers=None, method="GET", body=None, status=200):
        answer = self.http.ask(method, f"{API}/{path}", "", headers, body)
        self.assertEqual(answer.status, status, answer.text)
        return answer

    def log_in(self, login="bob:b", query=""):
        cookie = self.ask("login" + query, basic(login)).headers["Set-Cookie"]
        return cookie, {"Cookie": cookie.split(";")[0]}

    def who(self, headers, status=200):
        return self.ask("?q=this", headers, status=status)

    def assert_ended(self, session):
        answer = self.who(session, 401)
        self.assertIn("Max-Age=0", answer.headers["Set-Cookie"])  # the browser forgets it
        self.assertIsNone(answer.headers.get("WWW-Authenticate"))

    def test_a_session(self):
        cookie, session = self.log_in()
        self.assertRegex(cookie, r"^connectordb-session=[A-Za-z0-9+/=]{100,150}; Path=/; Max-Age=10368000; HttpOnly; SameSite=Lax$")
        self.assertEqual(self.who(session).text, "bob/user")
        self.assertEqual(self.who({"Cookie": "a=b; " + session["Cookie"] + "; c=d"}).text, "bob/user")
        self.ask("crud/bob/user/s", session, "POST", "{}")
        self.ask("crud/bob/user/s/data", session, "POST", '[{"d":1}]')
        self.assertEqual(self.who({**session, **basic("test:test")}).text, "test/user")  # a login in the request wins

    def test_browser_sessions(self):
        for query in ("?remember=false", "?remember"):
            cookie, session = self.log_in(query=query)
            self.assertNotIn("Max-Age", cookie)
            self.assertEqual(self.who(session).text, "bob/user")
        self.assertIn("Max-Age", self.log_in(query="?remember=true")[0])

    def test_sessions_outlive_a_restart(self):
        _, kept = self.log_in()
        _, ended = self.log_in()
        self.ask("logout", ended)
        self.stop()
        self.assertEqual(os.stat(os.path.join(self.database, "sessions")).st_mode & 0o777, 0o600)
        harness.command("backup", self.database, os.path.join(self.directory, "backup"))
        self.assertNotIn("sessions", os.listdir(os.path.join(self.directory, "backup")))
        self.start()
        self.http = self.client()
        self.assertEqual(self.who(kept).text, "bob/user")
        self.assert_ended(ended)

    def test_a_damaged_file_ends_all_sessions(self):
        _, session = self.log_in()
        for content in (b"", b"x" * 31, b"x" * 10**7):
            self.stop()
            with open(os.path.join(self.database, "sessions"), "wb") as file:
                file.write(content)
            self.start()
            self.http = self.client()
            self.assertEqual(self.who(session).text, "nobody")
            _, session = self.log_in()
            self.assertEqual(self.who(session).text, "bob/user")

    def test_logout_ends_one_session(self):
        _, one = self.log_in()
        _, other = self.log_in()
        answer = self.ask("logout", one)
        self.assertEqual(answer.headers["Set-Cookie"], "connectordb-session=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax")
        self.assert_ended(one)
        self.assertEqual(self.who(other).text, "bob/user")
        self.ask("logout", one)
        self.ask("logout")

    def test_a_new_password_ends_sessions_and_no_keys(self):
        _, session = self.log_in()
        _, stranger = self.log_in("test:test")
        key = json.loads(self.ask("crud/bob/user", session).text)["apikey"]
        self.ask("crud/bob", session, "PUT", '{"nickname":"B"}')
        self.assertEqual(self.who(session).text, "bob/user")
        self.ask("crud/bob", session, "PUT", '{"password":"new"}')
        self.assert_ended(session)
        self.assertEqual(self.who(basic(f":{key}")).text, "bob/user")
        self.assertEqual(self.who(stranger).text, "test/user")
        _, session = self.log_in("bob:new")
        self.ask("crud/bob/user", session, "PUT", '{"apikey":""}')
        self.assert_ended(session)

    def test_sessions_of_devices_and_deleted_accounts(self):
        key = self.make_device("lamp")
        _, lamp = self.log_in(f":{key}")
        self.assertEqual(self.who(lamp).text, "test/lamp")
        self.ask("crud/test/lamp", basic("test:test"), "DELETE")
        self.assert_ended(lamp)
        _, bob = self.log_in()
        self.ask("crud/bob", basic("test:test"), "DELETE")
        self.assert_ended(bob)
        self.ask("crud/bob", basic("test:test"), "POST", '{"email":"n@b.c","password":"b"}')
        self.assert_ended(bob)

    def test_forged_cookies_count_as_none(self):
        _, session = self.log_in()
        value = session["Cookie"].split("=", 1)[1]
        forged = ["", "x", value[:-4], value + "AAAA", value[:-8] + "AAAAAAAA", "A" * len(value), value.replace("=", "."), "%00" * 50]
        for i in range(0, len(value) - 4, 7):
            forged.append(value[:i] + ("A" if value[i] != "A" else "B") + value[i + 1:])
        for each in forged:
            self.assertEqual(self.who({"Cookie": "connectordb-session=" + each}).text, "nobody", each)
        self.assertEqual(self.who({"Cookie": "xconnectordb-session=" + value}).text, "nobody")
        self.assertEqual(self.who(session).text, "bob/user")

    def test_nobody_and_wrong_logins_get_no_session(self):
        for headers, path in (({}, "login"), (basic("bob:x"), "login"), ({}, "login?apikey=none")):
            answer = self.ask(path, headers, status=401)
            self.assertIsNone(answer.headers.get("Set-Cookie"))
        self.assertIsNotNone(self.ask("login", basic("bob:x"), status=401).headers.get("WWW-Authenticate"))
        for page in ({"X-Requested-With": "XMLHttpRequest"}, {**SITE, "Sec-Fetch-Mode": "cors"}):
            self.assertIsNone(self.ask("login", {**basic("bob:x"), **page}, status=401).headers.get("WWW-Authenticate"))
        self.ask("login", method="POST", body="{}", status=405)

    def test_pages_of_other_sites(self):
        _, session = self.log_in()
        key = self.make_device("lamp")
        self.ask("crud/bob/user/s", {**session, **SITE}, "POST", "{}")
        self.ask("crud/bob/user/t", {**session, **FOREIGN}, "POST", "{}", status=403)
        self.ask("crud/bob/user/s", {**session, **FOREIGN}, "DELETE", status=403)
        self.ask("logout", {**session, **FOREIGN}, status=403)
        self.ask(f"login?apikey={key}", FOREIGN, status=403)
        self.assertEqual(self.who(session).text, "bob/user")
        self.ask("crud/bob/user/s", session)

    def test_the_site_over_https(self):
        self.stop()
        path = os.path.join(self.database, "connectordb.conf")
        with open(path, encoding="utf-8") as file:
            text = file.read()
        with open(path, "w", encoding="utf-8") as file:
            file.write(re.sub(r'"siteurl": "[^"]*"', '"siteurl": "https://db.example"', text)
                       if '"siteurl"' in text else text.replace("{", '{"siteurl": "https://db.example", "cookie": {"maxage": 5, "remember": false},', 1))
        self.start()
        self.http = self.client()
        cookie, _ = self.log_in(query="?remember=true")
        self.assertTrue(cookie.endswith("; HttpOnly; SameSite=Lax; Secure"), cookie)


if __name__ == "__main__":
    harness.main()
