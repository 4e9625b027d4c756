"""Bugs to plant into a gateway on PostgreSQL: each takes out one thing that keeps gateways from harming each other."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import asyncpg

from keyhouse.core import decide as decisions
from keyhouse.core.call import Closing, State
from keyhouse.core.decide import Decision, HeldCall, Ignored, Operation, Period, Rows, charged_on
from keyhouse.ledger import instances
from keyhouse.store import address
from keyhouse.store.books import Wanted
from keyhouse.store.books_postgres import PostgresBooks
from keyhouse.store.failures import FAILURES
from keyhouse.store.listener import Listener

COMMIT_SECONDS: Final = 0.02
QUICK_BEAT_SECONDS: Final = 0.25
_begin = PostgresBooks.begin
_run = PostgresBooks.run
_in_transaction: Any = PostgresBooks._in_transaction


def slow_commit() -> None:
    """No bug: every batch takes 20 ms longer before it commits, as on a slow disk."""

    async def before_commit(self: PostgresBooks) -> None:
        await asyncio.sleep(COMMIT_SECONDS)

    PostgresBooks.before_commit = before_commit  # type: ignore[method-assign]


def quick_heart() -> None:
    """No bug: gateways beat four times a second, and are declared dead after two seconds of silence."""
    instances.BEAT_SECONDS = QUICK_BEAT_SECONDS  # type: ignore[misc]
    instances.SILENT_MS = 2_000  # type: ignore[misc]


def impatient() -> None:
    """No bug: a statement may take half a second, and a connection may take as long to be made."""
    address.COMMAND_TIMEOUT_SECONDS = 0.5  # type: ignore[misc]
    address.CONNECT_TIMEOUT_SECONDS = 0.5  # type: ignore[misc]


def _changed(statement: str, line: str, instead: str) -> None:
    """The books have another statement."""

    async def begin(self: PostgresBooks) -> int:
        # It registers anew each time it was declared dead.
        if self._instance_id == 0:
            assert line in self._sql[statement]
            self._sql = self._sql | {statement: self._sql[statement].replace(line, instead)}
        return await _begin(self)

    PostgresBooks.begin = begin  # type: ignore[method-assign]


def unlocked_periods() -> None:
    """A batch does not lock the limits it decides on."""
    _changed("lock", "ORDER BY p.id FOR NO KEY UPDATE\n)", "ORDER BY p.id\n)")
    slow_commit()


def unlocked_instance() -> None:
    """A batch does not lock its gateway's row."""
    _changed("lock", "WHERE i.id = $1 FOR NO KEY UPDATE", "WHERE i.id = $1")


class _Early:
    """A connection that has loaded a batch's rows before it locks them."""

    def __init__(self, connection: asyncpg.Connection, load: str, loaded: object) -> None:
        self._connection = connection
        self._load = load
        self._loaded = loaded

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    async def fetch(self, question: str, *values: object) -> Any:
        if question == self._load:
            return self._loaded
        return await self._connection.fetch(question, *values)


def early_load() -> None:
    """A batch loads its rows, and locks them afterwards."""

    async def loading(self: PostgresBooks, connection: asyncpg.Connection, batch: Sequence[Operation]) -> Any:
        wanted = Wanted(batch, self._calendar, self._guess_ms())
        asked = (wanted.standings, wanted.scopes, wanted.periods, wanted.calls)
        loaded = await connection.fetch(self._sql["load"], *asked)
        return await _in_transaction(self, _Early(connection, self._sql["load"], loaded), batch)

    PostgresBooks._in_transaction = loading  # type: ignore[method-assign]
    slow_commit()


class _Hopeful:
    """A connection on which every commit counts as done, whatever became of it."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    async def execute(self, statement: str, *values: object) -> Any:
        try:
            return await self._connection.execute(statement, *values)
        except FAILURES:
            if statement != "COMMIT":
                raise
            return ""


def unknown_commit_forwarded() -> None:
    """Calls whose commit was never answered are forwarded."""

    async def hoping(self: PostgresBooks, connection: asyncpg.Connection, batch: Sequence[Operation]) -> Any:
        return await _in_transaction(self, _Hopeful(connection), batch)

    PostgresBooks._in_transaction = hoping  # type: ignore[method-assign]


def orphans_released() -> None:
    """Calls that a dead gateway left are released, as if nothing had been sent."""

    async def released(self: PostgresBooks, batch: Sequence[Operation]) -> Decision:
        return await _run(self, [_released(operation) for operation in batch])

    PostgresBooks.run = released  # type: ignore[method-assign]


def _released(operation: Operation) -> Operation:
    if isinstance(operation, Closing) and operation.state is State.ORPHANED:
        return Closing(operation.call_id, State.RELEASED)
    return operation


def orphans_forgotten() -> None:
    """Calls that a dead gateway left stay held for ever."""

    async def nothing(self: PostgresBooks, after: str, most: int) -> list[str]:
        return []

    PostgresBooks.held_by_the_dead = nothing  # type: ignore[method-assign]


def late_settle_added() -> None:
    """What a late settle says is charged beside what was charged already."""

    def added(closing: Closing, call: HeldCall, rows: Rows, changed: dict[int, Period]) -> Ignored:
        for period_id in call.reserved.period_ids:
            period = rows.periods[period_id]
            period.settled += charged_on(period.limit, closing)
            changed[period.id] = period
        return Ignored(call.state)

    vars(decisions)["_adjust"] = added


def revocation_not_read_again() -> None:
    """The reserving transaction believes what the gateway remembers of the key."""
    vars(decisions)["why_dead"] = lambda _standing, _now_ms: None


def deaf() -> None:
    """No bug: the gateway hears of no change that another one makes."""

    async def silence(self: Listener) -> None:
        await asyncio.Event().wait()

    Listener.run = silence  # type: ignore[method-assign]


def hasty_burial() -> None:
    """Silence is believed at once, also when nobody could have been heard."""
    instances.STEADY_BEATS = 0  # type: ignore[misc]
