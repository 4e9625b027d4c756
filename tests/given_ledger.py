"""A ledger on its own database, for tests of the ledger on each engine."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from sqlalchemy import Connection, select

from given import FakeClock, a_limit, a_need, an_opening, some_people
from given_engine import Engine
from keyhouse.core.money import Counts, Price, Rate
from keyhouse.ledger.auditor import Report, audit
from keyhouse.ledger.book import Ledger
from keyhouse.ledger.commit import PAUSE_SECONDS, GroupCommit
from keyhouse.store import schema
from keyhouse.store.books import Books
from keyhouse.store.engine import Database

PRICE = Price(1, (Rate(1_000, 1_000, 1_000, 1_000),))
"""One nano-USD a token, so that tokens and money are the same number."""


class Desk:
    """A ledger on its own database, and what tests ask of it."""

    def __init__(
        self, database: Database, clock: FakeClock, books: Books, pause_seconds: float, turns: int = 1
    ) -> None:
        self.database = database
        self.clock = clock
        self.books = books
        self.reports: list[str] = []
        self.commit = GroupCommit(
            books, lambda message, error: self.reports.append(f"{message}: {error}"), pause_seconds, turns=turns
        )
        self.ledger = Ledger(self.commit, clock, {1: PRICE})

    def is_well(self) -> bool:
        return self.ledger.is_well

    async def audit(self) -> Report:
        await self.commit.settled()
        return await self.database.read(audit)

    async def states(self) -> dict[str, tuple[str, str | None, int | None]]:
        await self.commit.settled()
        rows = select(schema.calls.c.id, schema.calls.c.state, schema.calls.c.basis, schema.calls.c.charged_nano_usd)
        found = await self.database.read(lambda connection: connection.execute(rows).all())
        return {row[0]: (row[1], row[2], row[3]) for row in found}

    async def counters(self) -> list[tuple[int, int, int]]:
        await self.commit.settled()
        periods = schema.limit_periods.c
        rows = select(periods.settled, periods.reserved, periods.overrun).order_by(periods.limit_id, periods.id)
        found = await self.database.read(lambda connection: connection.execute(rows).all())
        return [(row[0], row[1], row[2]) for row in found]

    async def call(self, call_id: str, need: int = 1_000, used: int | None = None) -> None:
        async with self.ledger.hold(an_opening(call_id), a_need(need, tokens=need)) as hold:
            hold.sent()
            hold.settle(Counts(need if used is None else used), status=200)


@asynccontextmanager
async def a_desk(
    engine: Engine,
    folder: Path,
    *seeds: Callable[[Connection], None],
    wrap: Callable[[Books], Books] = lambda books: books,
    pause_seconds: float = PAUSE_SECONDS,
    turns: int = 1,
) -> AsyncIterator[Desk]:
    clock = FakeClock()
    database = engine.open(folder, clock)

    def seed(connection: Connection) -> None:
        some_people(connection)
        for step in seeds:
            step(connection)

    await database.write(seed)
    desk = Desk(database, clock, wrap(engine.books(database, clock)), pause_seconds, turns)
    await desk.books.begin()
    running = asyncio.create_task(desk.commit.run())
    try:
        yield desk
    finally:
        desk.commit.stop()
        await running
        await desk.books.end()
        await database.close()


def budget(amount: int, **changes: object) -> Callable[[Connection], None]:
    return lambda connection: a_limit(connection, amount, **changes)  # type: ignore[arg-type]
