"""Who used most is the same with rankings and without, whatever happened since they were made."""

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any, Final

import pytest
from sqlalchemy import Connection, delete, insert, update

from given import NOON
from given_engine import Engine
from given_ledger import a_desk
from keyhouse.core.rollup import HOUR_MS
from keyhouse.store import schema
from keyhouse.store.folding import DAYS
from keyhouse.store.leaders import list_leaders
from keyhouse.store.rankings import MEASURES, NAMES, read_rankings, replace_rankings
from keyhouse.store.rollups import Selection
from reporting.given_rollups import a_slot, fold_at_once

pytestmark = pytest.mark.asyncio

DAY: Final = 24 * HOUR_MS
MIDNIGHT: Final = NOON - 12 * HOUR_MS
UNTIL: Final = NOON - HOUR_MS
"""Up to when there are rankings."""

STARTS: Final = (MIDNIGHT - 3 * DAY, NOON - 23 * HOUR_MS)
WINDOWS: Final = (
    *((start_ms, NOON + HOUR_MS) for start_ms in STARTS),
    (MIDNIGHT - 2 * DAY, NOON + DAY),
    (NOON - 22 * HOUR_MS, NOON + 2 * HOUR_MS),
    # Within a day that was folded whole; and one that is over before the rankings end.
    (MIDNIGHT - 2 * DAY + 5 * HOUR_MS, NOON + HOUR_MS),
    (MIDNIGHT - 3 * DAY, MIDNIGHT),
)


def usage(connection: Connection, draw: Random, keys: range, hours: range, rows: int, most: int) -> None:
    """Rows of some keys, a few of which use far more than others, in hours counted from noon."""
    made: dict[tuple[int, int], dict[str, Any]] = {}
    for _ in range(rows):
        number = (
            keys[min(int(draw.paretovariate(0.4)) - 1, len(keys) - 1)] if draw.random() < 0.5 else draw.choice(keys)
        )
        hour = draw.choice(hours)
        much = 1 + most // (1 + number)
        made[number, hour] = {
            "starts_at_ms": NOON + hour * HOUR_MS,
            "organization_id": "org-1",
            "project_id": f"proj_{number % 3}",
            "owner_id": f"user-{number // 2:04}",
            "key_id": f"key_{number:04}",
            "model": "m1",
            "upstream": "u1",
            "endpoint": "/v1/chat/completions",
            **{measure: draw.randrange(much) for measure in MEASURES},
        }
    connection.execute(insert(schema.usage_hour), list(made.values()))


def some_days(connection: Connection) -> None:
    """Four days of 600 keys, those that are over folded, and rankings made an hour ago."""
    usage(connection, Random(3), range(600), range(-84, -1), 4_000, 5_000)
    for day in (-3, -2, -1):
        fold_at_once(connection, DAYS, (MIDNIGHT + day * DAY, MIDNIGHT + (day + 1) * DAY), NOON)
    for start_ms in STARTS:
        made = read_rankings(connection, "org-1", ["", "proj_1"], start_ms, UNTIL)
        replace_rankings(connection, "org-1", start_ms, made, NOON)


def selections() -> Iterator[Selection]:
    for name in NAMES:
        yield Selection("org-1", (name,))
        yield Selection("org-1", (name,), project_ids=("proj_1",))
        yield Selection("org-1", (name,), project_ids=("proj_2",))
        yield Selection("org-1", (name,), project_ids=("proj_1", "proj_2"))
    yield Selection("org-1", ("key_id",), owner_ids=("user-0001",))


def answers(connection: Connection) -> list[object]:
    return [
        list_leaders(connection, selection, [window], measure, 20)
        for selection in selections()
        for window in WINDOWS
        for measure in ("requests", "cost_nano_usd")
    ]


def without_rankings(connection: Connection) -> list[object]:
    inside = connection.begin_nested()
    connection.execute(delete(schema.rankings))
    found = answers(connection)
    inside.rollback()
    return found


def lately(connection: Connection) -> None:
    """More of those who were there, of some a lot, and of some who are new."""
    usage(connection, Random(4), range(550, 700), range(-1, 2), 200, 900_000)


def given_back(connection: Connection) -> None:
    """What a late settle gives back."""
    some = schema.usage_hour.c.key_id.in_([f"key_{number:04}" for number in range(0, 60, 7)])
    connection.execute(update(schema.usage_hour).where(some).values(cost_nano_usd=0))
    # As if the days were folded again.
    for day in (-3, -2, -1):
        fold_at_once(connection, DAYS, (MIDNIGHT + day * DAY, MIDNIGHT + (day + 1) * DAY), NOON + 1)


async def test_the_answers_are_those_of_adding_up_everybody(engine: Engine, tmp_path: Path) -> None:
    async with a_desk(engine, tmp_path, owned_keys, some_days) as desk:
        for step in (None, lately, given_back):
            if step is not None:
                await desk.database.write(step)
            found = await desk.database.read(answers)
            assert found == await desk.database.write(without_rankings)
            assert any(found)


async def test_it_is_the_rankings_that_are_read(engine: Engine, tmp_path: Path) -> None:
    def ask(connection: Connection) -> list[int]:
        whole = [Selection("org-1", (name,)) for name in NAMES]
        return [list_leaders(connection, one, [window], "requests", 20)[1] for one in whole for window in WINDOWS]

    async with a_desk(engine, tmp_path, owned_keys, some_days) as desk:
        true = await desk.database.read(ask)
        nobody = update(schema.rankings).values(seen="[]")
        await desk.database.write(lambda c: c.execute(nobody).rowcount)
        assert [one == other for one, other in zip(await desk.database.read(ask), true, strict=True)] == [
            *(False, False, False, False, False, True),
            *(False, False, False, False, False, True),
        ]


async def test_where_all_use_as_much_everybody_is_added_up(engine: Engine, tmp_path: Path) -> None:
    def alike(connection: Connection) -> None:
        for number in range(300):
            a_slot(connection, NOON - 3 * HOUR_MS, key_id=f"key_{number:03}", requests=5)
        made = read_rankings(connection, "org-1", [""], MIDNIGHT, UNTIL)
        replace_rankings(connection, "org-1", MIDNIGHT, made, NOON)

    async with a_desk(engine, tmp_path, alike) as desk:
        window = [(MIDNIGHT, NOON)]
        found = await desk.database.read(
            lambda c: list_leaders(c, Selection("org-1", ("key_id",)), window, "requests", 50)
        )
        assert found == (tuple(f"key_{number:03}" for number in range(50)), 300)


def owned_keys(connection: Connection) -> None:
    """The keys, each with its owner: by them an owner's hours are found."""
    columns = {
        "kind": "service_account",
        "organization_id": "org-1",
        "name": "",
        "permissions": "[]",
        "created_at_ms": 0,
        "created_by": "user-1",
    }
    rows = [{"id": f"key_{number:04}", "owner_id": f"user-{number // 2:04}"} | columns for number in range(700)]
    connection.execute(insert(schema.keys), rows)
