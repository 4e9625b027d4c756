"""Roles, and which of them a user holds, as they are listed and looked up."""

import msgspec

from keyhouse.core.errors import Code, Refusal
from keyhouse.reporting.people import present_member
from keyhouse.store import roles as rows
from keyhouse.store.engine import Connection, Database
from keyhouse.store.grants import IN_ORGANIZATION
from keyhouse.store.roles import Role


class HeldRole(msgspec.Struct, frozen=True):
    """A role of a user's in the whole organization. `sources` are the user and the groups from which they have it."""

    role: Role
    sources: tuple[str, ...]


class RoleQuestions:
    """Asks for roles of an organization."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self, organization_id: str) -> tuple[Role, ...]:
        """Those that are always there, then the organization's own, oldest first."""
        return await self._database.read(lambda c: rows.list_roles(c, organization_id))

    async def one(self, organization_id: str, role_id: str) -> Role:
        """One of them; raises Refusal(NOT_FOUND)."""
        return await self._database.read(lambda c: rows.get_role(c, organization_id, role_id))

    async def of_user(self, organization_id: str, user_id: str) -> tuple[HeldRole, ...]:
        """Those a user holds in the whole organization, as a member too; raises Refusal(NOT_FOUND) for no such user."""

        def ask(connection: Connection) -> tuple[HeldRole, ...]:
            member = present_member(connection, organization_id, user_id)
            sources = rows.list_sources(connection, organization_id, user_id)
            as_member = IN_ORGANIZATION + member.role
            if user_id not in sources.get(as_member, ()):
                sources[as_member] = (user_id, *sources.get(as_member, ()))
            listed = rows.list_roles(connection, organization_id)
            return tuple(HeldRole(role, sources[role.id]) for role in listed if role.id in sources)

        return await self._database.read(ask)

    async def one_of_user(self, organization_id: str, user_id: str, role_id: str) -> HeldRole:
        """One of them; raises Refusal(NOT_FOUND)."""
        for held in await self.of_user(organization_id, user_id):
            if held.role.id == role_id:
                return held
        raise Refusal(
            Code.NOT_FOUND, f"The user {user_id} does not hold the role {role_id}.", hint="List the user's roles."
        )
