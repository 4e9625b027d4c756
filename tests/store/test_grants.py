"""What a person's roles give, read back from the rows."""

import msgspec
import pytest
from sqlalchemy import Connection, insert

from given import NOON, some_people
from keyhouse.core.authority import PROJECT_ROLES, Grant, Task, implied
from keyhouse.store import schema
from keyhouse.store.engine import Database
from keyhouse.store.grants import IN_ORGANIZATION, IN_PROJECT, list_grants, list_holders, tasks_of

pytestmark = pytest.mark.asyncio


def a_role(connection: Connection, role_id: str, *permissions: str) -> None:
    """A role of `org-1`."""
    row: dict[str, object] = {"id": role_id, "organization_id": "org-1", "name": role_id, "created_at_ms": NOON}
    row |= {"permissions": msgspec.json.encode(permissions).decode(), "created_by": "user-1", "updated_at_ms": NOON}
    connection.execute(insert(schema.roles).values(row))


def assign(
    connection: Connection, principal_id: str, role_id: str, project_id: str = "", organization_id: str = "org-1"
) -> None:
    """Let a user or a group hold a role."""
    row: dict[str, object] = {
        "principal_id": principal_id,
        "role_id": role_id,
        "project_id": project_id,
        "created_by": "user-1",
    }
    row |= {"organization_id": organization_id, "created_at_ms": NOON}
    connection.execute(insert(schema.role_assignments).values(row))


def _two_organizations(connection: Connection) -> None:
    some_people(connection)
    some_people(connection, suffix="2")
    for group, organization in (("group_1", "org-1"), ("group_2", "org-2")):
        row = {"id": group, "organization_id": organization, "name": group, "created_at_ms": NOON}
        connection.execute(insert(schema.groups).values(row))


async def test_it_is_the_union_of_projects_own_roles_and_those_of_groups(database: Database) -> None:
    def fill(connection: Connection) -> None:
        _two_organizations(connection)
        row = {"project_id": "proj_1", "user_id": "user-1", "organization_id": "org-1", "role": "viewer"}
        connection.execute(insert(schema.project_members).values(row | {"added_at_ms": NOON}))
        connection.execute(insert(schema.group_members).values(group_id="group_1", user_id="user-1", added_at_ms=NOON))
        a_role(connection, "role_1", "api.groups.write")
        assign(connection, "user-1", "role_1")
        assign(connection, "group_1", f"{IN_PROJECT}member", "proj_1")
        # What is another organization's, or another's, is not theirs.
        assign(connection, "user-1", f"{IN_ORGANIZATION}owner", organization_id="org-2")
        assign(connection, "group_2", f"{IN_ORGANIZATION}owner")

    await database.write(fill)
    found = await database.read(lambda c: list_grants(c, "org-1", "user-1"))
    assert set(found) == {
        Grant(implied({Task.GROUPS})),
        Grant(PROJECT_ROLES["viewer"], "proj_1"),
        Grant(PROJECT_ROLES["member"], "proj_1"),
    }
    assert await database.read(lambda c: list_grants(c, "org-1", "user-2")) == ()


async def test_holders_are_the_members_themselves_and_those_of_groups(database: Database) -> None:
    def fill(connection: Connection) -> None:
        _two_organizations(connection)
        for user in ("user-1", "user-2"):
            connection.execute(insert(schema.group_members).values(group_id="group_1", user_id=user, added_at_ms=NOON))

    await database.write(fill)
    assert await database.read(lambda c: list_holders(c, "org-1", ["group_1"])) == ("user-1",)
    assert await database.read(lambda c: list_holders(c, "org-2", ["user-2", "group_9"])) == ("user-2",)
    assert await database.read(lambda c: list_holders(c, "org-1", [])) == ()


@pytest.mark.parametrize("role_id", ["role_gone", f"{IN_ORGANIZATION}emperor"])
async def test_a_role_nobody_knows_gives_nothing(role_id: str) -> None:
    assert tasks_of(role_id, None) == frozenset()
