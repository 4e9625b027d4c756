"""Roles of an organization's own: given, changed and taken at once, and never by who has less."""

import msgspec
import pytest
from sqlalchemy import insert

from control.test_people import bob_joins, death_of
from given import NOON, seeded_entropy
from given_control import House, refused
from keyhouse.control.assignments import Assignments
from keyhouse.control.roles import Roles
from keyhouse.core.authority import Task
from keyhouse.core.errors import Code
from keyhouse.store import schema
from keyhouse.store.engine import Actor
from keyhouse.store.grants import IN_ORGANIZATION, list_grants

pytestmark = pytest.mark.asyncio


def roles_of(house: House) -> Roles:
    """The verbs."""
    return Roles(house.database, seeded_entropy(3), house.changed.append)


def assignments_of(house: House) -> Assignments:
    """The verbs on who holds them."""
    return Assignments(house.database, house.changed.append)


async def as_they_are(house: House, actor: Actor) -> Actor:
    """The same actor as their next request would find them."""
    grants = await house.database.read(lambda c: list_grants(c, actor.organization_id, actor.user_id))
    return msgspec.structs.replace(actor, grants=grants)


async def test_a_users_keys_work_as_long_as_a_role_lets_them(house: House) -> None:
    _, bob = await bob_joins(house)
    roles = roles_of(house)
    assignments = assignments_of(house)
    role = await roles.create(house.owner, "caller", [Task.MODEL_REQUEST, Task.OWN_API_KEYS])
    await assignments.give_user(house.owner, "user-b", role.id)
    issued = await house.keys.create(await as_they_are(house, bob), house.draft())
    assert await death_of(house, issued.value) is None

    house.changed.clear()
    await roles.update(house.owner, role.id, permissions=[Task.OWN_API_KEYS])
    assert await death_of(house, issued.value) is Code.KEY_ACCESS_LOST
    assert house.changed == [issued.key.id]
    await roles.update(house.owner, role.id, permissions=[Task.MODEL_REQUEST])
    assert await death_of(house, issued.value) is None
    await assignments.take_from_user(house.owner, "user-b", role.id)
    assert await death_of(house, issued.value) is Code.KEY_ACCESS_LOST
    await assignments.give_user(house.owner, "user-b", role.id)
    assert await death_of(house, issued.value) is None
    await roles.delete(house.owner, role.id)
    assert await death_of(house, issued.value) is Code.KEY_ACCESS_LOST
    assert await house.rows("role_assignments") == []


async def test_nobody_makes_changes_gives_or_takes_a_role_that_can_do_more(house: House) -> None:
    people, bob = await bob_joins(house)
    roles = roles_of(house)
    assignments = assignments_of(house)
    clerks = await roles.create(house.owner, "clerk", [Task.ROLES, Task.USERS])
    callers = await roles.create(house.owner, "caller", [Task.MODEL_REQUEST])
    await assignments.give_user(house.owner, "user-b", clerks.id)
    await assignments.give_user(house.owner, "user-1", callers.id)
    clerk = await as_they_are(house, bob)
    before = await house.everything()
    for verb in (
        roles.create(clerk, "more", [Task.UPSTREAMS]),
        roles.update(clerk, clerks.id, permissions=[Task.UPSTREAMS]),
        roles.update(clerk, callers.id, permissions=[]),
        roles.delete(clerk, callers.id),
        assignments.give_user(clerk, "user-b", callers.id),
        assignments.give_user(clerk, "user-b", f"{IN_ORGANIZATION}owner"),
        assignments.take_from_user(clerk, "user-1", callers.id),
        people.remove(clerk, "user-1"),
    ):
        assert "more than you" in (await refused(verb, Code.NOT_PERMITTED)).message
    assert await house.everything() == before
    assert (await roles.create(clerk, "less", [Task.USERS_READ])).created_by == "user-b"
    # What was read of their role before it was taken away changes nothing.
    await assignments.take_from_user(house.owner, "user-b", clerks.id)
    await refused(roles.create(clerk, "late", []), Code.NOT_PERMITTED)


async def test_who_holds_more_by_a_role_is_not_removed_by_who_has_less(house: House) -> None:
    people, bob = await bob_joins(house)
    roles = roles_of(house)
    assignments = assignments_of(house)
    clerks = await roles.create(house.owner, "clerk", [Task.USERS])
    strong = await roles.create(house.owner, "strong", [Task.UPSTREAMS])
    await assignments.give_user(house.owner, "user-b", clerks.id)
    user = {"id": "user-c", "email": "cleo@example.com", "name": "Cleo", "created_at_ms": NOON}
    await house.execute(insert(schema.users).values(user))
    row = {"organization_id": "org-1", "user_id": "user-c", "role": "member", "added_at_ms": NOON}
    await house.execute(insert(schema.memberships).values(row))
    await assignments.give_user(house.owner, "user-c", strong.id)
    clerk = await as_they_are(house, bob)
    assert "more than you" in (await refused(people.remove(clerk, "user-c"), Code.NOT_PERMITTED)).message
    await assignments.take_from_user(house.owner, "user-c", strong.id)
    await people.remove(clerk, "user-c")


async def test_a_role_that_is_always_there_stays_as_it_is_and_names_are_unique(house: House) -> None:
    roles = roles_of(house)
    role_id = f"{IN_ORGANIZATION}member"
    before = await house.everything()
    await refused(roles.update(house.owner, role_id, permissions=[Task.USERS]), Code.CONFLICT)
    await refused(roles.delete(house.owner, role_id), Code.CONFLICT)
    assert (await refused(roles.create(house.owner, "owner", []), Code.CONFLICT)).param == "role_name"
    assert await house.everything() == before


async def test_another_organizations_roles_and_users_read_as_missing(house: House) -> None:
    roles = roles_of(house)
    assignments = assignments_of(house)
    role = await roles.create(house.owner, "clerk", [Task.USERS])
    before = await house.everything()
    for verb in (
        roles.update(house.stranger, role.id, name="mine"),
        roles.delete(house.stranger, role.id),
        assignments.give_user(house.stranger, "user-2", role.id),
        assignments.give_user(house.stranger, "user-1", f"{IN_ORGANIZATION}reader"),
        assignments.take_from_user(house.stranger, "user-1", role.id),
    ):
        await refused(verb, Code.NOT_FOUND)
    assert await house.everything() == before


async def test_a_projects_role_holds_what_can_be_held_in_one_and_is_the_projects_own(house: House) -> None:
    roles = roles_of(house)
    other = await house.projects.create(house.owner, "Other")
    problem = await refused(roles.create(house.owner, "x", [Task.USERS], project_id="proj_1"), Code.PARAMETER_INVALID)
    assert (problem.param, str(Task.USERS) in problem.message) == ("permissions", True)
    role = await roles.create(house.owner, "watcher", [Task.USAGE_READ], project_id="proj_1")
    # A name is taken in its own project only.
    await refused(roles.create(house.owner, "watcher", [], project_id="proj_1"), Code.CONFLICT)
    await refused(roles.create(house.owner, "viewer", [], project_id="proj_1"), Code.CONFLICT)
    await roles.create(house.owner, "watcher", [], project_id=other.id)
    before = await house.everything()
    for elsewhere in (None, other.id):
        await refused(roles.update(house.owner, role.id, name="y", project_id=elsewhere), Code.NOT_FOUND)
        await refused(roles.delete(house.owner, role.id, project_id=elsewhere), Code.NOT_FOUND)
    await refused(roles.delete(house.stranger, role.id, project_id="proj_1"), Code.NOT_FOUND)
    await refused(roles.create(house.stranger, "z", [], project_id="proj_1"), Code.NOT_FOUND)
    assert await house.everything() == before
    await house.projects.archive(house.owner, other.id)
    await refused(roles.create(house.owner, "late", [], project_id=other.id), Code.CONFLICT)


async def test_a_projects_owner_makes_and_gives_its_roles_and_no_others(house: House) -> None:
    people, bob = await bob_joins(house)
    roles, assignments = roles_of(house), assignments_of(house)
    await people.add_to_project(house.owner, "proj_1", "owner", user_id="user-b")
    await people.add_to_project(house.owner, "proj_1", "viewer", user_id="user-1")
    bob = await as_they_are(house, bob)
    role = await roles.create(bob, "caller", [Task.MODEL_REQUEST], project_id="proj_1")
    await assignments.give_user(bob, "user-1", role.id, project_id="proj_1")
    await refused(roles.create(bob, "caller", [Task.MODEL_REQUEST]), Code.NOT_PERMITTED)
    await refused(assignments.give_user(bob, "user-b", f"{IN_ORGANIZATION}owner"), Code.NOT_PERMITTED)
    await refused(roles.create(bob, "x", [], project_id="proj_2"), Code.NOT_FOUND)
    await people.update_in_project(house.owner, "proj_1", "user-b", "viewer")
    await refused(roles.delete(bob, role.id, project_id="proj_1"), Code.NOT_PERMITTED)
