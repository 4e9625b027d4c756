"""Who lacks a permission is told who can grant it: people of their own organization, and of no other."""

import pytest
from sqlalchemy import insert, update

from control.test_people import bob_joins
from control.test_roles import as_they_are, assignments_of, roles_of
from given import NOON
from given_control import House, refused
from keyhouse.core.authority import Task
from keyhouse.core.errors import Code
from keyhouse.store import schema

pytestmark = pytest.mark.asyncio

ADA = "Ada (user-1@example.com)"


async def test_owners_of_the_organization_are_named_where_a_permission_in_it_is_lacking(house: House) -> None:
    _, bob = await bob_joins(house)
    problem = await refused(house.projects.create(bob, "mine"), Code.NOT_PERMITTED)
    assert str(Task.PROJECTS) in problem.message
    assert problem.hint == f"An owner of the organization can give you a role that has it: {ADA}."
    clerks = await roles_of(house).create(house.owner, "clerk", [Task.ROLES])
    await assignments_of(house).give_user(house.owner, "user-b", clerks.id)
    clerk = await as_they_are(house, bob)
    problem = await refused(roles_of(house).create(clerk, "more", [Task.UPSTREAMS]), Code.NOT_PERMITTED)
    assert problem.hint == f"An owner can do it: {ADA}."


async def test_owners_of_the_project_come_first_where_one_in_it_is_lacking(house: House) -> None:
    people, bob = await bob_joins(house)
    await people.add_to_project(house.owner, "proj_1", "viewer", user_id="user-b")
    viewer = await as_they_are(house, bob)
    for number in range(2):
        user = {"id": f"user-{number}x", "email": f"{number}@example.com", "name": "", "created_at_ms": NOON}
        await house.execute(insert(schema.users).values(user))
        row = {"organization_id": "org-1", "user_id": user["id"], "role": "owner", "added_at_ms": NOON + number}
        await house.execute(insert(schema.memberships).values(row))
    await people.add_to_project(house.owner, "proj_1", "owner", user_id="user-1x")
    problem = await refused(house.keys.create(viewer, house.draft()), Code.NOT_PERMITTED)
    # Three are enough, and who left is none of them.
    assert problem.hint.endswith(f": 1@example.com, 0@example.com, {ADA}.")
    await people.remove(house.owner, "user-1x")
    problem = await refused(house.keys.create(viewer, house.draft()), Code.NOT_PERMITTED)
    assert problem.hint.endswith(f": 0@example.com, {ADA}.")


async def test_of_what_is_in_another_organization_nobody_is_named(house: House) -> None:
    people, bob = await bob_joins(house)
    looker = await roles_of(house).create(house.owner, "looker", [Task.PROJECTS_READ])
    await assignments_of(house).give_user(house.owner, "user-b", looker.id)
    row = {"project_id": "proj_2", "user_id": "user-2", "organization_id": "org-2", "role": "owner"}
    await house.execute(insert(schema.project_members).values(row | {"added_at_ms": NOON}))
    looking = await as_they_are(house, bob)
    told = [
        (await refused(people.add_to_project(looking, project, "viewer", user_id="user-1"), Code.NOT_PERMITTED)).hint
        for project in ("proj_2", "proj_none")
    ]
    assert told[0] == told[1] == f"An owner of the project can give you a role that has it: {ADA}."
    # Who sees nothing of a project learns of no owner but those of their own organization, whether it is there or not.
    unseen = [
        (await refused(house.keys.create(bob, house.draft(project_id=project)), Code.NOT_FOUND)).hint
        for project in ("proj_1", "proj_2")
    ]
    assert unseen[0] == unseen[1]
    assert ADA in unseen[0]


async def test_who_is_no_longer_a_member_is_told_no_names(house: House) -> None:
    _, bob = await bob_joins(house, "owner")
    gone = update(schema.memberships).where(schema.memberships.c.user_id == "user-b").values(removed_at_ms=NOON)
    await house.execute(gone)
    problem = await refused(house.projects.create(bob, "mine"), Code.NOT_PERMITTED)
    assert "example.com" not in problem.text
    assert "no longer a member" in problem.message
