"""A page reads the same numbers whether hours and days were folded or not, and none is folded that can still change."""

from collections import defaultdict
from collections.abc import Iterator
from functools import partial
from itertools import count, pairwise
from pathlib import Path
from random import Random
from typing import Any, Final

import pytest
from sqlalchemy import Connection, Delete, Table, Update, delete, insert, select, update

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
from keyhouse.store.folded import list_wrong
from keyhouse.store.rollup_tables import HOUR_SUMS
from keyhouse.store.rollups import Selection, Sums
from reporting.given_rollups import a_slot

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
    """Three days of rows, each with figures of its own, up to now."""
    draw = Random(5)
    rows: dict[tuple[object, ...], dict[str, Any]] = {}
    for _ in range(300):
        number = draw.randrange(1, 5)
        groups = {
            "starts_at_ms": NOON - draw.randrange(3 * 24) * HOUR_MS,
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
    days = buckets(NOON - 5 * DAY, NOON + 1, "day", zone)
    hours = buckets(NOON - 30 * HOUR_MS, NOON - 20 * HOUR_MS, "hour", zone)
    month = [(days[0][0] + 7 * HOUR_MS, days[-1][1])]

    def ask(connection: Connection) -> list[object]:
        found: list[object] = []
        for selection in SELECTIONS:
            for spans in (days, hours, month):
                found.append(rollups.list_spans(connection, selection, spans))
                found.append(timings.list_timings(connection, selection, spans))
            # Slots are as wide as they were, or hours: what they add up to is the same.
            slots: dict[tuple[str, ...], Sums] = defaultdict(Sums)
            for slot in rollups.list_slots(connection, selection, days[0][0], days[-1][1]):
                slots[slot.group] += slot.sums
            found.append(slots)
        return found

    return await desk.database.read(ask)


def changed(statement: Delete | Update, connection: Connection) -> int:
    return connection.execute(statement).rowcount


async def fold_all(desk: Desk) -> int:
    """A round; how many days were folded, now or before. What came of the hours is theirs."""
    await a_folding(desk).round()
    return len(await folded(desk, schema.folded_days))


async def folded(desk: Desk, marks: Table) -> list[int]:
    rows = select(marks.c.starts_at_ms).order_by(marks.c.starts_at_ms)
    return await desk.database.read(lambda c: list(c.execute(rows).scalars()))


async def test_the_answers_are_the_same_before_and_after_in_whatever_zone(engine: Engine, tmp_path: Path) -> None:
    async with a_desk(engine, tmp_path, some_hours) as desk:
        before = {zone: await answers(desk, zone) for zone in (ZONE, "UTC", "Asia/Kolkata")}
        assert any(before[ZONE])
        for zone in (ZONE, "America/New_York", "Asia/Kolkata"):
            there = update(schema.organizations).values(time_zone=zone)
            await desk.database.write(partial(changed, there))
            folding = a_folding(desk)
            assert await folding.round() >= (2 if zone != ZONE else 2 * 3 * 23)
            assert await folding.round() == 0
            assert {zone: await answers(desk, zone) for zone in before} == before
        starts = await folded(desk, schema.folded_hours)
        assert min(after - one for one, after in pairwise(starts)) == HOUR_MS


async def test_what_is_asked_of_what_is_folded_is_not_read_from_the_slots(engine: Engine, tmp_path: Path) -> None:
    async with a_desk(engine, tmp_path, some_hours) as desk:
        before = await answers(desk, ZONE)
        await a_folding(desk).round()
        yesterday = schema.usage_hour.c.starts_at_ms < NOON - 13 * HOUR_MS
        await desk.database.write(lambda c: c.execute(schema.usage_hour.delete().where(yesterday)).rowcount)
        after = await answers(desk, ZONE)

        def same(kind: int) -> list[int]:
            return [place // 7 for place in range(kind, len(after), 7) if after[place] == before[place]]

        # Models of one key, and keys of one model, are only in the slots; the other organization is not there.
        assert [same(kind) for kind in range(7)] == [[0, 1, 2, 3, 4, 5, 9]] * 7


async def test_what_is_over_is_folded_when_nothing_that_began_in_it_runs(engine: Engine, tmp_path: Path) -> None:
    async with a_desk(engine, tmp_path, budget(10**9)) as desk:
        held = call_id(desk.clock.now_ms(), bytes(10))
        await desk.books.run([Reserve(an_opening(held), a_need(1_000))])
        await desk.call(call_id(desk.clock.now_ms(), b"1" * 10))
        desk.clock.turn(hours=11)
        await desk.commit.settled()
        assert await fold_all(desk) == 0
        hours = await folded(desk, schema.folded_hours)
        assert hours == [NOON + hour * HOUR_MS for hour in range(1, 10)]
        desk.clock.turn(hours=2)
        assert await fold_all(desk) == 0
        await desk.books.run([Closing(held, State.SETTLED, Basis.UPSTREAM, Counts(5), 5)])
        assert await fold_all(desk) == 1
        assert NOON in await folded(desk, schema.folded_hours)
        assert await a_folding(desk).round() == 0


async def test_what_a_late_settle_changed_is_folded_again(engine: Engine, tmp_path: Path) -> None:
    async with a_desk(engine, tmp_path, budget(10**9)) as desk:
        late = call_id(desk.clock.now_ms(), bytes(10))
        await desk.books.run([Reserve(an_opening(late), a_need(1_000))])
        await desk.books.end()
        heir = engine.books(desk.database, desk.clock)
        desk.clock.turn(days=1)
        await heir.begin()
        await close_orphans(heir)
        folding = a_folding(desk)
        assert await folding.round() > 1
        assert await spent(desk) == [1_000, 1_000]
        desk.clock.turn(hours=1)
        await heir.run([Closing(late, State.SETTLED, Basis.UPSTREAM, Counts(10), 10)])
        assert await spent(desk) == [10, 10]
        for _ in range(2):
            # Its day, and its hour and the one that is over by now, whoever called, and by owner and key.
            assert await folding.round() == 5
            assert await spent(desk) == [10, 10]
            desk.clock.turn(hours=1)
        assert await folding.round() == 2
        await heir.end()


async def test_after_all_was_looked_at_a_round_looks_at_what_is_new(engine: Engine, tmp_path: Path) -> None:
    async with a_desk(engine, tmp_path, some_hours) as desk:
        folding = a_folding(desk)
        await folding.round()
        desk.clock.turn(days=6)
        # Days, hours, and the hours by key of the last four days.
        assert await folding.round() == 6 * 25 + 4 * 24 - 1
        for table in (schema.folded_hours, schema.usage_whole_hour):
            old = delete(table).where(table.c.starts_at_ms < NOON)
            assert await desk.database.write(partial(changed, old)) > 50
        assert 0 < await folding.round() < 48
        assert await a_folding(desk).round() > 24


class EndedError(Exception):
    """The process ends here."""


def two_hours(connection: Connection) -> None:
    """Three keys' hours before a midnight and after it."""
    for number, hour in ((1, 14), (2, 14), (3, 14), (1, 13), (2, 12)):
        key = {"key_id": f"key_{number}", "owner_id": f"user-{number}"}
        a_slot(connection, NOON - hour * HOUR_MS, cost_nano_usd=number, **key)


async def is_true(desk: Desk) -> bool:
    """Whether pages read what the slots say, and nothing that is folded disagrees with them."""
    days = buckets(NOON - DAY, NOON, "day", ZONE)

    def ask(connection: Connection) -> bool:
        for group in ("model", "owner_id", "key_id"):
            found = rollups.list_spans(connection, Selection("org-1", (group,)), days)
            if sum(row.sums.requests for row in found) != 5 or sum(row.sums.cost_nano_usd for row in found) != 9:
                return False
        return not list_wrong(connection)

    return await desk.database.read(ask)


async def test_an_end_between_two_parts_neither_loses_anything_nor_counts_it_twice(
    engine: Engine, tmp_path: Path
) -> None:
    ends = 0
    async with a_desk(engine, tmp_path, two_hours) as desk:
        for left in count():
            steps = iter(range(left))

            async def end(_seconds: float, steps: Iterator[int] = steps) -> None:
                if next(steps, None) is None:
                    raise EndedError

            try:
                await Folding(desk.database, desk.clock, pause=end, at_once=2).round()
                break
            except EndedError:
                ends += 1
                assert await is_true(desk)
                # Whoever comes next may know another time zone.
                zone = ("America/New_York", ZONE)[ends % 2]
                there = update(schema.organizations).values(time_zone=zone)
                await desk.database.write(partial(changed, there))
        assert ends > 5
        assert await is_true(desk)
        assert len(await folded(desk, schema.folded_days)) == 1


async def test_of_two_that_fold_the_same_only_the_one_that_began_last_goes_on(engine: Engine, tmp_path: Path) -> None:
    async with a_desk(engine, tmp_path, two_hours) as desk:
        others: list[int] = []

        async def let_another(_seconds: float) -> None:
            if not others and await folded(desk, schema.foldings):
                others.append(0)
                desk.clock.turn(seconds=1)
                others[0] = await a_folding(desk).round()

        mine = Folding(desk.database, desk.clock, pause=let_another, at_once=2)
        # What it had begun was taken from it, and what was left it found done: a recent hour, and the day.
        assert await mine.round() == 13 + 12
        assert others == [2]
        assert await is_true(desk)


async def test_hours_by_key_go_when_no_page_shows_them(engine: Engine, tmp_path: Path) -> None:
    async with a_desk(engine, tmp_path, some_hours) as desk:
        before = await answers(desk, ZONE)
        folding = a_folding(desk)
        await folding.round()
        first_ms = (await folded(desk, schema.folded_recent_hours))[0]
        assert first_ms < NOON - 2 * DAY - HOUR_MS
        desk.clock.turn(days=2)
        await folding.round()
        for table in (schema.folded_recent_hours, schema.usage_whole_hour_by_owner, schema.usage_whole_hour_by_key):
            assert NOON - 2 * DAY - HOUR_MS <= min(await folded(desk, table)) <= NOON - DAY
        assert await answers(desk, ZONE) == before
        assert await desk.database.read(list_wrong) == []


async def spent(desk: Desk) -> list[int]:
    """What the day of noon cost, and its hour."""

    def ask(connection: Connection) -> list[int]:
        day, hour = (buckets(NOON, NOON + 1, bucket, ZONE) for bucket in ("day", "hour"))
        rows = [row for spans in (day, hour) for row in rollups.list_spans(connection, Selection("org-1"), spans)]
        return [row.sums.cost_nano_usd for row in rows]

    return await desk.database.read(ask)
