"""A stand-in for a server of ConnectorDB 0.3 with what remote transfers use of its API. It answers as 0.3 was recorded to
answer (shared/reference/rest.md, shared/vectors/rest), peculiarities included: keys of objects are sorted, all numbers are
float64, a null value is left out, a taken name is 403, a body over the limit is cut and then is 400. It knows neither gzip
nor Idempotency-Key."""
import base64
import json
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

USER = {"name": "", "nickname": "", "email": "", "description": "", "icon": "", "role": "user", "public": True}
DEVICE = {"name": "", "nickname": "", "description": "", "icon": "", "apikey": "", "enabled": True, "public": False,
          "role": "none", "visible": True, "user_editable": True}
STREAM = {"name": "", "nickname": "", "description": "", "icon": "", "schema": "{}", "datatype": "", "ephemeral": False,
          "downlink": False}
KINDS = {1: USER, 2: DEVICE, 3: STREAM}
TABLES = {1: "users", 2: "devices", 3: "streams"}
UNREADABLE = "Can't access this resource."


class Refused(Exception):
    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


def as_float(text):
    value = float(text)
    return int(value) if value.is_integer() and abs(value) < 1e21 and value != 0 else value


def text_of(value):
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def point_text(point):
    """In the order t, d, o; a time of 0, null and an empty sender are left out."""
    left_out = {"t": point["t"] == 0, "d": point["d"] is None, "o": point["o"] == ""}
    return "{" + ",".join(f'"{key}":{text_of(point[key])}' for key in "tdo" if not left_out[key]) + "}"


class Server03:
    """busy: how many requests whose line has that text in it are answered 503 with Retry-After, {text: count}.
    hold_after: inserts behind that many are not answered, and every second of them is carried out all the same; `held` is
    set when there are four. They are let go by release()."""

    def __init__(self, body_bytes_max=10 << 20, busy=(), hold_after=None):
        self.body_bytes_max, self.busy, self.hold_after = body_bytes_max, dict(busy), hold_after
        self.inserts = 0
        self.held, self.released = threading.Event(), threading.Event()
        self.objects = {}  # by path, a tuple of names
        self.points = {}   # by path and "" or "downlink"
        self.passwords = {}
        self.requests = []  # method and path of each one, and the bytes of its body
        self.lock = threading.RLock()
        self.create(("adm",), {"email": "root@localhost", "password": "secret", "role": "admin"})
        handler = type("Handler", (Handler,), {"database": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def release(self):
        self.hold_after = None
        self.released.set()

    def holds(self):
        """Of an insert: None, or whether it is carried out before it is held."""
        self.inserts += 1
        if self.hold_after is None or self.inserts <= self.hold_after:
            return None
        if self.inserts == self.hold_after + 4:
            self.held.set()
        return self.inserts % 2 == 0

    def close(self):
        self.release()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def create(self, path, body):
        kind = KINDS[len(path)]
        if len(path) > 1 and path[:-1] not in self.objects:
            raise Refused(403, UNREADABLE)
        if path in self.objects:
            raise Refused(403, f"UNIQUE constraint failed: {TABLES[len(path)]}.name")
        made = {**kind, **{key: value for key, value in body.items() if key in kind}, "name": path[-1]}
        if len(path) == 1:
            if not body.get("password") or not body.get("email"):
                raise Refused(403, "A user needs a password and an email")
            self.objects[path] = made
            self.passwords[path[0]] = body["password"]
            self.create((*path, "user"), {"role": "user", "icon": "material:person"})
            self.create((*path, "meta"), {"role": "", "visible": False, "user_editable": False})
            self.objects[(*path, "meta")]["apikey"] = ""
        elif len(path) == 2:
            made["apikey"] = made["apikey"] or str(uuid.uuid4())
            self.check_key(path, made["apikey"])
        self.objects[path] = made
        return made

    def check_key(self, path, key):
        if any(len(other) == 2 and other != path and found["apikey"] == key for other, found in self.objects.items()):
            raise Refused(403, "UNIQUE constraint failed: devices.apikey")

    def update(self, path, body):
        made = self.objects.get(path)
        if made is None:
            raise Refused(403, UNREADABLE)
        for key in body:
            if key not in made:
                raise Refused(403, f"Unrecognized field '{key}'")
        if "apikey" in body:
            self.check_key(path, body["apikey"])
        made.update(body)
        return made

    def log_in(self, header):
        """The path of the device that acts: ("",) is nobody."""
        if not header or not header.startswith("Basic "):
            return ("",)
        user, _, secret = base64.b64decode(header[6:]).decode().partition(":")
        if user:
            if self.passwords.get(user) != secret:
                raise Refused(401, "Incorrect Password")
            return (user, "user")
        for path, made in self.objects.items():
            if len(path) == 2 and secret and made["apikey"] == secret:
                return path
        raise Refused(401, "The requested device was not found.")

    def insert(self, path, downlink, actor, text):
        if path not in self.objects:
            raise Refused(403, UNREADABLE)
        own = actor == path[:2]
        if not own and not self.objects[path]["downlink"]:
            raise Refused(403, "Access Denied")
        try:
            points = json.loads(text, parse_int=as_float, parse_float=as_float)
        except ValueError:
            raise Refused(400, "unexpected end of JSON input") from None
        stored = self.points.setdefault((path, "downlink" if downlink or not own else ""), [])
        last = stored[-1]["t"] if stored else 0
        for point in points:
            if point["t"] < last:
                raise Refused(403, "Greater timestamp already exists for the stream. Insert Failed.")
            last = point["t"]
        stored += [{"t": point["t"], "d": point.get("d"), "o": "" if own else "/".join(actor)} for point in points]

    def read(self, path, query):
        if path not in self.objects:
            raise Refused(403, UNREADABLE)
        points = self.points.get((path, "downlink" if query.get("downlink") == "true" else ""), [])
        if query.get("q") == "length":
            return str(len(points))
        first, end = int(query.get("i1", 0)), int(query.get("i2", 0))
        end = min(end if end > 0 else len(points) + end, len(points))
        if first > end:
            raise Refused(403, "Invalid index range.")
        return "[" + ",".join(map(point_text, points[first:end])) + "]"

    def below(self, path):
        return [made for other, made in self.objects.items() if len(other) == len(path) + 1 and other[:len(path)] == path]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    database = None

    def log_message(self, *_):
        pass

    def answer(self, status, text, **headers):
        body = text.encode()
        self.send_response(status)
        kind = "application/json" if text[:1] in "[{" else "text/plain"
        for name, value in {"Content-Type": kind + "; charset=utf-8", "Content-Length": len(body), **headers}.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(body)

    @staticmethod
    def error_text(status, message):
        return text_of({"code": status, "msg": message, "ref": str(uuid.uuid4())})

    def take(self):
        database = self.database
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with database.lock:
            held = database.holds() if self.command == "POST" and "/data" in self.path else None
            if held is not False:
                status, text, headers = self.take_locked(body)
        if held is not None:
            database.released.wait()
            self.close_connection = True
            return
        self.answer(status, text, **headers)

    def take_locked(self, body):
        """The status, text and header fields of the answer."""
        database = self.database
        database.requests.append((self.command, self.path, len(body)))
        for text, count in database.busy.items():
            if count > 0 and text in f"{self.command} {self.path}":
                database.busy[text] -= 1
                return 503, self.error_text(503, "busy"), {"Retry-After": "0"}
        try:
            url = urlsplit(self.path)
            query = {key: values[0] for key, values in parse_qs(url.query).items()}
            actor = database.log_in(self.headers.get("Authorization"))
            return 200, self.serve(url.path, query, actor, body[:database.body_bytes_max].decode(errors="replace")), {}
        except Refused as refused:
            return refused.status, self.error_text(refused.status, str(refused)), {}

    def serve(self, path, query, actor, text):
        database = self.database
        if path == "/api/v1/" and query.get("q") == "this":
            return "/".join(actor) or "nobody"
        if path == "/api/v1/crud/" and query.get("q") == "ls":
            return text_of(database.below(()))
        names = path.removeprefix("/api/v1/crud/").split("/")
        if not path.startswith("/api/v1/crud/") or not all(names) or len(names) > 4:
            raise Refused(405, "")
        if len(names) == 4 and names[3] == "data":
            if self.command == "GET":
                return database.read(tuple(names[:3]), query)
            database.insert(tuple(names[:3]), query.get("downlink") == "true", actor, text)
            return "ok"
        return self.serve_object(tuple(names), query, text)

    def serve_object(self, path, query, text):
        if self.command == "GET":
            if path not in self.database.objects:
                raise Refused(404, UNREADABLE)
            return text_of(self.database.below(path) if query.get("q") == "ls" else self.database.objects[path])
        try:
            body = json.loads(text)
        except ValueError:
            raise Refused(400, "unexpected end of JSON input") from None
        return text_of(self.database.create(path, body) if self.command == "POST" else self.database.update(path, body))

    do_GET = do_POST = do_PUT = take
