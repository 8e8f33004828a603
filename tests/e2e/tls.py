"""What the scripts about HTTPS share: a CA of their own, servers with its certificates. They need openssl."""
import os
import re
import shutil
import ssl
import subprocess
import unittest

import harness
from rest import RestTest

KEY_TYPE = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


def openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, capture_output=True,
                   timeout=harness.COMMAND_SECONDS_MAX)


@unittest.skipUnless(shutil.which("openssl"), "the program openssl is not installed")
class TlsTest(RestTest):
    """The class has a CA (file "ca.pem") and certificates by it for localhost, 127.0.0.1 and ::1; each test
    has self.context, which trusts that CA only, and may start a server that has the first of them."""
    certificates = ("server",)

    @classmethod
    def setUpClass(cls):
        cls.folder = os.path.join(os.environ.get("TMPDIR", "/tmp"), f"connectordb-tls-{os.getpid()}")
        os.makedirs(cls.folder)
        openssl("req", "-x509", *KEY_TYPE, "-days", "2", "-subj", "/CN=test CA",
                "-addext", "basicConstraints=critical,CA:TRUE",
                "-keyout", cls.file("ca.key"), "-out", cls.file("ca.pem"))
        for name in cls.certificates:
            cls.make_certificate(name)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    @classmethod
    def file(cls, name):
        return os.path.join(cls.folder, name)

    @classmethod
    def make_certificate(cls, name):
        request, extension = cls.file(name + ".csr"), cls.file("extension")
        with open(extension, "w", encoding="ascii") as file:
            file.write("subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1\n")
        openssl("req", *KEY_TYPE, "-subj", f"/CN={name}", "-keyout", cls.file(name + ".key"), "-out", request)
        openssl("x509", "-req", "-in", request, "-CA", cls.file("ca.pem"), "-CAkey", cls.file("ca.key"),
                "-CAcreateserial", "-days", "2", "-extfile", extension, "-out", cls.file(name + ".pem"))

    def install(self, name):
        """Puts a certificate and its key where the server looks for them, as a renewal does."""
        for ending, target in (("key", "server.key"), ("pem", "server.pem")):
            path = os.path.join(self.directory, target)
            shutil.copy(self.file(f"{name}.{ending}"), path + ".new")
            os.rename(path + ".new", path)

    def setUp(self):
        super().setUp()
        self.install(self.certificates[0])
        self.context = ssl.create_default_context(cafile=self.file("ca.pem"))

    def start_tls(self, **configured):
        """A database with the admin test, and its server: self.url is where it is."""
        tls = {"enabled": True, "key": os.path.join(self.directory, "server.key"),
               "cert": os.path.join(self.directory, "server.pem")}
        self.create("--user", "test:test", tls=tls, **configured)
        printed = harness.command("start", self.database, "--port", "0")
        self.url, port = re.search(r"(https://127.0.0.1:(\d+))", printed.stdout).groups()
        self.port = int(port)
