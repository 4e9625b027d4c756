"""People with what stands around them, on each engine."""

import pytest
from sqlalchemy import insert, update

from given import NOON
from given_control import House, refused
from keyhouse.control.assignments import Assignments
from keyhouse.control.people import People
from keyhouse.control.roles import Roles
from keyhouse.core.authority import Sight, Task
from keyhouse.core.errors import Code
from keyhouse.reporting.member_pages import MemberPages, MemberQuery
from keyhouse.store import schema

pytestmark = pytest.mark.asyncio


async def fill(house: House) -> tuple[MemberPages, str]:
    """Ada, an owner; Bob, a clerk by himself and by a group; carol@example.com, without a name, in `proj_1`."""
    for user_id, email, name in (
        ("user-b", "bob@example.com", "bob"),
        ("user-c", "carol@example.com", ""),
    ):
        row = {"id": user_id, "email": email, "name": name, "created_at_ms": NOON}
        await house.execute(insert(schema.users).values(row))
        joined = {"organization_id": "org-1", "user_id": user_id, "role": "member", "added_at_ms": NOON}
        await house.execute(insert(schema.memberships).values(joined))
    people, roles = People(house.database, house.changed.append), Roles(house.database, house.entropy, print)
    await people.add_to_project(house.owner, "proj_1", "viewer", user_id="user-c")
    clerk = await roles.create(house.owner, "Clerk", [str(Task.USERS_READ)])
    await Assignments(house.database, house.changed.append).give_user(house.owner, "user-b", clerk.id)
    group = {"id": "group-1", "organization_id": "org-1", "name": "Desk", "created_at_ms": NOON}
    await house.execute(insert(schema.groups).values(group))
    for user_id in ("user-b", "user-c"):
        row = {"group_id": "group-1", "user_id": user_id, "added_at_ms": NOON}
        await house.execute(insert(schema.group_members).values(row))
    given = {"principal_id": "group-1", "role_id": clerk.id, "created_at_ms": NOON, "created_by": "user-1"}
    await house.execute(insert(schema.role_assignments).values(given | {"organization_id": "org-1"}))
    return MemberPages(house.database), clerk.id


async def test_people_come_by_name_with_projects_roles_and_their_last_sign_in(house: House) -> None:
    pages, clerk = await fill(house)
    await house.execute(update(schema.users).where(schema.users.c.id == "user-b").values(last_sign_in_at_ms=NOON))
    page = await pages.page("org-1", MemberQuery())
    assert [person.member.user_id for person in page.rows] == ["user-1", "user-b", "user-c"]
    _, bob, carol = page.rows
    assert [(held.role_id, held.name, held.is_direct) for held in bob.roles] == [(clerk, "Clerk", True)]
    assert [held.is_direct for held in carol.roles] == [False]
    assert [(one.name, one.role) for one in carol.projects] == [("Main", "viewer")]
    assert (bob.last_sign_in_at_ms, carol.last_sign_in_at_ms, page.total) == (NOON, None, 3)


async def test_they_are_found_by_name_and_address_and_come_in_pages(house: House) -> None:
    pages, _ = await fill(house)

    async def found(query: MemberQuery) -> list[str]:
        return [person.member.user_id for person in (await pages.page("org-1", query)).rows]

    assert await found(MemberQuery("BO")) == ["user-b"]
    assert await found(MemberQuery("carol@")) == ["user-c"]
    assert await found(MemberQuery("_")) == []
    assert await found(MemberQuery(offset=1, limit=1)) == ["user-b"]
    assert [row.member.user_id for row in (await pages.page("org-2", MemberQuery())).rows] == ["user-2"]


async def test_out_of_sight_is_out_of_the_list(house: House) -> None:
    pages, _ = await fill(house)
    sight = Sight(frozenset({"proj_1"}), "user-b")
    page = await pages.page("org-1", MemberQuery(sight=sight))
    assert [person.member.user_id for person in page.rows] == ["user-b", "user-c"]
    await refused(pages.one("org-1", "user-1", sight), Code.NOT_FOUND)
    await refused(pages.one("org-2", "user-b", None), Code.NOT_FOUND)
    person, keys = await pages.one("org-1", "user-1", None)
    assert (person.member.user_id, keys) == ("user-1", 1)


async def test_each_role_says_who_holds_it_by_whatever_way(house: House) -> None:
    pages, clerk = await fill(house)
    found = {one.role.id: one.holders for one in await pages.roles("org-1")}
    assert found[clerk] == ("carol@example.com", "bob")
    assert found["role-api-organization-owner"] == ("Ada",)
    assert found["role-api-organization-member"] == ("carol@example.com", "bob")


async def test_a_projects_roles_name_only_holders_in_sight(house: House) -> None:
    pages, _ = await fill(house)
    people, roles = People(house.database, house.changed.append), Roles(house.database, house.entropy, print)
    keeper = await roles.create(house.owner, "Keeper", [str(Task.LIMITS)], project_id="proj_1")
    given = Assignments(house.database, house.changed.append)
    await given.give_group(house.owner, "group-1", keeper.id, project_id="proj_1")
    assert [(one.role.id, one.holders, one.unseen) for one in await pages.project_roles("org-1", "proj_1", None)] == [
        (keeper.id, ("bob", "carol@example.com"), 0)
    ]
    (narrow,) = await pages.project_roles("org-1", "proj_1", Sight(frozenset({"proj_1"}), "user-1"))
    assert (narrow.holders, narrow.unseen) == (("carol@example.com",), 1)
    held = await pages.held_in_project("org-1", "proj_1", ["user-1", "user-c"])
    assert {who: [(one.name, one.is_direct) for one in found] for who, found in held.items()} == {
        "user-c": [("Keeper", False)]
    }
    await people.remove_from_project(house.owner, "proj_1", "user-c")
    (left,) = await pages.project_roles("org-1", "proj_1", Sight(frozenset({"proj_1"}), "user-1"))
    assert (left.holders, left.unseen) == ((), 2)
