#!/usr/bin/env python3
"""export, backup, check and inspect of a database that cannot be written: on a read-only mount, and by a user without permission.
The data comes out as it does elsewhere, also after a kill, and nothing of the database changes."""
import filecmp
import os
import shutil
import stat
import subprocess

from harness import COMMAND_SECONDS_MAX, PROGRAM, SOURCE, DatabaseTest, command, main, read_json

SAMPLE = os.path.join(SOURCE, "samples", "home")
NOBODY = 65534


def differences(one, other):
    """Names below two folders whose files differ, but for connectordb.json's folder itself."""
    compared = filecmp.dircmp(one, other)
    found = compared.left_only + compared.right_only
    for name in compared.common_files:
        if not filecmp.cmp(os.path.join(one, name), os.path.join(other, name), shallow=False):
            found.append(name)
    for name in compared.common_dirs:
        found += differences(os.path.join(one, name), os.path.join(other, name))
    return found


def content(path, about):
    if not stat.S_ISREG(about.st_mode):
        return b""
    with open(path, "rb") as file:
        return file.read()


class ReadOnly(DatabaseTest):
    def setUp(self):
        super().setUp()
        os.chmod(self.directory, 0o755)
        command("create", self.database, "--user", "alice:secret")
        command("import", self.database, SAMPLE)

    def path(self, *names):
        return os.path.join(self.directory, *names)

    def state(self):
        """Everything of the database that a command could change."""
        found = {}
        for folder, folders, files in os.walk(self.database):
            for path in (folder, *(os.path.join(folder, name) for name in folders + files)):
                about = os.lstat(path)
                found[path] = (about.st_uid, about.st_mode, about.st_size, about.st_mtime_ns, content(path, about))
        return found

    def insert_and_kill(self):
        """Leaves a journal that was not closed and a catalog whose log was not written back."""
        self.start()
        self.request("POST", "/api/v1/crud/alice/user/numbers", {}, "alice:secret")
        self.request("POST", "/api/v1/crud/alice/user/numbers/data", [{"t": i + 1, "d": i * 3} for i in range(1000)], "alice:secret")
        self.kill()
        self.assertGreater(os.path.getsize(self.path("db", "catalog.sqlite-wal")), 0)

    def expected(self):
        """The export of a copy that may be written."""
        shutil.copytree(self.database, self.path("copy"), ignore=shutil.ignore_patterns("*.sock"))
        command("export", self.path("copy"), self.path("expected"))
        return self.path("expected")

    def on_a_read_only_mount(self, script):
        """Runs the shell script, in which $P is the program, $DB the read-only database and $D a folder for results."""
        mount = 'mount --bind "$DB" "$DB" && mount -o remount,bind,ro "$DB" || exit 99\n'
        done = subprocess.run(["unshare", "-m", "sh", "-c", mount + script], capture_output=True, text=True, check=False,
                              timeout=COMMAND_SECONDS_MAX, stdin=subprocess.DEVNULL,
                              env={**os.environ, "P": PROGRAM, "DB": self.database, "D": self.directory})
        if done.returncode == 99 or done.stderr.startswith("unshare: "):
            self.skipTest("a read-only bind mount is not allowed here: " + done.stderr.strip())
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def check_results(self, expected):
        self.assertEqual(differences(expected, self.path("json")), [])
        command("check", self.path("backup"))
        command("export", self.path("backup"), self.path("again"))
        self.assertEqual(differences(expected, self.path("again")), [])

    COMMANDS = 'set -e; touch "$DB/x" 2>/dev/null && exit 3; ' \
               '$P check "$DB"; $P inspect "$DB"; $P export "$DB" "$D/json"; $P backup "$DB" "$D/backup"'

    def test_a_clean_database_on_a_read_only_mount(self):
        expected = self.expected()
        before = self.state()
        self.assertIn("no problem found", self.on_a_read_only_mount(self.COMMANDS))
        self.assertEqual(self.state(), before)
        self.check_results(expected)

    def test_a_killed_database_on_a_read_only_mount(self):
        self.insert_and_kill()
        expected = self.expected()
        self.assertEqual(len(read_json(expected, "alice", "user", "numbers", "data.json")), 1000)
        before = self.state()
        self.assertIn("no problem found", self.on_a_read_only_mount(self.COMMANDS))
        self.assertEqual(self.state(), before)
        self.check_results(expected)

    def test_writing_commands_say_that_it_is_read_only(self):
        printed = self.on_a_read_only_mount('$P import "$DB" "$D/none" 2>&1; $P run "$DB" --port 0 2>&1; $P repair "$DB" 2>&1; true')
        self.assertIn("Read-only file system", printed)

    def test_another_user_may_read(self):
        if os.geteuid() != 0:
            self.skipTest("only root can run a command as another user")
        self.insert_and_kill()
        expected = self.expected()
        for folder, folders, files in os.walk(self.database):
            os.chmod(folder, 0o755)
            for name in files:
                os.chmod(os.path.join(folder, name), 0o644)
        os.mkdir(self.path("out"))
        os.chown(self.path("out"), NOBODY, NOBODY)
        before = self.state()
        program = self.program_for_all()
        for arguments in (("check", self.database), ("inspect", self.database), ("export", self.database, self.path("out", "json")),
                          ("backup", self.database, self.path("out", "backup"))):
            done = subprocess.run([program, *arguments], capture_output=True, text=True, user=NOBODY, check=False,
                                  timeout=COMMAND_SECONDS_MAX, stdin=subprocess.DEVNULL,
                                  env={**os.environ, "TMPDIR": self.path("out")})
            self.assertEqual(done.returncode, 0, f"{arguments}: {done.stderr}")
            self.assertEqual(self.state(), before)
        self.assertEqual(differences(expected, self.path("out", "json")), [])
        for name in os.listdir(self.path("out")):
            os.rename(self.path("out", name), self.path(name))
        for folder, folders, files in os.walk(self.path("backup")):
            for path in (folder, *(os.path.join(folder, name) for name in files)):
                os.chown(path, 0, 0)
        self.check_results(expected)


if __name__ == "__main__":
    main()
