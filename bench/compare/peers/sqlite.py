"""SQLite: WAL mode, synchronous=FULL, a transaction a batch, one writer (embedded_sqlite.c). The library is the one
that ConnectorDB's catalog uses, so that nothing is to be unpacked."""
import sqlite3

from .embedded import EmbeddedPeer


class SQLite(EmbeddedPeer):
    title = "SQLite (in process)"
    synced = "yes (WAL, `synchronous=FULL` set)"
    writers = 1

    def install(self, root, version):
        self.program = self.programs.path("compare_sqlite")
        return sqlite3.sqlite_version
