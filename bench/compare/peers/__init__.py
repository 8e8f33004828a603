"""The peers, by the names of the command line. Each module has one class with what base.py asks for."""
from .connectordb import ConnectorDB
from .influxdb import InfluxDB
from .postgresql import PostgreSQL
from .redis import Redis
from .rocksdb import RocksDB
from .sqlite import SQLite
from .victoriametrics import VictoriaMetrics

PEERS = {
    "connectordb": ConnectorDB,
    "victoriametrics": VictoriaMetrics,
    "influxdb": InfluxDB,
    "postgresql": PostgreSQL,
    "redis": Redis,
    "rocksdb": RocksDB,
    "sqlite": SQLite,
}
