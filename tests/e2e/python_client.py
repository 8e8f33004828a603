"""Sends what the Python client of ConnectorDB 0.3 (connectordb-python with requests) sends, over one kept connection:
the same methods, paths, parameters, headers and bodies. It fails where the client would: at answers that it cannot parse."""
import base64
import gzip
import http.client
import json
import os
import time
import urllib.parse

import harness

INSERT_LIMIT = 5000


class AuthenticationError(Exception):
    """What the client raises for each 4xx."""


class ServerError(Exception):
    """Of any other status that is no success."""


class Connection:
    """DatabaseConnection of the client."""

    def __init__(self, user_or_key, password, port, context):
        self.port, self.context = port, context
        self.http = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=harness.COMMAND_SECONDS_MAX)
        self.requests = 0
        self.set_login(user_or_key, password)
        try:
            self.path = user_or_key + "/user" if password is not None else self.ping()
        except (AuthenticationError, ServerError):
            self.close()
            raise

    def set_login(self, user_or_key, password=None):
        login = f":{user_or_key}" if password is None else f"{user_or_key}:{password}"
        self.authorization = "Basic " + base64.b64encode(login.encode("latin-1")).decode()

    def close(self):
        self.http.close()

    def send(self, method, path, parameters=None, body=None):
        path = "/api/v1/" + path
        if parameters:  # as requests does: None is left out, True and False are Python's words
            path += "?" + urllib.parse.urlencode({key: value for key, value in parameters.items() if value is not None})
        headers = {"User-Agent": "python-requests/2.12.4", "Accept-Encoding": "gzip, deflate", "Accept": "*/*",
                   "Connection": "keep-alive", "content-type": "application/json", "Authorization": self.authorization}
        if body is not None:
            body = json.dumps(body).encode()
        self.http.request(method, path, body=body, headers=headers)
        response = self.http.getresponse()
        content = response.read()
        self.requests += 1
        if response.headers.get("Content-Encoding") == "gzip":
            content = gzip.decompress(content)
        text = content.decode()
        if 400 <= response.status < 500:
            said = json.loads(text)
            raise AuthenticationError(f"{said['code']}: {said['msg']} ({said['ref']})")
        if response.status > 300:
            said = json.loads(text)
            raise ServerError(f"{said['code']}: {said['msg']} ({said['ref']})")
        return text

    def ping(self):
        return self.send("GET", "", {"q": "this"})

    def query(self, kind, query):
        return json.loads(self.send("POST", "query/" + kind, body=query))

    def create(self, path, content):
        return self.send("POST", "crud/" + path, body=content)

    def read(self, path, parameters=None):
        return self.send("GET", "crud/" + path, parameters)

    def update(self, path, content):
        return self.send("PUT", "crud/" + path, body=content)

    def delete(self, path):
        return self.send("DELETE", "crud/" + path)


class Object:
    def __init__(self, db, path):
        self.db, self.path, self.metadata = db, path, None

    def refresh(self):
        self.metadata = json.loads(self.db.read(self.path))

    @property
    def data(self):
        if self.metadata is None:
            self.refresh()
        return self.metadata

    def exists(self):
        try:
            self.refresh()
        except (AuthenticationError, ServerError):
            return False
        return True

    def set(self, fields):
        self.metadata = json.loads(self.db.update(self.path, fields))

    def make(self, fields):
        self.metadata = json.loads(self.db.create(self.path, fields))

    def delete(self):
        self.db.delete(self.path)

    def write_data(self, folder, name):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            json.dump(self.data, file)

    def children(self, parameters):
        found = json.loads(self.db.read(self.path, parameters))
        return found if found is not None else []


class Stream(Object):
    def create(self, schema="{}", **fields):
        self.make({**fields, "schema": schema if isinstance(schema, str) else json.dumps(schema)})

    def insert_array(self, points, restamp=False):
        send = self.db.update if restamp else self.db.create
        while len(points) > INSERT_LIMIT:
            send(self.path + "/data", points[:INSERT_LIMIT])
            points = points[INSERT_LIMIT:]
        send(self.path + "/data", points)

    def insert(self, data):
        self.insert_array([{"d": data, "t": time.time()}], restamp=True)

    def __call__(self, downlink=False, **parameters):
        if not any(key in parameters for key in ("t1", "t2", "limit", "i1", "i2")):
            parameters = {"i1": 0, "i2": 0, **parameters}
        if downlink:
            parameters["downlink"] = True
        return json.loads(self.db.read(self.path + "/data", parameters))

    def __getitem__(self, wanted):
        if not isinstance(wanted, slice):
            return self(i1=wanted, i2=wanted + 1)[0]
        if wanted.start is None and wanted.stop is None:
            return self()
        return self(**{key: value for key, value in (("i1", wanted.start), ("i2", wanted.stop)) if value is not None})

    def length(self, downlink=False):
        return int(self.db.read(self.path + "/data", {"q": "length", "downlink": downlink}))

    def __len__(self):
        return self.length()

    def export(self, folder):
        os.mkdir(folder)
        self.write_data(folder, "stream.json")
        parts = [("data.json", self[:])]
        if self.data["downlink"]:
            parts.append(("downlink.json", self(i1=0, i2=0, downlink=True)))
        for name, points in parts:
            with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
                json.dump(sorted(points, key=lambda point: point["t"]), file)


class Device(Object):
    def create(self, public=False, **fields):
        self.make({**fields, "public": public})

    def __getitem__(self, name):
        return Stream(self.db, f"{self.path}/{name}")

    def streams(self):
        found = []
        for each in self.children({"q": "ls"}):
            found.append(self[each["name"]])
            found[-1].metadata = each
        return found

    def reset_key(self):
        self.set({"apikey": ""})
        return self.metadata["apikey"]

    def export(self, folder):
        os.mkdir(folder)
        self.write_data(folder, "device.json")
        for stream in self.streams():
            stream.export(os.path.join(folder, stream.data["name"]))

    def import_stream(self, folder):
        fields = harness.read_json(folder, "stream.json")
        stream = self[fields["name"]]
        if stream.exists():
            raise ValueError(f"The stream {fields['name']} already exists")
        stream.create()
        own = Connection(self.data["apikey"], None, self.db.port, self.db.context)
        Stream(own, stream.path).insert_array(
            sorted(harness.read_json(folder, "data.json"), key=lambda point: point["t"]))
        if fields["downlink"] and self.db.path != self.path:
            stream.set({"downlink": True})
            stream.insert_array(harness.read_json(folder, "downlink.json"))
        own.close()
        del fields["name"]
        stream.set(fields)


class User(Object):
    def create(self, email, password, role="user", public=True, **fields):
        self.make({**fields, "email": email, "password": password, "role": role, "public": public})

    def __getitem__(self, name):
        return Device(self.db, f"{self.path}/{name}")

    def devices(self):
        found = []
        for each in self.children({"q": "ls"}):
            found.append(self[each["name"]])
            found[-1].metadata = each
        return found

    def streams(self, public=False, downlink=False, visible=True):
        return self.children({"q": "streams", "public": str(public).lower(), "downlink": str(downlink).lower(),
                              "visible": str(visible).lower()})

    def export(self, folder):
        if not os.path.exists(folder):
            os.mkdir(folder)
            with open(os.path.join(folder, "connectordb.json"), "w", encoding="utf-8") as file:
                json.dump({"Version": 1, "ConnectorDB": self.db.send("GET", "meta/version")}, file)
        folder = os.path.join(folder, self.data["name"])
        os.mkdir(folder)
        self.write_data(folder, "user.json")
        for device in self.devices():
            device.export(os.path.join(folder, device.data["name"]))

    def import_device(self, folder):
        fields = harness.read_json(folder, "device.json")
        name = fields.pop("name")
        device = self[name]
        if name == "meta":
            return
        if name == "user":
            device.set(fields)
        elif device.exists():
            raise ValueError(f"The device {name} already exists")
        else:
            device.create(**fields)
        for each in os.listdir(folder):
            if os.path.isdir(os.path.join(folder, each)):
                device.import_stream(os.path.join(folder, each))


class ConnectorDB(Device):
    def __init__(self, user_or_key, password, port, context):
        db = Connection(user_or_key, password, port, context)
        super().__init__(db, db.path)
        try:
            if password is not None and self.data.get("apikey") is not None:
                db.set_login(self.data["apikey"])
        except (AuthenticationError, ServerError):
            self.close()
            raise

    def __call__(self, path):
        return (User, Device, Stream)[path.count("/")](self.db, path)

    @property
    def user(self):
        return self(self.path.split("/")[0])

    def close(self):
        self.db.close()

    def reset_key(self):
        key = super().reset_key()
        self.db.set_login(key)
        return key

    def count(self, what):
        return int(self.db.send("GET", "", {"q": "count" + what}))

    def users(self):
        return json.loads(self.db.read("", {"q": "ls"}))

    def info(self):
        return {"version": self.db.send("GET", "meta/version"),
                **{part: json.loads(self.db.send("GET", "meta/" + part)) for part in ("transforms", "interpolators")}}

    def import_users(self, folder):
        if harness.read_json(folder, "connectordb.json")["Version"] != 1:
            raise ValueError("Not able to read this import version")
        for name in os.listdir(folder):
            inner = os.path.join(folder, name)
            if not os.path.isdir(inner):
                continue
            fields = harness.read_json(inner, "user.json")
            user = self(fields.pop("name"))
            if user.exists():
                raise ValueError(f"The user {name} already exists")
            user.create(password=name, **fields)
            for device in os.listdir(inner):
                if os.path.isdir(os.path.join(inner, device)):
                    user.import_device(os.path.join(inner, device))
