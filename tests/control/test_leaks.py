"""A secret that was reported as leaked has ended for good, whatever is done with its key, on both engines."""

import msgspec
import pytest

from given_control import HOUR_MS, House, death, refused, rotating
from keyhouse.control.leaks import Leaks
from keyhouse.core.errors import Code
from keyhouse.core.key import Status
from keyhouse.wire.leaks import LeakReport

pytestmark = pytest.mark.asyncio


async def report(house: House, value: str, action: str = "disable") -> int:
    """Report it; how many secrets that ended."""
    leaks = Leaks(house.database, house.pepper, action, house.changed.append)
    return await leaks.report([LeakReport(value)], "203.0.113.9")


async def leaked(house: House) -> dict[str, object]:
    """What the newest report's entry says."""
    (*_, entry) = [row for row in await house.rows("audit_events") if row["event"] == "api_key.leaked"]
    details: dict[str, object] = msgspec.json.decode(entry["details"])
    return details


async def test_a_leaked_secret_does_not_come_back_with_its_key(house: House) -> None:
    old = await house.keys.create(house.owner, house.draft())
    assert await report(house, old.value) == 1
    assert await death(house, old.value) is Code.KEY_DISABLED
    ended_ms = house.clock.now_ms()
    house.clock.turn(hours=1)
    new = await house.keys.rotate(house.owner, old.key.id, 24 * HOUR_MS)
    assert new.previous_secret_ends_at_ms == ended_ms
    await house.keys.enable(house.owner, old.key.id)
    assert [await death(house, each.value) for each in (old, new)] == [Code.KEY_ROTATED, None]
    later_ms = house.clock.now_ms() + HOUR_MS
    await refused(house.keys.extend_previous_secret(house.owner, old.key.id, later_ms), Code.CONFLICT)
    # Whoever holds it cannot stop the new one with it.
    assert await report(house, old.value) == 0
    assert await death(house, new.value) is None


@pytest.mark.parametrize("action", ["disable", "revoke"])
async def test_of_a_key_with_a_newer_secret_the_leaked_one_alone_ends(house: House, action: str) -> None:
    old, new = await rotating(house)
    assert await report(house, old.value, action) == 1
    assert [await death(house, each.value) for each in (old, new)] == [Code.KEY_ROTATED, None]
    assert (await leaked(house))["action"] == "end"
    assert house.changed[-1] == old.key.id
    assert await report(house, old.value, action) == 0


async def test_an_older_secret_that_did_not_leak_works_on_when_the_key_is_enabled(house: House) -> None:
    old, new = await rotating(house)
    assert await report(house, new.value) == 1
    assert [await death(house, each.value) for each in (old, new)] == [Code.KEY_DISABLED] * 2
    await house.keys.enable(house.owner, old.key.id)
    assert [await death(house, each.value) for each in (old, new)] == [None, Code.KEY_ROTATED]


async def test_a_key_without_a_secret_that_works_is_rotated_before_it_is_enabled(house: House) -> None:
    old = await house.keys.create(house.owner, house.draft())
    await report(house, old.value)
    refusal = await refused(house.keys.enable(house.owner, old.key.id), Code.CONFLICT)
    assert "Rotate" in refusal.hint
    await house.keys.rotate(house.owner, old.key.id, HOUR_MS)
    assert (await house.keys.enable(house.owner, old.key.id)).status(house.clock.now_ms()) is Status.ACTIVE


async def test_the_secret_of_a_disabled_key_ends_too_and_who_disabled_it_stays(house: House) -> None:
    old = await house.keys.create(house.owner, house.draft())
    await house.keys.disable(house.owner, old.key.id)
    assert await report(house, old.value) == 1
    assert [row["disabled_by"] for row in await house.rows("api_keys") if row["id"] == old.key.id] == ["user-1"]
    new = await house.keys.rotate(house.owner, old.key.id, HOUR_MS)
    await house.keys.enable(house.owner, old.key.id)
    assert [await death(house, each.value) for each in (old, new)] == [Code.KEY_ROTATED, None]


async def test_a_revoked_keys_secret_changes_nothing(house: House) -> None:
    old = await house.keys.create(house.owner, house.draft())
    await house.keys.revoke(house.owner, old.key.id)
    before = await house.everything()
    assert await report(house, old.value) == 0
    assert await house.everything() == before
