"""Roles given to users and groups, in the organization and in a project: at once, and never by who has less."""

import msgspec
import pytest
from sqlalchemy import insert

from control.test_people import bob_joins, death_of
from control.test_roles import as_they_are, assignments_of, roles_of
from given import NOON
from given_control import House, refused
from keyhouse.control.groups import Groups
from keyhouse.core.authority import Task, tasks_in
from keyhouse.core.errors import Code
from keyhouse.store import schema
from keyhouse.store.grants import IN_ORGANIZATION, IN_PROJECT
from keyhouse.store.groups import Group

pytestmark = pytest.mark.asyncio


def groups_of(house: House) -> Groups:
    """The verbs on groups."""
    return Groups(house.database, house.entropy, house.changed.append)


async def bobs_group(house: House) -> Group:
    """A group with the user `user-b` in it, and without a role."""
    made = await groups_of(house).create(house.owner, "friends")
    return await groups_of(house).add_user(house.owner, made.id, "user-b")


async def test_a_groups_role_is_its_members_as_long_as_the_group_holds_it(house: House) -> None:
    _, bob = await bob_joins(house)
    group, assignments = await bobs_group(house), assignments_of(house)
    role_id = f"{IN_PROJECT}member"
    await refused(house.keys.create(bob, house.draft()), Code.NOT_FOUND)
    given, role = await assignments.give_group(house.owner, group.id, role_id, project_id="proj_1")
    assert (given.id, role.id, role.project_id) == (group.id, role_id, "proj_1")
    issued = await house.keys.create(await as_they_are(house, bob), house.draft())
    assert await death_of(house, issued.value) is None

    house.changed.clear()
    await refused(assignments.give_group(house.owner, group.id, role_id, project_id="proj_1"), Code.CONFLICT)
    await assignments.take_from_group(house.owner, group.id, role_id, project_id="proj_1")
    assert await death_of(house, issued.value) is Code.KEY_ACCESS_LOST
    assert house.changed == [issued.key.id]
    await refused(assignments.take_from_group(house.owner, group.id, role_id, project_id="proj_1"), Code.NOT_FOUND)
    # A role held in the whole organization holds in the project, too.
    calling = await roles_of(house).create(house.owner, "caller", [Task.MODEL_REQUEST])
    await assignments.give_group(house.owner, group.id, calling.id)
    assert await death_of(house, issued.value) is None
    await roles_of(house).delete(house.owner, calling.id)
    assert await death_of(house, issued.value) is Code.KEY_ACCESS_LOST
    assert await house.rows("role_assignments") == []
    events = [event for event, subject in await house.events() if subject == group.id]
    assert events[-3:] == ["role.assignment.created", "role.assignment.deleted", "role.assignment.created"]


async def test_changing_a_projects_role_changes_what_the_members_of_a_group_may(house: House) -> None:
    _, bob = await bob_joins(house)
    group, roles = await bobs_group(house), roles_of(house)
    role = await roles.create(house.owner, "caller", [Task.MODEL_REQUEST, Task.OWN_API_KEYS], project_id="proj_1")
    await assignments_of(house).give_group(house.owner, group.id, role.id, project_id="proj_1")
    issued = await house.keys.create(await as_they_are(house, bob), house.draft())
    await roles.update(house.owner, role.id, permissions=[Task.OWN_API_KEYS], project_id="proj_1")
    assert await death_of(house, issued.value) is Code.KEY_ACCESS_LOST
    await roles.update(house.owner, role.id, permissions=[Task.MODEL_REQUEST], project_id="proj_1")
    assert await death_of(house, issued.value) is None


async def test_a_role_in_a_project_is_for_who_is_in_it_and_goes_when_they_go(house: House) -> None:
    people, bob = await bob_joins(house)
    assignments = assignments_of(house)
    role = await roles_of(house).create(
        house.owner, "caller", [Task.MODEL_REQUEST, Task.OWN_API_KEYS], project_id="proj_1"
    )
    await refused(assignments.give_user(house.owner, "user-b", role.id, project_id="proj_1"), Code.NOT_FOUND)
    await people.add_to_project(house.owner, "proj_1", "viewer", user_id="user-b")
    await assignments.give_user(house.owner, "user-b", role.id, project_id="proj_1")
    issued = await house.keys.create(await as_they_are(house, bob), house.draft())
    await people.remove_from_project(house.owner, "proj_1", "user-b")
    assert await death_of(house, issued.value) is Code.KEY_ACCESS_LOST
    assert await house.rows("role_assignments") == []
    # Back in the project they are what they are made, and nothing from before.
    await people.add_to_project(house.owner, "proj_1", "viewer", user_id="user-b")
    assert await death_of(house, issued.value) is Code.KEY_ACCESS_LOST
    await house.projects.archive(house.owner, "proj_1")
    await refused(assignments.give_user(house.owner, "user-b", role.id, project_id="proj_1"), Code.CONFLICT)


async def test_what_a_group_gets_is_settled_for_everybody_in_it_whatever_else_they_are(house: House) -> None:
    people, bob = await bob_joins(house)
    group, assignments = await bobs_group(house), assignments_of(house)
    other = await house.projects.create(house.owner, "Other")
    for number, role in enumerate(("owner", "member", "member")):
        user = {"id": f"user-{number}x", "email": f"{number}@example.com", "name": "", "created_at_ms": NOON}
        await house.execute(insert(schema.users).values(user))
        row = {"organization_id": "org-1", "user_id": user["id"], "role": role, "added_at_ms": NOON}
        await house.execute(insert(schema.memberships).values(row))
        await groups_of(house).add_user(house.owner, group.id, f"user-{number}x")
    await people.add_to_project(house.owner, "proj_1", "member", user_id="user-1x")
    for project_id in ("proj_1", other.id):
        await assignments.give_group(house.owner, group.id, f"{IN_PROJECT}member", project_id=project_id)
    values = {}
    for user_id in ("user-b", "user-0x", "user-1x", "user-2x"):
        actor = await as_they_are(house, msgspec.structs.replace(bob, user_id=user_id))
        for project_id in ("proj_1", other.id):
            values[user_id, project_id] = (await house.keys.create(actor, house.draft(project_id=project_id))).value
    await groups_of(house).delete(house.owner, group.id)
    living = {whose for whose, value in values.items() if await death_of(house, value) is None}
    # An owner calls everywhere, and who is in a project themselves calls there.
    assert living == {("user-0x", "proj_1"), ("user-0x", other.id), ("user-1x", "proj_1")}


async def test_nobody_gives_a_group_or_takes_from_it_more_than_they_have(house: House) -> None:
    _, bob = await bob_joins(house)
    assignments, group = assignments_of(house), await groups_of(house).create(house.owner, "strong")
    clerks = await roles_of(house).create(house.owner, "clerk", [Task.ROLES, Task.PROJECT_ROLES])
    await assignments.give_user(house.owner, "user-b", clerks.id)
    await assignments.give_group(house.owner, group.id, f"{IN_ORGANIZATION}reader")
    await assignments.give_group(house.owner, group.id, f"{IN_PROJECT}member", project_id="proj_1")
    clerk = await as_they_are(house, bob)
    before = await house.everything()
    for verb in (
        assignments.give_group(clerk, group.id, f"{IN_ORGANIZATION}owner"),
        assignments.take_from_group(clerk, group.id, f"{IN_ORGANIZATION}reader"),
        assignments.give_group(clerk, group.id, f"{IN_PROJECT}owner", project_id="proj_1"),
        assignments.take_from_group(clerk, group.id, f"{IN_PROJECT}member", project_id="proj_1"),
    ):
        assert "more than you" in (await refused(verb, Code.NOT_PERMITTED)).message
    assert await house.everything() == before
    await assignments.give_group(clerk, group.id, clerks.id)


async def test_another_organizations_groups_roles_and_projects_read_as_missing(house: House) -> None:
    assignments, group = assignments_of(house), await groups_of(house).create(house.owner, "ours")
    theirs = await groups_of(house).create(house.stranger, "theirs")
    role = await roles_of(house).create(house.owner, "clerk", [])
    reader, viewer = f"{IN_ORGANIZATION}reader", f"{IN_PROJECT}viewer"
    before = await house.everything()
    for verb in (
        assignments.give_group(house.stranger, group.id, reader),
        assignments.take_from_group(house.stranger, group.id, reader),
        assignments.give_group(house.stranger, theirs.id, role.id),
        assignments.give_group(house.stranger, theirs.id, viewer, project_id="proj_1"),
        assignments.take_from_group(house.stranger, theirs.id, viewer, project_id="proj_1"),
        assignments.give_user(house.stranger, "user-2", viewer, project_id="proj_1"),
        assignments.take_from_user(house.stranger, "user-2", viewer, project_id="proj_1"),
        # A role of the organization is none of a project, and the other way round.
        assignments.give_group(house.owner, group.id, reader, project_id="proj_1"),
        assignments.give_group(house.owner, group.id, viewer),
    ):
        await refused(verb, Code.NOT_FOUND)
    assert await house.everything() == before


async def role_of_bob(house: House) -> str:
    """What `user-b` is in the organization, as lists show it."""
    return next(str(row["role"]) for row in await house.rows("memberships") if row["user_id"] == "user-b")


async def test_an_owner_is_one_in_every_list_and_is_none_once_made_less(house: House) -> None:
    people, bob = await bob_joins(house)
    assignments = assignments_of(house)
    owner, reader, member = (f"{IN_ORGANIZATION}{name}" for name in ("owner", "reader", "member"))
    for role_id, left in ((reader, member), (owner, reader)):
        given, _ = await assignments.give_user(house.owner, "user-b", role_id)
        assert IN_ORGANIZATION + given.role == role_id
        for less in (role_id, left):
            assert (
                "already" in (await refused(assignments.give_user(house.owner, "user-b", less), Code.CONFLICT)).message
            )
    assert await role_of_bob(house) == "owner"
    assert await house.rows("role_assignments") == []
    await people.update(house.owner, "user-b", "member")
    assert tasks_in("member", (await as_they_are(house, bob)).grants) == frozenset()

    # What is taken as a role is taken from what they are; the last owner stays.
    await assignments.give_user(house.owner, "user-b", owner)
    await assignments.take_from_user(house.owner, "user-b", owner)
    assert await role_of_bob(house) == "member"
    await refused(assignments.take_from_user(house.owner, "user-b", member), Code.NOT_FOUND)
    await refused(assignments.take_from_user(house.owner, "user-1", owner), Code.CONFLICT)


async def test_what_was_assigned_beside_goes_with_what_somebody_is(house: House) -> None:
    """As older versions assigned it to users of an organization, and as it is done in projects."""
    people, bob = await bob_joins(house)
    beside = {"principal_id": "user-b", "organization_id": "org-1", "created_by": "user-1", "created_at_ms": NOON}
    statement = insert(schema.role_assignments)
    await house.execute(statement.values(**beside, role_id=f"{IN_ORGANIZATION}owner"))
    own = await roles_of(house).create(house.owner, "caller", [Task.MODEL_REQUEST])
    await assignments_of(house).give_user(house.owner, "user-b", own.id)
    await people.update(house.owner, "user-b", "member")
    assert [row["role_id"] for row in await house.rows("role_assignments")] == [own.id]

    await people.add_to_project(house.owner, "proj_1", "viewer", user_id="user-b")
    await assignments_of(house).give_user(house.owner, "user-b", f"{IN_PROJECT}owner", project_id="proj_1")
    await people.update_in_project(house.owner, "proj_1", "user-b", "viewer")
    assert Task.API_KEYS not in tasks_in("member", (await as_they_are(house, bob)).grants, "proj_1")
    assert [row["role_id"] for row in await house.rows("role_assignments")] == [own.id]
