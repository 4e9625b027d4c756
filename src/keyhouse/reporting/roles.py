"""Roles, and which of them a user or a group holds, as they are listed; a project's where one is named."""

import msgspec

from keyhouse.core.errors import Code, Refusal
from keyhouse.reporting.people import present_member
from keyhouse.store import assignments, groups, people, project_members, projects
from keyhouse.store import roles as rows
from keyhouse.store.engine import Connection, Database
from keyhouse.store.grants import IN_ORGANIZATION, IN_PROJECT
from keyhouse.store.people import Member
from keyhouse.store.roles import Role


class HeldRole(msgspec.Struct, frozen=True):
    """A role that someone holds. `sources` are the user and the groups from whom they have it.

    `created_by` is who made it, as long as they are known here.
    """

    role: Role
    sources: tuple[str, ...]
    created_by: Member | None = None


class RoleQuestions:
    """Asks for roles. Each raises Refusal(NOT_FOUND) for what is not in this organization."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self, organization_id: str, *, project_id: str | None = None) -> tuple[Role, ...]:
        """Those that are always there, then those that were made, oldest first."""

        def ask(connection: Connection) -> tuple[Role, ...]:
            _require_project(connection, organization_id, project_id)
            return rows.list_roles(connection, organization_id, project_id)

        return await self._database.read(ask)

    async def one(self, organization_id: str, role_id: str, *, project_id: str | None = None) -> Role:
        """One of them."""

        def ask(connection: Connection) -> Role:
            _require_project(connection, organization_id, project_id)
            return rows.get_role(connection, organization_id, role_id, project_id)

        return await self._database.read(ask)

    async def of_user(
        self, organization_id: str, user_id: str, *, project_id: str | None = None
    ) -> tuple[HeldRole, ...]:
        """Those a user holds there: as a member, by assignment, and by groups."""

        def ask(connection: Connection) -> tuple[HeldRole, ...]:
            _require_project(connection, organization_id, project_id)
            as_member = _as_member(connection, present_member(connection, organization_id, user_id), project_id)
            sources = assignments.list_sources(connection, organization_id, user_id, project_id)
            if as_member is not None and user_id not in sources.get(as_member, ()):
                sources[as_member] = (user_id, *sources.get(as_member, ()))
            return _held(connection, organization_id, project_id, sources)

        return await self._database.read(ask)

    async def of_group(
        self, organization_id: str, group_id: str, *, project_id: str | None = None
    ) -> tuple[HeldRole, ...]:
        """Those that are assigned to a group there."""

        def ask(connection: Connection) -> tuple[HeldRole, ...]:
            _require_project(connection, organization_id, project_id)
            groups.get_group(connection, organization_id, group_id)
            assigned = assignments.list_roles_of(connection, organization_id, group_id, project_id)
            return _held(connection, organization_id, project_id, dict.fromkeys(assigned, (group_id,)))

        return await self._database.read(ask)


def held_role(found: tuple[HeldRole, ...], role_id: str, principal_id: str) -> HeldRole:
    """The one of these roles of a user or a group that has this id; raises Refusal(NOT_FOUND)."""
    for held in found:
        if held.role.id == role_id:
            return held
    raise Refusal(Code.NOT_FOUND, f"{principal_id} does not hold the role {role_id} here.", hint="List their roles.")


def _held(
    connection: Connection, organization_id: str, project_id: str | None, sources: dict[str, tuple[str, ...]]
) -> tuple[HeldRole, ...]:
    listed = [role for role in rows.list_roles(connection, organization_id, project_id) if role.id in sources]
    makers = {
        maker: people.find_member(connection, organization_id, maker)
        for maker in {role.created_by for role in listed}
        if maker is not None
    }
    return tuple(HeldRole(role, sources[role.id], makers.get(role.created_by or "")) for role in listed)


def _as_member(connection: Connection, member: Member, project_id: str | None) -> str | None:
    """The id of the role that a user has as a member of the organization or of the project."""
    if project_id is None:
        return IN_ORGANIZATION + member.role
    found = project_members.find_project_member(connection, project_id, member.user_id)
    return None if found is None else IN_PROJECT + found.role


def _require_project(connection: Connection, organization_id: str, project_id: str | None) -> None:
    if project_id is not None:
        projects.get_project(connection, organization_id, project_id)
