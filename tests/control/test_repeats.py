"""A request that is repeated makes nothing twice, on both engines."""

import asyncio
from collections.abc import Awaitable

import msgspec
import pytest

from control.test_people import bob_joins, in_project
from control.test_roles import assignments_of, roles_of
from given_control import HOUR_MS, House, death, refused
from keyhouse.control.keys import IssuedKey, Keys
from keyhouse.control.repeats import REMEMBERED_MS, SHOWN_AGAIN_MS, Once, read_once
from keyhouse.core.authority import Task
from keyhouse.core.errors import Code, Refusal
from keyhouse.ledger.housekeeping import Housekeeping, Kept

pytestmark = pytest.mark.asyncio


def once(key: str = "a", body: bytes = b"{}", actor: str = "user-1") -> Once:
    return read_once("org-1", actor, key, "POST /keys", body)


async def create(house: House, asked: Once | None = None) -> IssuedKey:
    return await house.keys.create(house.owner, house.draft(), asked or once())


async def test_the_same_request_is_answered_with_the_same_key_and_secret(house: House) -> None:
    first = await create(house)
    house.clock.turn(ms=SHOWN_AGAIN_MS - 1)
    again = await create(house)
    assert (again.key.id, again.value) == (first.key.id, first.value)
    assert await death(house, again.value) is None
    assert len(await house.rows("api_keys")) == 3
    assert [event for event, _ in await house.events()] == ["api_key.created"]


async def test_a_rotation_is_done_once(house: House) -> None:
    old = await create(house)
    asked = once("rotate", b'{"overlap_seconds":3600}')
    made = [await house.keys.rotate(house.owner, old.key.id, HOUR_MS, once=asked) for _ in range(2)]
    assert made[0].value == made[1].value != old.value
    assert made[0].previous_secret_ends_at_ms == made[1].previous_secret_ends_at_ms == house.clock.now_ms() + HOUR_MS
    assert [secret.version for secret in made[1].key.secrets] == [2, 1]
    assert [await death(house, value) for value in (old.value, made[0].value)] == [None, None]


async def test_who_may_no_longer_make_it_is_not_shown_it_again(house: House) -> None:
    people, bob = await bob_joins(house)
    await people.add_to_project(house.owner, "proj_1", "owner", user_id="user-b")
    there = in_project(bob, "owner")
    asked, turned = once("create", actor="user-b"), once("turn", actor="user-b")
    made = await house.keys.create(there, house.draft(), asked)
    await house.keys.rotate(there, "key_1", HOUR_MS, once=turned)

    def repeated() -> tuple[Awaitable[IssuedKey], ...]:
        return (
            house.keys.create(there, house.draft(), asked),
            house.keys.rotate(there, "key_1", HOUR_MS, once=turned),
        )

    assert (await house.keys.create(there, house.draft(), asked)).value == made.value
    for role in ("viewer", None):  # what was read of their role before it was taken away shows nothing
        if role is None:
            await people.remove_from_project(house.owner, "proj_1", "user-b")
        else:
            await people.update_in_project(house.owner, "proj_1", "user-b", role)
        for again in repeated():
            await refused(again, Code.NOT_PERMITTED if role else Code.NOT_FOUND)
    await people.remove(house.owner, "user-b")
    for again in repeated():
        await refused(again, Code.NOT_PERMITTED)


async def test_an_admin_key_that_was_revoked_is_shown_nothing_again(house: House) -> None:
    admin = await house.keys.create_admin(house.owner, "operator", None)
    actor = msgspec.structs.replace(house.owner, type="api_key", key_id=admin.key.id)
    asked = once("rotate", actor=admin.key.id)
    await house.keys.rotate(actor, "key_1", HOUR_MS, once=asked)
    await house.keys.revoke_admin(house.owner, admin.key.id)
    await refused(house.keys.rotate(actor, "key_1", HOUR_MS, once=asked), Code.KEY_REVOKED)


async def test_ten_at_once_make_one(house: House) -> None:
    made = await asyncio.gather(*(create(house) for _ in range(10)))
    assert len({(each.key.id, each.value) for each in made}) == 1
    assert len(await house.rows("api_keys")) == 3


async def test_the_same_idempotency_key_on_another_request_is_refused(house: House) -> None:
    await create(house)
    refusal = await refused(create(house, once(body=b'{"name":"other"}')), Code.CONFLICT)
    assert "another request" in refusal.message
    assert len(await house.rows("api_keys")) == 3


async def test_another_actor_with_the_same_idempotency_key_is_shown_nothing(house: House) -> None:
    first = await create(house)
    assert (await create(house, once(actor="key_admin"))).key.id != first.key.id


async def test_after_ten_minutes_it_says_which_key_was_made_and_shows_no_secret(house: House) -> None:
    first = await create(house)
    house.clock.turn(ms=SHOWN_AGAIN_MS)
    refusal = await refused(create(house), Code.CONFLICT)
    assert first.key.id in refusal.message
    house.clock.turn(ms=REMEMBERED_MS - SHOWN_AGAIN_MS)
    assert (await create(house)).key.id != first.key.id


async def test_housekeeping_forgets_the_seed_and_then_the_request(house: House) -> None:
    await create(house)
    (row,) = await house.rows("repeats")
    assert len(row["seed"]) == 32
    sweep = Housekeeping(house.database, house.clock, Kept())
    house.clock.turn(ms=SHOWN_AGAIN_MS + 1)
    await sweep.round()
    assert [row["seed"] for row in await house.rows("repeats")] == [None]
    house.clock.turn(ms=REMEMBERED_MS)
    assert (await sweep.round()).repeats == 1
    assert await house.rows("repeats") == []


async def test_what_is_kept_is_worth_nothing_without_the_pepper(house: House) -> None:
    issued = await create(house)
    (row,) = await house.rows("repeats")
    stolen = Keys(house.database, house.clock, house.entropy, b"q" * 32, house.changed.append)
    again = await stolen.create(house.owner, house.draft(), once())
    assert again.value != issued.value
    assert issued.value not in repr(row)


@pytest.mark.parametrize("key", ["", " ", "x" * 256, "a\nb", "\u00e9"])
async def test_an_idempotency_key_that_is_none_is_refused(key: str) -> None:
    with pytest.raises(Refusal) as caught:
        once(key)
    assert (caught.value.code, caught.value.param) == (Code.PARAMETER_INVALID, "Idempotency-Key")


async def test_a_service_account_and_its_keys_are_made_once(house: House) -> None:
    first, second = [await house.accounts.create(house.owner, "proj_1", "bot", once=once("bot")) for _ in range(2)]
    assert first == second
    assert first.issued is not None
    assert second.issued is not None
    assert first.issued.value == second.issued.value
    assert await death(house, first.issued.value) is None
    more = [
        await house.accounts.create_key(house.owner, "proj_1", first.account.id, once=once("more")) for _ in range(2)
    ]
    assert more[0].value == more[1].value != first.issued.value
    assert len(await house.rows("service_accounts")) == 1
    assert len([row for row in await house.rows("api_keys") if row["owner_id"] == first.account.id]) == 2
    again = house.accounts.create_key(house.owner, "proj_1", first.account.id, "other", once=once("more", b"{1}"))
    await refused(again, Code.CONFLICT)


async def test_who_may_call_no_model_any_more_is_not_shown_a_machines_secret_again(house: House) -> None:
    people, bob = await bob_joins(house)
    await people.add_to_project(house.owner, "proj_1", "owner", user_id="user-b")
    there, asked = in_project(bob, "owner"), once("bot", actor="user-b")
    made = await house.accounts.create(there, "proj_1", "bot", once=asked)
    again = await house.accounts.create(there, "proj_1", "bot", once=asked)
    assert again.account == made.account
    role = await roles_of(house).create(
        house.owner, "machinist", [Task.SERVICE_ACCOUNTS, Task.PROJECTS_READ], project_id="proj_1"
    )
    await assignments_of(house).give_user(house.owner, "user-b", role.id, project_id="proj_1")
    await people.update_in_project(house.owner, "proj_1", "user-b", "viewer")
    await refused(house.accounts.create(there, "proj_1", "bot", once=asked), Code.NOT_PERMITTED)
