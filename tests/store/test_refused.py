"""What limits refused, added up by the hour and asked for by span and group, on each engine."""

import asyncio
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import msgspec
import pytest

from given import NOON
from given_engine import ClosableDatabase, Engine
from keyhouse.store.engine import Connection
from keyhouse.store.refused import RefusedSlot, add_refused, list_refused
from keyhouse.store.rollups import Selection
from keyhouse.store.spans import Bounds
from keyhouse.store.timings import list_timings
from reporting.given_rollups import a_slot

HOUR = 3_600_000
SLOT = RefusedSlot(NOON, "org-1", "proj_1", "user-1", "key_1", "tiny-1", "local", "/v1/chat/completions")
HOURS = [(NOON - HOUR, NOON), (NOON, NOON + HOUR)]


def like(**changes: object) -> RefusedSlot:
    return msgspec.structs.replace(SLOT, **changes)


@pytest.fixture
def database(engine: Engine, tmp_path: Path) -> Iterator[ClosableDatabase]:
    made = engine.open_for_any_loop(tmp_path)
    for counts in (
        {SLOT: 2, like(key_id="key_2"): 1, like(starts_at_ms=NOON - HOUR): 4},
        {SLOT: 3, like(model="tiny-2"): 7, like(organization_id="org-2"): 90, like(starts_at_ms=NOON + HOUR): 50},
    ):
        asyncio.run(made.write(partial(add_refused, counts=counts)))
    yield made
    made.close_now()


def ask(
    database: ClosableDatabase, selection: Selection, spans: list[Bounds]
) -> dict[tuple[int, tuple[str, ...]], int]:
    return asyncio.run(database.read(lambda c: list_refused(c, selection, spans)))


def test_what_is_counted_twice_is_added_up(database: ClosableDatabase) -> None:
    assert ask(database, Selection("org-1"), HOURS) == {(NOON - HOUR, ()): 4, (NOON, ()): 2 + 3 + 1 + 7}


def test_groups_and_filters_are_those_of_the_rollups(database: ClosableDatabase) -> None:
    by_key = Selection("org-1", ("key_id",), models=("tiny-1",))
    assert ask(database, by_key, HOURS) == {
        (NOON - HOUR, ("key_1",)): 4,
        (NOON, ("key_1",)): 5,
        (NOON, ("key_2",)): 1,
    }
    whole = [(NOON - HOUR, NOON + HOUR)]
    assert ask(database, by_key, whole) == {(NOON - HOUR, ("key_1",)): 9, (NOON - HOUR, ("key_2",)): 1}
    assert ask(database, Selection("org-1"), []) == {}


def test_between_spans_nothing_is_counted(database: ClosableDatabase) -> None:
    apart = [(NOON - HOUR, NOON), (NOON + HOUR, NOON + 2 * HOUR)]
    assert ask(database, Selection("org-1"), apart) == {(NOON - HOUR, ()): 4, (NOON + HOUR, ()): 50}


def test_timings_have_it_beside_the_calls_and_where_there_was_no_call(database: ClosableDatabase) -> None:
    def read(connection: Connection) -> list[tuple[int, tuple[str, ...], int, int]]:
        a_slot(connection, NOON, requests=8)
        found = list_timings(connection, Selection("org-1", ("model",)), HOURS)
        return [(row.starts_at_ms, row.group, row.timings.requests, row.timings.refused) for row in found]

    assert asyncio.run(database.write(read)) == [
        (NOON - HOUR, ("tiny-1",), 0, 4),
        (NOON, ("tiny-1",), 8, 6),
        (NOON, ("tiny-2",), 0, 7),
    ]
