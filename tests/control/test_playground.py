"""The key behind the playground is its person's own, and a key like any other."""

import pytest

from given_control import House, refused
from keyhouse.control.playground import LIFETIME_MS, NAME, Playground
from keyhouse.control.policies import Policies, PolicyChange
from keyhouse.core.errors import Code
from keyhouse.core.key import why_dead
from keyhouse.core.permissions import CHAT_ONLY
from keyhouse.store.engine import Actor

pytestmark = pytest.mark.asyncio


def a_playground(house: House) -> Playground:
    return Playground(house.database, house.clock, house.keys)


async def playground_keys(house: House) -> list[str]:
    return [row["id"] for row in await house.rows("api_keys") if row["name"] == NAME]


async def test_the_same_secret_serves_until_it_ends_soon_and_then_the_same_key_gets_another(house: House) -> None:
    playground = a_playground(house)
    first = await playground.secret(house.owner, "proj_1")
    assert await playground.secret(house.owner, "proj_1") == first
    credential = await house.credential(first)
    assert (credential.owner_id, credential.project_id) == (house.owner.user_id, "proj_1")
    assert credential.permissions == CHAT_ONLY
    assert credential.standing.expires_at_ms == house.clock.now_ms() + LIFETIME_MS
    house.clock.turn(ms=LIFETIME_MS - 60_000)
    second = await playground.secret(house.owner, "proj_1")
    assert second != first
    assert (await house.credential(second)).key_id == credential.key_id
    house.clock.turn(hours=9)
    await playground.secret(house.owner, "proj_1")
    assert await playground_keys(house) == [credential.key_id]


async def test_another_gateway_or_a_restart_finds_the_key_again(house: House) -> None:
    first = await a_playground(house).secret(house.owner, "proj_1")
    second = await a_playground(house).secret(house.owner, "proj_1")
    assert len(await playground_keys(house)) == 1
    for secret in (first, second):
        assert why_dead((await house.credential(secret)).standing, house.clock.now_ms()) is None


async def test_a_revoked_key_is_followed_by_a_new_one_once_its_secret_is_forgotten(house: House) -> None:
    playground = a_playground(house)
    first = await playground.secret(house.owner, "proj_1")
    await house.keys.revoke(house.owner, (await house.credential(first)).key_id)
    playground.forget(house.owner, "proj_1")
    second = await playground.secret(house.owner, "proj_1")
    assert why_dead((await house.credential(second)).standing, house.clock.now_ms()) is None
    assert len(await playground_keys(house)) == 2


async def test_a_key_as_old_as_the_policy_allows_is_followed_by_a_new_one(house: House) -> None:
    await Policies(house.database).update(house.owner, PolicyChange(key_days_max=1))
    playground = a_playground(house)
    first = await playground.secret(house.owner, "proj_1")
    for days in (1, 2):
        house.clock.turn(hours=24)
        second = await playground.secret(house.owner, "proj_1")
        assert why_dead((await house.credential(second)).standing, house.clock.now_ms()) is None
        assert why_dead((await house.credential(first)).standing, house.clock.now_ms()) is Code.KEY_REVOKED
        assert len(await playground_keys(house)) == 1 + days
        first = second


async def test_whoever_may_make_no_key_may_not_ask(house: House) -> None:
    reader = Actor("session", "org-1", "user-1", "user-1@example.com", "reader")
    await refused(a_playground(house).secret(reader, "proj_1"), Code.NOT_PERMITTED)
    await refused(a_playground(house).secret(house.owner, "proj_2"), Code.NOT_FOUND)
    assert await playground_keys(house) == []
