"""Runs recorded HTTP transcripts (vectors/rest, vectors/export/session.json) against a server, step by step."""
import base64
import http.client
import json
import os
import re
import time
import unittest

import harness

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
NOW_SECONDS = 60
LEAKS = re.compile("constraint|json:|base64 data|sqlite|invalid character|^EOF$", re.IGNORECASE)  # SQL and libraries


def recorded(name):
    """What ../shared/vectors/rest/NAME.json holds; without that folder the copy or part of it that is beside this file, if any."""
    beside = os.path.join(os.path.dirname(os.path.abspath(__file__)), "transcripts", "recorded", name + ".json")
    try:
        return harness.read_json(harness.shared("vectors", "rest", name + ".json"))
    except unittest.SkipTest:
        if not os.path.exists(beside):
            raise
        return harness.read_json(beside)


class Actors:
    """Logins of a transcript: passwords as they were set, API keys as they appeared."""

    def __init__(self, passwords):
        self.passwords = dict(passwords)
        self.keys = {}     # placeholder -> key
        self.newest = {}   # device -> key
        self.cookies = {}  # who -> the value of the session's cookie

    def headers(self, step):
        if step["auth"] == "cookie":
            return {"Cookie": "other=1; connectordb-session=" + self.cookies.get(step["as"], "no-such-session")}
        if step["auth"] == "basic":
            login = f"{step['as']}:{self.passwords.get(step['as'], '')}"
        elif step["auth"] == "apikey-basic":
            login = ":" + self.newest.get(step["as"], "no-such-key")
        else:
            return {}
        return {"Authorization": "Basic " + base64.b64encode(login.encode()).decode()}

    def query(self, step):
        query = self.fill(step.get("query", ""))
        if step["auth"] == "apikey-query":
            query += ("&" if query else "") + "apikey=" + self.newest.get(step["as"], "no-such-key")
        return query

    def learn(self, step, answer):
        """The cookie that an answer sets, the newest keys that it shows, and the password that a step has set."""
        cookie = re.match(r"connectordb-session=([^;]+);", answer.headers.get("Set-Cookie", ""))
        if cookie:
            self.cookies[step["as"]] = cookie.group(1)
        path = re.fullmatch(r"/api/v1/crud/([^/]+)(?:/([^/]+))?", step["path"])
        if not path or answer.status != 200 or not answer.text.startswith(("{", "[")):
            return
        user, device = path.groups()
        found = json.loads(answer.text)
        if device and isinstance(found, dict):
            self.learn_key(f"{user}/{device}", found)
        elif not device and isinstance(found, list):
            for each in found:
                self.learn_key(f"{user}/{each['name']}", each)
        elif not device and step["method"] in ("POST", "PUT"):
            body = {key.lower(): value for key, value in json.loads(step["body"].lstrip("\ufeff")).items()}
            self.passwords[user] = body.get("password", self.passwords.get(user))

    def learn_key(self, device, found):
        if found.get("apikey"):
            self.newest[device] = found["apikey"]

    def fill(self, text):
        """The text with the keys in the place of their placeholders."""
        return re.sub(r"\$\{apikey:[^}]*\}", lambda match: self.keys.get(match.group(0), "no-such-key"), text)

    def same_text(self, wanted, got):
        """Equal, with placeholders."""
        if wanted == "${uuid:ref}":
            return UUID.fullmatch(got) is not None
        key = re.fullmatch(r"\$\{apikey:([^#}]*)[^}]*\}", wanted)
        if key:
            return self.keys.setdefault(wanted, got) == got and got != ""
        return wanted == got


def near_now(value):
    return isinstance(value, (int, float)) and abs(value - time.time()) < NOW_SECONDS


def same_json(actors, wanted, got):
    """Equal as JSON values. Lists of users, devices, streams (objects with a name) compare without order; a datapoint without d has d null."""
    if wanted == "${now}":
        return near_now(got)
    if wanted == "${count}":
        return isinstance(got, int)
    if isinstance(wanted, str):
        return isinstance(got, str) and actors.same_text(wanted, got)
    if isinstance(wanted, bool) or isinstance(got, bool):
        return wanted is got
    if isinstance(wanted, dict):
        if "t" in wanted and "d" not in wanted:
            wanted = {**wanted, "d": None}
        return isinstance(got, dict) and wanted.keys() == got.keys() and \
            all(same_json(actors, value, got[key]) for key, value in wanted.items())
    if isinstance(wanted, list):
        if not isinstance(got, list) or len(wanted) != len(got):
            return False
        if wanted and all(isinstance(item, dict) and "name" in item for item in wanted):
            def order(item):
                return (str(item.get("device")), str(item.get("name")))
            wanted, got = sorted(wanted, key=order), sorted(got, key=order)
        return all(same_json(actors, a, b) for a, b in zip(wanted, got))
    return wanted == got


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.text = response.read().decode()

    def __repr__(self):
        return f"{self.status} {self.text[:300]}"


class Client:
    """A kept-alive connection, made anew when the server closed it."""

    def __init__(self, port):
        self.http = http.client.HTTPConnection("127.0.0.1", port, timeout=harness.COMMAND_SECONDS_MAX)

    def ask(self, method, path, query="", headers=None, body=None):
        data = body.encode("utf-8", "surrogatepass") if isinstance(body, str) else body
        self.http.putrequest(method, path + ("?" + query if query else ""), skip_accept_encoding=True)
        for name, value in (headers or {}).items():
            self.http.putheader(name, value)
        if data is not None:
            self.http.putheader("Content-Length", str(len(data)))
        self.http.endheaders(data)
        answer = Answer(self.http.getresponse())
        return answer

    def close(self):
        self.http.close()


def run_step(client, actors, step):
    headers = {**actors.headers(step), **step.get("request_headers", {})}
    body = actors.fill(step["body"]) if "body" in step else None
    answer = client.ask(step["method"], step["path"], actors.query(step), headers, body)
    actors.learn(step, answer)
    return answer


def same_page(wanted, got):
    """Equal as texts; ${site} stands for the address of the server, ${now-iso} for a time."""
    pattern = re.escape(wanted).replace(re.escape("${site}"), r"http://localhost:\d+") \
        .replace(re.escape("${now-iso}"), r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00")
    return re.fullmatch(pattern, got) is not None


def without_value(cookie):
    """A cookie as 0.3 set it: without its value, and without what protects it."""
    plain, count = re.subn(r"; HttpOnly; SameSite=Lax$", "", cookie or "")
    return re.sub(r"^(connectordb-session)=[^;]+;", r"\1=VALUE;", plain) if count else f"not protected: {cookie}"


def without_documentation(value):
    if isinstance(value, list):
        return [without_documentation(item) for item in value]
    if isinstance(value, dict):
        return {key: without_documentation(item) for key, item in value.items() if key not in ("description", "documentation")}
    return value


def differences(actors, step, answer, headers_ignored=()):
    """What is not as recorded: a list of texts."""
    found = []
    if answer.status != step["status"]:
        return [f"status {step['status']} wanted"]
    if step["status"] >= 400:
        error = json.loads(answer.text) if answer.text and step["method"] != "HEAD" else None
        if error is not None and (sorted(error) != ["code", "msg", "ref"] or error["code"] != answer.status):
            found.append("not an error object")
        elif error is not None and (not error["msg"] or LEAKS.search(error["msg"])):
            found.append("a message that says nothing, or too much")
    elif "json" in step and not same_json(actors, step["json"], json.loads(answer.text)):
        found.append(f"json {json.dumps(step['json'])[:400]} wanted")
    elif "json_without_documentation" in step and \
            not same_json(actors, step["json_without_documentation"], without_documentation(json.loads(answer.text))):
        found.append(f"json {json.dumps(step['json_without_documentation'])[:400]} wanted")
    elif "text" in step and step["text"] not in ("${html}",) and not same_page(step["text"], answer.text):
        found.append(f"text {step['text'][:200]} wanted")
    for name, wanted in step.get("headers", {}).items():
        if name in headers_ignored or (step["status"] >= 400 and name == "content-length"):
            continue
        got = answer.headers.get(name)
        if name == "set-cookie":
            wanted, got = re.sub(r"\$\{[^}]*\}", "VALUE", wanted), without_value(got)
        if got != wanted and not (step["status"] >= 400 and wanted is None):
            found.append(f"header {name}: {wanted!r} wanted, not {got!r}")
    return found
