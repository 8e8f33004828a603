"""What the scripts about the REST API share: databases with users, clients, streams."""
import hashlib
import json
import os
from base64 import b64encode

import harness
from transcript import Actors, Client

API = "/api/v1"


def basic(login):
    return {"Authorization": "Basic " + b64encode(login.encode()).decode()}


class RestTest(harness.DatabaseTest):
    def setUp(self):
        super().setUp()
        # failed logins are answered at once, as many as there are (e2e_login.py is about limits)
        self.configuration = {"version": 1, "failed_login_delay": 0, "failed_logins_max": 0}

    def create(self, *arguments, **configured):
        """A database with self.configuration and what is configured beside it."""
        configuration = os.path.join(self.directory, "configuration")
        with open(configuration, "w", encoding="utf-8") as file:
            json.dump({**self.configuration, **configured}, file)
        harness.command("create", self.database, "--config", configuration, *arguments)

    def start_with_bob(self, password="b", email="b@b.c"):
        """A database with the admin test and the plain user bob, as if bob had been created over REST."""
        self.create("--user", "test:test", "--email", "root@localhost")  # the default address of 0.3
        folder = os.path.join(self.directory, "import")
        os.makedirs(os.path.join(folder, "bob"))
        salt = "salt"
        bob = {"name": "bob", "nickname": "", "email": email, "description": "", "icon": "", "role": "user",
               "public": True, "password": hashlib.sha512((password + salt).encode()).hexdigest(),
               "password_salt": salt, "password_scheme": "SHA512"}
        for path, content in (("connectordb.json", {"Version": 2, "ConnectorDB": "0.3.0"}), ("bob/user.json", bob)):
            with open(os.path.join(folder, path), "w", encoding="utf-8") as file:
                json.dump(content, file)
        harness.command("import", self.database, folder)
        self.start()
        return Actors({"test": "test", "bob": password})

    def client(self):
        client = Client(self.port)
        self.addCleanup(client.close)
        return client

    def make_device(self, name, body=b"{}"):
        return self.request("POST", f"{API}/crud/test/{name}", body=body, login="test:test").json()["apikey"]

    def make_stream(self, path, body=b"{}"):
        self.request("POST", f"{API}/crud/{path}", body=body, login="test:test")
        return f"{API}/crud/{path}/data"
