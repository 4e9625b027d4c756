"""Who belongs to a project, and as what."""

from typing import Any

import msgspec
from sqlalchemy import Connection, Select, delete, insert, select, update

from keyhouse.core.errors import Code, Refusal
from keyhouse.store.people import gone_at_ms
from keyhouse.store.schema import memberships, project_members, users


class ProjectMember(msgspec.Struct, frozen=True):
    """A user as a member of one project. `role` is one of `core.authority.PROJECT_ROLES`."""

    project_id: str
    user_id: str
    organization_id: str
    role: str
    added_at_ms: int
    email: str = ""
    name: str = ""


def insert_project_member(connection: Connection, member: ProjectMember) -> None:
    """Make a user a member of a project; raises sqlalchemy's IntegrityError if they are one already."""
    row = {name: getattr(member, name) for name in project_members.c.keys()}  # noqa: SIM118  columns, not a mapping
    connection.execute(insert(project_members).values(row))


def find_project_member(connection: Connection, project_id: str, user_id: str) -> ProjectMember | None:
    """This user as a present member of this project."""
    row = connection.execute(_present().where(*_is(project_id, user_id))).mappings().one_or_none()
    return None if row is None else ProjectMember(**row)


def get_project_member(connection: Connection, project_id: str, user_id: str) -> ProjectMember:
    """The same; raises Refusal(NOT_FOUND)."""
    member = find_project_member(connection, project_id, user_id)
    if member is None:
        raise Refusal(
            Code.NOT_FOUND,
            f"There is no user {user_id} in the project {project_id}.",
            hint="List the project's users to see their ids.",
        )
    return member


def list_project_members(connection: Connection, project_id: str) -> tuple[ProjectMember, ...]:
    """The present members of a project, in the order in which they were added."""
    order = (project_members.c.added_at_ms, project_members.c.user_id)
    rows = connection.execute(_present().where(project_members.c.project_id == project_id).order_by(*order))
    return tuple(ProjectMember(**row) for row in rows.mappings())


def list_of_user(connection: Connection, organization_id: str, user_id: str) -> tuple[tuple[str, str], ...]:
    """The projects a user is a member of, each with their role in it, in the order in which they were added."""
    rows = connection.execute(
        select(project_members.c.project_id, project_members.c.role)
        .where(project_members.c.organization_id == organization_id, project_members.c.user_id == user_id)
        .order_by(project_members.c.added_at_ms, project_members.c.project_id)
    )
    return tuple((row.project_id, row.role) for row in rows)


def update_project_member(connection: Connection, project_id: str, user_id: str, role: str) -> None:
    """Give a member another role."""
    connection.execute(update(project_members).where(*_is(project_id, user_id)).values(role=role))


def delete_project_member(connection: Connection, project_id: str, user_id: str) -> None:
    """Take a member out of a project."""
    connection.execute(delete(project_members).where(*_is(project_id, user_id)))


def delete_of_user(connection: Connection, organization_id: str, user_id: str) -> None:
    """Take a user out of all projects of an organization."""
    connection.execute(
        delete(project_members).where(
            project_members.c.organization_id == organization_id, project_members.c.user_id == user_id
        )
    )


def _is(project_id: str, user_id: str) -> tuple[Any, ...]:
    return project_members.c.project_id == project_id, project_members.c.user_id == user_id


def _present() -> Select[Any]:
    """Members of projects who are still members of the organization."""
    return (
        select(project_members, users.c.email, users.c.name)
        .join(users, users.c.id == project_members.c.user_id)
        .join(
            memberships,
            (memberships.c.user_id == project_members.c.user_id)
            & (memberships.c.organization_id == project_members.c.organization_id),
        )
        .where(gone_at_ms().is_(None))
    )
