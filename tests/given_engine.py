"""The engines that a test can run on, each making databases with the whole schema."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Protocol, TypeVar, cast

import pytest
from sqlalchemy import event

from given import AUDIT_KEY, FakeClock, a_database, seeded_entropy
from keyhouse.store import postgres, sqlite
from keyhouse.store.books import Books
from keyhouse.store.books_postgres import PostgresBooks
from keyhouse.store.books_sqlite import SqliteBooks
from keyhouse.store.engine import Connection, Database
from keyhouse.store.postgres import PostgresDatabase
from keyhouse.store.sqlite import SqliteDatabase
from postgres import Cluster, ThreadedDatabase, in_thread

T = TypeVar("T")

BOTH: Final = ("sqlite", "postgresql")
"""The engines by name: the parameters of a fixture that uses `an_engine`."""


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

    def drop(self, folder: Path) -> None:
        """Let go of a database that was closed, before the test is over."""
        ...

    def books(self, database: Database, clock: FakeClock) -> Books:
        """The ledger's rows in this database, told the time by `clock`."""
        ...

    def forget(self, books: Books, what: str) -> None:
        """Plant a bug: from now on these books do not write their `counters`, or their `rollups`."""
        ...

    def look(self, folder: Path, question: Callable[[Connection], T]) -> T:
        """Ask from outside, as another process would, while this thread waits."""
        ...


class SqliteEngine:
    """SQLite, in a file of the folder."""

    name = "sqlite"

    def open(self, folder: Path, clock: FakeClock | None = None, seed: int = 1) -> Database:
        return self.open_for_any_loop(folder, clock, seed)

    def open_for_any_loop(self, folder: Path, clock: FakeClock | None = None, seed: int = 1) -> ClosableDatabase:
        return a_database(folder, clock, seed)

    def drop(self, folder: Path) -> None:
        (folder / "keyhouse.db").unlink()

    def books(self, database: Database, clock: FakeClock) -> Books:
        assert isinstance(database, SqliteDatabase)
        return SqliteBooks(database, clock)

    def forget(self, books: Books, what: str) -> None:
        assert isinstance(books, SqliteBooks)
        statement = {"counters": "update_periods", "rollups": "roll_up_hours"}[what]
        books._sql = books._sql | {statement: "SELECT ?1"}

    def look(self, folder: Path, question: Callable[[Connection], T]) -> T:
        engine = sqlite.read_only(folder / "keyhouse.db")
        try:
            with engine.connect() as connection:
                return question(connection)
        finally:
            engine.dispose()


class PostgresEngine:
    """PostgreSQL, in a database of the server for each folder."""

    name = "postgresql"

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._names: dict[Path, str] = {}

    def url(self, folder: Path) -> str:
        """The address of the folder's database."""
        if folder not in self._names:
            self._names[folder] = self._cluster.lend_database()
        return self._cluster.url(self._names[folder])

    def open(self, folder: Path, clock: FakeClock | None = None, seed: int = 1) -> Database:
        database = PostgresDatabase(self.url(folder), clock or FakeClock(), seeded_entropy(seed))
        database.chain_with(AUDIT_KEY)
        return database

    def open_for_any_loop(self, folder: Path, clock: FakeClock | None = None, seed: int = 1) -> ClosableDatabase:
        database = ThreadedDatabase(self.url(folder), clock or FakeClock(), seeded_entropy(seed))
        database.chain_with(AUDIT_KEY)
        return database

    def drop(self, folder: Path) -> None:
        self._cluster.give_back(self._names.pop(folder))

    def books(self, database: Database, clock: FakeClock) -> Books:
        assert isinstance(database, PostgresDatabase)
        return PostgresBooks(database, clock, clock)

    def forget(self, books: Books, what: str) -> None:
        assert isinstance(books, PostgresBooks)
        line = {"counters": "WHERE limit_periods.id = ", "rollups": "FROM closed) AS c"}[what]
        without = {"counters": "WHERE false AND limit_periods.id = ", "rollups": "FROM closed WHERE false) AS c"}[what]
        assert line in books._sql["write"]
        books._sql = books._sql | {"write": books._sql["write"].replace(line, without)}

    def look(self, folder: Path, question: Callable[[Connection], T]) -> T:
        return in_thread(lambda: postgres.read_only(self.url(folder), question))

    def close(self) -> None:
        """Give back what was lent."""
        for name in self._names.values():
            self._cluster.give_back(name)


@contextmanager
def an_engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """The engine that a fixture's parameter names; its databases are given back."""
    if request.param == "sqlite":
        yield SqliteEngine()
        return
    made = PostgresEngine(request.getfixturevalue("cluster"))
    yield made
    made.close()


def statements_of(database: Database) -> list[str]:
    """Every statement that this database runs from now on, with its values; the list grows."""
    found: list[str] = []
    engines = (
        [database._readers, database._writer]
        if isinstance(database, SqliteDatabase)
        else [cast("PostgresDatabase", database)._engine.sync_engine]
    )
    for engine in engines:
        event.listen(engine, "before_cursor_execute", lambda *arguments: found.append(f"{arguments[2]} {arguments[3]}"))
    return found
