"""Logins: how many may fail, what the log says of them, and which pages may write with a login that a browser remembers."""
import os
import threading
import time

import harness
from folders import user, write_json
from rest import API, RestTest, basic
from transcript import Client

GUESSES = 20  # failed_logins_max


class LoginTest(RestTest):
    def log(self):
        with open(os.path.join(self.database, "connectordb.log"), encoding="utf-8") as file:
            return file.read()

    def ask_statuses(self, client, count, path=f"{API}/?q=this", **headers):
        return [client.ask("GET", *path.split("?"), headers).status for _ in range(count)]


class Limits(LoginTest):
    def test_guesses_of_one_address(self):
        """As many as configured are judged; after them a right key and a right password wait as well."""
        self.create("--user", "test:test", failed_logins_max=GUESSES)
        self.start()
        key = self.make_device("dev")
        client = self.client()
        self.assertEqual(client.ask("GET", f"{API}/", "q=this", basic(":" + key)).text, "test/dev")
        statuses = self.ask_statuses(client, GUESSES, **basic(":wrong"))
        self.assertEqual(statuses, [401] * GUESSES)
        for login in (":wrong", ":" + key, "test:test", "test:wrong", "nobody:x"):
            answer = client.ask("GET", f"{API}/", "q=this", basic(login))
            self.assertEqual(answer.status, 429, login)
            self.assertGreaterEqual(int(answer.headers["Retry-After"]), 1)
        self.assertEqual(client.ask("GET", f"{API}/", f"q=this&apikey={key}", {}).status, 429)
        self.assertEqual(client.ask("GET", f"{API}/", "q=this", {}).text, "nobody")
        while (answer := client.ask("GET", f"{API}/", "q=this", basic(":" + key))).status == 429:
            time.sleep(0.05)
        self.assertEqual(answer.text, "test/dev")

    def test_many_connections_guess_no_more_than_one(self):
        self.create("--user", "test:test", failed_logins_max=GUESSES)
        self.start()
        statuses = []
        begun = time.monotonic()

        def guess():
            client = Client(self.port)
            statuses.extend(self.ask_statuses(client, 20, **basic(":wrong")))
            client.close()

        threads = [threading.Thread(target=guess) for _ in range(32)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        most = GUESSES + int(time.monotonic() - begun) + 1  # one more a second
        self.assertEqual(set(statuses), {401, 429})
        self.assertGreaterEqual(statuses.count(401), GUESSES)
        self.assertLessEqual(statuses.count(401), most)

    def test_other_addresses_are_not_harmed(self):
        """Behind a proxy, the client is who the proxy says; a client's own X-Forwarded-For is not believed."""
        self.create("--user", "test:test", failed_logins_max=GUESSES, trusted_proxies=["127.0.0.1"])
        self.start()
        key = self.make_device("dev")
        client = self.client()
        attacker = {"X-Forwarded-For": "203.0.113.7"}
        self.assertEqual(self.ask_statuses(client, GUESSES, **attacker, **basic(":wrong")), [401] * GUESSES)
        self.assertEqual(self.ask_statuses(client, 1, **attacker, **basic(":" + key)), [429])
        forged = {"X-Forwarded-For": "198.51.100.1, 203.0.113.7"}
        self.assertEqual(self.ask_statuses(client, 1, **forged, **basic(":" + key)), [429])
        for other in ("198.51.100.1", "203.0.113.7, 198.51.100.1", "2001:db8::1", "no address"):
            self.assertEqual(self.ask_statuses(client, 1, **{"X-Forwarded-For": other}, **basic(":" + key)), [200], other)
        self.assertEqual(self.ask_statuses(client, 1, **basic(":" + key)), [200])
        self.assertIn("failed login from 203.0.113.7 with an unknown API key; its next ones have to wait", self.log())

    def test_forwarded_for_of_strangers(self):
        self.create("--user", "test:test", failed_logins_max=GUESSES)
        self.start()
        client = self.client()
        for n in range(GUESSES):
            self.ask_statuses(client, 1, **{"X-Forwarded-For": f"10.0.0.{n}"}, **basic(":wrong"))
        self.assertEqual(self.ask_statuses(client, 1, **{"X-Forwarded-For": "10.0.1.1"}, **basic(":wrong")), [429])

    def test_proposed_keys_are_guesses(self):
        """Whether a key exists cannot be asked more often by making devices than by logging in."""
        self.create("--user", "test:test", failed_logins_max=GUESSES)
        self.start()
        key = self.make_device("dev", b'{"apikey":"a key that was chosen"}')
        client = self.client()
        for n in range(3 * GUESSES):  # long keys of his own that nobody has
            body = '{"apikey":"%s"}' % f"long enough and new {n}"
            self.assertEqual(client.ask("POST", f"{API}/crud/test/own{n}", "", basic("test:test"), body).status, 200)
        body = '{"apikey":"%s"}' % key
        for n in range(GUESSES):
            answer = client.ask("POST", f"{API}/crud/test/new{n}", "", basic("test:test"), body)
            self.assertEqual(answer.status, 409)
            self.assertNotIn("test/dev", answer.text)
        self.assertEqual(client.ask("POST", f"{API}/crud/test/new", "", basic("test:test"), body).status, 429)
        self.assertIn("refused a device whose API key is in use, test/new0, by test/user from 127.0.0.1", self.log())
        self.assertNotIn(key, self.log())


class Log(LoginTest):
    def test_failures_and_deletions(self):
        self.create("--user", "test:test")
        self.start()
        self.make_device("dev")
        self.make_stream("test/dev/s")
        client = self.client()
        client.ask("GET", f"{API}/", "q=this", basic("test:secretguess"))
        client.ask("GET", f"{API}/", "q=this", basic("te\x1b[31m\nst\u009b:secretguess"))
        client.ask("GET", f"{API}/", "q=this&apikey=secretguess", {})
        client.ask("DELETE", f"{API}/crud/test/dev/s", "", basic("test:test"))
        client.ask("DELETE", f"{API}/crud/test/dev", "", basic("test:test"))
        client.ask("DELETE", f"{API}/crud/test/dev", "", basic("test:test"))
        lines = [line.split(" ", 1)[1] for line in self.log().splitlines()]
        for line in ("warn failed login from 127.0.0.1 as 'test'",
                     "warn failed login from 127.0.0.1 as 'te\\x1b[31m\\x0ast\\xc2\\x9b'",
                     "warn failed login from 127.0.0.1 with an unknown API key",
                     "info deleted stream test/dev/s, by test/user from 127.0.0.1",
                     "info deleted device test/dev, by test/user from 127.0.0.1"):
            self.assertEqual(lines.count(line), 1, line)
        self.assertNotIn("secretguess", self.log())


class Hashes(LoginTest):
    def test_stop_waits_for_no_queue_of_hashes(self):
        """Many logins with a costly hash: stop ends while most of them still wait."""
        folder = os.path.join(self.directory, "folder")
        # any digest does: the password is always wrong
        costly = "$2a$14$E97EVZzD556Lgzdd6eJHCeN5UScFd7RsTqw1RdiMvpGYocYuF3LFq"
        write_json({"Version": 2, "ConnectorDB": "0.3.0"}, folder, "connectordb.json")
        write_json(user("ann", password=costly), folder, "ann", "user.json")
        self.create("--user", "test:test")
        harness.command("import", self.database, folder)
        self.start()
        statuses = []

        def log_in():
            client = Client(self.port)
            try:
                statuses.append(client.ask("GET", f"{API}/", "q=this", basic("ann:wrong")).status)
            except OSError:
                statuses.append(0)  # it was not asked any more
            client.close()

        threads = [threading.Thread(target=log_in) for _ in range(48)]
        for thread in threads:
            thread.start()
        while 503 not in statuses:  # the queue is full
            time.sleep(0.01)
        self.stop()
        for thread in threads:
            thread.join()
        self.assertGreater(statuses.count(503), 24, statuses)
        self.assertLess(statuses.count(401), 16, statuses)

    def test_every_byte_of_a_password_counts(self):
        password = "p" * 72
        self.create("--user", f"test:{password}tail")
        self.start()
        self.request("GET", f"{API}/?q=this", login=f"test:{password}tail")
        for wrong in (password, password + "tai", password + "Tail"):
            self.request("GET", f"{API}/?q=this", login=f"test:{wrong}", status=401)


class CrossSite(LoginTest):
    def setUp(self):
        super().setUp()
        self.made = 0

    def write(self, client, login="test:test", query="", **headers):
        """The status of a write that a form of a page could send."""
        self.made += 1
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        login = basic(login) if login else {}
        path = f"{API}/crud/test/made{self.made}"
        return client.ask("POST", path, query, {"Content-Type": "text/plain", **login, **headers}, "{}").status

    def test_writes_of_pages(self):
        self.create("--user", "test:test")
        self.start()
        client = self.client()
        key = self.request("GET", f"{API}/crud/test/user", login="test:test").json()["apikey"]
        own = f"http://127.0.0.1:{self.port}"
        site = f"http://localhost:{self.port}"
        foreign = "http://evil.example"
        allowed = [
            {},
            {"Origin": own}, {"Origin": site}, {"Origin": own.replace("http:", "https:")},
            {"Origin": own, "Sec_Fetch_Site": "same-origin"},
            {"Origin": "null", "Sec_Fetch_Site": "same-origin"},  # a page with Referrer-Policy: no-referrer
            {"Origin": "null", "Referer": own + "/page"},
            {"Sec_Fetch_Site": "none"},
            {"Origin": own, "Sec_Fetch_Site": "same-site"},
            {"Referer": own + "/page?x"}, {"Referer": site},
            {"Origin": "chrome-extension://abcdefgh"}, {"Origin": "moz-extension://0-1", "Sec_Fetch_Site": "cross-site"},
        ]
        refused = [
            {"Origin": foreign}, {"Origin": own + "1"}, {"Origin": own + ".evil.example"}, {"Origin": "http://127.0.0.1"},
            {"Origin": foreign, "Sec_Fetch_Site": "cross-site"},
            {"Origin": foreign, "Referer": own},
            {"Origin": "null"}, {"Origin": "null", "Referer": foreign + "/" + own},
            {"Sec_Fetch_Site": "cross-site"}, {"Sec_Fetch_Site": "same-site"},
            {"Referer": foreign + "/?" + own}, {"Referer": site + "1/"},
        ]
        for headers in allowed:
            self.assertEqual(self.write(client, **headers), 200, headers)
            self.assertEqual(self.write(client, login=":" + key, **headers), 200, headers)
        for headers in refused:
            self.assertEqual(self.write(client, **headers), 403, headers)
            self.assertEqual(self.write(client, login=":" + key, **headers), 403, headers)
            # a key that the page names is no login that the browser remembers, unless there is one as well
            self.assertEqual(self.write(client, login=None, query="apikey=" + key, **headers), 200, headers)
            self.assertEqual(self.write(client, query="apikey=" + key, **headers), 403, headers)
            found = client.ask("GET", f"{API}/crud/test/user", "", {**basic("test:test"), "Origin": foreign})
            self.assertEqual(found.status, 200)  # reads are what CORS is for
        login = {**basic("test:test"), "Origin": foreign}
        self.assertEqual(client.ask("DELETE", f"{API}/crud/test/made1", "", login).status, 403)
        self.assertEqual(client.ask("PUT", f"{API}/crud/test/user/x/data", "", login, "[]").status, 403)
        self.assertIn("sent by a page of another site, 'http://evil.example'", self.log())

    def test_allowed_by_configuration(self):
        self.create("--user", "test:test", allowcrossorigin=True)
        self.start()
        self.assertEqual(self.write(self.client(), Origin="http://evil.example", Sec_Fetch_Site="cross-site"), 200)

    def test_site_behind_a_proxy(self):
        self.create("--user", "test:test", siteurl="https://data.example.org")
        self.start()
        client = self.client()
        self.assertEqual(self.write(client, Origin="https://data.example.org", Sec_Fetch_Site="same-site"), 200)
        self.assertEqual(self.write(client, Origin="https://evil.example.org", Sec_Fetch_Site="same-site"), 403)


class Refusals(LoginTest):
    def test_what_is_missing_and_what_is_forbidden_take_a_whole_step(self):
        """Both are answered a whole number of milliseconds after they came: never sooner than one."""
        self.start_with_bob()
        self.make_stream("test/user/private")
        client = self.client()
        for path in ("test/user/private/data", "test/user/missing/data", "test/user/private", "test/user/missing",
                     "test/missing", "missing"):
            for _ in range(20):
                begun = time.monotonic()
                answer = client.ask("GET", f"{API}/crud/{path}", "i1=0", basic("bob:b"))
                self.assertIn(answer.status, (403, 404))
                self.assertGreaterEqual(time.monotonic() - begun, 0.001, path)


if __name__ == "__main__":
    harness.main()
