"""Keys that will expire, and secrets that are old, are told of once, and live on. On both engines."""

import asyncio

import pytest

from given_control import House, death
from keyhouse.control.keys import KeyChange
from keyhouse.control.notices import WARNED_MS, Notices
from keyhouse.control.policies import Policies, PolicyChange
from keyhouse.core.policy import DAY_MS

pytestmark = pytest.mark.asyncio

EXPIRING, DUE = "api_key.expiring", "api_key.rotation_due"


async def told(house: House) -> list[tuple[str, str]]:
    """What a round adds to the audit log."""
    before = await house.events()
    await Notices(house.database, house.clock).round()
    return (await house.events())[len(before) :]


async def test_a_key_is_told_of_a_week_before_its_end_once_and_again_for_another_end(house: House) -> None:
    end_ms = house.clock.now_ms() + 20 * DAY_MS
    key = (await house.keys.create(house.owner, house.draft(expires_at_ms=end_ms))).key
    house.clock.turn(ms=20 * DAY_MS - WARNED_MS - 1)
    assert await told(house) == []
    house.clock.turn(ms=1)
    assert await told(house) == [(EXPIRING, key.id)]
    assert await told(house) == []
    await house.keys.update(house.owner, key.id, KeyChange(expires_at_ms=end_ms + DAY_MS))
    house.clock.turn(days=1)
    assert await told(house) == [(EXPIRING, key.id)]


async def test_of_a_key_that_was_made_for_a_short_while_or_is_dead_nothing_is_told(house: House) -> None:
    now_ms = house.clock.now_ms()
    await house.keys.create(house.owner, house.draft(expires_at_ms=now_ms + DAY_MS))
    gone = await house.keys.create(house.owner, house.draft(expires_at_ms=now_ms + 8 * DAY_MS))
    await house.keys.revoke(house.owner, gone.key.id)
    house.clock.turn(ms=DAY_MS - 1)
    assert await told(house) == []
    house.clock.turn(days=3)
    assert await told(house) == []


async def test_an_old_secret_is_told_of_once_for_each_version(house: House) -> None:
    await house.keys.revoke(house.owner, "key_1")
    old = await house.keys.create(house.owner, house.draft())
    house.clock.turn(days=30)
    assert await told(house) == []
    await Policies(house.database).update(house.owner, PolicyChange(rotation_days=30))
    assert await told(house) == [(DUE, old.key.id)]
    assert await told(house) == []
    new = await house.keys.rotate(house.owner, old.key.id, 0)
    house.clock.turn(days=29)
    assert await told(house) == []
    house.clock.turn(days=1)
    assert await told(house) == [(DUE, old.key.id)]
    assert await death(house, new.value) is None


async def test_gateways_that_look_at_once_tell_it_once(house: House) -> None:
    key = (await house.keys.create(house.owner, house.draft(expires_at_ms=house.clock.now_ms() + 8 * DAY_MS))).key
    house.clock.turn(days=2)
    await asyncio.gather(*(Notices(house.database, house.clock).round() for _ in range(4)))
    assert [event for event in await house.events() if event[0] == EXPIRING] == [(EXPIRING, key.id)]
