"""Keys as pages show them, against what was really done to them."""

from typing import Any

import pytest
from sqlalchemy import insert

from given import NOON
from given_control import House, refused
from keyhouse.core.errors import Code
from keyhouse.core.identifiers import call_id
from keyhouse.core.limit import Unit, Window
from keyhouse.core.policy import LimitDraft
from keyhouse.reporting.keys import KeyQuery, KeyQuestions
from keyhouse.store import schema

DAY = 86_400_000
BERLIN_MIDNIGHT = NOON - 13 * 3_600_000
"""It is 13:00 in Berlin at noon UTC."""


def used(key_id: str, at_ms: int, requests: int, organization_id: str = "org-1") -> Any:
    """A row of the hourly rollup."""
    return insert(schema.usage_hour).values(
        starts_at_ms=at_ms,
        organization_id=organization_id,
        project_id="proj_1",
        owner_id="user-1",
        key_id=key_id,
        model="tiny-1",
        upstream="local",
        endpoint="/v1/chat/completions",
        requests=requests,
    )


def called(key_id: str, at_ms: int, version: int, number: int, organization_id: str = "org-1") -> Any:
    """A row of the ledger."""
    names = ("request_id", "project_id", "owner_id", "model", "upstream", "endpoint", "address", "agent", "period_ids")
    numbers = ("attempt", "instance_id", "reserved_nano_usd", "reserved_tokens", "reserved_tokens_estimate")
    return insert(schema.calls).values(
        id=call_id(at_ms, number.to_bytes(10)),
        organization_id=organization_id,
        key_id=key_id,
        secret_version=version,
        state="settled",
        created_at_ms=at_ms,
        rollup_at_ms=at_ms,
        **dict.fromkeys(names, "x") | {"period_ids": "[]"},
        **dict.fromkeys(numbers, 1),
    )


@pytest.mark.asyncio
async def test_a_row_has_names_limits_and_thirty_days_of_the_organizations_zone(house: House) -> None:
    questions = KeyQuestions(house.database, house.clock)
    limits = (LimitDraft(Unit.USD, Window.MONTH, 25_000_000_000),)
    made = (await house.keys.create(house.owner, house.draft(name="bot", limits=limits))).key
    for at_ms, requests in (
        (BERLIN_MIDNIGHT, 1),
        (BERLIN_MIDNIGHT - 3_600_000, 2),  # yesterday in Berlin, today in UTC
        (BERLIN_MIDNIGHT - 29 * DAY, 4),
        (BERLIN_MIDNIGHT - 29 * DAY - 3_600_000, 8),  # the thirty-first day back
    ):
        await house.execute(used(made.id, at_ms, requests))
    row = await questions.one("org-1", made.id)
    assert (row.key.id, row.owner_name, row.creator_name, row.project_name) == (made.id, "Ada", "Ada", "Main")
    assert [state.limit.amount for state in row.limits] == [25_000_000_000]
    assert row.daily_requests == (4, *([0] * 27), 2, 1)
    assert (await questions.one("org-1", "key_1")).daily_requests == (0,) * 30


@pytest.mark.asyncio
async def test_a_page_has_each_keys_own_limits_and_days_and_counts_all_pages(house: House) -> None:
    questions = KeyQuestions(house.database, house.clock)
    made = []
    for number in range(4):
        limits = (LimitDraft(Unit.REQUESTS, Window.DAY, number),)
        made.append((await house.keys.create(house.owner, house.draft(name=f"k{number}", limits=limits))).key.id)
        await house.execute(used(made[-1], BERLIN_MIDNIGHT, number))
    page = await questions.page("org-1", KeyQuery(search="k", sort="name", limit=3))
    assert page.total == 4
    assert [row.key.id for row in page.rows] == made[:3]
    assert [row.limits[0].limit.amount for row in page.rows] == [0, 1, 2]
    assert [row.daily_requests[-1] for row in page.rows] == [0, 1, 2]
    last = await questions.page("org-1", KeyQuery(search="k", sort="name", offset=3, limit=3))
    assert [row.key.id for row in last.rows] == made[3:]
    empty = await questions.page("org-1", KeyQuery(search="nothing"))
    assert (empty.rows, empty.total) == ((), 0)


@pytest.mark.asyncio
async def test_another_organizations_keys_read_as_missing(house: House) -> None:
    questions = KeyQuestions(house.database, house.clock)
    await refused(questions.one("org-2", "key_1"), Code.NOT_FOUND)
    page = await questions.page("org-2", KeyQuery())
    assert [row.key.id for row in page.rows] == ["key_2"]
    await house.execute(used("key_1", BERLIN_MIDNIGHT, 5, organization_id="org-2"))
    assert (await questions.one("org-1", "key_1")).daily_requests[-1] == 0


@pytest.mark.asyncio
async def test_calls_are_counted_by_the_secret_they_came_with_since_a_moment(house: House) -> None:
    questions = KeyQuestions(house.database, house.clock)
    since = NOON - 1000
    for number, (key_id, at_ms, version, organization_id) in enumerate(
        [
            ("key_1", since, 1, "org-1"),
            ("key_1", since, 2, "org-1"),
            ("key_1", NOON, 2, "org-1"),
            ("key_1", since - 1, 1, "org-1"),
            ("key_2", NOON, 1, "org-1"),
            ("key_1", NOON, 1, "org-2"),
        ]
    ):
        await house.execute(called(key_id, at_ms, version, number, organization_id))
    assert await questions.requests_by_secret("org-1", "key_1", since) == {1: 1, 2: 2}
    assert await questions.requests_by_secret("org-1", "key_1", NOON + 1) == {}
