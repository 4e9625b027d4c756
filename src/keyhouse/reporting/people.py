"""People of an organization and of its projects, as they are listed and looked up."""

from keyhouse.core.errors import Code, Refusal
from keyhouse.store import invites, people, project_members, projects
from keyhouse.store.engine import Connection, Database
from keyhouse.store.invites import Invite
from keyhouse.store.people import Member
from keyhouse.store.project_members import ProjectMember


class PeopleQuestions:
    """Asks for users; one who left reads as missing."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self, organization_id: str) -> tuple[Member, ...]:
        """The organization's users, by name."""
        return await self._database.read(lambda c: people.list_members(c, organization_id))

    async def owners(self, organization_id: str) -> tuple[Member, ...]:
        """Those of them who own it, by name: who can give a role."""
        return await self._database.read(lambda c: people.list_owners(c, organization_id))

    async def one(self, organization_id: str, user_id: str) -> Member:
        """One of them; raises Refusal(NOT_FOUND)."""
        return await self._database.read(lambda c: present_member(c, organization_id, user_id))

    async def of_project(self, organization_id: str, project_id: str) -> tuple[ProjectMember, ...]:
        """A project's users, in the order in which they were added; raises Refusal(NOT_FOUND) for no such project."""

        def ask(connection: Connection) -> tuple[ProjectMember, ...]:
            projects.get_project(connection, organization_id, project_id)
            return project_members.list_project_members(connection, project_id)

        return await self._database.read(ask)

    async def one_of_project(self, organization_id: str, project_id: str, user_id: str) -> ProjectMember:
        """One of them; raises Refusal(NOT_FOUND)."""

        def ask(connection: Connection) -> ProjectMember:
            projects.get_project(connection, organization_id, project_id)
            return project_members.get_project_member(connection, project_id, user_id)

        return await self._database.read(ask)

    async def invites(self, organization_id: str) -> tuple[Invite, ...]:
        """The organization's invites, newest first."""
        return await self._database.read(lambda c: invites.list_invites(c, organization_id))

    async def invite(self, organization_id: str, invite_id: str) -> Invite:
        """One of them; raises Refusal(NOT_FOUND)."""
        return await self._database.read(lambda c: invites.get_invite(c, organization_id, invite_id))


def present_member(connection: Connection, organization_id: str, user_id: str) -> Member:
    """A user who is here; raises Refusal(NOT_FOUND)."""
    member = people.find_member(connection, organization_id, user_id)
    if member is None or member.gone_at_ms is not None:
        raise missing(user_id)
    return member


def missing(user_id: str) -> Refusal:
    """There is no such user in this organization, as far as who asks may know."""
    return Refusal(
        Code.NOT_FOUND, f"There is no user {user_id} in this organization.", hint="List the users to see their ids."
    )
