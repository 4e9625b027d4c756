"""Who is in the organization and in its projects, and as what: changed, taken out, and their keys with it.

Whoever changes what someone may do holds the organization first, so that two such changes are one after the other,
and that person's membership, which everything that person does meanwhile holds for sharing (`control.authority`).
"""

from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from keyhouse.control.authority import OWNER, Place, Task, act, require_covered
from keyhouse.control.fields import read_email
from keyhouse.control.limits import require_active_project
from keyhouse.core.authority import ORGANIZATION_ROLES, PROJECT_ROLES, projects_with
from keyhouse.core.errors import Code, Refusal
from keyhouse.store import assignments, grants, keys, people, project_members, roles, sessions
from keyhouse.store.audit import Event
from keyhouse.store.engine import Actor, Change, Database
from keyhouse.store.people import Member
from keyhouse.store.project_members import ProjectMember

SETTLED_AT_ONCE: Final = 1_000
"""Of how many people one statement is: databases take no more than some 30,000 values in one."""


class People:
    """The verbs on users of an organization and of its projects. `on_change` is told every key that is concerned.

    Each raises Refusal(NOT_PERMITTED) for an actor who may not, or who would give or take more than they have, and
    Refusal(NOT_FOUND) for a user who is not here.
    """

    def __init__(self, database: Database, on_change: Callable[[str], None]) -> None:
        self._database = database
        self._on_change = on_change

    async def update(self, actor: Actor, user_id: str, role: str) -> Member:
        """Let a user be something else in the organization, at once: they are nothing beside it that is always there.

        Roles of the organization's own stay. Raises Refusal(CONFLICT) for the last owner.
        """
        require_known(role, ORGANIZATION_ROLES)

        def write(change: Change) -> tuple[Member, tuple[str, ...]]:
            return change_role(change, locked_member(change, user_id), role)

        member, _ = await act(self._database, actor, Task.USERS, write, then=self._tell)
        return member

    async def remove(self, actor: Actor, user_id: str) -> None:
        """Take a user out of the organization: their sessions end and their keys die, at once. What they made, and
        service accounts, stay. Raises Refusal(CONFLICT) for the last owner.
        """

        def write(change: Change) -> tuple[Member, tuple[str, ...]]:
            before = locked_member(change, user_id)
            require_covered(change.actor, ORGANIZATION_ROLES[before.role])
            for held in grants.list_grants(change.connection, before.organization_id, user_id):
                require_covered(change.actor, held.tasks, held.project_id)
            _refuse_last_owner(change, before)
            connection, organization_id = change.connection, before.organization_id
            people.update_removed(connection, organization_id, user_id, change.now_ms)
            project_members.delete_of_user(connection, organization_id, user_id)
            grants.delete_of_user(connection, organization_id, user_id)
            sessions.update_sessions_ended(connection, user_id, change.now_ms)
            key_ids = keys.list_owned_ids(connection, organization_id, user_id)
            change.record(Event.USER_DELETED, user_id, details={"role": before.role, "keys": key_ids})
            change.announce(*key_ids)
            return before, key_ids

        await act(self._database, actor, Task.USERS, write, then=self._tell)

    async def add_to_project(
        self, actor: Actor, project_id: str, role: str, *, user_id: str | None = None, email: str | None = None
    ) -> ProjectMember:
        """Make a user of the organization, named by id or address, a member of a project.

        Raises Refusal(PARAMETER_INVALID, CONFLICT if they are one already or the project was archived).
        """
        require_known(role, PROJECT_ROLES)

        def write(change: Change) -> tuple[ProjectMember, tuple[str, ...]]:
            require_active_project(change.connection, actor.organization_id, project_id)
            member = locked_member(change, user_id or _id_of(change, email))
            require_covered(change.actor, PROJECT_ROLES[role], project_id)
            if project_members.find_project_member(change.connection, project_id, member.user_id) is not None:
                raise Refusal(
                    Code.CONFLICT,
                    f"The user {member.user_id} is in the project {project_id} already.",
                    hint="Update the project's user to give them another role.",
                )
            made = ProjectMember(
                project_id, member.user_id, member.organization_id, role, change.now_ms, member.email, member.name
            )
            project_members.insert_project_member(change.connection, made)
            _record(change, Event.ROLE_ASSIGNMENT_CREATED, made, role)
            return made, settle_access(change, member.user_id)

        made, _ = await act(self._database, actor, Task.PROJECT_USERS, write, where=Place(project_id), then=self._tell)
        return made

    async def update_in_project(self, actor: Actor, project_id: str, user_id: str, role: str) -> ProjectMember:
        """Let a project's user be something else in it, at once: they are nothing beside it that is always there.

        Roles of the project's own stay. Raises Refusal(CONFLICT) if the project was archived.
        """
        require_known(role, PROJECT_ROLES)

        def write(change: Change) -> tuple[ProjectMember, tuple[str, ...]]:
            require_active_project(change.connection, actor.organization_id, project_id)
            before = _locked_in_project(change, project_id, user_id)
            require_covered(change.actor, PROJECT_ROLES[before.role] | PROJECT_ROLES[role], project_id)
            project_members.update_project_member(change.connection, project_id, user_id, role)
            _record(change, Event.ROLE_ASSIGNMENT_CREATED, before, role)
            _take_beside(change, user_id, project_id)
            return msgspec.structs.replace(before, role=role), settle_access(change, user_id)

        made, _ = await act(self._database, actor, Task.PROJECT_USERS, write, where=Place(project_id), then=self._tell)
        return made

    async def remove_from_project(self, actor: Actor, project_id: str, user_id: str) -> None:
        """Take a user out of a project, with every role that is assigned to them there: their keys there stop working
        at once, unless a role in the organization or of a group lets them.
        """

        def write(change: Change) -> tuple[ProjectMember, tuple[str, ...]]:
            connection, organization_id = change.connection, change.actor.organization_id
            before = _locked_in_project(change, project_id, user_id)
            require_covered(change.actor, PROJECT_ROLES[before.role], project_id)
            for role_id in assignments.list_roles_of(connection, organization_id, user_id, project_id):
                role = roles.get_role(connection, organization_id, role_id, project_id)
                require_covered(change.actor, role.tasks, project_id)
                assignments.delete_assignment(connection, organization_id, user_id, role_id, project_id)
            project_members.delete_project_member(connection, project_id, user_id)
            _record(change, Event.ROLE_ASSIGNMENT_DELETED, before, before.role)
            return before, settle_access(change, user_id)

        await act(self._database, actor, Task.PROJECT_USERS, write, where=Place(project_id), then=self._tell)

    def _tell(self, changed: tuple[object, tuple[str, ...]]) -> None:
        for key_id in changed[1]:
            self._on_change(key_id)


def change_role(change: Change, before: Member, role: str) -> tuple[Member, tuple[str, ...]]:
    """Let a member, who is locked, be something else in the organization; the ids of the keys that changed by it."""
    require_covered(change.actor, ORGANIZATION_ROLES[before.role] | ORGANIZATION_ROLES[role])
    if role != OWNER:
        _refuse_last_owner(change, before)
    people.update_role(change.connection, before.organization_id, before.user_id, role)
    change.record(Event.USER_UPDATED, before.user_id, details={"role": {"from": before.role, "to": role}})
    _take_beside(change, before.user_id)
    return msgspec.structs.replace(before, role=role), settle_access(change, before.user_id)


def _take_beside(change: Change, user_id: str, project_id: str | None = None) -> None:
    """Take roles that are always there and were assigned to a user beside what they are: who was made less is less."""
    connection, organization_id = change.connection, change.actor.organization_id
    for role_id in assignments.list_roles_of(connection, organization_id, user_id, project_id):
        role = roles.get_role(connection, organization_id, role_id, project_id)
        if role.is_predefined:
            require_covered(change.actor, role.tasks, project_id)
            assignments.delete_assignment(connection, organization_id, user_id, role_id, project_id)
            details = {"role": role.name, "role_id": role_id}
            change.record(Event.ROLE_ASSIGNMENT_DELETED, user_id, project_id=project_id, details=details)


def settle_access(change: Change, *user_ids: str) -> tuple[str, ...]:
    """Let users' keys work where their roles allow calls now, and nowhere else; the ids of those that changed.

    It takes as many statements for a thousand people of the same roles as for one.
    """
    connection, organization_id = change.connection, change.actor.organization_id
    changed: list[str] = []
    for start in range(0, len(user_ids), SETTLED_AT_ONCE):
        some = user_ids[start : start + SETTLED_AT_ONCE]
        roles_of = people.list_member_roles(connection, organization_id, some)
        alike: dict[frozenset[str] | None, list[str]] = {}
        for user_id, held in grants.list_grants_of(connection, organization_id, some).items():
            allowed = projects_with(roles_of.get(user_id, ""), held, Task.MODEL_REQUEST)
            alike.setdefault(allowed, []).append(user_id)
        for allowed, users in alike.items():
            changed += grants.update_access(connection, organization_id, users, allowed, change.now_ms)
    change.announce(*changed)
    return tuple(changed)


def locked_holders(change: Change, *principal_ids: str) -> tuple[str, ...]:
    """The ids of these users and of those in these groups, on whose standing nobody relies until the transaction ends.

    Whoever asks holds the organization already.
    """
    return grants.list_holders(change.connection, change.actor.organization_id, principal_ids, for_update=True)


def locked_member(change: Change, user_id: str) -> Member:
    """A present member, whose standing nobody else changes or relies on until the transaction ends."""
    connection, organization_id = change.connection, change.actor.organization_id
    people.get_organization(connection, organization_id, for_update=True)
    member = people.find_member(connection, organization_id, user_id, for_update=True)
    if member is None or member.gone_at_ms is not None:
        raise missing(user_id)
    return member


def _locked_in_project(change: Change, project_id: str, user_id: str) -> ProjectMember:
    locked_member(change, user_id)
    return project_members.get_project_member(change.connection, project_id, user_id)


def _id_of(change: Change, email: str | None) -> str:
    if email is None:
        raise Refusal(Code.PARAMETER_MISSING, "The body names no user.", hint="Send user_id or email.", param="user_id")
    address = read_email(email)
    for member in people.list_members(change.connection, change.actor.organization_id):
        if member.email == address:
            return member.user_id
    raise missing(address)


def _refuse_last_owner(change: Change, member: Member) -> None:
    present = people.list_members(change.connection, member.organization_id)
    if member.role == OWNER and sum(each.role == OWNER for each in present) == 1:
        raise Refusal(
            Code.CONFLICT,
            f"The user {member.user_id} is the organization's last owner.",
            hint="Make someone else an owner first.",
        )


def require_known(role: str, names: Iterable[str]) -> None:
    """Go on only if there is such a role; raises Refusal(PARAMETER_INVALID) that names all there are."""
    names = list(names)
    if role not in names:
        raise Refusal(
            Code.PARAMETER_INVALID,
            f"The field role is {role[:60]!r}.",
            hint=f"It is one of {', '.join(names)}.",
            param="role",
        )


def _record(change: Change, event: Event, member: ProjectMember, role: str) -> None:
    details = {"role": role, "previous_role": member.role if member.role != role else None}
    change.record(event, member.user_id, project_id=member.project_id, details=details)


def missing(user: str) -> Refusal:
    """There is no such user in this organization."""
    return Refusal(
        Code.NOT_FOUND, f"There is no user {user} in this organization.", hint="List the users to see their ids."
    )
