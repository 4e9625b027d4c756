"""Keys that deserve a second look among many: counted as far as it is known, listed in their order on every page."""

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, Final

import pytest
import pytest_asyncio
from sqlalchemy import insert

from given import NOON, FakeClock
from given_control import House, a_house
from given_engine import Engine
from keyhouse.core.permissions import PRESETS
from keyhouse.store import hygiene, schema
from keyhouse.store.hygiene import DAY_MS, Habit
from keyhouse.store.key_pages import COUNTED_MAX

pytestmark = pytest.mark.asyncio

PAGE: Final = 50


@pytest_asyncio.fixture
async def house(tmp_path: Path, engine: Engine) -> AsyncIterator[House]:
    async with a_house(tmp_path, FakeClock(), engine) as made:
        yield made


def some_keys(count: int, used: int) -> list[dict[str, Any]]:
    """Keys made in the last year, so many of which were used since; some within a month."""
    random, rows = Random(5), []
    for number in range(count):
        created = NOON - random.randrange(366 * DAY_MS)
        rows.append(
            {
                "id": f"key_h{number}",
                "kind": "user",
                "organization_id": "org-1",
                "project_id": "proj_1",
                "owner_id": "user-1",
                "name": "one of many",
                "permissions": PRESETS["all"].written(),
                "created_at_ms": created,
                "created_by": "user-1",
                "expires_at_ms": None if number % 3 else NOON + DAY_MS,
                "last_used_at_ms": random.randrange(created, NOON) if number < used else None,
            }
        )
    return rows


async def ask(house: House, habit: Habit, offset: int) -> list[str]:
    page = partial(hygiene.list_by_habit, organization_id="org-1", habit=habit, now_ms=NOON, sight=None)
    return [key.id for key in await house.database.read(partial(page, offset=offset, limit=PAGE))]


@pytest.mark.parametrize("used", [2_000, 700, 30])
async def test_those_longest_unused_stand_first_on_every_page(house: House, used: int) -> None:
    rows = some_keys(2_200, used)
    await house.execute(insert(schema.keys).values(rows[:1_100]))
    await house.execute(insert(schema.keys).values(rows[1_100:]))
    rows = [row for row in await house.rows("api_keys") if row["organization_id"] == "org-1"]

    def since(row: dict[str, Any]) -> tuple[int, str]:
        return row["last_used_at_ms"] or row["created_at_ms"], row["id"]

    wanted = {
        Habit.NO_LIMIT: rows,
        Habit.NO_EXPIRY: [row for row in rows if row["expires_at_ms"] is None],
        Habit.LONG_UNUSED: [row for row in rows if since(row)[0] < NOON - 90 * DAY_MS],
    }
    for habit, those in wanted.items():
        in_order = [row["id"] for row in sorted(those, key=since)]
        for offset in (0, PAGE, 500, 1_000, len(in_order) - 10, len(in_order)):
            assert await ask(house, habit, offset) == in_order[offset : offset + PAGE]


async def test_keys_that_are_not_looked_at_first_stand_before_those_that_are(house: House) -> None:
    """Of keys that were used, the first with the habit are behind those that are looked at."""
    rows = some_keys(2_000, 1_000)
    for number, row in enumerate(rows):
        row["expires_at_ms"] = NOON + DAY_MS if number < 800 else None
        row["created_at_ms"] = NOON - 100 * DAY_MS + number
        row["last_used_at_ms"] = NOON - 200 * DAY_MS + number if number < 1_000 else None
    await house.execute(insert(schema.keys).values(rows[:1_000]))
    await house.execute(insert(schema.keys).values(rows[1_000:]))
    assert await ask(house, Habit.NO_EXPIRY, 0) == [f"key_h{number}" for number in range(800, 850)]


async def test_of_many_it_is_said_that_they_are_many(house: House) -> None:
    rows = some_keys(COUNTED_MAX + 100, 0)
    for begin in range(0, len(rows), 1_000):
        await house.execute(insert(schema.keys).values(rows[begin : begin + 1_000]))
    found = await house.database.read(partial(hygiene.count_habits, organization_id="org-1", now_ms=NOON, sight=None))
    without_end = sum(row["expires_at_ms"] is None for row in rows) + 1
    assert (found.total, found.counts[Habit.NO_LIMIT]) == (COUNTED_MAX + 1, COUNTED_MAX + 1)
    assert found.counts[Habit.NO_EXPIRY] == without_end < COUNTED_MAX
    assert found.counts[Habit.OWNER_GONE] == 0
