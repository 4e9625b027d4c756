"""The books in PostgreSQL: one batch is one transaction on this gateway's own connection, beside other gateways.

A batch locks its gateway's row of `instances` before anything else. Two promises rest on that. A gateway that
was declared dead finds out before it admits a call. And after a connection broke in the middle of a batch, the
next batch, on a new connection, waits until the old transaction has ended one way or the other: only then does it
look for the calls whose COMMIT was never answered.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

import asyncpg
from sqlalchemy import BigInteger, ColumnElement, Connection, cast, extract, func, insert, literal, select, update

from keyhouse.core.clock import Clock
from keyhouse.core.decide import Decision, Operation, Rows, decide
from keyhouse.store.books import EMPTY, Calendar, Wanted, Written, held_by_the_dead, read_rows, text_of
from keyhouse.store.engine import Unavailable
from keyhouse.store.failures import FAILURES, Kind, kind_of, translated
from keyhouse.store.postgres import PostgresDatabase
from keyhouse.store.schema import instances
from keyhouse.store.statements import load_statements

TRIES: Final = 8
"""How often a batch begins again because something it needs was missing or in a circle of locks."""

SETTINGS: Final = {
    # Every row is looked up by an index. A plan made while a table was small must not scan it once it is large.
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "plan_cache_mode": "force_generic_plan",
}

_SET: Final = "SELECT set_config(name, value, false) FROM unnest($1::text[], $2::text[]) AS s (name, value)"


class PostgresBooks:
    """The books in PostgreSQL. Time is the database's, so that gateways agree on it; tests give a clock to `follow`."""

    def __init__(self, database: PostgresDatabase, clock: Clock, follow: Clock | None = None) -> None:
        self._database = database
        self._clock = clock
        self._follow = follow
        self._sql = load_statements("books_postgres.sql")
        self._calendar = Calendar()
        self._connection: asyncpg.Connection | None = None
        self._instance_id = 0
        self._registering = asyncio.Lock()
        self._ahead_ms = 0
        """How far the database's clock is ahead of this process's, as the last batch saw it."""

    async def begin(self) -> int:
        """Register this process as a running gateway; returns its instance id."""

        def register(connection: Connection) -> int:
            now_ms = self._now_ms()
            row = insert(instances).values(started_at_ms=now_ms, heartbeat_at_ms=now_ms).returning(instances.c.id)
            return int(connection.execute(row).scalar_one())

        self._instance_id = await self._database.write(register)
        return self._instance_id

    async def beat(self, silent_ms: int | None) -> None:
        """Say that this gateway lives, and declare those dead that have not said so for `silent_ms`."""
        me = self._instance_id

        def say(connection: Connection) -> bool:
            now_ms = self._now_ms()
            living = instances.c.dead_at_ms.is_(None)
            mine = instances.c.id == me
            is_living: int = connection.execute(
                update(instances).where(mine, living).values(heartbeat_at_ms=now_ms)
            ).rowcount
            if silent_ms is None:
                return bool(is_living)
            # One that is just being declared dead, or is in the middle of a batch, is not waited for.
            silent = (
                select(instances.c.id)
                .where(living, ~mine, instances.c.heartbeat_at_ms < now_ms - silent_ms)
                .with_for_update(skip_locked=True)
            )
            connection.execute(update(instances).where(instances.c.id.in_(silent)).values(dead_at_ms=now_ms))
            return bool(is_living)

        if not await self._database.write(say):
            await self._begin_anew(me)

    async def _begin_anew(self, dead: int) -> None:
        """Register again after this gateway was declared dead; once, if its heart and a batch find out together."""
        async with self._registering:
            if self._instance_id == dead:
                await self.begin()

    async def end(self) -> None:
        """Mark this gateway as ended, and let go of its connection."""

        def mark(connection: Connection) -> None:
            mine = update(instances).where(instances.c.id == self._instance_id, instances.c.dead_at_ms.is_(None))
            connection.execute(mine.values(dead_at_ms=self._now_ms()))

        await self._database.write(mark)
        if self._connection is not None:
            await self._connection.close(timeout=1)

    async def held_by_the_dead(self, after: str, most: int) -> list[str]:
        """Ids of calls that dead gateways left held, in order from `after` on, at most `most`."""
        held = held_by_the_dead(after, most)
        return await self._database.read(lambda connection: list(connection.execute(held).scalars()))

    async def run(self, batch: Sequence[Operation]) -> Decision:
        """Decide the batch and write it, durably, before returning."""
        for _ in range(TRIES):
            try:
                decision = await self._in_transaction(await self._connected(), batch)
            except FAILURES as error:
                self._drop()
                if kind_of(error) is not Kind.AGAIN:
                    raise translated(error) from error
            except BaseException:
                # Nobody knows how far it came: the transaction ends with its connection.
                self._drop()
                raise
            else:
                if decision is not None:
                    return decision
        raise Unavailable(f"a batch began {TRIES} times and could not be finished")

    async def _in_transaction(self, connection: asyncpg.Connection, batch: Sequence[Operation]) -> Decision | None:
        """The batch's decision, committed; None if it must begin again."""
        me = self._instance_id
        wanted = Wanted(batch, self._calendar, self._guess_ms())
        await connection.execute("BEGIN ISOLATION LEVEL READ COMMITTED")
        (lock,) = await connection.fetch(self._sql["lock"], me, wanted.calls, wanted.scopes, wanted.periods)
        now_ms = lock["now_ms"] if self._follow is None else self._follow.now_ms()
        self._ahead_ms = lock["now_ms"] - self._clock.now_ms()
        if not lock["known"] or lock["dead_at_ms"] is not None:
            await connection.execute("ROLLBACK")
            await self._begin_anew(me)
            return None
        if not all(span.holds(now_ms) for span in wanted.spans.values()):
            await connection.execute("ROLLBACK")
            return None
        rows = await self._load(connection, wanted, lock["period_ids"])
        if rows is None:
            return None
        decision = decide(batch, rows, now_ms)
        await self._save(connection, Written(batch, decision, rows, now_ms), now_ms, me)
        await self.before_commit()
        await connection.execute("COMMIT")
        return decision

    async def _load(self, connection: asyncpg.Connection, wanted: Wanted, locked: list[int]) -> Rows | None:
        (found,) = await connection.fetch(
            self._sql["load"], wanted.standings, wanted.scopes, wanted.periods, wanted.calls
        )
        missing = wanted.missing(found[1])
        if missing is not None:
            # On its own, so that nothing is waited for while other rows are locked.
            await connection.execute("ROLLBACK")
            await connection.execute(self._sql["insert_periods"], missing)
            return None
        rows = read_rows(*found)
        if not rows.periods.keys() <= set(locked):
            # A limit came into force between the two statements.
            await connection.execute("ROLLBACK")
            return None
        return rows

    async def _save(self, connection: asyncpg.Connection, written: Written, now_ms: int, me: int) -> None:
        if written.opened or written.closed or written.counters != EMPTY:
            opened, closed = text_of(written.opened), text_of(written.closed)
            await connection.execute(self._sql["write"], opened, written.keys, closed, written.counters, now_ms, me)
        if written.adjusted != EMPTY:
            await connection.execute(self._sql["insert_adjustments"], written.adjusted, now_ms)
            await connection.execute(self._sql["adjust_hours"], written.adjusted_ids)
            await connection.execute(self._sql["adjust_minutes"], written.adjusted_ids)

    async def before_commit(self) -> None:
        """Where tests inject faults: everything is written, nothing is committed."""

    async def _connected(self) -> asyncpg.Connection:
        if self._connection is None or self._connection.is_closed():
            self._connection = await self._database.connect()
            await self._connection.execute(_SET, list(SETTINGS), list(SETTINGS.values()))
        return self._connection

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    def _guess_ms(self) -> int:
        """About what the database's clock shows; if a window has just begun, the batch learns it and begins again."""
        return self._clock.now_ms() + self._ahead_ms if self._follow is None else self._follow.now_ms()

    def _now_ms(self) -> ColumnElement[int]:
        if self._follow is not None:
            return literal(self._follow.now_ms(), BigInteger)
        return cast(extract("epoch", func.clock_timestamp()) * 1000, BigInteger)
