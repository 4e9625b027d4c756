"""Coming in by an invite: once, in time, with no more than its maker has, and never into another's account."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import update

from control.test_people import bob_joins, death_of
from control.test_races import at_once
from control.test_roles import assignments_of, roles_of
from given import quick_passwords
from given_control import House, refused
from keyhouse.control.invites import LIFETIME_MS, Invites
from keyhouse.core.authority import PROJECT_ROLES, Grant, Task
from keyhouse.core.errors import Code
from keyhouse.identity.throttle import FAILURES_PER_PERSON, Throttle
from keyhouse.store import schema
from keyhouse.store.engine import Actor
from keyhouse.store.invites import ProjectRole, list_dead, list_invites
from keyhouse.store.people import find_sign_in

pytestmark = pytest.mark.asyncio

PASSWORD = "a long enough passphrase"
VIEWER = (ProjectRole("proj_1", "viewer"),)


@pytest.fixture
def invites(house: House) -> Invites:
    passwords = quick_passwords()
    throttle = Throttle(house.database, house.clock)
    return Invites(house.database, house.clock, house.entropy, passwords, throttle, house.changed.append)


async def test_someone_new_comes_in_once_as_what_they_were_invited(house: House, invites: Invites) -> None:
    made = await invites.create(house.owner, "Carol@Example.com", "member", VIEWER)
    assert made.token not in repr(made)
    assert made.token not in str(await house.everything())
    assert await invites.accept(made.token, password=PASSWORD, name="Carol") == "carol@example.com"
    (carol,) = [row for row in await house.rows("users") if row["email"] == "carol@example.com"]
    roles = [row["role"] for row in await house.rows("memberships") if row["user_id"] == carol["id"]]
    inside = [(row["project_id"], row["role"]) for row in await house.rows("project_members")]
    assert (roles, inside) == (["member"], [("proj_1", "viewer")])
    assert [event for event, _ in await house.events()] == ["invite.sent", "invite.accepted", "user.added"]
    await refused(invites.accept(made.token, password=PASSWORD), Code.INVITE_INVALID)
    await refused(invites.delete(house.owner, made.invite.id), Code.CONFLICT)


async def test_a_link_that_expired_was_taken_back_or_guessed_lets_nobody_in(house: House, invites: Invites) -> None:
    gone = await invites.create(house.owner, "gone@example.com", "reader")
    await invites.delete(house.owner, gone.invite.id)
    late = await invites.create(house.owner, "late@example.com", "reader")
    house.clock.turn(ms=LIFETIME_MS)
    before = await house.everything()
    for token, why in ((gone.token, "taken back"), (late.token, "expired"), ("guess", "not the link")):
        assert why in (await refused(invites.accept(token, password=PASSWORD), Code.INVITE_INVALID)).message
    assert await house.everything() == before


async def test_a_new_link_ends_the_one_before_and_gives_the_whole_time_again(house: House, invites: Invites) -> None:
    made = await invites.create(house.owner, "new@example.com", "reader")
    house.clock.turn(ms=LIFETIME_MS)
    again = await invites.renew(house.owner, made.invite.id)
    assert again.invite.expires_at_ms == house.clock.now_ms() + LIFETIME_MS
    assert again.token not in str(await house.everything())
    await refused(invites.accept(made.token, password=PASSWORD), Code.INVITE_INVALID)
    assert await invites.accept(again.token, password=PASSWORD) == "new@example.com"
    await refused(invites.renew(house.owner, made.invite.id), Code.CONFLICT)


async def test_only_who_may_invite_as_much_makes_a_new_link(house: House, invites: Invites) -> None:
    _, bob = await bob_joins(house)
    made = await invites.create(house.owner, "new@example.com", "reader")
    clerk = Actor(bob.type, "org-1", "user-b", bob.email, "member", grants=(Grant(frozenset({Task.INVITES})),))
    for actor in (bob, clerk):
        await refused(invites.renew(actor, made.invite.id), Code.NOT_PERMITTED)
    await refused(invites.renew(house.stranger, made.invite.id), Code.NOT_FOUND)


async def test_nobody_invites_to_more_than_they_have_nor_twice(house: House, invites: Invites) -> None:
    _, bob = await bob_joins(house)
    manager = Actor(bob.type, "org-1", "user-b", bob.email, "member", grants=(Grant(PROJECT_ROLES["owner"], "proj_1"),))
    await refused(invites.create(manager, "new@example.com", "member"), Code.NOT_PERMITTED)
    await refused(invites.create(house.owner, "bob@example.com", "reader"), Code.CONFLICT)
    await refused(invites.create(house.owner, "new@example.com", "admin"), Code.PARAMETER_INVALID)
    await refused(
        invites.create(house.owner, "new@example.com", "member", (ProjectRole("proj_2", "owner"),)), Code.NOT_FOUND
    )
    made = await invites.create(house.owner, "new@example.com", "reader")
    await refused(invites.create(house.owner, "new@example.com", "reader"), Code.CONFLICT)
    await refused(invites.delete(house.stranger, made.invite.id), Code.NOT_FOUND)


async def test_an_invite_gives_no_more_than_its_maker_has_when_it_is_accepted(house: House, invites: Invites) -> None:
    people, bob = await bob_joins(house, "owner")
    made = await invites.create(bob, "new@example.com", "owner")
    await people.update(house.owner, "user-b", "reader")
    await refused(invites.accept(made.token, password=PASSWORD), Code.INVITE_INVALID)
    await people.remove(house.owner, "user-b")
    await refused(invites.accept(made.token, password=PASSWORD), Code.INVITE_INVALID)


async def test_an_invite_that_lets_nobody_in_makes_way_for_a_new_one(house: House, invites: Invites) -> None:
    people, bob = await bob_joins(house, "owner")
    project = (ProjectRole("proj_1", "owner"),)
    made = {
        role: await invites.create(bob, f"{role}@example.com", role, project if role == "member" else ())
        for role in ("member", "reader")
    }

    async def dead() -> set[str]:
        found = await house.database.read(lambda c: list_invites(c, "org-1"))
        gone = await house.database.read(lambda c: list_dead(c, "org-1", found))
        return {role for role, one in made.items() if one.invite.id in gone}

    assert await dead() == set()
    again = invites.create(house.owner, "member@example.com", "member")
    await refused(again, Code.CONFLICT)
    role = await roles_of(house).create(house.owner, "inviter", [Task.INVITES])
    await assignments_of(house).give_user(house.owner, "user-b", role.id)
    for less, expected in (("reader", {"member"}), ("member", {"member", "reader"}), ("owner", set())):
        await people.update(house.owner, "user-b", less)
        assert await dead() == expected
    await people.remove(house.owner, "user-b")
    assert await dead() == {"member", "reader"}
    newer = await invites.create(house.owner, "member@example.com", "member")
    await refused(invites.offer(made["member"].token), Code.INVITE_INVALID)
    assert (await invites.offer(newer.token)).invite == newer.invite
    assert ("invite.deleted", made["member"].invite.id) in await house.events()


async def test_who_has_an_account_joins_with_its_password_and_old_keys_stay_dead(
    house: House, invites: Invites
) -> None:
    people, bob = await bob_joins(house, "owner")
    key = await house.keys.create(bob, house.draft())
    admin = await house.keys.create_admin(bob, "old", None)
    password_hash = await quick_passwords().hash(PASSWORD)
    users = schema.users
    await house.execute(update(users).where(users.c.id == "user-b").values(password_hash=password_hash))
    await people.remove(house.owner, "user-b")
    made = await invites.create(house.owner, "bob@example.com", "owner")
    await refused(invites.accept(made.token, password="not the right one"), Code.SIGN_IN_WRONG)
    assert await invites.accept(made.token, password=PASSWORD) == "bob@example.com"
    assert [await death_of(house, each.value) for each in (key, admin)] == [Code.KEY_REVOKED] * 2
    fresh = await house.keys.create(bob, house.draft())
    assert await death_of(house, fresh.value) is None


async def test_of_those_who_open_one_link_at_once_one_comes_in(house: House, invites: Invites) -> None:
    made = await invites.create(house.owner, "new@example.com", "reader", VIEWER)
    came, refusals = await at_once(*[partial(invites.accept, made.token, password=PASSWORD)] * 6)
    assert (came, refusals) == (["new@example.com"], [Code.INVITE_INVALID] * 5)
    users = [row["id"] for row in await house.rows("users") if row["email"] == "new@example.com"]
    assert [row["user_id"] for row in await house.rows("project_members")] == users
    assert [event for event, _ in await house.events()].count("user.added") == 1


class Together(ThreadPoolExecutor):
    """Two threads that give what they have done only when both have."""

    def __init__(self) -> None:
        super().__init__(2)
        self._both = Barrier(2, timeout=30)

    def submit(self, work: Callable[..., Any], /, *given: Any, **named: Any) -> "Future[Any]":
        def together() -> Any:
            done = work(*given, **named)
            self._both.wait()
            return done

        return super().submit(together)


async def test_an_address_that_two_organizations_invite_is_one_account(house: House, invites: Invites) -> None:
    passwords, throttle = quick_passwords(Together()), Throttle(house.database, house.clock)
    meeting = Invites(house.database, house.clock, house.entropy, passwords, throttle, house.changed.append)
    made = [await invites.create(owner, "new@example.com", "reader") for owner in (house.owner, house.stranger)]
    came, refusals = await at_once(*(partial(meeting.accept, each.token, password=PASSWORD) for each in made))
    # Whoever came second was offered a new account, and there is one now.
    assert (came, refusals) == (["new@example.com"], [Code.INVITE_INVALID])
    for each in made:
        await at_once(partial(invites.accept, each.token, password=PASSWORD))
    (account,) = [row["id"] for row in await house.rows("users") if row["email"] == "new@example.com"]
    joined = [row["organization_id"] for row in await house.rows("memberships") if row["user_id"] == account]
    assert sorted(joined) == ["org-1", "org-2"]


async def test_guesses_at_an_accounts_password_by_a_link_are_throttled(house: House, invites: Invites) -> None:
    made = await invites.create(house.owner, "bob@example.com", "reader")
    people, _ = await bob_joins(house)
    password_hash = await quick_passwords().hash(PASSWORD)
    users = schema.users
    await house.execute(update(users).where(users.c.id == "user-b").values(password_hash=password_hash))
    await people.remove(house.owner, "user-b")
    for _ in range(FAILURES_PER_PERSON):
        await refused(invites.accept(made.token, password="a guess at it"), Code.SIGN_IN_WRONG)
    await refused(invites.accept(made.token, password=PASSWORD), Code.SIGN_IN_THROTTLED)
    assert await house.database.read(lambda connection: find_sign_in(connection, "bob@example.com")) is None
