"""Limits as they stand in their present periods."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError

from given import FakeClock
from given_control import House, a_house, refused
from given_engine import Engine
from keyhouse.core.errors import Code
from keyhouse.core.limit import Limit, LimitState, ScopeType, Unit, Window
from keyhouse.store import limits as rows
from keyhouse.store import schema

pytestmark = pytest.mark.asyncio

ZONE = "Europe/Berlin"
KEY, PROJECT, ORGANIZATION = (ScopeType.KEY, "key_1"), (ScopeType.PROJECT, "proj_1"), (ScopeType.ORGANIZATION, "org-1")


@pytest_asyncio.fixture
async def house(tmp_path: Path, engine: Engine) -> AsyncIterator[House]:
    async with a_house(tmp_path, FakeClock(), engine) as made:
        yield made


async def a_limit(house: House, limit_id: str, window: Window, scope: rows.Scope = KEY, **fields: Any) -> None:
    values: dict[str, Any] = {"organization_id": "org-1", "unit": Unit.REQUESTS, "amount": 100}
    limit = Limit(id=limit_id, scope_type=scope[0], scope_id=scope[1], window=window, **(values | fields))
    await house.database.write(lambda c: rows.insert_limit(c, limit, "user-1"))


async def a_period(house: House, limit_id: str, period: str, settled: int, reserved: int = 0) -> None:
    await house.execute(
        insert(schema.limit_periods).values(
            limit_id=limit_id, period=period, starts_at_ms=0, settled=settled, reserved=reserved
        )
    )


async def states(house: House, scopes: list[rows.Scope] | None = None, zone: str = ZONE) -> dict[str, LimitState]:
    found = await house.database.read(lambda c: rows.list_states(c, "org-1", zone, house.clock.now_ms(), scopes=scopes))
    return {state.limit.id: state for state in found}


async def test_each_window_shows_its_present_period_only(house: House) -> None:
    periods = {
        Window.MINUTE: "2026-11-24T12:00Z",
        Window.DAY: "2026-11-24",
        Window.WEEK: "2026-W48",
        Window.MONTH: "2026-11",
        Window.TOTAL: "total",
    }
    for place, (window, period) in enumerate(periods.items(), 1):
        await a_limit(house, f"limit_{window}", window)
        await a_period(house, f"limit_{window}", period, settled=place, reserved=place * 10)
        await a_period(house, f"limit_{window}", "2025-01", settled=99, reserved=99)
    found = await states(house)
    used = {window: (found[f"limit_{window}"].used, found[f"limit_{window}"].reserved) for window in Window}
    assert used == {window: (place, place * 10) for place, window in enumerate(periods, 1)}
    assert found["limit_minute"].resets_at_ms == house.clock.now_ms() + 60_000
    assert found["limit_day"].resets_at_ms == house.clock.now_ms() + 11 * 3_600_000  # midnight in Berlin
    assert found["limit_week"].resets_at_ms == house.clock.now_ms() + (11 + 5 * 24) * 3_600_000  # Monday
    assert found["limit_total"].resets_at_ms is None


async def test_a_new_period_begins_at_midnight_of_the_organizations_zone(house: House) -> None:
    await a_limit(house, "limit_day", Window.DAY)
    await a_period(house, "limit_day", "2026-11-24", settled=7)
    house.clock.turn(ms=11 * 3_600_000 - 1)
    assert (await states(house))["limit_day"].used == 7
    house.clock.turn(ms=1)
    assert (await states(house))["limit_day"].used == 0
    assert (await states(house, zone="America/New_York"))["limit_day"].used == 7


async def test_a_limit_no_call_ever_counted_on_stands_at_zero(house: House) -> None:
    await a_limit(house, "limit_1", Window.MONTH)
    state = (await states(house))["limit_1"]
    assert (state.used, state.reserved, state.left) == (0, 0, 100)


async def test_the_limits_of_a_set_of_scopes_are_listed_and_no_others(house: House) -> None:
    await a_limit(house, "limit_k", Window.DAY, KEY)
    await a_limit(house, "limit_p", Window.DAY, PROJECT)
    await a_limit(house, "limit_o", Window.DAY, ORGANIZATION)
    await a_limit(house, "limit_x", Window.DAY, (ScopeType.PROJECT, "key_1"))
    assert set(await states(house)) == {"limit_k", "limit_p", "limit_o", "limit_x"}
    assert set(await states(house, [KEY, PROJECT])) == {"limit_k", "limit_p"}
    assert set(await states(house, [])) == set()
    many = [(ScopeType.KEY, f"key_{place}") for place in range(1_700)]
    assert set(await states(house, many)) == {"limit_k"}


async def test_another_organizations_limits_are_not_listed(house: House) -> None:
    await a_limit(house, "limit_2", Window.DAY, (ScopeType.KEY, "key_2"), organization_id="org-2")
    assert await states(house) == {}
    assert await states(house, [(ScopeType.KEY, "key_2")]) == {}
    now_ms = house.clock.now_ms()
    await refused(house.database.read(lambda c: rows.get_state(c, "org-1", ZONE, now_ms, "limit_2")), Code.NOT_FOUND)
    await refused(house.database.read(lambda c: rows.get_limit(c, "org-1", "limit_2")), Code.NOT_FOUND)


async def test_a_deleted_limit_is_not_listed(house: House) -> None:
    await a_limit(house, "limit_1", Window.DAY)
    await house.database.write(lambda c: rows.delete_limit(c, "limit_1", house.clock.now_ms()))
    assert await states(house) == {}
    now_ms = house.clock.now_ms()
    await refused(house.database.read(lambda c: rows.get_state(c, "org-1", ZONE, now_ms, "limit_1")), Code.NOT_FOUND)


@pytest.mark.parametrize("model", [None, "tiny-1"])
async def test_the_database_itself_refuses_a_second_live_limit_of_one_kind(house: House, model: str | None) -> None:
    await a_limit(house, "limit_1", Window.DAY, model=model)
    with pytest.raises(IntegrityError):
        await a_limit(house, "limit_2", Window.DAY, model=model)
    await house.database.write(lambda c: rows.delete_limit(c, "limit_1", house.clock.now_ms()))
    await a_limit(house, "limit_2", Window.DAY, model=model)
