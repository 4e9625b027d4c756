"""A ranking has the foremost, the most that anybody else used, and how many were there since when."""

from functools import partial
from pathlib import Path
from typing import Final

import pytest
from sqlalchemy import Connection

from given import NOON
from given_engine import Engine
from given_ledger import a_desk
from keyhouse.core.rollup import HOUR_MS, QUARTER_MS
from keyhouse.store.folding import DAYS
from keyhouse.store.rankings import RANKED, Place, Ranking, find_ranking, read_rankings, replace_rankings
from reporting.given_rollups import a_slot, fold_at_once

pytestmark = pytest.mark.asyncio

DAY: Final = 24 * HOUR_MS
MIDNIGHT: Final = NOON - 12 * HOUR_MS
BY_KEY: Final = Place("key_id", "", "requests")


def two_days(connection: Connection) -> None:
    """Three keys of yesterday, which is folded, and two of today."""
    for number, requests in enumerate((5, 9, 7)):
        a_slot(connection, MIDNIGHT - 3 * HOUR_MS, key_id=f"key_{number}", requests=requests)
    a_slot(connection, NOON - HOUR_MS, key_id="key_0", requests=5)
    a_slot(connection, NOON - HOUR_MS, key_id="key_9", requests=1, project_id="proj_2")
    fold_at_once(connection, DAYS, (MIDNIGHT - DAY, MIDNIGHT), NOON)


async def test_the_foremost_and_when_each_was_seen_last(engine: Engine, tmp_path: Path) -> None:
    async with a_desk(engine, tmp_path, two_days) as desk:
        made = await desk.database.read(lambda c: read_rankings(c, "org-1", ["", "proj_2"], MIDNIGHT - DAY, NOON))
        seen = ((MIDNIGHT - DAY, MIDNIGHT, 2), (NOON - HOUR_MS, NOON - HOUR_MS + QUARTER_MS, 2))
        leaders = (("key_0", 10), ("key_1", 9), ("key_2", 7), ("key_9", 1))
        assert made[BY_KEY] == Ranking(MIDNIGHT - DAY, NOON, leaders, seen)
        assert made[Place("key_id", "proj_2", "requests")].leaders == (("key_9", 1),)
        assert made[Place("owner_id", "", "requests")].leaders == (("user-1", 27),)
        # Nothing cost anything: nobody is foremost.
        assert Place("key_id", "", "cost_nano_usd") not in made


async def test_the_one_that_begins_latest_and_takes_in_all_is_found(engine: Engine, tmp_path: Path) -> None:
    async with a_desk(engine, tmp_path) as desk:
        for start_ms, end_ms in ((MIDNIGHT - DAY, NOON), (MIDNIGHT, NOON)):
            kept = {BY_KEY: Ranking(start_ms, end_ms, (("key_1", 3),), ((start_ms, start_ms + 1, 1),))}
            step = partial(replace_rankings, organization_id="org-1", starts_at_ms=start_ms, made=kept, now_ms=NOON)
            await desk.database.write(step)

        async def found(start_ms: int, end_ms: int, place: Place = BY_KEY) -> int | None:
            ranking = await desk.database.read(lambda c: find_ranking(c, "org-1", place, start_ms, end_ms))
            return None if ranking is None else ranking.starts_at_ms

        for start_ms, end_ms, expected in (
            (MIDNIGHT + HOUR_MS, NOON + HOUR_MS, MIDNIGHT),
            (MIDNIGHT, NOON, MIDNIGHT),
            (MIDNIGHT - 1, NOON, MIDNIGHT - DAY),
            (MIDNIGHT - DAY - 1, NOON, None),
            (MIDNIGHT, NOON - 1, None),
            (NOON, NOON + HOUR_MS, None),
        ):
            assert await found(start_ms, end_ms) == expected
        assert await found(MIDNIGHT, NOON, Place("owner_id", "", "requests")) is None


async def test_who_was_there_since_when_is_told_unless_that_is_within_a_day() -> None:
    ranking = Ranking(0, 9 * DAY, (("key_1", 5),), ((0, DAY, 3), (2 * DAY, 3 * DAY, 4), (8 * DAY, 8 * DAY + 1, 1)))
    assert [ranking.count_since(at_ms) for at_ms in (0, DAY, 2 * DAY, 3 * DAY, 9 * DAY)] == [8, 5, 5, 1, 0]
    assert ranking.count_since(2 * DAY + 1) is None
    assert ranking.rest == 0
    full = Ranking(0, DAY, tuple((f"key_{number}", RANKED - number) for number in range(RANKED)), ())
    assert full.rest == 1
