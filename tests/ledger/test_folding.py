"""A page reads the same numbers whether a day was folded or not, and no day is folded that can still change."""

from pathlib import Path
from random import Random
from typing import Any, Final

import pytest
from sqlalchemy import Connection, insert, select, update

from given import NOON, a_need, an_opening
from given_engine import Engine
from given_ledger import Desk, a_desk, budget
from keyhouse.core.call import Basis, Closing, State
from keyhouse.core.decide import Reserve
from keyhouse.core.identifiers import call_id
from keyhouse.core.money import Counts
from keyhouse.core.rollup import HOUR_MS
from keyhouse.ledger.folding import Folding
from keyhouse.ledger.orphans import close_orphans
from keyhouse.reporting.usage import buckets
from keyhouse.store import rollups, schema, timings
from keyhouse.store.rollup_tables import HOUR_SUMS
from keyhouse.store.rollups import Selection

pytestmark = pytest.mark.asyncio

DAY: Final = 24 * HOUR_MS
ZONE: Final = "Europe/Berlin"
"""Where the organization of the tests is."""

SELECTIONS: Final = (
    Selection("org-1"),
    Selection("org-1", ("model",)),
    Selection("org-1", ("project_id", "model"), upstreams=("u1",)),
    Selection("org-1", ("endpoint", "upstream"), project_ids=("proj_2",)),
    Selection("org-1", ("key_id",)),
    Selection("org-1", ("owner_id",), key_ids=("key_1", "key_3")),
    Selection("org-1", ("model",), key_ids=("key_1",)),
    Selection("org-1", ("key_id",), models=("m2",)),
    Selection("org-2", ("project_id",)),
    Selection("org-1", ("model",), models=("nobody",)),
)


async def no_pause(_seconds: float) -> None:
    return None


def a_folding(desk: Desk) -> Folding:
    return Folding(desk.database, desk.clock, pause=no_pause)


def some_hours(connection: Connection) -> None:
    """Nine days of rows, each with figures of its own, up to now."""
    draw = Random(5)
    rows: dict[tuple[object, ...], dict[str, Any]] = {}
    for _ in range(500):
        number = draw.randrange(1, 5)
        groups = {
            "starts_at_ms": NOON - draw.randrange(9 * 24) * HOUR_MS,
            "organization_id": "org-2" if number == 4 else "org-1",
            "project_id": f"proj_{draw.randrange(1, 3)}",
            "owner_id": f"user-{number % 2}",
            "key_id": f"key_{number}",
            "model": f"m{draw.randrange(1, 4)}",
            "upstream": f"u{draw.randrange(1, 3)}",
            "endpoint": "/v1/chat/completions",
        }
        rows[tuple(groups.values())] = groups | {name: draw.randrange(100) for name in HOUR_SUMS}
    connection.execute(insert(schema.usage_hour), list(rows.values()))


async def answers(desk: Desk, zone: str) -> list[object]:
    days = buckets(NOON - 12 * DAY, NOON + 1, "day", zone)
    hours = buckets(NOON - DAY, NOON + 1, "hour", zone)

    def ask(connection: Connection) -> list[object]:
        found: list[object] = []
        for selection in SELECTIONS:
            found.append(rollups.list_spans(connection, selection, days))
            found.append(timings.list_timings(connection, selection, days))
            found.append(timings.list_timings(connection, selection, hours))
        return found

    return await desk.database.read(ask)


async def folded(desk: Desk) -> list[int]:
    rows = select(schema.folded_days.c.starts_at_ms).order_by(schema.folded_days.c.starts_at_ms)
    return await desk.database.read(lambda c: list(c.execute(rows).scalars()))


async def test_the_answers_are_the_same_before_and_after_in_whatever_zone(engine: Engine, tmp_path: Path) -> None:
    async with a_desk(engine, tmp_path, some_hours) as desk:
        before = {zone: await answers(desk, zone) for zone in (ZONE, "UTC", "America/New_York")}
        assert any(before[ZONE])
        assert await a_folding(desk).round() >= 8
        assert await a_folding(desk).round() == 0
        assert {zone: await answers(desk, zone) for zone in before} == before
        there = update(schema.organizations).values(time_zone="America/New_York")
        await desk.database.write(lambda c: c.execute(there).rowcount)
        assert await a_folding(desk).round() >= 8
        assert {zone: await answers(desk, zone) for zone in before} == before


async def test_what_is_asked_of_folded_days_is_not_read_from_the_hours(engine: Engine, tmp_path: Path) -> None:
    async with a_desk(engine, tmp_path, some_hours) as desk:
        before = await answers(desk, ZONE)
        await a_folding(desk).round()
        yesterday = schema.usage_hour.c.starts_at_ms < NOON - 13 * HOUR_MS
        await desk.database.write(lambda c: c.execute(schema.usage_hour.delete().where(yesterday)).rowcount)
        after = await answers(desk, ZONE)
        same = [place // 3 for place in range(0, len(after), 3) if after[place] == before[place]]
        # Models of one key, and keys of one model, are only in the hours; the other organization is not there.
        assert same == [0, 1, 2, 3, 4, 5, 9]


async def test_a_day_is_folded_only_when_it_is_over_and_nothing_that_began_in_it_runs(
    engine: Engine, tmp_path: Path
) -> None:
    async with a_desk(engine, tmp_path, budget(10**9)) as desk:
        held = call_id(desk.clock.now_ms(), bytes(10))
        await desk.books.run([Reserve(an_opening(held), a_need(1_000))])
        await desk.call(call_id(desk.clock.now_ms(), b"1" * 10))
        desk.clock.turn(hours=11)
        await desk.commit.settled()
        assert await a_folding(desk).round() == 0
        desk.clock.turn(hours=2)
        assert await a_folding(desk).round() == 0
        await desk.books.run([Closing(held, State.SETTLED, Basis.UPSTREAM, Counts(5), 5)])
        assert await a_folding(desk).round() == 1
        assert await a_folding(desk).round() == 0


async def test_a_day_that_a_late_settle_changed_is_folded_again(engine: Engine, tmp_path: Path) -> None:
    async with a_desk(engine, tmp_path, budget(10**9)) as desk:
        late = call_id(desk.clock.now_ms(), bytes(10))
        await desk.books.run([Reserve(an_opening(late), a_need(1_000))])
        await desk.books.end()
        heir = engine.books(desk.database, desk.clock)
        desk.clock.turn(days=1)
        await heir.begin()
        await close_orphans(heir)
        assert await a_folding(desk).round() == 1
        assert await spent(desk) == [1_000]
        desk.clock.turn(hours=1)
        await heir.run([Closing(late, State.SETTLED, Basis.UPSTREAM, Counts(10), 10)])
        assert await spent(desk) == [10]
        for _ in range(2):
            assert await a_folding(desk).round() == 1
            assert await spent(desk) == [10]
            desk.clock.turn(hours=1)
        assert await a_folding(desk).round() == 0
        await heir.end()


async def spent(desk: Desk) -> list[int]:
    days = buckets(NOON, NOON + 1, "day", ZONE)
    found = await desk.database.read(lambda c: rollups.list_spans(c, Selection("org-1"), days))
    return [row.sums.cost_nano_usd for row in found]
