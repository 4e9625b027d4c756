"""Histograms and causes, summed over spans of slots, on each engine."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from given import NOON
from given_engine import ClosableDatabase, Engine
from keyhouse.core.errors import Code, Refusal
from keyhouse.store.engine import Connection
from keyhouse.store.rollups import Selection
from keyhouse.store.timings import NOTHING, GroupTimings, list_timings
from reporting.given_rollups import a_slot

HOUR = 3_600_000
SPANS = [(NOON - HOUR, NOON), (NOON, NOON + HOUR)]


@pytest.fixture
def database(engine: Engine, tmp_path: Path) -> Iterator[ClosableDatabase]:
    made = engine.open_for_any_loop(tmp_path)
    asyncio.run(made.write(some_slots))
    yield made
    made.close_now()


def some_slots(connection: Connection) -> None:
    a_slot(connection, NOON - HOUR, requests=3, duration_2=3, first_byte_0=3, answering_ms=90, output_tokens=30)
    a_slot(connection, NOON, requests=2, errors=2, errors_429=1, errors_5xx=1, key_id="key_2")
    a_slot(connection, NOON, requests=5, duration_2=4, duration_13=1, first_byte_1=5, model="tiny-2")
    a_slot(connection, NOON, requests=900, organization_id="org-2")


def ask(database: ClosableDatabase, selection: Selection, rows_max: int = 100) -> list[GroupTimings]:
    return asyncio.run(database.read(lambda c: list_timings(c, selection, SPANS, rows_max)))


def test_each_span_and_group_has_its_own_histograms_and_causes(database: ClosableDatabase) -> None:
    found = ask(database, Selection("org-1", group_by=("model",)))
    assert [(row.starts_at_ms, row.group, row.timings.requests) for row in found] == [
        (NOON - HOUR, ("tiny-1",), 3),
        (NOON, ("tiny-1",), 2),
        (NOON, ("tiny-2",), 5),
    ]
    assert found[0].timings.durations[2] == found[0].timings.first_bytes[0] == 3
    assert (found[0].timings.answering_ms, found[0].timings.output_tokens) == (90, 30)
    assert (found[1].timings.errors, found[1].timings.errors_429, found[1].timings.errors_5xx) == (2, 1, 1)
    assert found[2].timings.durations == (0, 0, 4, *[0] * 10, 1)


def test_timings_add_up(database: ClosableDatabase) -> None:
    apart = ask(database, Selection("org-1", group_by=("model",)))
    whole = ask(database, Selection("org-1"))
    assert sum((row.timings for row in apart), NOTHING) == sum((row.timings for row in whole), NOTHING)
    assert ask(database, Selection("org-1", key_ids=("key_2",)))[0].timings.requests == 2


def test_an_answer_that_is_too_long_is_refused(database: ClosableDatabase) -> None:
    with pytest.raises(Refusal) as caught:
        ask(database, Selection("org-1", group_by=("model",)), rows_max=2)
    assert caught.value.code is Code.PARAMETER_INVALID
