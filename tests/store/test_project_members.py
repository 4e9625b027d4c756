"""Members of projects: kept once, and only as long as they are in the organization."""

import pytest
from sqlalchemy import Connection, update

from given import NOON, some_people
from keyhouse.core.errors import Code, Refusal
from keyhouse.store import schema
from keyhouse.store.engine import Database
from keyhouse.store.project_members import (
    ProjectMember,
    delete_of_user,
    delete_project_member,
    get_project_member,
    insert_project_member,
    list_of_user,
    list_project_members,
    update_project_member,
)

pytestmark = pytest.mark.asyncio

ADA = ProjectMember("proj_1", "user-1", "org-1", "member", NOON, "user-1@example.com", "Ada")


def _ada_is_in(connection: Connection) -> None:
    some_people(connection)
    insert_project_member(connection, ADA)


async def test_a_member_is_read_back_changed_and_taken_out(database: Database) -> None:
    await database.write(_ada_is_in)
    assert await database.read(lambda c: list_project_members(c, "proj_1")) == (ADA,)
    await database.write(lambda c: update_project_member(c, "proj_1", "user-1", "owner"))
    assert (await database.read(lambda c: get_project_member(c, "proj_1", "user-1"))).role == "owner"
    assert await database.read(lambda c: list_of_user(c, "org-1", "user-1")) == (("proj_1", "owner"),)
    await database.write(lambda c: delete_project_member(c, "proj_1", "user-1"))
    with pytest.raises(Refusal) as refused:
        await database.read(lambda c: get_project_member(c, "proj_1", "user-1"))
    assert refused.value.code is Code.NOT_FOUND


async def test_who_left_the_organization_is_in_no_project(database: Database) -> None:
    await database.write(_ada_is_in)
    await database.write(lambda c: c.execute(update(schema.memberships).values(removed_at_ms=NOON)).rowcount)
    assert await database.read(lambda c: list_project_members(c, "proj_1")) == ()
    await database.write(lambda c: delete_of_user(c, "org-1", "user-1"))
    assert await database.read(lambda c: list_of_user(c, "org-1", "user-1")) == ()
