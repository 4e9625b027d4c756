"""What of a key takes more than being its owner, or more than managing keys, on both engines."""

from collections.abc import Awaitable
from typing import Any

import pytest

from control.test_leaks import report
from control.test_people import bob_joins, in_project
from control.test_roles import as_they_are, assignments_of, roles_of
from given_control import HOUR_MS, House, death, refused, rotating
from keyhouse.control.keys import IssuedKey, KeyChange
from keyhouse.control.repeats import read_once
from keyhouse.core.authority import Task
from keyhouse.core.errors import Code
from keyhouse.core.permissions import ALL, CHAT_ONLY, READ_ONLY
from keyhouse.store.engine import Actor

pytestmark = pytest.mark.asyncio

NARROW: dict[str, Any] = {
    "permissions": CHAT_ONLY,
    "models": ("tiny-1",),
    "endpoints": ("/v1/chat/completions",),
    "ip_allowlist": ("10.0.0.0/8",),
}
WIDER: dict[str, Any] = {
    "permissions": ALL,
    "models": ("tiny-1", "tiny-2"),
    "endpoints": None,
    "ip_allowlist": (),
    "expires_at_ms": None,
}


async def a_janitor(house: House, *tasks: Task) -> Actor:
    """Someone who manages keys and may call no model."""
    _, bob = await bob_joins(house)
    role = await roles_of(house).create(house.owner, "janitor", [Task.API_KEYS, *tasks])
    await assignments_of(house).give_user(house.owner, "user-b", role.id)
    return await as_they_are(house, bob)


async def a_narrow_key(house: House) -> IssuedKey:
    return await house.keys.create(
        house.owner, house.draft(**NARROW, expires_at_ms=house.clock.now_ms() + 24 * HOUR_MS)
    )


async def a_members_key(house: House) -> tuple[Actor, IssuedKey]:
    people, bob = await bob_joins(house)
    await people.add_to_project(house.owner, "proj_1", "member", user_id="user-b")
    member = in_project(bob, "member")
    return member, await house.keys.create(member, house.draft())


async def test_who_may_call_no_model_gets_no_secret_by_rotating(house: House) -> None:
    issued, janitor = await a_narrow_key(house), await a_janitor(house)
    before = await house.everything()
    refusal = await refused(house.keys.rotate(janitor, issued.key.id, HOUR_MS), Code.NOT_PERMITTED)
    assert "api.model.request" in refusal.message
    assert await house.everything() == before


@pytest.mark.parametrize("field", WIDER)
async def test_who_may_call_no_model_lets_no_key_do_more(house: House, field: str) -> None:
    issued, janitor = await a_narrow_key(house), await a_janitor(house)
    before = await house.everything()
    change = KeyChange(**{field: WIDER[field]})
    await refused(house.keys.update(janitor, issued.key.id, change), Code.NOT_PERMITTED)
    assert await house.everything() == before
    await house.keys.update(house.owner, issued.key.id, change)


async def test_who_may_call_no_model_names_restricts_disables_and_revokes_keys(house: House) -> None:
    issued, janitor = await a_narrow_key(house), await a_janitor(house)
    sooner_ms = house.clock.now_ms() + HOUR_MS
    for change in (
        KeyChange(name="billing", permissions=READ_ONLY.meet(CHAT_ONLY), ip_allowlist=("10.1.0.0/16", "10.2.0.7/32")),
        KeyChange(endpoints=("/v1/chat/completions/x",), models=("tiny-1",), expires_at_ms=sooner_ms),
    ):
        await house.keys.update(janitor, issued.key.id, change)
    await house.keys.disable(janitor, issued.key.id)
    await house.keys.enable(janitor, issued.key.id)
    await house.keys.revoke(janitor, issued.key.id)


async def test_who_may_call_no_model_ends_an_older_secret_sooner_and_no_later(house: House) -> None:
    (old, _), janitor = await rotating(house), await a_janitor(house)
    now_ms, key_id = house.clock.now_ms(), old.key.id
    await refused(house.keys.extend_previous_secret(janitor, key_id, now_ms + HOUR_MS + 1), Code.NOT_PERMITTED)
    await house.keys.extend_previous_secret(janitor, key_id, now_ms + HOUR_MS - 1)
    await house.keys.end_previous_secret(janitor, key_id)


async def test_who_may_call_no_model_any_more_is_shown_no_secret_again(house: House) -> None:
    _, bob = await bob_joins(house)
    roles = roles_of(house)
    role = await roles.create(house.owner, "maker", [Task.API_KEYS, Task.MODEL_REQUEST])
    await assignments_of(house).give_user(house.owner, "user-b", role.id)
    maker = await as_they_are(house, bob)
    made, turned = (read_once("org-1", "user-b", name, "POST /keys", b"{}") for name in ("made", "turned"))

    def asked() -> tuple[Awaitable[IssuedKey], ...]:
        return (
            house.keys.create(maker, house.draft(), made),
            house.keys.rotate(maker, "key_1", HOUR_MS, once=turned),
        )

    for first in asked():
        await first
    await roles.update(house.owner, role.id, permissions=[Task.API_KEYS])
    for again in asked():
        await refused(again, Code.NOT_PERMITTED)


async def test_an_owner_of_a_key_enables_it_only_if_nobody_else_disabled_it(house: House) -> None:
    member, issued = await a_members_key(house)
    key_id = issued.key.id
    await house.keys.disable(member, key_id)
    await house.keys.enable(member, key_id)
    await house.keys.disable(house.owner, key_id)
    refusal = await refused(house.keys.enable(member, key_id), Code.NOT_PERMITTED)
    assert Task.API_KEYS in refusal.message
    assert await death(house, issued.value) is Code.KEY_DISABLED
    await house.keys.enable(house.owner, key_id)
    assert await death(house, issued.value) is None


async def test_an_owner_of_a_key_does_not_enable_it_after_a_leak(house: House) -> None:
    member, issued = await a_members_key(house)
    assert await report(house, issued.value) == 1
    await house.keys.rotate(member, issued.key.id, HOUR_MS)
    await refused(house.keys.enable(member, issued.key.id), Code.NOT_PERMITTED)
    await house.keys.enable(house.owner, issued.key.id)


async def test_what_its_owner_had_disabled_somebody_else_can_disable_for_them_too(house: House) -> None:
    member, issued = await a_members_key(house)
    first = await house.keys.disable(member, issued.key.id)
    house.clock.turn(hours=1)
    second = await house.keys.disable(house.owner, issued.key.id)
    assert (second.disabled_at_ms, second.disabled_by) == (first.disabled_at_ms, "user-1")
    await refused(house.keys.enable(member, issued.key.id), Code.NOT_PERMITTED)
    assert await house.keys.disable(member, issued.key.id) == second


async def test_an_owner_of_a_key_may_take_back_a_restriction_as_they_may_make_another_key(house: House) -> None:
    member, issued = await a_members_key(house)
    await house.keys.update(house.owner, issued.key.id, KeyChange(permissions=READ_ONLY))
    assert (await house.keys.update(member, issued.key.id, KeyChange(permissions=ALL))).permissions == ALL
