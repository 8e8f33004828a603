"""Export folders for the end-to-end tests: made up, read back, compared."""
import json
import os

from harness import DatabaseTest, command


def files_of(root):
    """{path below root: bytes} of all files"""
    found = {}
    for folder, _, names in os.walk(root):
        for name in names:
            path = os.path.join(folder, name)
            with open(path, "rb") as file:
                found[os.path.relpath(path, root)] = file.read()
    return found


def write_json(value, *parts, **options):
    path = os.path.join(*parts)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        if isinstance(value, str):
            file.write(value)
        else:
            json.dump(value, file, **options)


BCRYPT = "$2a$10$E97EVZzD556Lgzdd6eJHCeN5UScFd7RsTqw1RdiMvpGYocYuF3LFq"


def user(name, **other):
    return {"name": name, "nickname": "", "email": f"{name}@localhost", "description": "", "icon": "", "role": "user",
            "public": False, "password": BCRYPT, "password_salt": "salt", "password_scheme": "bcrypt", **other}


def device(name, **other):
    return {"name": name, "nickname": "", "description": "", "icon": "", "apikey": f"key of {name}", "enabled": True,
            "public": False, "role": "none", "visible": True, "user_editable": True, **other}


def stream(name, **other):
    return {"name": name, "nickname": "", "description": "", "icon": "", "schema": "{}", "datatype": "",
            "ephemeral": False, "downlink": False, **other}


def make_folder(root, users, version=2):
    """users: {name: {device: {stream: text or points of data.json}}}"""
    write_json({"Version": version, "ConnectorDB": "0.3.0"}, root, "connectordb.json")
    for name, devices in users.items():
        write_json(user(name), root, name, "user.json")
        for device_name, streams in devices.items():
            write_json(device(device_name, apikey=f"key of {name}/{device_name}"), root, name, device_name,
                       "device.json")
            for stream_name, data in streams.items():
                place = (root, name, device_name, stream_name)
                write_json(stream(stream_name), *place, "stream.json")
                write_json(data, *place, "data.json")


class FolderTest(DatabaseTest):
    def setUp(self):
        super().setUp()
        self.folder = os.path.join(self.directory, "folder")

    def path(self, *parts):
        return os.path.join(self.directory, *parts)

    def refuse(self, *arguments):
        """Runs a command that must fail with one clear line on stderr; returns that line."""
        done = command(*arguments, exit_code=1)
        lines = done.stderr.strip().splitlines()
        self.assertEqual(len(lines), 1, done.stderr)
        self.assertNotIn("Sanitizer", done.stderr)
        return lines[0]

    def refuse_import(self, *needles):
        message = self.refuse("import", self.database, self.folder)
        for needle in needles:
            self.assertIn(needle, message)

    def export(self, name="out", *filters, database=None):
        out = self.path(name)
        command("export", database or self.database, out, *filters)
        return out

    def check_same_files(self, first, second, besides=("connectordb.json",)):
        first, second = files_of(first), files_of(second)
        self.assertEqual(first.keys(), second.keys())
        for path in first:
            if path not in besides:
                self.assertTrue(first[path] == second[path], f"{path} differs")
