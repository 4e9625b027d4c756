"""People of an organization and of its projects, as they are listed and looked up."""

from collections.abc import Iterable
from typing import TypeVar

from keyhouse.core.errors import Code, Refusal
from keyhouse.store import invites, people, project_members, projects
from keyhouse.store.engine import Connection, Database
from keyhouse.store.invites import Invite
from keyhouse.store.people import Member
from keyhouse.store.project_members import ProjectMember

P = TypeVar("P", Member, ProjectMember)


class PeopleQuestions:
    """Asks for users; one who left reads as missing."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self, organization_id: str, *, mark: str | None = None) -> tuple[Member, ...]:
        """The organization's users, by name; in its place also the one with the id `mark`, if they have left."""
        return await self._database.read(
            lambda c: with_mark(people.list_members(c, organization_id), _marked(c, organization_id, mark))
        )

    async def owners(self, organization_id: str) -> tuple[Member, ...]:
        """Those of them who own it, by name: who can give a role."""
        return await self._database.read(lambda c: people.list_owners(c, organization_id))

    async def one(self, organization_id: str, user_id: str) -> Member:
        """One of them; raises Refusal(NOT_FOUND)."""
        return await self._database.read(lambda c: present_member(c, organization_id, user_id))

    async def of_project(
        self, organization_id: str, project_id: str, *, mark: str | None = None
    ) -> tuple[ProjectMember, ...]:
        """A project's users, by name; in its place also the one with the id `mark`, if they have left it.

        Raises Refusal(NOT_FOUND) for no such project.
        """

        def ask(connection: Connection) -> tuple[ProjectMember, ...]:
            projects.get_project(connection, organization_id, project_id)
            found = project_members.list_project_members(connection, project_id)
            gone = _marked(connection, organization_id, mark)
            if gone is None:
                return with_mark(found, None)
            known = (gone.added_at_ms, gone.email, gone.name)
            return with_mark(found, ProjectMember(project_id, gone.user_id, organization_id, "", *known))

        return await self._database.read(ask)

    async def one_of_project(self, organization_id: str, project_id: str, user_id: str) -> ProjectMember:
        """One of them; raises Refusal(NOT_FOUND)."""

        def ask(connection: Connection) -> ProjectMember:
            projects.get_project(connection, organization_id, project_id)
            return project_members.get_project_member(connection, project_id, user_id)

        return await self._database.read(ask)

    async def invites(self, organization_id: str, *, mark: str | None = None) -> tuple[Invite, ...]:
        """The organization's invites, newest first; in its place also the one with the id `mark`, if it was deleted."""
        return await self._database.read(lambda c: invites.list_invites(c, organization_id, mark=mark))

    async def dead_invites(self, organization_id: str, found: Iterable[Invite]) -> frozenset[str]:
        """The ids of those of these invites that let nobody in, because who made them may no longer give as much."""
        return await self._database.read(lambda c: invites.list_dead(c, organization_id, found))

    async def invite(self, organization_id: str, invite_id: str) -> Invite:
        """One of them; raises Refusal(NOT_FOUND)."""
        return await self._database.read(lambda c: invites.get_invite(c, organization_id, invite_id))


def with_mark(found: Iterable[P], mark: P | None) -> tuple[P, ...]:
    """These people by name, and `mark` in its place: behind them a page goes on, whether they are still among these."""
    by_id = {one.user_id: one for one in (*(() if mark is None else (mark,)), *found)}
    return tuple(sorted(by_id.values(), key=lambda one: (one.name.encode(), one.email.encode())))


def _marked(connection: Connection, organization_id: str, mark: str | None) -> Member | None:
    return None if mark is None else people.find_member(connection, organization_id, mark)


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
