"""The books in SQLite: one batch is one transaction on the writer's thread."""

import sqlite3
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Final

from sqlalchemy import Connection, insert, update

from keyhouse.core.clock import Clock
from keyhouse.core.decide import Decision, Operation, Rows, decide
from keyhouse.store.books import EMPTY, Calendar, Wanted, Written, held_by_the_dead, read_rows
from keyhouse.store.engine import Unavailable
from keyhouse.store.schema import instances
from keyhouse.store.sqlite import SqliteDatabase, is_transient
from keyhouse.store.statements import for_rows, load_statements

SIZES: Final = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256)
"""For how many rows a statement is prepared: few sizes, so that the driver keeps them all."""


class SqliteBooks:
    """The books in SQLite. `after` runs on the writer's thread before each commit: tests inject faults there.

    Only one process has the file open, so every other gateway in it is dead.
    """

    def __init__(self, database: SqliteDatabase, clock: Clock, after: Callable[[], None] = lambda: None) -> None:
        self._database = database
        self._clock = clock
        self._after = after
        self._sql = load_statements("books_sqlite.sql")
        self._calendar = Calendar()
        self._instance_id = 0

    async def begin(self) -> int:
        """Register this process as the running gateway; returns its instance id."""
        now_ms = self._clock.now_ms()

        def register(connection: Connection) -> int:
            connection.execute(update(instances).where(instances.c.dead_at_ms.is_(None)).values(dead_at_ms=now_ms))
            row = insert(instances).values(started_at_ms=now_ms, heartbeat_at_ms=now_ms).returning(instances.c.id)
            return int(connection.execute(row).scalar_one())

        self._instance_id = await self._database.write(register)
        return self._instance_id

    async def beat(self, silent_ms: int | None) -> None:
        """Nothing: the lock on the file says that this gateway lives, and that no other does."""

    async def end(self) -> None:
        """Mark this gateway as ended."""
        ended = update(instances).where(instances.c.id == self._instance_id).values(dead_at_ms=self._clock.now_ms())
        await self._database.write(lambda connection: connection.execute(ended).rowcount)

    async def held_by_the_dead(self, after: str, most: int) -> list[str]:
        """Ids of calls that dead gateways left held, in order from `after` on, at most `most`."""
        held = held_by_the_dead(after, most)
        return await self._database.read(lambda connection: list(connection.execute(held).scalars()))

    async def run(self, batch: Sequence[Operation]) -> Decision:
        """Decide the batch and write it, durably, before returning."""
        return await self._database.on_writer(lambda: self._run(batch))

    def _run(self, batch: Sequence[Operation]) -> Decision:
        try:
            return self._in_transaction(batch)
        except sqlite3.OperationalError as error:
            if is_transient(error, sqlite3.SQLITE_READONLY):
                raise Unavailable(str(error)) from error
            raise

    def _in_transaction(self, batch: Sequence[Operation]) -> Decision:
        cursor = self._database.driver.cursor()
        cursor.execute("BEGIN IMMEDIATE")
        try:
            now_ms = self._clock.now_ms()
            rows = self._load(cursor, Wanted(batch, self._calendar, now_ms))
            decision = decide(batch, rows, now_ms)
            self._save(cursor, Written(batch, decision, rows, now_ms), now_ms)
            self._after()
            cursor.execute("COMMIT")
        except BaseException:
            if self._database.driver.in_transaction:
                cursor.execute("ROLLBACK")
            raise
        return decision

    def _load(self, cursor: sqlite3.Cursor, wanted: Wanted) -> Rows:
        asked = (wanted.standings, wanted.scopes, wanted.periods, wanted.calls)
        found = cursor.execute(self._sql["load"], asked).fetchone()
        missing = wanted.missing(found[1])
        if missing is not None:
            cursor.execute(self._sql["insert_periods"], (missing,))
            found = cursor.execute(self._sql["load"], asked).fetchone()
        return read_rows(*found)

    def _save(self, cursor: sqlite3.Cursor, written: Written, now_ms: int) -> None:
        sql = self._sql
        if written.opened:
            _by_rows(cursor, sql["insert_calls"], written.opened, now_ms, self._instance_id)
            cursor.execute(sql["touch_keys"], (written.keys, now_ms))
        if written.closed:
            _by_rows(cursor, sql["close_calls"], written.closed, now_ms)
            cursor.execute(sql["roll_up_hours"], (written.closed_ids,))
            cursor.execute(sql["roll_up_minutes"], (written.closed_ids,))
        if written.adjusted != EMPTY:
            cursor.execute(sql["insert_adjustments"], (written.adjusted, now_ms))
            cursor.execute(sql["adjust_hours"], (written.adjusted_ids,))
            cursor.execute(sql["adjust_minutes"], (written.adjusted_ids,))
        if written.counters != EMPTY:
            cursor.execute(sql["update_periods"], (written.counters,))


def _by_rows(cursor: sqlite3.Cursor, statement: str, rows: Sequence[Sequence[object]], *first: object) -> None:
    """Run a statement on all rows, after these values of its own, in one step: each has to wait for Python's lock.

    What is missing to the next size is filled up with rows of NULL, which the statement leaves out.
    """
    for begin in range(0, len(rows), SIZES[-1]):
        taken = rows[begin : begin + SIZES[-1]]
        size = next(size for size in SIZES if size >= len(taken))
        missing = [None] * ((size - len(taken)) * len(taken[0]))
        cursor.execute(for_rows(statement, size), [*first, *chain.from_iterable(taken), *missing])
