"""RocksDB through its C interface, sync=true, a write batch a batch (embedded_rocksdb.c). Its program is built here,
against the unpacked library."""
import os

import debian
import programs

from .embedded import EmbeddedPeer


class RocksDB(EmbeddedPeer):
    title = "RocksDB (in process)"
    packages = ["librocksdb-dev", "librocksdb7.8"]
    synced = "yes (`sync=true` set)"

    def install(self, root, version):
        build = os.path.join(self.programs.directory, "build-rocksdb")
        self.environment = debian.environment(root)
        programs.run(["cmake", "-S", os.path.join(programs.SOURCE, "bench", "compare"), "-B", build,
                      f"-DCONNECTORDB_BUILD={self.programs.build}", f"-DPEER_ROOT={root}"])
        programs.run(["cmake", "--build", build])
        self.program = os.path.join(build, "compare_rocksdb")
        return version
