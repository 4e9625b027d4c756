"""What a person's roles give them: those in projects, those assigned to them, and those of their groups."""

from collections.abc import Collection
from typing import Final

import msgspec
from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    bindparam,
    delete,
    false,
    or_,
    select,
    true,
    union,
    update,
)

from keyhouse.core.authority import ORGANIZATION_ROLES, OWNER, PROJECT_ROLES, Grant, Sight, Tasks, implied, read_tasks
from keyhouse.core.secret import Kind
from keyhouse.store import assignments
from keyhouse.store.people import Member, select_present
from keyhouse.store.schema import group_members, groups, keys, memberships, project_members, role_assignments, roles

IN_ORGANIZATION: Final = "role-api-organization-"
IN_PROJECT: Final = "role-api-project-"
"""What the ids of the roles that are always there begin with; the role's name follows."""

_ALWAYS_THERE: Final[dict[str, Tasks]] = {
    **{IN_ORGANIZATION + name: tasks for name, tasks in ORGANIZATION_ROLES.items()},
    **{IN_PROJECT + name: tasks for name, tasks in PROJECT_ROLES.items()},
}

_OF_ORGANIZATION: Final[BindParameter[str]] = bindparam("of_organization")
_OF_USERS: Final[BindParameter[str]] = bindparam("of_users", expanding=True)
_PRINCIPALS: Final = union(
    select(memberships.c.user_id, memberships.c.user_id.label("principal_id")).where(
        memberships.c.organization_id == _OF_ORGANIZATION, memberships.c.user_id.in_(_OF_USERS)
    ),
    select(group_members.c.user_id, group_members.c.group_id).where(group_members.c.user_id.in_(_OF_USERS)),
).subquery()
_ASSIGNED: Final = (
    select(_PRINCIPALS.c.user_id, role_assignments.c.role_id, role_assignments.c.project_id, roles.c.permissions)
    .join(role_assignments, role_assignments.c.principal_id == _PRINCIPALS.c.principal_id)
    .outerjoin(roles, roles.c.id == role_assignments.c.role_id)
    .where(role_assignments.c.organization_id == _OF_ORGANIZATION)
)
_JOINED: Final = select(project_members.c.user_id, project_members.c.project_id, project_members.c.role).where(
    project_members.c.organization_id == _OF_ORGANIZATION, project_members.c.user_id.in_(_OF_USERS)
)
"""Asked for every page and request: making these anew takes longer than their answers."""


def list_grants(connection: Connection, organization_id: str, user_id: str) -> tuple[Grant, ...]:
    """All that this user's roles give beside the role in the organization.

    A caller who must rely on it holds the user's membership locked: whoever changes any of it locks that first.
    """
    return list_grants_of(connection, organization_id, (user_id,))[user_id]


def list_grants_of(
    connection: Connection, organization_id: str, user_ids: Collection[str]
) -> dict[str, tuple[Grant, ...]]:
    """The same for many users, by their ids, in as many statements as for one."""
    asked = {"of_organization": organization_id, "of_users": list(user_ids)}
    found: dict[str, list[Grant]] = {user_id: [] for user_id in user_ids}
    for user_id, *given in connection.execute(_ASSIGNED, asked):
        found[user_id].append(_grant(*given))
    for user_id, project_id, role in connection.execute(_JOINED, asked):
        found[user_id].append(Grant(PROJECT_ROLES.get(role, frozenset()), project_id))
    return {user_id: tuple(grants) for user_id, grants in found.items()}


def list_of_group(connection: Connection, organization_id: str, group_id: str) -> tuple[Grant, ...]:
    """All that the roles of a group give to whoever is in it."""
    rows = connection.execute(
        select(role_assignments.c.role_id, role_assignments.c.project_id, roles.c.permissions)
        .outerjoin(roles, roles.c.id == role_assignments.c.role_id)
        .where(role_assignments.c.organization_id == organization_id, role_assignments.c.principal_id == group_id)
    )
    return tuple(_grant(*given) for given in rows)


def list_holders(
    connection: Connection, organization_id: str, principal_ids: Collection[str], *, for_update: bool = False
) -> tuple[str, ...]:
    """The ids of the members of an organization who are among these principals, themselves or by a group, in order.

    With `for_update` nobody relies on what they are until the transaction ends.
    """
    in_groups = select(group_members.c.user_id).where(group_members.c.group_id.in_(principal_ids))
    statement = (
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
    rows = connection.execute(statement.with_for_update(key_share=True) if for_update else statement)
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
    connection: Connection,
    organization_id: str,
    user_ids: Collection[str],
    project_ids: Collection[str] | None,
    now_ms: int,
) -> tuple[str, ...]:
    """Let these users' keys work in these projects and nowhere else, in all of them if None; the ids of those for
    which that is new.
    """
    allowed = true() if project_ids is None else keys.c.project_id.in_(project_ids)
    theirs = [
        keys.c.organization_id == organization_id,
        keys.c.owner_id.in_(user_ids),
        keys.c.kind == Kind.USER,
        keys.c.revoked_at_ms.is_(None),
    ]
    lost = update(keys).where(*theirs, ~allowed, keys.c.access_lost_at_ms.is_(None)).values(access_lost_at_ms=now_ms)
    found = update(keys).where(*theirs, allowed, keys.c.access_lost_at_ms.is_not(None)).values(access_lost_at_ms=None)
    return tuple(key_id for step in (lost, found) for key_id in connection.execute(step.returning(keys.c.id)).scalars())


def is_seen(sight: Sight) -> ColumnElement[bool]:
    """Whether a key is in sight, as SQL over `api_keys`."""
    return or_(keys.c.project_id.in_(sight.project_ids), keys.c.owner_id == sight.user_id)


def _grant(role_id: str, project_id: str, permissions: str | None) -> Grant:
    return Grant(tasks_of(role_id, permissions), project_id or None)


def tasks_of(role_id: str, permissions: str | None) -> Tasks:
    """What a role gives. `permissions` is the stored form, None for a role that is always there."""
    if permissions is None:
        return _ALWAYS_THERE.get(role_id, frozenset())
    return implied(read_tasks(msgspec.json.decode(permissions, type=list[str])))
