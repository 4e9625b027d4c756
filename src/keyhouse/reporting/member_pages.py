"""People as pages show them: with their projects and roles, and when they last signed in."""

from collections.abc import Collection

import msgspec

from keyhouse.core.authority import Sight
from keyhouse.reporting.people import missing
from keyhouse.store import assignments, grants, invites, member_pages, people, roles
from keyhouse.store.engine import Connection, Database
from keyhouse.store.invites import Invite
from keyhouse.store.member_pages import Joined, MemberSelection, RoleHeld
from keyhouse.store.people import Member
from keyhouse.store.roles import Role

MemberQuery = MemberSelection
"""Which people a page shows."""


class Person(msgspec.Struct, frozen=True):
    """A member with what stands around them. Projects are those in sight, roles those beside the one as a member."""

    member: Member
    last_sign_in_at_ms: int | None
    projects: tuple[Joined, ...]
    roles: tuple[RoleHeld, ...]


class MemberPage(msgspec.Struct, frozen=True):
    """One page, and how many people there are on all of them."""

    rows: tuple[Person, ...]
    total: int


class HeldBy(msgspec.Struct, frozen=True):
    """A role and the names of those who hold it where it counts, by a group too. `unseen` are as many more, who are
    out of sight.
    """

    role: Role
    holders: tuple[str, ...]
    unseen: int = 0


class MemberPages:
    """Asks for people and for what they hold."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, organization_id: str, query: MemberQuery) -> MemberPage:
        """One page of people."""
        return await self._database.read(lambda c: _page(c, organization_id, query))

    async def one(self, organization_id: str, user_id: str, sight: Sight | None) -> tuple[Person, int]:
        """One person, and how many keys for models they have; raises Refusal(NOT_FOUND), also out of sight."""

        def ask(connection: Connection) -> tuple[Person, int]:
            query = MemberQuery(user_ids=(user_id,), sight=sight)
            for person in _page(connection, organization_id, query).rows:
                return person, member_pages.count_living_keys(connection, organization_id, user_id)
            raise missing(user_id)

        return await self._database.read(ask)

    async def open_invites(self, organization_id: str) -> tuple[Invite, ...]:
        """The invites that nobody has accepted, newest first."""
        found = await self._database.read(lambda c: invites.list_invites(c, organization_id))
        return tuple(invite for invite in found if invite.accepted_at_ms is None)

    async def roles_of_group(self, organization_id: str, group_id: str) -> tuple[Role, ...]:
        """The roles in the whole organization that are assigned to a group."""

        def ask(connection: Connection) -> tuple[Role, ...]:
            held = assignments.list_roles_of(connection, organization_id, group_id)
            return tuple(role for role in roles.list_roles(connection, organization_id) if role.id in held)

        return await self._database.read(ask)

    async def project_roles(self, organization_id: str, project_id: str, sight: Sight | None) -> tuple[HeldBy, ...]:
        """A project's own roles with who holds each, of those in sight by name; oldest first."""

        def ask(connection: Connection) -> tuple[HeldBy, ...]:
            found = []
            for role in roles.list_roles(connection, organization_id, project_id):
                if role.is_predefined:
                    continue
                principals = assignments.list_principals(connection, organization_id, role.id)
                ids = grants.list_holders(connection, organization_id, principals)
                query = MemberQuery(user_ids=ids, limit=len(ids), sight=sight)
                seen, count = member_pages.list_page(connection, organization_id, query)
                names = tuple(row.member.name or row.member.email for row in seen)
                found.append(HeldBy(role, names, len(ids) - count))
            return tuple(found)

        return await self._database.read(ask)

    async def held_in_project(
        self, organization_id: str, project_id: str, user_ids: Collection[str]
    ) -> dict[str, tuple[RoleHeld, ...]]:
        """The roles that each of these people holds in a project, beside what they are there."""
        return await self._database.read(
            lambda c: member_pages.list_roles_held(c, organization_id, user_ids, project_id)
        )

    async def roles(self, organization_id: str) -> tuple[HeldBy, ...]:
        """Every role with who holds it: those that are always there, then the organization's own, oldest first."""

        def ask(connection: Connection) -> tuple[HeldBy, ...]:
            members = people.list_members(connection, organization_id)
            names = {member.user_id: member.name or member.email for member in members}
            found = []
            for role in roles.list_roles(connection, organization_id):
                principals = assignments.list_principals(connection, organization_id, role.id)
                holders = set(grants.list_holders(connection, organization_id, principals))
                holders |= {member.user_id for member in members if grants.IN_ORGANIZATION + member.role == role.id}
                found.append(HeldBy(role, tuple(name for user_id, name in names.items() if user_id in holders)))
            return tuple(found)

        return await self._database.read(ask)


def _page(connection: Connection, organization_id: str, query: MemberQuery) -> MemberPage:
    found, total = member_pages.list_page(connection, organization_id, query)
    user_ids = [row.member.user_id for row in found]
    joined = member_pages.list_joined(connection, organization_id, user_ids)
    held = member_pages.list_roles_held(connection, organization_id, user_ids)
    sight = query.sight
    return MemberPage(
        tuple(
            Person(
                row.member,
                row.last_sign_in_at_ms,
                tuple(
                    one
                    for one in joined.get(row.member.user_id, ())
                    if sight is None or one.project_id in sight.project_ids or row.member.user_id == sight.user_id
                ),
                held.get(row.member.user_id, ()),
            )
            for row in found
        ),
        total,
    )
