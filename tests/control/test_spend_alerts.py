"""Spend alerts are crossed once a month each, on both engines, by what the rollups hold."""

from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from sqlalchemy import insert

from given_control import House
from keyhouse.control.spend_alerts import AlertDraft, SpendAlerts, SpendWatch
from keyhouse.core.limit import Window, span_at
from keyhouse.core.money import NANO_PER_CENT
from keyhouse.store import schema

pytestmark = pytest.mark.asyncio

DRAFT = AlertDraft(500, ("ada@example.com",))


class Told:
    """What whoever runs Keyhouse was told: alert and cents, in order."""

    def __init__(self, house: House) -> None:
        self.alerts = SpendAlerts(house.database, house.entropy)
        self.told: list[tuple[str, int]] = []
        self.watches = [SpendWatch(house.database, house.clock, self._tell) for _ in range(2)]

    async def round(self) -> list[tuple[str, int]]:
        """One round on each of two gateways; what was told."""
        self.told.clear()
        for watch in self.watches:
            await watch.round()
        return list(self.told)

    def _tell(self, alert: Any, spent_nano_usd: int) -> None:
        self.told.append((alert.id, spent_nano_usd // NANO_PER_CENT))


async def spend(
    house: House, cents: int, *, project: str = "proj_1", organization: str = "org-1", hours: int = 0
) -> None:
    """So much was spent, so many hours from now."""
    now_ms = house.clock.now_ms()
    row = {
        "starts_at_ms": now_ms - now_ms % 3_600_000 + hours * 3_600_000,
        "organization_id": organization,
        "project_id": project,
        "owner_id": "user-1",
        "key_id": f"key_{cents}",
        "model": "tiny-1",
        "upstream": "local",
        "endpoint": "/v1/chat/completions",
        "cost_nano_usd": cents * NANO_PER_CENT,
    }
    await house.execute(insert(schema.usage_hour).values(row))


async def test_an_alert_is_crossed_by_what_its_own_place_spent_and_told_once(house: House) -> None:
    told = Told(house)
    whole = await told.alerts.create(house.owner, None, DRAFT)
    part = await told.alerts.create(house.owner, "proj_1", DRAFT)
    at_nothing = await told.alerts.create(house.owner, "proj_1", AlertDraft(0, ("bo@example.com",)))
    await told.alerts.create(house.stranger, None, DRAFT)
    assert await told.round() == []
    await spend(house, 499, project="proj_other")
    assert await told.round() == []
    await spend(house, 1)
    assert sorted(await told.round()) == sorted([(whole.id, 500), (at_nothing.id, 1)])
    await spend(house, 600)
    assert await told.round() == [(part.id, 601)]
    assert await told.round() == []
    entries = [row for row in await house.rows("audit_events") if row["event"] == "spend_alert.crossed"]
    assert [(row["resource_id"], row["actor_type"], row["project_id"]) for row in entries][-1] == (
        part.id,
        "system",
        "proj_1",
    )
    assert msgspec.json.decode(entries[-1]["details"])["spent_usd"] == "6.01"
    assert len(entries) == 3


async def test_a_month_is_the_organizations_and_the_next_one_may_cross_it_again(house: House) -> None:
    told = Told(house)
    alert = await told.alerts.create(house.owner, None, DRAFT)
    month = span_at(Window.MONTH, house.clock.now_ms(), ZoneInfo("Europe/Berlin"))
    before = (month.starts_at_ms - house.clock.now_ms()) // 3_600_000
    await spend(house, 501, hours=before - 1)
    assert await told.round() == []
    await spend(house, 502, hours=before)
    assert await told.round() == [(alert.id, 502)]
    house.clock.turn(days=10)
    assert await told.round() == []
    await spend(house, 503)
    assert await told.round() == [(alert.id, 503)]


async def test_another_threshold_may_be_crossed_in_the_same_month(house: House) -> None:
    told = Told(house)
    alert = await told.alerts.create(house.owner, None, DRAFT)
    await spend(house, 700)
    assert await told.round() == [(alert.id, 700)]
    await told.alerts.update(house.owner, None, alert.id, AlertDraft(500, ("bo@example.com",)))
    assert await told.round() == []
    await told.alerts.update(house.owner, None, alert.id, AlertDraft(600, ("bo@example.com",)))
    assert await told.round() == [(alert.id, 700)]
