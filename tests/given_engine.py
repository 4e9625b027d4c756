"""The engines that a test can run on, each making databases with the whole schema."""

from pathlib import Path
from typing import Protocol

from given import FakeClock, seeded_entropy
from keyhouse.store.engine import Database
from keyhouse.store.postgres import PostgresDatabase
from keyhouse.store.sqlite import open_sqlite
from postgres import Cluster, ThreadedDatabase


class ClosableDatabase(Database, Protocol):
    """A database that can also be closed without an event loop."""

    def close_now(self) -> None:
        """`close` for callers without an event loop."""
        ...


class Engine(Protocol):
    """Makes databases. One name is one database, however often it is opened; it is told by its folder."""

    name: str

    def open(self, folder: Path, clock: FakeClock | None = None, seed: int = 1) -> Database:
        """A real database, for one event loop."""
        ...

    def open_for_any_loop(self, folder: Path, clock: FakeClock | None = None, seed: int = 1) -> ClosableDatabase:
        """A real database that several event loops may use."""
        ...


class SqliteEngine:
    """SQLite, in a file of the folder."""

    name = "sqlite"

    def open(self, folder: Path, clock: FakeClock | None = None, seed: int = 1) -> Database:
        return self.open_for_any_loop(folder, clock, seed)

    def open_for_any_loop(self, folder: Path, clock: FakeClock | None = None, seed: int = 1) -> ClosableDatabase:
        return open_sqlite(folder / "keyhouse.db", clock or FakeClock(), seeded_entropy(seed))


class PostgresEngine:
    """PostgreSQL, in a database of the server for each folder."""

    name = "postgresql"

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._names: dict[Path, str] = {}

    def url(self, folder: Path) -> str:
        """The address of the folder's database."""
        if folder not in self._names:
            self._names[folder] = self._cluster.new_database()
        return self._cluster.url(self._names[folder])

    def open(self, folder: Path, clock: FakeClock | None = None, seed: int = 1) -> Database:
        return PostgresDatabase(self.url(folder), clock or FakeClock(), seeded_entropy(seed))

    def open_for_any_loop(self, folder: Path, clock: FakeClock | None = None, seed: int = 1) -> ClosableDatabase:
        return ThreadedDatabase(self.url(folder), clock or FakeClock(), seeded_entropy(seed))

    def close(self) -> None:
        """Drop what was made."""
        for name in self._names.values():
            self._cluster.drop_database(name)
