"""Groups: who is in one has what it holds, who leaves has it no more, at once; and never by who has less."""

import pytest

from control.test_assignments import bobs_group, groups_of
from control.test_people import bob_joins, death_of
from control.test_roles import as_they_are, assignments_of, roles_of
from given_control import House, refused
from keyhouse.core.authority import Task
from keyhouse.core.errors import Code
from keyhouse.store.grants import IN_ORGANIZATION, IN_PROJECT

pytestmark = pytest.mark.asyncio


async def test_who_is_in_a_group_calls_by_its_role_and_who_left_it_does_not(house: House) -> None:
    _, bob = await bob_joins(house)
    groups = groups_of(house)
    group = await groups.create(house.owner, "callers")
    placed = await groups.add_to_project(house.owner, "proj_1", group.id, "member")
    assert (placed.project_id, placed.group, placed.added_at_ms) == ("proj_1", group, house.clock.now_ms())
    await refused(house.keys.create(bob, house.draft()), Code.NOT_FOUND)
    await groups.add_user(house.owner, group.id, "user-b")
    in_group = await as_they_are(house, bob)
    issued = await house.keys.create(in_group, house.draft())

    house.changed.clear()
    await groups.remove_user(house.owner, group.id, "user-b")
    assert await death_of(house, issued.value) is Code.KEY_ACCESS_LOST
    assert house.changed == [issued.key.id]
    # What was read of their roles before they were taken out makes no key.
    await refused(house.keys.create(in_group, house.draft()), Code.NOT_FOUND)
    await groups.add_user(house.owner, group.id, "user-b")
    assert await death_of(house, issued.value) is None
    await groups.remove_from_project(house.owner, "proj_1", group.id)
    assert await death_of(house, issued.value) is Code.KEY_ACCESS_LOST
    await groups.add_to_project(house.owner, "proj_1", group.id, f"{IN_PROJECT}owner")
    assert await death_of(house, issued.value) is None
    await groups.delete(house.owner, group.id)
    assert await death_of(house, issued.value) is Code.KEY_ACCESS_LOST
    assert [await house.rows(name) for name in ("groups", "group_members", "role_assignments")] == [[], [], []]
    assert [event for event, subject in await house.events() if subject == group.id] == [
        "group.created",
        "role.assignment.created",
        "group.user.added",
        "group.user.removed",
        "group.user.added",
        "role.assignment.deleted",
        "role.assignment.created",
        "group.deleted",
    ]


async def test_who_is_removed_from_the_organization_is_in_no_group_when_they_come_back(house: House) -> None:
    people, _ = await bob_joins(house)
    group = await bobs_group(house)
    await people.remove(house.owner, "user-b")
    assert await house.rows("group_members") == []
    await refused(groups_of(house).add_user(house.owner, group.id, "user-b"), Code.NOT_FOUND)
    await refused(groups_of(house).remove_user(house.owner, group.id, "user-b"), Code.NOT_FOUND)


async def test_nobody_fills_empties_or_deletes_a_group_that_can_do_more(house: House) -> None:
    people, bob = await bob_joins(house)
    groups, assignments = groups_of(house), assignments_of(house)
    strong, weak = [await groups.create(house.owner, name) for name in ("strong", "weak")]
    await assignments.give_group(house.owner, strong.id, f"{IN_ORGANIZATION}owner")
    await groups.add_user(house.owner, strong.id, "user-1")
    clerks = await roles_of(house).create(house.owner, "clerk", [Task.GROUPS, Task.PROJECT_USERS, Task.USERS_READ])
    await assignments.give_user(house.owner, "user-b", clerks.id)
    clerk = await as_they_are(house, bob)
    await groups.add_to_project(house.owner, "proj_1", weak.id, "owner")
    before = await house.everything()
    for verb in (
        groups.add_user(clerk, strong.id, "user-b"),
        groups.remove_user(clerk, strong.id, "user-1"),
        groups.delete(clerk, strong.id),
        groups.add_user(clerk, weak.id, "user-b"),
        groups.delete(clerk, weak.id),
        groups.add_to_project(clerk, "proj_1", strong.id, "member"),
        groups.remove_from_project(clerk, "proj_1", weak.id),
    ):
        assert "more than you" in (await refused(verb, Code.NOT_PERMITTED)).message
    assert await house.everything() == before
    await groups.remove_from_project(house.owner, "proj_1", weak.id)
    await groups.add_user(clerk, weak.id, "user-b")
    await groups.remove_user(clerk, weak.id, "user-b")
    await groups.delete(clerk, weak.id)
    await people.update(house.owner, "user-b", "reader")
    await assignments.take_from_user(house.owner, "user-b", clerks.id)
    await refused(groups.create(clerk, "late"), Code.NOT_PERMITTED)


async def test_a_groups_name_is_its_own(house: House) -> None:
    groups = groups_of(house)
    group = await groups.create(house.owner, "x" * 255)
    assert (await refused(groups.create(house.owner, "x" * 255), Code.CONFLICT)).param == "name"
    for wrong in ("", "x" * 256, "two\nlines"):
        assert (await refused(groups.create(house.owner, wrong), Code.PARAMETER_INVALID)).param == "name"
    await groups.create(house.stranger, "x" * 255)
    other = await groups.create(house.owner, "other")
    await refused(groups.update(house.owner, other.id, "x" * 255), Code.CONFLICT)
    assert (await groups.update(house.owner, group.id, " crew ")).name == "crew"
    assert (await groups.update(house.owner, group.id, "crew")).name == "crew"


async def test_a_group_is_once_in_a_project_and_holds_one_of_its_roles(house: House) -> None:
    groups, roles = groups_of(house), roles_of(house)
    group = await groups.create(house.owner, "crew")
    other = await house.projects.create(house.owner, "Other")
    theirs = await roles.create(house.owner, "watcher", [Task.USAGE_READ], project_id=other.id)
    for wrong in ("emperor", theirs.id, f"{IN_ORGANIZATION}reader"):
        await refused(groups.add_to_project(house.owner, "proj_1", group.id, wrong), Code.NOT_FOUND)
    await refused(groups.remove_from_project(house.owner, "proj_1", group.id), Code.NOT_FOUND)
    await groups.add_to_project(house.owner, "proj_1", group.id, "viewer")
    await refused(groups.add_to_project(house.owner, "proj_1", group.id, "member"), Code.CONFLICT)
    await groups.add_to_project(house.owner, other.id, group.id, theirs.id)
    await house.projects.archive(house.owner, other.id)
    late = await groups.create(house.owner, "late")
    await refused(groups.add_to_project(house.owner, other.id, late.id, "viewer"), Code.CONFLICT)
    # What holds roles in an archived project can still be taken out of it.
    await groups.remove_from_project(house.owner, other.id, group.id)


async def test_another_organizations_groups_users_and_projects_read_as_missing(house: House) -> None:
    groups = groups_of(house)
    ours, theirs = await groups.create(house.owner, "ours"), await groups.create(house.stranger, "theirs")
    await groups.add_user(house.owner, ours.id, "user-1")
    await groups.add_to_project(house.owner, "proj_1", ours.id, "member")
    before = await house.everything()
    for verb in (
        groups.update(house.stranger, ours.id, "mine"),
        groups.delete(house.stranger, ours.id),
        groups.add_user(house.stranger, ours.id, "user-2"),
        groups.add_user(house.stranger, theirs.id, "user-1"),
        groups.remove_user(house.stranger, ours.id, "user-1"),
        groups.add_to_project(house.stranger, "proj_1", theirs.id, "member"),
        groups.add_to_project(house.stranger, "proj_2", ours.id, "member"),
        groups.remove_from_project(house.stranger, "proj_1", ours.id),
    ):
        await refused(verb, Code.NOT_FOUND)
    assert await house.everything() == before
