"""Changing who is here, and as what: at once, for their keys too, and never the last owner."""

from typing import Any

import pytest
from sqlalchemy import insert

from given import NOON
from given_control import House, refused
from keyhouse.control.people import People
from keyhouse.core.authority import PROJECT_ROLES, Grant
from keyhouse.core.errors import Code
from keyhouse.core.key import why_dead
from keyhouse.store import schema
from keyhouse.store.engine import Actor
from keyhouse.store.grants import list_grants

pytestmark = pytest.mark.asyncio


async def bob_joins(house: House, role: str = "member") -> tuple[People, Actor]:
    """The verbs, and another user of `org-1`."""
    user = {"id": "user-b", "email": "bob@example.com", "name": "Bob", "created_at_ms": NOON}
    await house.execute(insert(schema.users).values(user))
    row = {"organization_id": "org-1", "user_id": "user-b", "role": role, "added_at_ms": NOON}
    await house.execute(insert(schema.memberships).values(row))
    return People(house.database, house.changed.append), Actor("session", "org-1", "user-b", "bob@example.com", role)


async def death_of(house: House, value: str) -> Code | None:
    return why_dead((await house.credential(value)).standing, house.clock.now_ms())


def in_project(actor: Actor, role: str) -> Actor:
    """The same actor as their next request would find them."""
    return Actor(actor.type, actor.organization_id, actor.user_id, actor.email, actor.role, grants=_grants(role))


def _grants(role: str) -> tuple[Grant, ...]:
    return (Grant(PROJECT_ROLES[role], "proj_1"),)


async def test_a_projects_member_makes_keys_that_work_as_long_as_the_role_allows(house: House) -> None:
    people, bob = await bob_joins(house)
    await refused(house.keys.create(bob, house.draft()), Code.NOT_FOUND)
    await people.add_to_project(house.owner, "proj_1", "member", email="Bob@example.com")
    issued = await house.keys.create(in_project(bob, "member"), house.draft())
    assert await death_of(house, issued.value) is None

    house.changed.clear()
    await people.update_in_project(house.owner, "proj_1", "user-b", "viewer")
    assert await death_of(house, issued.value) is Code.KEY_ACCESS_LOST
    assert house.changed == [issued.key.id]
    # What was read of their role before it was taken away makes no key.
    await refused(house.keys.create(in_project(bob, "member"), house.draft()), Code.NOT_PERMITTED)

    await people.update_in_project(house.owner, "proj_1", "user-b", "owner")
    assert await death_of(house, issued.value) is None
    await people.remove_from_project(house.owner, "proj_1", "user-b")
    assert await death_of(house, issued.value) is Code.KEY_ACCESS_LOST


async def test_a_demoted_owners_keys_stop_where_no_other_role_lets_them(house: House) -> None:
    people, bob = await bob_joins(house, "owner")
    mine = await house.keys.create(bob, house.draft())
    await people.update(house.owner, "user-b", "reader")
    assert await death_of(house, mine.value) is Code.KEY_ACCESS_LOST
    await people.update(house.owner, "user-b", "owner")
    assert await death_of(house, mine.value) is None


async def test_who_is_removed_is_out_at_once_with_sessions_and_keys(house: House) -> None:
    people, bob = await bob_joins(house, "owner")
    mine = await house.keys.create(bob, house.draft())
    session: dict[str, Any] = {"id_hash": b"x", "user_id": "user-b", "organization_id": "org-1", "csrf_token": "t"}
    session |= {"address": "", "agent": "", "expires_at_ms": NOON * 2, "last_seen_at_ms": NOON}
    session |= {"created_at_ms": NOON, "authenticated_at_ms": NOON}
    await house.execute(insert(schema.sessions).values(session))
    await people.remove(house.owner, "user-b")
    assert await death_of(house, mine.value) is Code.KEY_OWNER_GONE
    assert [row["ended_at_ms"] for row in await house.rows("sessions")] == [house.clock.now_ms()]
    await refused(house.keys.create(bob, house.draft()), Code.NOT_PERMITTED)
    await refused(people.update(house.owner, "user-b", "owner"), Code.NOT_FOUND)
    assert ("user.deleted", "user-b") in await house.events()


async def test_the_last_owner_is_neither_removed_nor_demoted(house: House) -> None:
    people, _ = await bob_joins(house)
    before = await house.everything()
    for verb in (people.remove(house.owner, "user-1"), people.update(house.owner, "user-1", "reader")):
        assert "last owner" in (await refused(verb, Code.CONFLICT)).message
    assert await house.everything() == before
    await people.update(house.owner, "user-b", "owner")
    assert (await people.update(house.owner, "user-1", "member")).role == "member"


async def test_a_projects_owner_manages_its_people_and_no_other_projects(house: House) -> None:
    people, bob = await bob_joins(house)
    await people.add_to_project(house.owner, "proj_1", "owner", user_id="user-b")
    manager = in_project(bob, "owner")
    assert (await people.add_to_project(manager, "proj_1", "member", user_id="user-1")).role == "member"
    await refused(people.add_to_project(manager, "proj_2", "member", user_id="user-1"), Code.NOT_FOUND)
    await refused(people.update(manager, "user-b", "owner"), Code.NOT_PERMITTED)
    await refused(people.remove(manager, "user-1"), Code.NOT_PERMITTED)


async def test_nobody_gives_or_takes_more_than_they_have(house: House) -> None:
    people, bob = await bob_joins(house)
    role = {"id": "role_1", "organization_id": "org-1", "name": "people", "created_by": "user-1"}
    written = {"permissions": '["api.organization.users.write"]', "created_at_ms": NOON, "updated_at_ms": NOON}
    await house.execute(insert(schema.roles).values(role | written))
    held = {"principal_id": "user-b", "role_id": "role_1", "organization_id": "org-1", "created_by": "user-1"}
    await house.execute(insert(schema.role_assignments).values(held | {"created_at_ms": NOON}))
    grants = await house.database.read(lambda c: list_grants(c, "org-1", "user-b"))
    clerk = Actor(bob.type, bob.organization_id, bob.user_id, bob.email, bob.role, grants=grants)
    for verb in (people.update(clerk, "user-b", "owner"), people.remove(clerk, "user-1")):
        assert "more than you" in (await refused(verb, Code.NOT_PERMITTED)).message


async def test_another_organizations_people_read_as_missing(house: House) -> None:
    people, _ = await bob_joins(house)
    before = await house.everything()
    await refused(people.update(house.stranger, "user-b", "owner"), Code.NOT_FOUND)
    await refused(people.remove(house.stranger, "user-b"), Code.NOT_FOUND)
    await refused(people.add_to_project(house.stranger, "proj_2", "owner", user_id="user-b"), Code.NOT_FOUND)
    await refused(people.add_to_project(house.stranger, "proj_1", "owner", user_id="user-2"), Code.NOT_FOUND)
    assert await house.everything() == before


@pytest.mark.parametrize("role", ["", "admin", "viewer"])
async def test_a_role_that_there_is_not_is_refused_by_its_field(house: House, role: str) -> None:
    people, _ = await bob_joins(house)
    assert (await refused(people.update(house.owner, "user-b", role), Code.PARAMETER_INVALID)).param == "role"
