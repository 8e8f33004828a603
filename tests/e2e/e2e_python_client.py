"""What the Python client of ConnectorDB 0.3 does, over HTTPS (see python_client.py): objects, data, downlinks, queries, and
the export and import of users."""
import os

import harness
from python_client import AuthenticationError, ConnectorDB
from tls import TlsTest

START = 1480000000


class PythonClient(TlsTest):
    def setUp(self):
        super().setUp()
        self.start_tls()
        self.admin = self.connect("test", "test")

    def connect(self, user_or_key, password=None):
        client = ConnectorDB(user_or_key, password, self.port, self.context)
        self.addCleanup(client.close)
        return client

    def make_user(self, name, **fields):
        self.admin(name).create(name + "@localhost", "mypass", **fields)
        return self.connect(name, "mypass")

    def test_objects(self):
        db = self.make_user("py")
        self.assertEqual(db.path, "py/user")
        self.assertEqual((db.data["role"], db.user.data["role"]), ("user", "user"))
        self.assertFalse(self.admin("nobody_here").exists())
        with self.assertRaises(AuthenticationError):
            self.connect("py", "badpass")
        db.user.set({"email": "other@change"})
        db.user.set({"password": "newpass"})
        self.assertEqual(self.connect("py", "newpass").user.data["email"], "other@change")
        self.admin("py").set({"role": "admin"})
        with self.assertRaises(AuthenticationError):
            self.admin("py").set({"admin": "Hello"})
        self.assertEqual(sorted(each.data["name"] for each in db.user.devices()), ["meta", "user"])
        db.user["mine"].create(nickname="A device", icon="material:lightbulb_outline")
        device = self.connect(db.user["mine"].data["apikey"])
        self.assertEqual(device.path, "py/mine")
        old = device.data["apikey"]
        self.assertNotEqual(device.reset_key(), old)
        device.set({"enabled": False})
        self.assertEqual(db.user["mine"].data["enabled"], False)
        with self.assertRaises(AuthenticationError):
            self.connect(old)
        info = db.info()
        self.assertIn("sum", info["transforms"])
        self.assertIn("closest", info["interpolators"])
        self.assertTrue(info["version"])

    def test_counts_and_lists(self):
        before = {what: self.admin.count(what) for what in ("users", "devices", "streams")}
        self.make_user("py", devices={"train": {"nickname": "My train", "streams": {
            "choo": {"schema": "{\"type\":\"string\"}", "datatype": "train.choochoo", "downlink": True}}}},
            streams={"own": {"schema": "{\"type\":\"number\"}"}})
        after = {what: self.admin.count(what) for what in before}
        self.assertEqual((after["users"], after["devices"]), (before["users"] + 1, before["devices"] + 3))
        self.assertEqual(sorted(each["name"] for each in self.admin.users()), ["py", "test"])
        db = self.connect("py", "mypass")
        self.assertEqual(sorted(each["name"] for each in db.user.streams()), ["choo", "own"])
        self.assertEqual([(each["device"], each["name"]) for each in db.user.streams(downlink=True)], [("train", "choo")])
        with self.assertRaises(AuthenticationError):
            self.connect(db.user["train"].data["apikey"]).count("users")
        self.admin("py").delete()
        self.assertEqual(self.admin.count("users"), before["users"])

    def test_data(self):
        db = self.make_user("py")
        stream = db["numbers"]
        stream.create({"type": "number"}, datatype="number.test")
        points = [{"t": START + i / 4, "d": i} for i in range(12000)]
        stream.insert_array(points)  # three requests
        self.assertEqual(len(stream), 12000)
        self.assertEqual(stream[-1], points[-1])
        self.assertEqual(stream[5], points[5])
        self.assertEqual(stream[:], points)
        self.assertEqual(stream[11990:], points[11990:])
        self.assertEqual(stream[:3], points[:3])
        self.assertEqual(stream[-4:-2], points[-4:-2])
        self.assertEqual(stream(t1=START, t2=START + 1, limit=2), points[1:3])
        self.assertEqual([point["d"] for point in stream(i1=0, i2=4, transform="if $ > 1 | $ * 2")], [4, 6])
        with self.assertRaises(AuthenticationError):
            stream.insert_array(points[:1])
        stream.insert_array(points[:2] + [{"t": START + 5000, "d": -1}], restamp=True)
        last = points[-1]["t"]
        self.assertEqual([point["t"] for point in stream[-3:]], [last, last, START + 5000])
        with self.assertRaises(AuthenticationError):
            stream.insert("no number")
        stream.insert(7.5)
        self.assertEqual(stream[-1]["d"], 7.5)
        stream.set({"ephemeral": True})
        stream.insert(8)
        self.assertEqual(stream[-1]["d"], 7.5)
        self.assertGreater(db.db.requests, 20)

    def test_downlink(self):
        db = self.make_user("py")
        db.user["lamp"].create()
        lamp = self.connect(db.user["lamp"].data["apikey"])
        lamp["light"].create({"type": "boolean"})
        theirs = db("py/lamp/light")
        with self.assertRaises(AuthenticationError):
            theirs.insert(True)
        lamp["light"].set({"downlink": True})
        theirs.insert(True)
        self.assertEqual((len(theirs), theirs.length(downlink=True)), (0, 1))
        command = theirs(downlink=True)[0]
        self.assertEqual((command["d"], command["o"]), (True, "py/user"))
        lamp["light"].insert(True)
        self.assertEqual((len(theirs), theirs.length(downlink=True)), (1, 1))

    def test_queries(self):
        db = self.make_user("py")
        for name, step in (("a", 2), ("b", 3)):
            db[name].create()
            db[name].insert_array([{"t": START + i * step, "d": i} for i in range(10)])
        merged = db.db.query("merge", [{"t1": START, "t2": START + 6, "stream": "py/user/a"},
                                       {"i1": 0, "i2": 3, "stream": "py/user/b"}])
        self.assertEqual([point["t"] - START for point in merged], [0, 2, 3, 4, 6, 6])
        rows = db.db.query("dataset", {"t1": START, "t2": START + 6, "dt": 2., "dataset": {
            "py/user/b": {"i1": 0, "i2": 0, "stream": "py/user/b", "interpolator": "closest"}}})
        self.assertEqual([row["d"]["py/user/b"] for row in rows], [0, 1, 1])

    def objects(self, folder):
        """{path below folder: what it holds} of an export, but for what an import cannot or must not keep."""
        found = {}
        for path, _, names in os.walk(folder):
            for name in names:
                place = os.path.relpath(os.path.join(path, name), folder)
                if "/meta/" not in place:
                    found[place] = harness.read_json(path, name)
        return found

    def test_export_and_import(self):
        first = self.make_user("pyexport", nickname="Grüße", devices={
            "lamp": {"nickname": "Lamp", "role": "reader", "public": True, "streams": {
                "light": {"schema": "{\"type\":\"boolean\"}", "downlink": True, "nickname": "Light"},
                "empty": {"description": "nothing in it"}}}}, streams={"mood": {"schema": "{\"type\":\"integer\"}"}})
        first["mood"].insert_array([{"t": START + i, "d": i % 10} for i in range(3000)])
        self.connect(first.user["lamp"].data["apikey"])["light"].insert(True)
        first("pyexport/lamp/light").insert(False)
        folder = os.path.join(self.directory, "exported")
        self.admin("pyexport").export(folder)
        exported = self.objects(folder)
        self.assertEqual(len(exported["pyexport/user/mood/data.json"]), 3000)
        self.assertEqual([point["d"] for point in exported["pyexport/lamp/light/downlink.json"]], [False])
        self.admin("pyexport").delete()
        self.assertFalse(self.admin("pyexport").exists())

        self.admin.import_users(folder)
        again = os.path.join(self.directory, "again")
        self.admin("pyexport").export(again)
        imported = self.objects(again)
        for part in (exported, imported):  # the sender is who imports
            for point in part["pyexport/lamp/light/downlink.json"]:
                del point["o"]
        self.assertEqual(imported, exported)
        self.assertEqual(self.connect("pyexport", "pyexport").path, "pyexport/user")
        with self.assertRaises(ValueError):
            self.admin.import_users(folder)

        # import_device, by the user himself
        user = self.connect("pyexport", "pyexport").user
        user["lamp"].delete()
        user.import_device(os.path.join(folder, "pyexport", "lamp"))
        self.assertEqual(user["lamp"].data["apikey"], exported["pyexport/lamp/device.json"]["apikey"])
        self.assertEqual(len(user["lamp"]["light"]), 1)
        self.assertEqual(user["lamp"]["light"].length(downlink=True), 1)

        # the folder is one that `connectordb import` takes as well
        self.stop()
        other = os.path.join(self.directory, "other")
        harness.command("create", other)
        harness.command("import", other, folder)
        back = os.path.join(self.directory, "back")
        harness.command("export", other, back)
        self.assertEqual(harness.read_json(back, "pyexport", "user", "mood", "data.json"),
                         exported["pyexport/user/mood/data.json"])


if __name__ == "__main__":
    harness.main()
