"""What limits refuse is counted, and what is refused for another reason is not."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from given import NOON, a_need, an_opening
from given_engine import Engine
from given_ledger import Desk, a_desk, budget
from keyhouse.core.errors import Refusal
from keyhouse.core.limit import Unit, Window
from keyhouse.core.rollup import HOUR_MS
from keyhouse.ledger.book import Ledger
from keyhouse.ledger.refused import MODELS_MAX, OTHER_MODELS, ROWS_AT_ONCE, RefusedCount
from keyhouse.store import schema
from keyhouse.store.engine import Database, Unavailable

pytestmark = pytest.mark.asyncio


def counting(desk: Desk, rows_at_once: int = ROWS_AT_ONCE) -> tuple[Ledger, RefusedCount]:
    count = RefusedCount(desk.database, desk.clock, rows_at_once)
    return Ledger(desk.commit, desk.clock, {}, count.add), count


async def refuse(ledger: Ledger, number: int, model: str = "tiny-1") -> None:
    with pytest.raises(Refusal):
        async with ledger.hold(an_opening(f"call_{number}", price_id=None, model=model), a_need(1)):
            pass


async def written(desk: Desk) -> list[tuple[int, str, int]]:
    columns = schema.refused_hour.c
    rows = select(columns.starts_at_ms, columns.model, columns.requests).order_by(columns.starts_at_ms, columns.model)
    return await desk.database.read(lambda connection: [tuple(row) for row in connection.execute(rows)])


async def test_what_limits_refuse_is_counted_by_the_hour_and_written_together(engine: Engine, tmp_path: Path) -> None:
    async with a_desk(engine, tmp_path, budget(0, unit=Unit.REQUESTS, window=Window.DAY)) as desk:
        ledger, count = counting(desk)
        for number in range(3):
            await refuse(ledger, number)
        assert await written(desk) == []
        await count.write()
        await refuse(ledger, 3)
        await refuse(ledger, 4, model="big-1")
        desk.clock.turn(seconds=3_600)
        await refuse(ledger, 5)
        await count.write()
        await count.write()
        assert await written(desk) == [(NOON, "big-1", 1), (NOON, "tiny-1", 4), (NOON + HOUR_MS, "tiny-1", 1)]


async def test_a_client_that_makes_names_up_fills_no_table(engine: Engine, tmp_path: Path) -> None:
    async with a_desk(engine, tmp_path, budget(0, unit=Unit.REQUESTS, window=Window.DAY)) as desk:
        ledger, count = counting(desk)
        for number in range(MODELS_MAX + 5):
            await refuse(ledger, number, model=f"made-up-{number:02}")
            await count.write()
        await refuse(ledger, 99, model="made-up-00")
        desk.clock.turn(seconds=3_600)
        await refuse(ledger, 100, model="made-up-24")
        await count.write()
        rows = {(starts_at_ms, model): requests for starts_at_ms, model, requests in await written(desk)}
    assert len(rows) == MODELS_MAX + 2
    assert rows[NOON, OTHER_MODELS] == 5
    assert (rows[NOON, "made-up-00"], rows[NOON + HOUR_MS, "made-up-24"]) == (2, 1)


async def test_a_dead_key_is_not_refused_by_a_limit(engine: Engine, tmp_path: Path) -> None:
    async with a_desk(engine, tmp_path) as desk:
        ledger, count = counting(desk)
        dead = update(schema.keys).values(revoked_at_ms=NOON - 1)
        await desk.database.write(lambda connection: connection.execute(dead).rowcount)
        await refuse(ledger, 1)
        await count.write()
        assert await written(desk) == []


class Unsteady:
    """A real database that is away the first time that something is to be written; meanwhile `happens` happens."""

    def __init__(self, database: Database, happens: Callable[[], Awaitable[None]]) -> None:
        self._database = database
        self._happens: Callable[[], Awaitable[None]] | None = happens

    async def write(self, step: Callable[[Any], Any]) -> Any:
        happens, self._happens = self._happens, None
        if happens is not None:
            await happens()
            raise Unavailable("the database is away")
        return await self._database.write(step)


async def test_what_cannot_be_written_is_kept_and_added_to(engine: Engine, tmp_path: Path) -> None:
    async with a_desk(engine, tmp_path, budget(0, unit=Unit.REQUESTS, window=Window.DAY)) as desk:
        unsteady = Unsteady(desk.database, lambda: refuse(ledger, 2))
        count = RefusedCount(unsteady, desk.clock)  # type: ignore[arg-type]
        ledger = Ledger(desk.commit, desk.clock, {}, count.add)
        await refuse(ledger, 1)
        with pytest.raises(Unavailable):
            await count.write()
        await count.write()
        assert [row[2] for row in await written(desk)] == [2]


async def test_what_was_asked_for_before_a_stop_is_not_written_twice(engine: Engine, tmp_path: Path) -> None:
    async with a_desk(engine, tmp_path, budget(0, unit=Unit.REQUESTS, window=Window.DAY)) as desk:
        ledger, count = counting(desk)
        await refuse(ledger, 1)
        writing = asyncio.create_task(count.write())
        await asyncio.sleep(0)
        writing.cancel()
        with suppress(asyncio.CancelledError):
            await writing
        await count.write()
        await desk.database.write(lambda _: None)
        assert [row[2] for row in await written(desk)] == [1]


async def test_very_many_are_written_some_at_a_time(engine: Engine, tmp_path: Path) -> None:
    async with a_desk(engine, tmp_path, budget(0, unit=Unit.REQUESTS, window=Window.DAY)) as desk:
        ledger, count = counting(desk, rows_at_once=2)
        for number in range(5):
            await refuse(ledger, number, model=f"m{number}")
        await count.write()
        assert len(await written(desk)) == 5
