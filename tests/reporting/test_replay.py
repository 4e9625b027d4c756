"""What a limit would have refused: against a plain model, and asked of both engines."""

from functools import partial
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from given import NOON
from given_control import House, refused
from keyhouse.core.errors import Code
from keyhouse.core.limit import Limit, ScopeType, Unit, Window, span_at
from keyhouse.reporting.replay import Replays, replay
from keyhouse.store import schema
from keyhouse.store.rollups import GroupSums, Sums
from reporting.given_rollups import a_slot

HOUR = 3_600_000
DAY = 24 * HOUR
BERLIN = ZoneInfo("Europe/Berlin")
WEEK_AGO = NOON - 7 * DAY


def a_limit(amount: int, unit: Unit = Unit.REQUESTS, window: Window = Window.DAY, **fields: str) -> Limit:
    scope = {"scope_type": ScopeType.ORGANIZATION, "scope_id": "org-1"} | fields
    return Limit("", "org-1", ScopeType(scope["scope_type"]), scope["scope_id"], unit, window, amount)


def hours(*requests: int, start_ms: int = NOON - DAY) -> list[GroupSums]:
    return [GroupSums(start_ms + at * HOUR, (), Sums(requests=count)) for at, count in enumerate(requests)]


@given(st.lists(st.integers(0, 30), max_size=60), st.integers(0, 100))
def test_a_limit_in_requests_refuses_what_is_beyond_it_in_each_day(requests: list[int], amount: int) -> None:
    slots = hours(*requests)
    by_day: dict[str, int] = {}
    for slot in slots:
        key = span_at(Window.DAY, slot.starts_at_ms, BERLIN).key
        by_day[key] = by_day.get(key, 0) + slot.sums.requests
    found = replay(a_limit(amount), slots, WEEK_AGO, BERLIN)
    assert found.requests == sum(by_day.values())
    assert found.refused == sum(max(0, count - amount) for count in by_day.values())


def test_it_is_full_in_the_middle_of_the_slot_that_fills_it() -> None:
    found = replay(a_limit(15), hours(10, 10, 10), WEEK_AGO, BERLIN)
    assert (found.requests, found.refused) == (30, 15)
    assert found.first_refused_ms == NOON - DAY + HOUR + HOUR // 2


def test_what_was_used_of_the_month_before_the_week_counts_but_is_not_told() -> None:
    slots = [*hours(90, start_ms=WEEK_AGO - DAY), *hours(8, 8)]
    found = replay(a_limit(100, window=Window.MONTH), slots, WEEK_AGO, BERLIN)
    assert (found.requests, found.refused) == (16, 6)


def test_calls_that_cost_nothing_pass_a_full_budget() -> None:
    slots = [GroupSums(NOON, (), Sums(requests=4, cost_nano_usd=9)), GroupSums(NOON + HOUR, (), Sums(requests=4))]
    found = replay(a_limit(0, Unit.USD), slots, WEEK_AGO, BERLIN)
    assert (found.requests, found.refused) == (8, 4)


@pytest.mark.asyncio
async def test_it_asks_for_the_usage_that_counts_on_the_limit(house: House) -> None:
    await house.database.write(lambda c: a_slot(c, NOON - DAY, requests=10))
    await house.database.write(lambda c: a_slot(c, NOON - DAY, requests=5, key_id="key_9", owner_id="user-9"))
    await house.database.write(lambda c: a_slot(c, NOON - 9 * DAY, requests=50))
    await house.database.write(lambda c: a_slot(c, NOON - DAY, requests=70, organization_id="org-2"))
    replays = Replays(house.database, house.clock)
    cases = (
        (a_limit(4), 15, 11),
        (a_limit(4, scope_type="key", scope_id="key_1"), 10, 6),
        (a_limit(4, scope_type="user", scope_id="user-9"), 5, 1),
        (a_limit(4, scope_type="project", scope_id="proj_1"), 15, 11),
        (a_limit(4, window=Window.TOTAL), 15, 11),
        (a_limit(60, window=Window.MONTH), 15, 5),
    )
    for limit, requests, refusals in cases:
        found = await replays.run(limit)
        assert (found.requests, found.refused) == (requests, refusals), limit


@pytest.mark.asyncio
async def test_limits_a_minute_are_replayed_by_the_minute(house: House) -> None:
    for minute in range(3):
        start_ms = NOON - HOUR + minute * 60_000
        step = partial(a_slot, starts_at_ms=start_ms, table=schema.usage_minute, requests=8, input_tokens=100)
        await house.database.write(step)
    replays = Replays(house.database, house.clock)
    found = await replays.run(a_limit(5, window=Window.MINUTE))
    assert (found.requests, found.refused, len(found.periods)) == (24, 9, 3)
    assert (await replays.run(a_limit(50, Unit.TOKENS, Window.MINUTE))).refused == 12


@pytest.mark.asyncio
async def test_what_the_rollups_do_not_know_is_refused(house: House) -> None:
    limit = a_limit(4, Unit.CONCURRENCY, Window.TOTAL)
    await refused(Replays(house.database, house.clock).run(limit), Code.PARAMETER_INVALID)
