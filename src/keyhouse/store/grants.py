"""What a person's roles give them: those in projects, those assigned to them, and those of their groups."""

from collections.abc import Collection
from typing import Final

import msgspec
from sqlalchemy import ColumnElement, Connection, Text, delete, false, literal, or_, select, true, union, update

from keyhouse.core.authority import ORGANIZATION_ROLES, OWNER, PROJECT_ROLES, Grant, Sight, Tasks, implied, read_tasks
from keyhouse.core.secret import Kind
from keyhouse.store import assignments
from keyhouse.store.people import Member, select_present
from keyhouse.store.schema import group_members, groups, keys, memberships, project_members, role_assignments, roles

IN_ORGANIZATION: Final = "role-organization-"
IN_PROJECT: Final = "role-project-"
"""What the ids of the roles that are always there begin with; the role's name follows."""

_ALWAYS_THERE: Final[dict[str, Tasks]] = {
    **{IN_ORGANIZATION + name: tasks for name, tasks in ORGANIZATION_ROLES.items()},
    **{IN_PROJECT + name: tasks for name, tasks in PROJECT_ROLES.items()},
}


def list_grants(connection: Connection, organization_id: str, user_id: str) -> tuple[Grant, ...]:
    """All that this user's roles give beside the role in the organization.

    A caller who must rely on it holds the user's membership locked: whoever changes any of it locks that first.
    """
    mine = union(
        select(literal(user_id, Text).label("id")),
        select(group_members.c.group_id).where(group_members.c.user_id == user_id),
    ).subquery()
    grants = _list_assigned(connection, organization_id, role_assignments.c.principal_id.in_(select(mine)))
    joined = select(project_members.c.project_id, project_members.c.role).where(
        project_members.c.organization_id == organization_id, project_members.c.user_id == user_id
    )
    members = [Grant(PROJECT_ROLES.get(row.role, frozenset()), row.project_id) for row in connection.execute(joined)]
    return (*grants, *members)


def list_of_group(connection: Connection, organization_id: str, group_id: str) -> tuple[Grant, ...]:
    """All that the roles of a group give to whoever is in it."""
    return _list_assigned(connection, organization_id, role_assignments.c.principal_id == group_id)


def list_holders(connection: Connection, organization_id: str, principal_ids: Collection[str]) -> tuple[str, ...]:
    """The ids of the members of an organization who are among these principals, themselves or by a group, in order."""
    in_groups = select(group_members.c.user_id).where(group_members.c.group_id.in_(principal_ids))
    rows = connection.execute(
        select(memberships.c.user_id)
        .where(
            memberships.c.organization_id == organization_id,
            or_(
                memberships.c.user_id.in_(principal_ids) if principal_ids else false(),
                memberships.c.user_id.in_(in_groups),
            ),
        )
        .order_by(memberships.c.user_id)
    )
    return tuple(rows.scalars())


def list_owners(connection: Connection, organization_id: str, project_id: str | None, limit: int) -> tuple[Member, ...]:
    """At most so many owners: those of a project of the organization, if one is named, then the organization's; each
    in the order in which they came.
    """
    of_organization = select_present(organization_id).where(memberships.c.role == OWNER)
    of_project = (
        select_present(organization_id)
        .join(project_members, project_members.c.user_id == memberships.c.user_id)
        .where(
            project_members.c.organization_id == organization_id,
            project_members.c.project_id == project_id,
            project_members.c.role == OWNER,
        )
    )
    found: dict[str, Member] = {}
    for owners in (of_project, of_organization) if project_id is not None else (of_organization,):
        rows = connection.execute(owners.order_by(memberships.c.added_at_ms, memberships.c.user_id).limit(limit))
        found |= {row["user_id"]: Member(**row) for row in rows.mappings() if row["user_id"] not in found}
    return tuple(found.values())[:limit]


def delete_of_user(connection: Connection, organization_id: str, user_id: str) -> None:
    """Take a user out of all groups of an organization, and take away every role that is assigned to them."""
    in_here = select(groups.c.id).where(groups.c.organization_id == organization_id)
    connection.execute(
        delete(group_members).where(group_members.c.user_id == user_id, group_members.c.group_id.in_(in_here))
    )
    assignments.delete_of_principal(connection, organization_id, user_id)


def update_access(
    connection: Connection, organization_id: str, user_id: str, project_ids: Collection[str] | None, now_ms: int
) -> tuple[str, ...]:
    """Let a user's keys work in these projects and nowhere else, in all of them if None; the ids of those for which
    that is new.
    """
    allowed = true() if project_ids is None else keys.c.project_id.in_(project_ids)
    mine = [
        keys.c.organization_id == organization_id,
        keys.c.owner_id == user_id,
        keys.c.kind == Kind.USER,
        keys.c.revoked_at_ms.is_(None),
    ]
    lost = update(keys).where(*mine, ~allowed, keys.c.access_lost_at_ms.is_(None)).values(access_lost_at_ms=now_ms)
    found = update(keys).where(*mine, allowed, keys.c.access_lost_at_ms.is_not(None)).values(access_lost_at_ms=None)
    return tuple(key_id for step in (lost, found) for key_id in connection.execute(step.returning(keys.c.id)).scalars())


def is_seen(sight: Sight) -> ColumnElement[bool]:
    """Whether a key is in sight, as SQL over `api_keys`."""
    return or_(keys.c.project_id.in_(sight.project_ids), keys.c.owner_id == sight.user_id)


def _list_assigned(connection: Connection, organization_id: str, is_theirs: ColumnElement[bool]) -> tuple[Grant, ...]:
    rows = connection.execute(
        select(role_assignments.c.role_id, role_assignments.c.project_id, roles.c.permissions)
        .outerjoin(roles, roles.c.id == role_assignments.c.role_id)
        .where(role_assignments.c.organization_id == organization_id, is_theirs)
    )
    return tuple(Grant(tasks_of(row.role_id, row.permissions), row.project_id or None) for row in rows)


def tasks_of(role_id: str, permissions: str | None) -> Tasks:
    """What a role gives. `permissions` is the stored form, None for a role that is always there."""
    if permissions is None:
        return _ALWAYS_THERE.get(role_id, frozenset())
    return implied(read_tasks(msgspec.json.decode(permissions, type=list[str])))
