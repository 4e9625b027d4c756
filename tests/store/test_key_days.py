"""How much keys were used, day by day, in whatever zone and whether folded or not."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio
from sqlalchemy import insert

from given import NOON, FakeClock
from given_control import House, a_house
from given_engine import Engine, statements_of
from keyhouse.ledger.folding import Folding
from keyhouse.reporting.keys import KeyQuestions
from keyhouse.store import schema

DAY: Final = 86_400_000
BERLIN_MIDNIGHT: Final = NOON - 13 * 3_600_000
"""It is 13:00 in Berlin at noon UTC."""

_CALLER: Final = {
    "organization_id": "org-1",
    "project_id": "proj_1",
    "owner_id": "user-1",
    "key_id": "key_1",
    "model": "tiny-1",
    "upstream": "local",
    "endpoint": "/v1/chat/completions",
}


@pytest_asyncio.fixture
async def house(tmp_path: Path, engine: Engine) -> AsyncIterator[House]:
    async with a_house(tmp_path, FakeClock(), engine) as made:
        yield made


@pytest.mark.asyncio
async def test_days_are_whole_where_the_clocks_are_changed_and_the_same_once_they_are_folded(house: House) -> None:
    """25 October 2026 has 25 hours in Berlin. What is asked does not grow with the days."""
    questions = KeyQuestions(house.database, house.clock)
    house.clock.turn(days=-15)
    expected: dict[int, int] = {}
    for place in range(30):
        starts_ms = BERLIN_MIDNIGHT - (15 + place) * DAY - (3_600_000 if place >= 15 else 0)
        ends_ms = BERLIN_MIDNIGHT - (14 + place) * DAY - (3_600_000 if place >= 16 else 0)
        for at_ms, requests in ((starts_ms, 1), (ends_ms - 3_600_000, 100 + place)):
            await house.execute(insert(schema.usage_hour).values(starts_at_ms=at_ms, requests=requests, **_CALLER))
            expected[place] = expected.get(place, 0) + requests
    sent = statements_of(house.database)
    row = await questions.one("org-1", "key_1")
    assert row.daily_requests == tuple(expected[place] for place in reversed(range(30)))
    assert len([one for one in sent if "FROM usage_" in one]) <= 3
    assert await Folding(house.database, house.clock, pause=lambda _: asyncio.sleep(0)).round() >= 29
    assert (await questions.one("org-1", "key_1")).daily_requests == row.daily_requests
