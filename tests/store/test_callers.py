"""Who calls with which secret: from the calls themselves, and never from too many of them. On both engines."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from given import NOON, some_people
from given_calls import a_call
from given_engine import ClosableDatabase, Engine
from keyhouse.store.callers import Callers, list_callers


@pytest.fixture
def database(engine: Engine, tmp_path: Path) -> Iterator[ClosableDatabase]:
    made = engine.open_for_any_loop(tmp_path)
    asyncio.run(made.write(some_people))
    yield made
    made.close_now()


def fill(database: ClosableDatabase, *rows: dict[str, Any]) -> None:
    def write(connection: Connection) -> None:
        for place, row in enumerate(rows):
            a_call(connection, NOON + place, **row)

    asyncio.run(database.write(write))


def ask(database: ClosableDatabase, since_ms: int = NOON, **options: Any) -> Callers:
    return asyncio.run(database.read(lambda c: list_callers(c, "org-1", "key_1", since_ms, **options)))


def test_callers_are_counted_by_secret_and_place_and_whoever_was_seen_last_comes_first(
    database: ClosableDatabase,
) -> None:
    old, new = {"secret_version": 1, "address": "192.0.2.1"}, {"secret_version": 2, "address": "192.0.2.2"}
    fill(database, old, new, old, new | {"agent": "curl"}, {"key_id": "key_2"}, {"organization_id": "org-2"})
    found = ask(database)
    assert [(each.version, each.address, each.agent, each.requests) for each in found.callers] == [
        (2, "192.0.2.2", "curl", 1),
        (1, "192.0.2.1", "OpenAI/Python 2.1.0", 2),
        (2, "192.0.2.2", "OpenAI/Python 2.1.0", 1),
    ]
    seen = found.callers[1]
    assert (seen.first_seen_at_ms, seen.last_seen_at_ms, seen.endpoint) == (NOON, NOON + 2, "/v1/chat/completions")
    assert found.since_ms == NOON


def test_older_calls_are_left_out(database: ClosableDatabase) -> None:
    fill(database, {"address": "a"}, {"address": "b"})
    assert [each.address for each in ask(database, NOON + 1).callers] == ["b"]


def test_of_very_many_calls_the_newest_are_read_and_it_says_since_when(database: ClosableDatabase) -> None:
    fill(database, *({"address": str(place)} for place in range(5)))
    found = ask(database, 0, rows_max=2)
    assert ([each.address for each in found.callers], found.since_ms) == (["4", "3"], NOON + 3)
