"""Secrets are versions of a key: rotation, overlap, and what is never stored."""

import asyncio
import base64
from typing import Any

import msgspec
import pytest

from given import NOON
from given_control import HOUR_MS, House, death, refused, rotating
from keyhouse.control.keys import OVERLAP_MS_MAX, KeyChange
from keyhouse.core.errors import Code
from keyhouse.core.limit import Unit, Window
from keyhouse.core.permissions import CHAT_ONLY
from keyhouse.core.policy import LimitDraft
from keyhouse.core.secret import Kind, parse

pytestmark = pytest.mark.asyncio


async def test_a_new_keys_secret_is_recognized_and_alive(house: House) -> None:
    issued = await house.keys.create(house.owner, house.draft(permissions=CHAT_ONLY, models=("tiny-1",)))
    secret = parse(issued.value)
    assert secret is not None
    assert (secret.kind, secret.key_id) == (Kind.USER, issued.key.id)
    found = await house.credential(issued.value)
    assert (found.key_id, found.project_id, found.owner_id) == (issued.key.id, "proj_1", "user-1")
    assert (found.permissions, found.models, found.time_zone) == (
        CHAT_ONLY,
        frozenset({"tiny-1"}),
        "Europe/Berlin",
    )
    assert await death(house, issued.value) is None
    assert house.changed == [issued.key.id]


async def test_a_key_its_secret_and_its_limits_are_made_with_one_audit_entry(house: House) -> None:
    budget = LimitDraft(Unit.USD, Window.MONTH, 25_000_000_000)
    rate = LimitDraft(Unit.REQUESTS, Window.MINUTE, 60, model="tiny-1")
    issued = await house.keys.create(house.owner, house.draft(limits=(budget, rate)))
    limits = await house.rows("limits")
    assert {(row["scope_type"], row["scope_id"], row["unit"], row["amount"], row["model"]) for row in limits} == {
        ("key", issued.key.id, "usd", 25_000_000_000, None),
        ("key", issued.key.id, "requests", 60, "tiny-1"),
    }
    (entry,) = await house.rows("audit_events")
    assert (entry["event"], entry["resource_id"], entry["project_id"]) == ("api_key.created", issued.key.id, "proj_1")
    assert (entry["actor_type"], entry["actor_id"], entry["address"]) == ("session", "user-1", "192.0.2.1")
    assert [limit["amount"] for limit in msgspec.json.decode(entry["details"])["limits"]] == ["25.00", "60"]


async def test_the_value_of_a_secret_is_in_no_table_and_no_repr(house: House) -> None:
    old, new = await rotating(house)
    admin = await house.keys.create_admin(house.owner, "terraform", None)
    tables = await house.everything()
    cells = [cell for table in tables.values() for row in table for cell in row.values() if cell is not None]
    seen = b"\n".join(cell if isinstance(cell, bytes) else str(cell).encode() for cell in cells)
    assert old.key.id.encode() in seen
    for issued in (old, new, admin):
        whole, tail = issued.value.encode(), issued.value.rpartition("_")[2].encode()
        for form in (tail, tail[:32], tail.hex().encode(), base64.b64encode(tail), whole.hex().encode()):
            assert form not in seen
        assert issued.value not in repr(issued)
        assert issued.value not in str(issued)


async def test_the_old_secret_works_until_its_end_and_not_a_millisecond_longer(house: House) -> None:
    old, new = await rotating(house)
    assert new.previous_secret_ends_at_ms == house.clock.now_ms() + HOUR_MS
    assert await death(house, new.value) is None
    house.clock.turn(ms=HOUR_MS - 1)
    assert await death(house, old.value) is None
    house.clock.turn(ms=1)
    assert await death(house, old.value) is Code.KEY_ROTATED
    assert await death(house, new.value) is None


async def test_rotating_without_overlap_ends_the_old_secret_at_once(house: House) -> None:
    old = await house.keys.create(house.owner, house.draft())
    new = await house.keys.rotate(house.owner, old.key.id, 0)
    assert await death(house, old.value) is Code.KEY_ROTATED
    assert await death(house, new.value) is None


async def test_rotating_keeps_the_key_and_its_limits(house: House) -> None:
    limit = LimitDraft(Unit.USD, Window.MONTH, 1)
    old = await house.keys.create(house.owner, house.draft(limits=(limit,)))
    limits = await house.rows("limits")
    new = await house.keys.rotate(house.owner, old.key.id, HOUR_MS)
    assert await house.rows("limits") == limits
    assert msgspec.structs.replace(new.key, secrets=()) == msgspec.structs.replace(old.key, secrets=())
    assert [(secret.version, secret.last_four) for secret in new.key.secrets] == [
        (2, new.value[-4:]),
        (1, old.value[-4:]),
    ]
    assert new.key.secrets[1].ends_at_ms == new.previous_secret_ends_at_ms
    assert house.changed == [old.key.id, old.key.id]


async def test_at_most_two_secrets_live_at_once(house: House) -> None:
    first, second = await rotating(house)
    third = await house.keys.rotate(house.owner, first.key.id, HOUR_MS)
    assert await death(house, first.value) is Code.KEY_ROTATED
    assert [await death(house, issued.value) for issued in (second, third)] == [None, None]
    assert [secret.version for secret in third.key.secrets] == [3, 2, 1]


async def test_two_rotations_at_once_leave_two_living_secrets(house: House) -> None:
    first = await house.keys.create(house.owner, house.draft())
    made = await asyncio.gather(*(house.keys.rotate(house.owner, first.key.id, HOUR_MS) for _ in range(5)))
    deaths = [await death(house, issued.value) for issued in (first, *made)]
    assert deaths.count(None) == 2
    assert sorted(issued.key.current.version for issued in made) == [2, 3, 4, 5, 6]


@pytest.mark.parametrize("overlap_ms", [-1, OVERLAP_MS_MAX + 1])
async def test_an_overlap_out_of_range_is_refused(house: House, overlap_ms: int) -> None:
    issued = await house.keys.create(house.owner, house.draft())
    refusal = await refused(house.keys.rotate(house.owner, issued.key.id, overlap_ms), Code.PARAMETER_INVALID)
    assert refusal.param == "overlap_seconds"
    assert len(await house.rows("key_secrets")) == 3


async def test_an_overlap_of_thirty_days_is_the_longest(house: House) -> None:
    issued = await house.keys.create(house.owner, house.draft())
    new = await house.keys.rotate(house.owner, issued.key.id, OVERLAP_MS_MAX)
    assert new.previous_secret_ends_at_ms == house.clock.now_ms() + OVERLAP_MS_MAX


async def test_an_expired_key_is_extended_before_it_is_rotated(house: House) -> None:
    issued = await house.keys.create(house.owner, house.draft(expires_at_ms=house.clock.now_ms() + 1))
    house.clock.turn(ms=1)
    assert await death(house, issued.value) is Code.KEY_EXPIRED
    await refused(house.keys.rotate(house.owner, issued.key.id, 0), Code.CONFLICT)
    await house.keys.update(house.owner, issued.key.id, KeyChange(expires_at_ms=None))
    assert await death(house, issued.value) is None
    await house.keys.rotate(house.owner, issued.key.id, 0)


async def test_ending_the_previous_secret_kills_it_now(house: House) -> None:
    old, new = await rotating(house)
    key = await house.keys.end_previous_secret(house.owner, old.key.id)
    assert await death(house, old.value) is Code.KEY_ROTATED
    assert await death(house, new.value) is None
    assert key.previous_secret(house.clock.now_ms()) is None
    assert (await house.events())[-1] == ("api_key.secret_ended", old.key.id)


async def test_extending_the_previous_secret_moves_its_end(house: House) -> None:
    old, _ = await rotating(house)
    ends_at_ms = house.clock.now_ms() + 2 * HOUR_MS
    await house.keys.extend_previous_secret(house.owner, old.key.id, ends_at_ms)
    house.clock.turn(ms=2 * HOUR_MS - 1)
    assert await death(house, old.value) is None
    house.clock.turn(ms=1)
    assert await death(house, old.value) is Code.KEY_ROTATED


async def test_a_secret_that_has_ended_does_not_come_back(house: House) -> None:
    old, _ = await rotating(house)
    house.clock.turn(ms=HOUR_MS)
    later_ms = house.clock.now_ms() + HOUR_MS
    await refused(house.keys.extend_previous_secret(house.owner, old.key.id, later_ms), Code.CONFLICT)
    await refused(house.keys.end_previous_secret(house.owner, old.key.id), Code.CONFLICT)
    assert await death(house, old.value) is Code.KEY_ROTATED


async def test_without_a_rotation_there_is_no_previous_secret(house: House) -> None:
    issued = await house.keys.create(house.owner, house.draft())
    await refused(house.keys.end_previous_secret(house.owner, issued.key.id), Code.CONFLICT)
    assert await death(house, issued.value) is None


@pytest.mark.parametrize("offset_ms", [0, -1, OVERLAP_MS_MAX + 1])
async def test_the_previous_secrets_end_lies_within_thirty_days(house: House, offset_ms: int) -> None:
    old, _ = await rotating(house)
    ends_at_ms = house.clock.now_ms() + offset_ms
    await refused(house.keys.extend_previous_secret(house.owner, old.key.id, ends_at_ms), Code.PARAMETER_INVALID)


BAD_FIELDS: dict[str, list[Any]] = {
    "name": [" ", "", "x" * 101, "a\nb", "a\x00b", "a\u202eb", "\ud800"],
    "models": [(), ("",), (" ",), ("a\nb",), ("x" * 201,), tuple(map(str, range(101)))],
    "ip_allowlist": [("10.0.0.0/33",), ("example.com",), ("",), ("fe80::1%eth0",), ("10.0.0.1/24/8",)],
    "expires_at_ms": [NOON, NOON - 1, 0, -1, 2**63],
}
