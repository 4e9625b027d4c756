"""Rankings are made once an hour, of what can change no more, where there are many keys."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Connection, insert, select

from given import NOON, a_need, an_opening
from given_engine import Engine
from given_ledger import Desk, a_desk, budget
from keyhouse.core.call import Basis, Closing, State
from keyhouse.core.decide import Reserve
from keyhouse.core.identifiers import call_id
from keyhouse.core.money import Counts
from keyhouse.core.rollup import HOUR_MS
from keyhouse.ledger.ranking import Rankings, begins
from keyhouse.store import schema
from keyhouse.store.rankings import MANY

pytestmark = pytest.mark.asyncio

DAY: Final = 24 * HOUR_MS


async def no_pause(_seconds: float) -> None:
    return None


def a_ranking(desk: Desk) -> Rankings:
    return Rankings(desk.database, desk.clock, pause=no_pause)


def many_keys(count: int) -> Any:
    def step(connection: Connection) -> None:
        key = {"kind": "user", "organization_id": "org-1", "owner_id": "user-1", "name": "", "permissions": "[]"}
        more = {"created_at_ms": 0, "created_by": "user-1", "project_id": "proj_1"}
        connection.execute(insert(schema.keys), [{"id": f"key-{number}"} | key | more for number in range(count)])
        slot = {"organization_id": "org-1", "project_id": "proj_1", "owner_id": "user-1", "key_id": "key-1"}
        what = {"model": "m", "upstream": "u", "endpoint": "e", "requests": 3, "cost_nano_usd": 5}
        connection.execute(insert(schema.usage_hour).values({"starts_at_ms": NOON - 5 * HOUR_MS} | slot | what))

    return step


async def kept(desk: Desk) -> list[tuple[int, int]]:
    """When the rankings begin, and end."""
    of = schema.rankings.c
    rows = select(of.starts_at_ms, of.ends_at_ms).distinct().order_by(of.starts_at_ms, of.ends_at_ms)
    return await desk.database.read(lambda c: [(row[0], row[1]) for row in c.execute(rows)])


async def test_they_are_made_once_an_hour_and_old_ones_go(engine: Engine, tmp_path: Path) -> None:
    async with a_desk(engine, tmp_path, many_keys(MANY)) as desk:
        ranking = a_ranking(desk)
        starts = begins(desk.clock.now_ms(), ZoneInfo("Europe/Berlin"))
        assert await ranking.round() == len(starts) == 4
        assert await kept(desk) == [(start_ms, NOON - HOUR_MS) for start_ms in sorted(starts)]
        count = await desk.database.read(lambda c: len(c.execute(select(schema.rankings)).all()))
        # Of all together and of the one project, by key and by owner, of what was used at all.
        assert count == 4 * 2 * 2 * 2
        # Another gateway, or the same after a start, finds them made.
        assert await ranking.round() == await a_ranking(desk).round() == 0
        desk.clock.turn(hours=1)
        assert await ranking.round() == 4
        assert {end_ms for _, end_ms in await kept(desk)} == {NOON}
        assert len(await kept(desk)) == 4


async def test_with_few_keys_there_are_none(engine: Engine, tmp_path: Path) -> None:
    async with a_desk(engine, tmp_path, many_keys(MANY - 10)) as desk:
        assert await a_ranking(desk).round() == 0
        assert await kept(desk) == []


async def test_they_end_before_what_still_runs(engine: Engine, tmp_path: Path) -> None:
    async with a_desk(engine, tmp_path, many_keys(MANY), budget(10**9)) as desk:
        held = call_id(desk.clock.now_ms(), bytes(10))
        await desk.books.run([Reserve(an_opening(held), a_need(1_000))])
        desk.clock.turn(hours=5)
        assert await a_ranking(desk).round() == 4
        assert {end_ms for _, end_ms in await kept(desk)} == {NOON}
        await desk.books.run([Closing(held, State.SETTLED, Basis.UPSTREAM, Counts(5), 5)])
        desk.clock.turn(hours=1)
        assert await a_ranking(desk).round() == 4
        assert {end_ms for _, end_ms in await kept(desk)} == {NOON + 5 * HOUR_MS}


async def test_they_begin_where_the_pages_periods_do() -> None:
    now = datetime(2026, 11, 27, 0, 30, tzinfo=ZoneInfo("Asia/Kolkata"))
    starts = begins(int(now.timestamp() * 1000), ZoneInfo("Asia/Kolkata"))
    assert [datetime.fromtimestamp(start / 1000, UTC).isoformat()[:16] for start in starts] == [
        "2026-11-25T20:00",
        "2026-11-20T18:30",
        "2026-10-31T18:30",
        "2026-10-28T18:30",
    ]
