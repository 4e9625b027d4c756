"""Groups of users who hold roles together: made, filled, put into projects, deleted; at once, for their keys too."""

from collections.abc import Callable
from typing import Final

import msgspec

from keyhouse.control.assignments import give, locked_group, take
from keyhouse.control.authority import Place, Task, act, require_covered
from keyhouse.control.fields import read_name
from keyhouse.control.limits import require_active_project
from keyhouse.control.people import locked_holders, locked_member, settle_access
from keyhouse.core.authority import PROJECT_ROLES
from keyhouse.core.clock import Entropy
from keyhouse.core.errors import Code, Refusal
from keyhouse.core.identifiers import identifier
from keyhouse.store import assignments, grants, people, projects, roles
from keyhouse.store import groups as rows
from keyhouse.store.audit import Event
from keyhouse.store.engine import Actor, Change, Database
from keyhouse.store.grants import IN_PROJECT
from keyhouse.store.groups import GROUP_ID, Group, ProjectGroup

GROUP_NAME_LENGTH_MAX: Final = 255
"""As OpenAI has it."""


class Groups:
    """The verbs on groups. `on_change` is told every key that is concerned.

    Each raises Refusal(NOT_PERMITTED) for an actor who may not, or who would give or take more than they have, and
    Refusal(NOT_FOUND) for a group, a user or a project that is not here.
    """

    def __init__(self, database: Database, entropy: Entropy, on_change: Callable[[str], None]) -> None:
        self._database = database
        self._entropy = entropy
        self._on_change = on_change

    async def create(self, actor: Actor, name: str) -> Group:
        """A new group, with nobody in it. Raises Refusal(PARAMETER_INVALID, CONFLICT if the name is taken)."""
        name = read_name(name, length_max=GROUP_NAME_LENGTH_MAX)

        def write(change: Change) -> Group:
            organization_id = change.actor.organization_id
            made = Group(identifier(GROUP_ID, self._entropy(20)), organization_id, name, change.now_ms)
            people.get_organization(change.connection, organization_id, for_update=True)
            _refuse_taken(change, made)
            rows.insert_group(change.connection, made)
            change.record(Event.GROUP_CREATED, made.id, details={"group_name": name})
            return made

        return await act(self._database, actor, Task.GROUPS, write)

    async def update(self, actor: Actor, group_id: str, name: str) -> Group:
        """Give a group another name. Raises Refusal(PARAMETER_INVALID, CONFLICT if the name is taken)."""
        name = read_name(name, length_max=GROUP_NAME_LENGTH_MAX)

        def write(change: Change) -> Group:
            before = locked_group(change, group_id)
            after = msgspec.structs.replace(before, name=name)
            _refuse_taken(change, after)
            rows.update_group(change.connection, group_id, name)
            change.record(Event.GROUP_UPDATED, group_id, details={"group_name": {"from": before.name, "to": name}})
            return after

        return await act(self._database, actor, Task.GROUPS, write)

    async def delete(self, actor: Actor, group_id: str) -> None:
        """Take a group away, and its roles from all who are in it."""

        def write(change: Change) -> tuple[Group, tuple[str, ...]]:
            group = locked_group(change, group_id)
            _require_group_covered(change, group)
            holders = locked_holders(change, group_id)
            rows.delete_group(change.connection, group)
            change.record(Event.GROUP_DELETED, group_id, details={"group_name": group.name, "users": holders})
            return group, settle_access(change, *holders)

        await act(self._database, actor, Task.GROUPS, write, then=self._tell)

    async def add_user(self, actor: Actor, group_id: str, user_id: str) -> Group:
        """Put a user of the organization into a group, whose roles they have then. Raises Refusal(CONFLICT)."""

        def write(change: Change) -> tuple[Group, tuple[str, ...]]:
            group = locked_group(change, group_id)
            locked_member(change, user_id)
            _require_group_covered(change, group)
            if rows.is_in_group(change.connection, group_id, user_id):
                raise Refusal(
                    Code.CONFLICT,
                    f"The user {user_id} is in the group {group_id} already.",
                    hint="List the group's users to see them.",
                )
            rows.insert_group_member(change.connection, group_id, user_id, change.now_ms)
            change.record(Event.GROUP_USER_ADDED, group_id, details={"group_name": group.name, "user_id": user_id})
            return group, settle_access(change, user_id)

        group, _ = await act(self._database, actor, Task.GROUPS, write, then=self._tell)
        return group

    async def remove_user(self, actor: Actor, group_id: str, user_id: str) -> None:
        """Take a user out of a group: what only its roles gave them they have no more, their keys neither."""

        def write(change: Change) -> tuple[Group, tuple[str, ...]]:
            group = locked_group(change, group_id)
            locked_member(change, user_id)
            rows.get_group_member(change.connection, group, user_id)
            _require_group_covered(change, group)
            rows.delete_group_member(change.connection, group_id, user_id)
            change.record(Event.GROUP_USER_REMOVED, group_id, details={"group_name": group.name, "user_id": user_id})
            return group, settle_access(change, user_id)

        await act(self._database, actor, Task.GROUPS, write, then=self._tell)

    async def add_to_project(self, actor: Actor, project_id: str, group_id: str, role: str) -> ProjectGroup:
        """Let a group hold a role in a project, named by its id or, if it is always there, by its name.

        Raises Refusal(CONFLICT) if the group is in the project already, or that was archived.
        """

        def write(change: Change) -> tuple[ProjectGroup, tuple[str, ...]]:
            connection, organization_id = change.connection, change.actor.organization_id
            require_active_project(connection, organization_id, project_id)
            group = locked_group(change, group_id)
            role_id = IN_PROJECT + role if role in PROJECT_ROLES else role
            wanted = roles.get_role(connection, organization_id, role_id, project_id)
            if assignments.list_roles_of(connection, organization_id, group_id, project_id):
                raise Refusal(
                    Code.CONFLICT,
                    f"The group {group_id} is in the project {project_id} already.",
                    hint="Assign another role in the project to the group, or take one away.",
                )
            changed = give(change, group_id, wanted, locked_holders(change, group_id))
            return ProjectGroup(project_id, group, change.now_ms), changed

        made, _ = await act(self._database, actor, Task.PROJECT_USERS, write, where=Place(project_id), then=self._tell)
        return made

    async def remove_from_project(self, actor: Actor, project_id: str, group_id: str) -> None:
        """Take every role in a project from a group."""

        def write(change: Change) -> tuple[Group, tuple[str, ...]]:
            connection, organization_id = change.connection, change.actor.organization_id
            projects.get_project(connection, organization_id, project_id)
            group = locked_group(change, group_id)
            rows.get_project_group(connection, organization_id, project_id, group_id)
            held = [
                roles.get_role(connection, organization_id, role_id, project_id)
                for role_id in assignments.list_roles_of(connection, organization_id, group_id, project_id)
            ]
            return group, take(change, group_id, held, locked_holders(change, group_id))

        await act(self._database, actor, Task.PROJECT_USERS, write, where=Place(project_id), then=self._tell)

    def _tell(self, changed: tuple[object, tuple[str, ...]]) -> None:
        for key_id in changed[1]:
            self._on_change(key_id)


def _require_group_covered(change: Change, group: Group) -> None:
    """Go on only if the actor may do all that the group's roles give; raises Refusal(NOT_PERMITTED)."""
    for held in grants.list_of_group(change.connection, group.organization_id, group.id):
        require_covered(change.actor, held.tasks, held.project_id)


def _refuse_taken(change: Change, group: Group) -> None:
    for other in rows.list_groups(change.connection, group.organization_id):
        if other.name == group.name and other.id != group.id:
            raise Refusal(
                Code.CONFLICT,
                f"There is a group with the name {group.name[:100]} already: {other.id}.",
                hint="Choose another name.",
                param="name",
            )
