"""SQLite as the engine: one writer on one thread, readers that can only read.

One process owns a database file, by a lock file beside it that says who. The write-ahead log is synced at
every commit (`synchronous=FULL`), so what was acknowledged survives a power cut. SQLite 3.40 has a bug in
the log with several writing connections; a single writer does not meet it. Checkpoints run on the writer's
thread between transactions, when it has nothing else to do or the log has grown long.
"""

import asyncio
import fcntl
import os
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import QueuePool, StaticPool

from keyhouse.core.clock import Clock, Entropy
from keyhouse.core.identifiers import identifier
from keyhouse.store import migrations
from keyhouse.store.engine import Actor, CannotOpen, Change, Unavailable

T = TypeVar("T")

APPLICATION_ID: Final = 0x4B65_7968
"""`Keyh` in the file's header (PRAGMA application_id): how a foreign database is told from ours."""

SQLITE_MIN: Final = (3, 39, 0)
READERS: Final = 4
LOG_BYTES: Final = 16 * 1024 * 1024
"""How long the log becomes before it is folded into the file although there is other work. It is then written anew from
its beginning, and not cut off: a sync that need not record a file's new length takes half of the time.
"""

PAGE_BYTES: Final = 4_096

IDLE_SECONDS: Final = 0.5

TRANSIENT: Final = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
    }
)
"""What SQLite says where the disk or another process is in the way."""

_Job = Callable[[], None]


class SqliteDatabase:
    """A `Database` in one file. Make it with `open_sqlite`."""

    def __init__(self, path: Path, lock: "FileLock", clock: Clock, entropy: Entropy) -> None:
        self.path = path
        self._lock = lock
        self._clock = clock
        self._entropy = entropy
        self._chain_key: bytes | None = None
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._writer = _writer_engine(path)
        self._readers = _reader_engine(path)
        self._reading = ThreadPoolExecutor(READERS, thread_name_prefix="keyhouse-read")
        self._connection: Connection = self._writer.connect()
        self._thread = threading.Thread(target=self._work, name="keyhouse-write", daemon=True)
        self._thread.start()

    async def read(self, question: Callable[[Connection], T]) -> T:
        """Run `question` on a snapshot; it cannot write."""

        def ask() -> T:
            with _unavailability(), self._readers.connect() as connection:
                return question(connection)

        return await asyncio.get_running_loop().run_in_executor(self._reading, ask)

    async def write(self, step: Callable[[Connection], T]) -> T:
        """Run `step` as one durable transaction."""
        return await self.on_writer(lambda: self._transaction(step))

    async def change(self, actor: Actor, step: Callable[[Change], T]) -> T:
        """Run `step` as one durable transaction; one that records nothing is rolled back."""

        def changing(connection: Connection) -> T:
            change = Change(connection, actor, self._clock.now_ms(), lambda: identifier("audit_", self._entropy(20)))
            result = step(change)
            change.finish(self._chain_key)
            return result

        return await self.write(changing)

    def chain_with(self, key: bytes) -> None:
        """From now on changes can be made, and their audit entries are chained with this key."""
        self._chain_key = key

    def listen(self, forget: Callable[[str], None], forget_all: Callable[[], None]) -> None:
        """Nothing to listen to: this process owns the file, and is told of its own changes as it makes them."""

    async def on_writer(self, job: Callable[[], T]) -> T:
        """Run `job` on the writer's thread, after what was asked before it.

        A caller that is cancelled stops waiting; the job is done all the same.
        """
        future: Future[T] = Future()

        def run() -> None:
            try:
                result = job()
            except BaseException as error:  # noqa: BLE001  handed to whoever waits for it
                future.set_exception(error)
            else:
                future.set_result(result)

        if not self._thread.is_alive():
            raise RuntimeError("the database is closed")
        self._jobs.put(run)
        return await asyncio.shield(asyncio.wrap_future(future))

    @property
    def driver(self) -> sqlite3.Connection:
        """The writer's own connection, for the ledger's batches; only to be used on the writer's thread."""
        connection = self._connection.connection.driver_connection
        if not isinstance(connection, sqlite3.Connection):
            raise TypeError("not a sqlite3 connection")
        return connection

    async def close(self) -> None:
        """Finish what was begun, fold the log into the file and let go of it."""
        await asyncio.get_running_loop().run_in_executor(None, self.close_now)

    def close_now(self) -> None:
        """`close` for callers without an event loop."""
        if self._thread.is_alive():
            self._jobs.put(None)
            self._thread.join()
        self._reading.shutdown()
        self._readers.dispose()
        self._connection.close()
        self._writer.dispose()
        self._lock.release()

    def _transaction(self, step: Callable[[Connection], T]) -> T:
        with _unavailability(sqlite3.SQLITE_READONLY), self._connection.begin():
            return step(self._connection)

    def _work(self) -> None:
        has_worked = False
        while True:
            try:
                job = self._jobs.get(timeout=IDLE_SECONDS)
            except queue.Empty:
                if has_worked:
                    self._checkpoint("PASSIVE")
                    has_worked = False
                continue
            if job is None:
                self._checkpoint("TRUNCATE")
                return
            job()
            has_worked = True

    def _checkpoint(self, mode: Literal["PASSIVE", "TRUNCATE"]) -> None:
        """Fold the log into the file; TRUNCATE also empties it."""
        try:
            self.driver.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
        except sqlite3.OperationalError:
            # A full disk: the log still holds everything, and the next checkpoint tries again.
            return


class FileLock:
    """Holds a file for this process, and leaves a note of who holds it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(self._file, 100).decode(errors="replace").strip() or "another process"
            os.close(self._file)
            raise CannotOpen(
                f"{path.with_suffix('')} is in use by {holder}. Stop it first, or choose another --data folder."
            ) from None
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"process {os.getpid()} on {os.uname().nodename}\n".encode(), 0)

    def release(self) -> None:
        """Let go of it."""
        os.close(self._file)


@contextmanager
def _unavailability(*also: int) -> Iterator[None]:
    """Raise Unavailable for what the disk or another process is to blame for, and for these codes."""
    try:
        yield
    except OperationalError as error:
        if isinstance(error.orig, sqlite3.Error) and is_transient(error.orig, *also):
            raise Unavailable(str(error.orig)) from error
        raise


def is_transient(error: sqlite3.Error, *also: int) -> bool:
    """Whether the disk or another process is to blame, or one of these codes was said.

    An extended result code holds the primary one in its low byte (sqlite.org/rescode.html).
    """
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF in TRANSIENT.union(also)


def open_sqlite(path: Path, clock: Clock, entropy: Entropy) -> SqliteDatabase:
    """Open, or make, the database in `path` and bring its schema up to date.

    Raises CannotOpen, with the file untouched, if it is in use, not a Keyhouse database, damaged, or newer
    than this program.
    """
    if sqlite3.sqlite_version_info < SQLITE_MIN:
        raise CannotOpen(f"SQLite {sqlite3.sqlite_version} is too old: Keyhouse needs 3.39 or later.")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = FileLock(path.with_name(path.name + ".lock"))
    try:
        _require_ours(path)
        engine = _writer_engine(path)
        try:
            with engine.connect() as connection:
                migrations.upgrade(connection)
        finally:
            engine.dispose()
    except sqlite3.DatabaseError as error:
        lock.release()
        raise CannotOpen(f"{path} cannot be read: {error}. Restore it from a backup; it was not changed.") from error
    except BaseException:
        lock.release()
        raise
    return SqliteDatabase(path, lock, clock, entropy)


def read_only(path: Path) -> Engine:
    """An engine that can only read the file, whoever else has it open. Raises CannotOpen like `open_sqlite`."""
    if not path.exists():
        raise CannotOpen(f"There is no database at {path}.")
    _require_ours(path)
    return _reader_engine(path)


def _require_ours(path: Path) -> None:
    if not path.exists() or path.stat().st_size == 0:
        return
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            (application_id,) = connection.execute("PRAGMA application_id").fetchone()
            (damage,) = (
                connection.execute("PRAGMA quick_check(1)").fetchone() if path.stat().st_size < 2**26 else ("ok",)
            )
    except sqlite3.DatabaseError as error:
        raise CannotOpen(f"{path} is not a readable SQLite database: {error}. It was not changed.") from error
    if application_id != APPLICATION_ID:
        raise CannotOpen(f"{path} is not a Keyhouse database. It was not changed; choose another --data folder.")
    if damage != "ok":
        raise CannotOpen(f"{path} is damaged: {damage}. Restore it from a backup; it was not changed.")


def _writer_engine(path: Path) -> Engine:
    engine = create_engine(
        f"sqlite+pysqlite:///{path}", poolclass=StaticPool, connect_args={"check_same_thread": False}
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _: object) -> None:
        connection.isolation_level = None
        # Setting it writes, even to what it is: a file that will be refused must stay as it is.
        if connection.execute("PRAGMA application_id").fetchone() != (APPLICATION_ID,):
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        for pragma in (
            "journal_mode = WAL",
            "synchronous = FULL",
            "foreign_keys = ON",
            f"wal_autocheckpoint = {LOG_BYTES // PAGE_BYTES}",
            f"journal_size_limit = {LOG_BYTES}",
            "cache_size = -65536",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _reader_engine(path: Path) -> Engine:
    engine = create_engine(
        f"sqlite+pysqlite:///file:{path}?mode=ro&uri=true",
        poolclass=QueuePool,
        pool_size=READERS,
        max_overflow=0,
        connect_args={"check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _: object) -> None:
        connection.isolation_level = None
        connection.execute("PRAGMA query_only = ON")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    return engine
