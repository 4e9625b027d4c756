"""Which roles are assigned to users and groups, in the whole organization or in a project."""

from typing import Any

import msgspec
from sqlalchemy import Connection, delete, insert, select

from keyhouse.store.schema import group_members, role_assignments


class Assignment(msgspec.Struct, frozen=True):
    """A role held by a user or a group: in one project, or in the whole organization without a `project_id`."""

    organization_id: str
    principal_id: str
    role_id: str
    project_id: str | None
    created_at_ms: int
    created_by: str


def insert_assignment(connection: Connection, assignment: Assignment) -> None:
    """Let a user or a group hold a role; raises sqlalchemy's IntegrityError if it is theirs there already."""
    row = msgspec.structs.asdict(assignment) | {"project_id": assignment.project_id or ""}
    connection.execute(insert(role_assignments).values(row))


def list_roles_of(
    connection: Connection, organization_id: str, principal_id: str, project_id: str | None = None
) -> tuple[str, ...]:
    """The ids of the roles that are assigned to this very user or group there, in the order of their assignment."""
    rows = connection.execute(
        select(role_assignments.c.role_id)
        .where(*_there(organization_id, project_id), role_assignments.c.principal_id == principal_id)
        .order_by(role_assignments.c.created_at_ms, role_assignments.c.role_id)
    )
    return tuple(rows.scalars())


def list_projects_of(connection: Connection, organization_id: str, principal_id: str) -> tuple[str, ...]:
    """The ids of the projects in which roles are assigned to this very user or group, in their order."""
    rows = connection.execute(
        select(role_assignments.c.project_id)
        .where(
            role_assignments.c.organization_id == organization_id,
            role_assignments.c.principal_id == principal_id,
            role_assignments.c.project_id > "",
        )
        .distinct()
        .order_by(role_assignments.c.project_id)
    )
    return tuple(rows.scalars())


def list_principals(connection: Connection, organization_id: str, role_id: str) -> tuple[str, ...]:
    """The ids of the users and groups to whom a role is assigned."""
    rows = connection.execute(
        select(role_assignments.c.principal_id)
        .where(role_assignments.c.organization_id == organization_id, role_assignments.c.role_id == role_id)
        .distinct()
    )
    return tuple(rows.scalars())


def list_sources(
    connection: Connection, organization_id: str, user_id: str, project_id: str | None = None
) -> dict[str, tuple[str, ...]]:
    """By the ids of the roles that a user holds there: to whom each is assigned, the user or groups they are in."""
    mine = select(group_members.c.group_id).where(group_members.c.user_id == user_id)
    rows = connection.execute(
        select(role_assignments.c.role_id, role_assignments.c.principal_id)
        .where(
            *_there(organization_id, project_id),
            (role_assignments.c.principal_id == user_id) | role_assignments.c.principal_id.in_(mine),
        )
        .order_by(role_assignments.c.created_at_ms, role_assignments.c.principal_id)
    )
    found: dict[str, tuple[str, ...]] = {}
    for row in rows:
        found[row.role_id] = (*found.get(row.role_id, ()), row.principal_id)
    return found


def delete_assignment(
    connection: Connection, organization_id: str, principal_id: str, role_id: str, project_id: str | None = None
) -> None:
    """Take a role there from a user or a group."""
    connection.execute(
        delete(role_assignments).where(
            *_there(organization_id, project_id),
            role_assignments.c.principal_id == principal_id,
            role_assignments.c.role_id == role_id,
        )
    )


def delete_of_role(connection: Connection, organization_id: str, role_id: str) -> None:
    """Take a role from everybody."""
    connection.execute(
        delete(role_assignments).where(
            role_assignments.c.organization_id == organization_id, role_assignments.c.role_id == role_id
        )
    )


def delete_of_principal(connection: Connection, organization_id: str, principal_id: str) -> None:
    """Take every role from a user or a group, in all projects too."""
    connection.execute(
        delete(role_assignments).where(
            role_assignments.c.organization_id == organization_id, role_assignments.c.principal_id == principal_id
        )
    )


def _there(organization_id: str, project_id: str | None) -> tuple[Any, ...]:
    return role_assignments.c.organization_id == organization_id, role_assignments.c.project_id == (project_id or "")
