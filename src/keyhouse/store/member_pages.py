"""One page of people: searched, ordered and counted by the database; and what each has in projects and by roles."""

from collections.abc import Collection
from typing import Final

import msgspec
from sqlalchemy import ColumnElement, Connection, func, or_, select

from keyhouse.core.authority import Sight
from keyhouse.store.keys import PROJECT_KINDS
from keyhouse.store.ordering import by_bytes, holds
from keyhouse.store.people import Member, gone_at_ms
from keyhouse.store.schema import (
    group_members,
    keys,
    memberships,
    project_members,
    projects,
    role_assignments,
    roles,
    users,
)

SEARCH_LENGTH_MAX: Final = 100
"""A longer search is cut: no name is longer."""


class MemberSelection(msgspec.Struct, frozen=True):
    """Which people a page shows: by part of a name or address, or by their ids.

    A `sight` leaves out all who are in none of its projects, but for oneself.
    """

    search: str = ""
    user_ids: Collection[str] | None = None
    offset: int = 0
    limit: int = 50
    sight: Sight | None = None


class MemberRow(msgspec.Struct, frozen=True):
    """A present member, and when they last signed in."""

    member: Member
    last_sign_in_at_ms: int | None


class Joined(msgspec.Struct, frozen=True):
    """A project that someone is in, and as what."""

    project_id: str
    name: str
    role: str


class RoleHeld(msgspec.Struct, frozen=True):
    """A role that someone holds in the whole organization, or in a project, beside what they are there.

    `is_direct`: it is given to them, and not only to a group they are in. `name` is None for one that is always there.
    """

    role_id: str
    name: str | None
    is_direct: bool


def list_page(
    connection: Connection, organization_id: str, selection: MemberSelection
) -> tuple[tuple[MemberRow, ...], int]:
    """The present members of one page, by name, and how many there are on all pages."""
    chosen = _chosen(organization_id, selection)
    joined = memberships.join(users, users.c.id == memberships.c.user_id)
    total = connection.execute(select(func.count()).select_from(joined).where(*chosen)).scalar_one()
    shown = func.lower(func.coalesce(func.nullif(users.c.name, ""), users.c.email))
    rows = connection.execute(
        select(
            users.c.id,
            memberships.c.organization_id,
            users.c.email,
            users.c.name,
            memberships.c.role,
            memberships.c.added_at_ms,
            users.c.last_sign_in_at_ms,
        )
        .select_from(joined)
        .where(*chosen)
        .order_by(by_bytes(shown), by_bytes(users.c.email))
        .offset(max(0, selection.offset))
        .limit(max(0, selection.limit))
    )
    found = tuple(MemberRow(Member(*row[:6], gone_at_ms=None), row[6]) for row in rows)
    return found, total


def list_joined(
    connection: Connection, organization_id: str, user_ids: Collection[str]
) -> dict[str, tuple[Joined, ...]]:
    """The living projects that each of these people is in, by name."""
    rows = connection.execute(
        select(project_members.c.user_id, projects.c.id, projects.c.name, project_members.c.role)
        .join(projects, projects.c.id == project_members.c.project_id)
        .where(
            project_members.c.organization_id == organization_id,
            project_members.c.user_id.in_(user_ids),
            projects.c.archived_at_ms.is_(None),
        )
        .order_by(by_bytes(func.lower(projects.c.name)), projects.c.id)
    )
    found: dict[str, tuple[Joined, ...]] = {}
    for user_id, project_id, name, role in rows:
        found[user_id] = (*found.get(user_id, ()), Joined(project_id, name, role))
    return found


def list_roles_held(
    connection: Connection, organization_id: str, user_ids: Collection[str], project_id: str | None = None
) -> dict[str, tuple[RoleHeld, ...]]:
    """The roles in the whole organization, or in the project that is named, that each of these people holds,
    themselves or by a group.
    """
    groups_of = connection.execute(
        select(group_members.c.user_id, group_members.c.group_id).where(group_members.c.user_id.in_(user_ids))
    )
    principals: dict[str, list[str]] = {user_id: [user_id] for user_id in user_ids}
    for user_id, group_id in groups_of:
        principals.setdefault(group_id, []).append(user_id)
    rows = connection.execute(
        select(role_assignments.c.principal_id, role_assignments.c.role_id, roles.c.name)
        .outerjoin(roles, roles.c.id == role_assignments.c.role_id)
        .where(
            role_assignments.c.organization_id == organization_id,
            role_assignments.c.project_id == (project_id or ""),
            role_assignments.c.principal_id.in_(principals),
        )
        .order_by(role_assignments.c.created_at_ms, role_assignments.c.role_id)
    )
    found: dict[str, dict[str, RoleHeld]] = {}
    for principal_id, role_id, name in rows:
        for user_id in principals[principal_id]:
            held = found.setdefault(user_id, {})
            known = held.get(role_id)
            is_direct = principal_id == user_id or (known is not None and known.is_direct)
            held[role_id] = RoleHeld(role_id, name, is_direct)
    return {user_id: tuple(held.values()) for user_id, held in found.items()}


def count_living_keys(connection: Connection, organization_id: str, owner_id: str) -> int:
    """How many of someone's keys for models are not revoked."""
    statement = select(func.count()).where(
        keys.c.organization_id == organization_id,
        keys.c.owner_id == owner_id,
        keys.c.kind.in_(PROJECT_KINDS),
        keys.c.revoked_at_ms.is_(None),
    )
    return int(connection.execute(statement).scalar_one())


def _chosen(organization_id: str, selection: MemberSelection) -> list[ColumnElement[bool]]:
    chosen = [memberships.c.organization_id == organization_id, gone_at_ms().is_(None)]
    if selection.user_ids is not None:
        chosen.append(memberships.c.user_id.in_(selection.user_ids))
    if search := selection.search.strip()[:SEARCH_LENGTH_MAX]:
        chosen.append(or_(holds(users.c.name, search), holds(users.c.email, search)))
    sight = selection.sight
    if sight is not None:
        inside = select(project_members.c.user_id).where(
            project_members.c.organization_id == organization_id, project_members.c.project_id.in_(sight.project_ids)
        )
        chosen.append(or_(memberships.c.user_id == sight.user_id, memberships.c.user_id.in_(inside)))
    return chosen
