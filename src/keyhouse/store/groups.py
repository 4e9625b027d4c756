"""Groups of an organization's users, who is in them, and the projects they are in."""

from typing import Any, Final

import msgspec
from sqlalchemy import Connection, RowMapping, delete, func, insert, select, update

from keyhouse.core.errors import Code, Refusal
from keyhouse.store import assignments
from keyhouse.store.people import Member, select_present
from keyhouse.store.schema import group_members, groups, memberships, role_assignments

GROUP_ID: Final = "group_"
"""What the id of a group begins with, and of no user."""


class Group(msgspec.Struct, frozen=True):
    """Users who hold roles together."""

    id: str
    organization_id: str
    name: str
    created_at_ms: int


class ProjectGroup(msgspec.Struct, frozen=True):
    """A group that holds a role in a project, since `added_at_ms`."""

    project_id: str
    group: Group
    added_at_ms: int


def list_groups(connection: Connection, organization_id: str) -> tuple[Group, ...]:
    """An organization's groups in the order in which they were made."""
    order = (groups.c.created_at_ms, groups.c.id)
    rows = connection.execute(select(groups).where(groups.c.organization_id == organization_id).order_by(*order))
    return tuple(_group(row) for row in rows.mappings())


def get_group(connection: Connection, organization_id: str, group_id: str) -> Group:
    """The group with this id; raises Refusal(NOT_FOUND), for another organization's too."""
    statement = select(groups).where(groups.c.organization_id == organization_id, groups.c.id == group_id)
    row = connection.execute(statement).mappings().one_or_none()
    if row is None:
        raise Refusal(
            Code.NOT_FOUND,
            f"There is no group {group_id} in this organization.",
            hint="List the groups to see their ids.",
        )
    return _group(row)


def insert_group(connection: Connection, group: Group) -> None:
    """Add a group, with nobody in it."""
    connection.execute(insert(groups).values(msgspec.structs.asdict(group)))


def update_group(connection: Connection, group_id: str, name: str) -> None:
    """Give a group another name."""
    connection.execute(update(groups).where(groups.c.id == group_id).values(name=name))


def delete_group(connection: Connection, group: Group) -> None:
    """Take a group away, with all that it holds and everybody in it."""
    assignments.delete_of_principal(connection, group.organization_id, group.id)
    connection.execute(delete(group_members).where(group_members.c.group_id == group.id))
    connection.execute(delete(groups).where(groups.c.id == group.id))


def list_group_members(connection: Connection, group: Group) -> tuple[Member, ...]:
    """The present members of the organization who are in a group, in the order in which they were added."""
    rows = connection.execute(
        select_present(group.organization_id)
        .join(group_members, group_members.c.user_id == memberships.c.user_id)
        .where(group_members.c.group_id == group.id)
        .order_by(group_members.c.added_at_ms, group_members.c.user_id)
    )
    return tuple(Member(**row) for row in rows.mappings())


def get_group_member(connection: Connection, group: Group, user_id: str) -> Member:
    """One of them; raises Refusal(NOT_FOUND)."""
    for member in list_group_members(connection, group):
        if member.user_id == user_id:
            return member
    raise Refusal(
        Code.NOT_FOUND,
        f"There is no user {user_id} in the group {group.id}.",
        hint="List the group's users to see their ids.",
    )


def is_in_group(connection: Connection, group_id: str, user_id: str) -> bool:
    """Whether a user is in a group."""
    statement = select(group_members.c.user_id).where(*_is(group_id, user_id))
    return connection.execute(statement).one_or_none() is not None


def insert_group_member(connection: Connection, group_id: str, user_id: str, now_ms: int) -> None:
    """Put a user into a group; raises sqlalchemy's IntegrityError if they are in it already."""
    connection.execute(insert(group_members).values(group_id=group_id, user_id=user_id, added_at_ms=now_ms))


def delete_group_member(connection: Connection, group_id: str, user_id: str) -> None:
    """Take a user out of a group."""
    connection.execute(delete(group_members).where(*_is(group_id, user_id)))


def list_project_groups(connection: Connection, organization_id: str, project_id: str) -> tuple[ProjectGroup, ...]:
    """The groups that hold a role in a project, in the order in which they got the first one."""
    since = func.min(role_assignments.c.created_at_ms)
    rows = connection.execute(
        select(groups, since.label("added_at_ms"))
        .join(role_assignments, role_assignments.c.principal_id == groups.c.id)
        .where(groups.c.organization_id == organization_id, role_assignments.c.project_id == project_id)
        .group_by(*groups.c)
        .order_by(since, groups.c.id)
    )
    return tuple(ProjectGroup(project_id, _group(row), row["added_at_ms"]) for row in rows.mappings())


def get_project_group(connection: Connection, organization_id: str, project_id: str, group_id: str) -> ProjectGroup:
    """One of them; raises Refusal(NOT_FOUND)."""
    for found in list_project_groups(connection, organization_id, project_id):
        if found.group.id == group_id:
            return found
    raise Refusal(
        Code.NOT_FOUND,
        f"There is no group {group_id} in the project {project_id}.",
        hint="List the project's groups to see their ids.",
    )


def _is(group_id: str, user_id: str) -> tuple[Any, ...]:
    return group_members.c.group_id == group_id, group_members.c.user_id == user_id


def _group(row: RowMapping) -> Group:
    return Group(**{field: row[field] for field in Group.__struct_fields__})
