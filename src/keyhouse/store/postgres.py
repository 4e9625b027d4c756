"""PostgreSQL as the engine: many gateways on one database.

A read is one snapshot (REPEATABLE READ, READ ONLY). A write is READ COMMITTED: every decision is made on rows
or turns that are locked first (`turns.py`). Every commit is synchronous. A connection that was lost, because the
server was restarted or the network cut, is replaced when it is needed next.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, TypeVar

import asyncpg
import msgspec
from sqlalchemy import Connection, event, inspect, text
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from keyhouse.core.clock import Clock, Entropy
from keyhouse.core.identifiers import identifier
from keyhouse.store import migrations, schema
from keyhouse.store.address import Address, read_address
from keyhouse.store.engine import Actor, CannotOpen, Change, Unavailable
from keyhouse.store.failures import FAILURES, Kind, kind_of, said, translated
from keyhouse.store.listener import CHANNEL, EVERYTHING, Listener
from keyhouse.store.turns import NAMESPACE, Turn

T = TypeVar("T")

POOL_SIZE: Final = 8
POOL_TIMEOUT_SECONDS: Final = 5.0
"""How long to wait for one of the pool's connections."""

SERVER_VERSION_MIN: Final = 15
TRIES: Final = 3
PAUSE_SECONDS: Final = 0.02
"""How long to wait before a transaction is tried again, twice as long the second time."""

ANNOUNCED_MAX: Final = 100
"""More keys than this are announced as everything."""

_OURS: Final = frozenset({"alembic_version", schema.installation.name, schema.limit_periods.name})
"""Tables that tell a Keyhouse database from another program's."""

_ANNOUNCE: Final = text("SELECT pg_notify(:channel, value) FROM json_array_elements_text(CAST(:payloads AS json))")


class PostgresDatabase:
    """A `Database` in PostgreSQL. Making it connects to nothing; `open_postgres` also checks what is there."""

    def __init__(self, url: str, clock: Clock, entropy: Entropy) -> None:
        self._address = read_address(url)
        self._clock = clock
        self._entropy = entropy
        self._chain_key: bytes | None = None
        self._engine = create_async_engine(
            "postgresql+asyncpg://",
            async_creator=self.connect,
            isolation_level="READ COMMITTED",
            pool_size=POOL_SIZE,
            max_overflow=0,
            pool_timeout=POOL_TIMEOUT_SECONDS,
        )
        event.listen(self._engine.sync_engine, "checkout", _refuse_lost)
        self._snapshots = _snapshots(self._engine)
        self._running: set[asyncio.Task[Any]] = set()
        self._listening: asyncio.Task[None] | None = None

    async def read(self, question: Callable[[Connection], T]) -> T:
        """Run `question` on a snapshot; it cannot write."""
        return await self._finish(self._repeat(self._snapshots, question))

    async def write(self, step: Callable[[Connection], T]) -> T:
        """Run `step` as one durable transaction; again from its beginning if the server broke a deadlock with it."""
        return await self._finish(self._repeat(self._engine, step))

    async def change(self, actor: Actor, step: Callable[[Change], T]) -> T:
        """The same with an audit entry, without which it is rolled back. What it announces is told as it commits."""

        def changing(connection: Connection) -> T:
            change = Change(connection, actor, self._clock.now_ms(), lambda: identifier("audit_", self._entropy(20)))
            result = step(change)
            change.finish(self._chain_key)
            _announce(connection, list(change.announced))
            return result

        return await self.write(changing)

    async def connect(self) -> asyncpg.Connection:
        """A connection of the caller's own, with the pool's settings. Raises Unavailable."""
        try:
            return await asyncpg.connect(**self._address.connect_arguments(is_patient=False))
        except FAILURES as error:
            raise Unavailable(said(error)) from error

    def chain_with(self, key: bytes) -> None:
        """From now on changes can be made, and their audit entries are chained with this key."""
        self._chain_key = key

    def listen(self, forget: Callable[[str], None], forget_all: Callable[[], None]) -> None:
        """Tell `forget` of every key that a change on any gateway announces, until `close`.

        `forget_all` is called after every connection, and where very many keys were changed at once.
        """
        self._listening = asyncio.create_task(Listener(self.connect, forget, forget_all).run())

    async def close(self) -> None:
        """Finish what was begun and let go of every connection."""
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.wait({self._listening})
        if self._running:
            await asyncio.wait(self._running)
        await self._engine.dispose()

    async def _finish(self, work: Coroutine[Any, Any, T]) -> T:
        """Wait for `work`, which is finished even if whoever waits is cancelled."""
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return await asyncio.shield(task)

    async def _repeat(self, engine: AsyncEngine, step: Callable[[Connection], T]) -> T:
        tries = 1
        while True:
            attempt = _Attempt()
            try:
                return await attempt.run(engine, step)
            except FAILURES as error:
                kind = kind_of(error)
                if kind is Kind.READ_ONLY and engine is self._snapshots:
                    raise
                is_undone = kind is Kind.AGAIN or (kind is Kind.LOST and not attempt.is_committing)
                if not is_undone or tries == TRIES:
                    raise translated(error) from error
                # Whoever won needs a moment to get what was let go of.
                await asyncio.sleep(tries * PAUSE_SECONDS)
                tries += 1


async def open_postgres(
    url: str, clock: Clock, entropy: Entropy, version_min: int = SERVER_VERSION_MIN
) -> PostgresDatabase:
    """Connect, and bring the schema up to date, alone among all gateways.

    Raises CannotOpen, with nothing changed, if the database cannot be reached, is another program's, older than
    PostgreSQL 15, or newer than this program.
    """
    await _once(read_address(url), _prepare, version_min)
    return PostgresDatabase(url, clock, entropy)


async def read_only(url: str, question: Callable[[Connection], T], version_min: int = SERVER_VERSION_MIN) -> T:
    """Ask one question of any length on a snapshot, beside running gateways. Raises CannotOpen."""

    async def ask(engine: AsyncEngine) -> T:
        return await _Attempt().run(_snapshots(engine), _of_ours(question))

    return await _once(read_address(url), ask, version_min)


async def _once(address: Address, work: Callable[[AsyncEngine], Awaitable[T]], version_min: int) -> T:
    """Do `work` with an engine of its own that waits for statements of any length."""

    async def connect() -> asyncpg.Connection:
        connection = await asyncpg.connect(**address.connect_arguments(is_patient=True))
        version = connection.get_server_version().major
        if version < version_min:
            connection.terminate()
            raise CannotOpen(f"{address.shown} is PostgreSQL {version}: Keyhouse needs {version_min} or later.")
        return connection

    engine = create_async_engine(
        "postgresql+asyncpg://", async_creator=connect, isolation_level="READ COMMITTED", poolclass=NullPool
    )
    try:
        return await work(engine)
    except ValueError as error:
        # Not even its text is repeated: what cannot be read may be a part of the password.
        raise CannotOpen(f"{address.shown} cannot be read as a PostgreSQL address.") from error
    except FAILURES as error:
        raise CannotOpen(f"{address.shown} cannot be opened: {said(error)}. Nothing was changed.") from error
    finally:
        await engine.dispose()


async def _prepare(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        lock = {"namespace": NAMESPACE, "turn": int(Turn.SCHEMA)}
        # For the session, not for a transaction: looking and upgrading are several. It ends with the connection.
        await connection.execute(text("SELECT pg_advisory_lock(:namespace, :turn)"), lock)
        await connection.commit()
        await connection.run_sync(_upgrade)


def _upgrade(connection: Connection) -> None:
    _require_ours_or_empty(connection)
    connection.rollback()
    migrations.upgrade(connection)


def _of_ours(question: Callable[[Connection], T]) -> Callable[[Connection], T]:
    def ask(connection: Connection) -> T:
        _require_ours_or_empty(connection)
        return question(connection)

    return ask


def _require_ours_or_empty(connection: Connection) -> None:
    found = set(inspect(connection).get_table_names())
    if found and not found >= _OURS:
        raise CannotOpen(
            f"The database has tables of another program, such as {min(found)!r}. Nothing was changed; give Keyhouse "
            "a database of its own."
        )
    encoding = connection.execute(text("SHOW server_encoding")).scalar_one()
    if encoding != "UTF8":
        raise CannotOpen(f"The database keeps texts in {encoding}: Keyhouse needs one that was made with UTF8.")


class _Attempt:
    """One transaction. Whatever fails before `is_committing` has left nothing behind."""

    def __init__(self) -> None:
        self.is_committing = False

    async def run(self, engine: AsyncEngine, step: Callable[[Connection], T]) -> T:
        """Run `step`, and commit unless it raises."""
        async with engine.connect() as connection, connection.begin():
            try:
                result = await connection.run_sync(step)
            except (OSError, EOFError):
                # It may never answer again, not even to a rollback.
                await connection.invalidate()
                raise
            self.is_committing = True
            return result


def _snapshots(engine: AsyncEngine) -> AsyncEngine:
    return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


def _refuse_lost(dbapi_connection: Any, _record: object, _proxy: object) -> None:
    """Tell the pool which connections have ended while they lay there; it makes new ones."""
    if dbapi_connection.driver_connection.is_closed():
        raise DisconnectionError("the connection was lost")


def _announce(connection: Connection, key_ids: list[str]) -> None:
    if key_ids:
        payloads = key_ids if len(key_ids) <= ANNOUNCED_MAX else [EVERYTHING]
        connection.execute(_ANNOUNCE, {"channel": CHANNEL, "payloads": msgspec.json.encode(payloads).decode()})
