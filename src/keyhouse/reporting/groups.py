"""Groups, who is in them, and those of a project, as they are listed and looked up."""

import msgspec

from keyhouse.reporting.people import with_mark
from keyhouse.store import assignments, groups, people, projects, roles
from keyhouse.store.engine import Connection, Database
from keyhouse.store.groups import Group, ProjectGroup
from keyhouse.store.people import Member
from keyhouse.store.projects import Project
from keyhouse.store.roles import Role


class GroupHere(msgspec.Struct, frozen=True):
    """A group in a project: how many people are in it, and its roles there."""

    group: Group
    people: int
    roles: tuple[Role, ...]


class GroupsHere(msgspec.Struct, frozen=True):
    """The groups that hold roles in a project, and the roles that there are."""

    groups: tuple[GroupHere, ...]
    roles: tuple[Role, ...]


class GroupQuestions:
    """Asks for groups. Each raises Refusal(NOT_FOUND) for what is not in this organization."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self, organization_id: str) -> tuple[Group, ...]:
        """The organization's groups, oldest first."""
        return await self._database.read(lambda c: groups.list_groups(c, organization_id))

    async def one(self, organization_id: str, group_id: str) -> Group:
        """One of them."""
        return await self._database.read(lambda c: groups.get_group(c, organization_id, group_id))

    async def users(self, organization_id: str, group_id: str, *, mark: str | None = None) -> tuple[Member, ...]:
        """The users in a group, by name; in its place also the one with the id `mark`, if they have left it."""

        def ask(connection: Connection) -> tuple[Member, ...]:
            found = groups.list_group_members(connection, groups.get_group(connection, organization_id, group_id))
            gone = None if mark is None else people.find_member(connection, organization_id, mark)
            return with_mark(found, gone)

        return await self._database.read(ask)

    async def user(self, organization_id: str, group_id: str, user_id: str) -> Member:
        """One of them."""

        def ask(connection: Connection) -> Member:
            return groups.get_group_member(connection, groups.get_group(connection, organization_id, group_id), user_id)

        return await self._database.read(ask)

    async def of_project(self, organization_id: str, project_id: str) -> tuple[ProjectGroup, ...]:
        """The groups that hold a role in a project, in the order in which they got the first one."""

        def ask(connection: Connection) -> tuple[ProjectGroup, ...]:
            projects.get_project(connection, organization_id, project_id)
            return groups.list_project_groups(connection, organization_id, project_id)

        return await self._database.read(ask)

    async def here(self, organization_id: str, project_id: str) -> GroupsHere:
        """The same with the roles that each of them has there, and all roles of the project."""

        def ask(connection: Connection) -> GroupsHere:
            projects.get_project(connection, organization_id, project_id)
            there = roles.list_roles(connection, organization_id, project_id)

            def line(group: Group) -> GroupHere:
                held = assignments.list_roles_of(connection, organization_id, group.id, project_id)
                people = len(groups.list_group_members(connection, group))
                return GroupHere(group, people, tuple(role for role in there if role.id in held))

            found = groups.list_project_groups(connection, organization_id, project_id)
            return GroupsHere(tuple(line(one.group) for one in found), there)

        return await self._database.read(ask)

    async def in_projects(self, organization_id: str, group_id: str) -> tuple[tuple[Project, tuple[Role, ...]], ...]:
        """The projects in which a group holds roles, with these roles."""

        def ask(connection: Connection) -> tuple[tuple[Project, tuple[Role, ...]], ...]:
            groups.get_group(connection, organization_id, group_id)
            found = []
            for project_id in assignments.list_projects_of(connection, organization_id, group_id):
                held = assignments.list_roles_of(connection, organization_id, group_id, project_id)
                there = roles.list_roles(connection, organization_id, project_id)
                project = projects.get_project(connection, organization_id, project_id)
                found.append((project, tuple(role for role in there if role.id in held)))
            return tuple(found)

        return await self._database.read(ask)

    async def one_of_project(self, organization_id: str, project_id: str, group_id: str) -> ProjectGroup:
        """One of them."""

        def ask(connection: Connection) -> ProjectGroup:
            projects.get_project(connection, organization_id, project_id)
            return groups.get_project_group(connection, organization_id, project_id, group_id)

        return await self._database.read(ask)
