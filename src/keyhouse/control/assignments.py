"""Giving roles to users and groups, and taking them: in the whole organization or in one project, at once."""

from collections.abc import Callable, Sequence
from typing import Final

from keyhouse.control.authority import act, require_covered
from keyhouse.control.limits import require_active_project
from keyhouse.control.people import change_role, locked_holders, locked_member, settle_access
from keyhouse.control.roles import roles_at
from keyhouse.core.authority import ORGANIZATION_ROLES
from keyhouse.core.errors import Code, Refusal
from keyhouse.store import assignments as rows
from keyhouse.store import groups, people, project_members, projects, roles
from keyhouse.store.assignments import Assignment
from keyhouse.store.audit import Event
from keyhouse.store.engine import Actor, Change, Database
from keyhouse.store.groups import Group
from keyhouse.store.people import Member
from keyhouse.store.roles import Role

_LEAST: Final = "member"
"""What somebody of the organization is who is nothing else."""


class Assignments:
    """The verbs on who holds which role, in the project where one is named. `on_change` is told every key concerned.

    Each raises Refusal(NOT_PERMITTED) for an actor who may not, or who would give or take more than they have, and
    Refusal(NOT_FOUND) for a role, a user, a group or a project that is not here.
    """

    def __init__(self, database: Database, on_change: Callable[[str], None]) -> None:
        self._database = database
        self._on_change = on_change

    async def give_user(
        self, actor: Actor, user_id: str, role_id: str, *, project_id: str | None = None
    ) -> tuple[Member, Role]:
        """Let a user hold a role; in a project, one who is in it. Raises Refusal(CONFLICT) if it is theirs already.

        One that is always there is what they are in the organization from then on.
        """

        def write(change: Change) -> tuple[tuple[Member, Role], tuple[str, ...]]:
            _require_active(change, project_id)
            member = locked_member(change, user_id)
            if project_id is not None:
                project_members.get_project_member(change.connection, project_id, user_id)
            role = _role(change, role_id, project_id)
            if project_id is None and role.is_predefined:
                return _raised(change, member, role)
            return (member, role), give(change, user_id, role, (user_id,))

        task, place = roles_at(project_id)
        made, _ = await act(self._database, actor, task, write, where=place, then=self._tell)
        return made

    async def take_from_user(self, actor: Actor, user_id: str, role_id: str, *, project_id: str | None = None) -> None:
        """Take a role from a user to whom it is assigned; one that a group gives them stays.

        Who is no longer an owner or a reader of the organization is a member. Raises Refusal(CONFLICT) for the last
        owner.
        """

        def write(change: Change) -> tuple[Role, tuple[str, ...]]:
            _require_project(change, project_id)
            member = locked_member(change, user_id)
            role = _role(change, role_id, project_id)
            if project_id is None and role.is_predefined and member.role == role.name != _LEAST:
                return role, change_role(change, member, _LEAST)[1]
            return role, take(change, user_id, (role,), (user_id,))

        task, place = roles_at(project_id)
        await act(self._database, actor, task, write, where=place, then=self._tell)

    async def give_group(
        self, actor: Actor, group_id: str, role_id: str, *, project_id: str | None = None
    ) -> tuple[Group, Role]:
        """Let a group hold a role, which all who are in it have then. Raises Refusal(CONFLICT) if it is theirs."""

        def write(change: Change) -> tuple[tuple[Group, Role], tuple[str, ...]]:
            _require_active(change, project_id)
            group = locked_group(change, group_id)
            role = _role(change, role_id, project_id)
            return (group, role), give(change, group_id, role, locked_holders(change, group_id))

        task, place = roles_at(project_id)
        made, _ = await act(self._database, actor, task, write, where=place, then=self._tell)
        return made

    async def take_from_group(
        self, actor: Actor, group_id: str, role_id: str, *, project_id: str | None = None
    ) -> None:
        """Take a role from a group to which it is assigned, and so from all who are in it."""

        def write(change: Change) -> tuple[Role, tuple[str, ...]]:
            _require_project(change, project_id)
            locked_group(change, group_id)
            role = _role(change, role_id, project_id)
            return role, take(change, group_id, (role,), locked_holders(change, group_id))

        task, place = roles_at(project_id)
        await act(self._database, actor, task, write, where=place, then=self._tell)

    def _tell(self, changed: tuple[object, tuple[str, ...]]) -> None:
        for key_id in changed[1]:
            self._on_change(key_id)


def locked_group(change: Change, group_id: str) -> Group:
    """A group that nobody else changes, fills or gives a role until the transaction ends."""
    connection, organization_id = change.connection, change.actor.organization_id
    people.get_organization(connection, organization_id, for_update=True)
    return groups.get_group(connection, organization_id, group_id)


def give(change: Change, principal_id: str, role: Role, holders: Sequence[str]) -> tuple[str, ...]:
    """Assign a role to a user or a group whose `holders` are locked; the ids of the keys that changed by it."""
    connection, organization_id, project_id = change.connection, change.actor.organization_id, role.project_id
    require_covered(change.actor, role.tasks, project_id)
    if role.id in rows.list_roles_of(connection, organization_id, principal_id, project_id):
        raise Refusal(
            Code.CONFLICT,
            f"The role {role.id} is assigned to {principal_id} already.",
            hint="List their roles to see them.",
        )
    made = Assignment(organization_id, principal_id, role.id, project_id, change.now_ms, change.actor.user_id)
    rows.insert_assignment(connection, made)
    _record(change, Event.ROLE_ASSIGNMENT_CREATED, principal_id, role)
    return settle_access(change, *holders)


def take(change: Change, principal_id: str, taken: Sequence[Role], holders: Sequence[str]) -> tuple[str, ...]:
    """Take roles from a user or a group whose `holders` are locked; the ids of the keys that changed by it."""
    connection, organization_id = change.connection, change.actor.organization_id
    for role in taken:
        require_covered(change.actor, role.tasks, role.project_id)
        if role.id not in rows.list_roles_of(connection, organization_id, principal_id, role.project_id):
            raise Refusal(
                Code.NOT_FOUND,
                f"The role {role.id} is not assigned to {principal_id}.",
                hint="List their roles: one that a user has as a member, or by a group, is changed there.",
            )
        rows.delete_assignment(connection, organization_id, principal_id, role.id, role.project_id)
        _record(change, Event.ROLE_ASSIGNMENT_DELETED, principal_id, role)
    return settle_access(change, *holders)


def _raised(change: Change, member: Member, role: Role) -> tuple[tuple[Member, Role], tuple[str, ...]]:
    """A user who is now what they were given: assigned beside what they are, it would not show, nor go with that."""
    if role.tasks <= ORGANIZATION_ROLES[member.role]:
        raise Refusal(
            Code.CONFLICT,
            f"The user {member.user_id} is {member.role} here already, which gives all that {role.name} does.",
            hint="Update the user to make them something else.",
        )
    after, changed = change_role(change, member, role.name)
    return (after, role), changed


def _role(change: Change, role_id: str, project_id: str | None) -> Role:
    return roles.get_role(change.connection, change.actor.organization_id, role_id, project_id)


def _require_project(change: Change, project_id: str | None) -> None:
    if project_id is not None:
        projects.get_project(change.connection, change.actor.organization_id, project_id)


def _require_active(change: Change, project_id: str | None) -> None:
    if project_id is not None:
        require_active_project(change.connection, change.actor.organization_id, project_id)


def _record(change: Change, event: Event, principal_id: str, role: Role) -> None:
    details = {"role": role.name, "role_id": role.id}
    change.record(event, principal_id, project_id=role.project_id, details=details)
