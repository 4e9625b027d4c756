"""Roles that an organization makes for itself or for one of its projects: for all who hold one, at once."""

from collections.abc import Callable, Sequence

import msgspec
from msgspec import UNSET, UnsetType

from keyhouse.control.authority import ORGANIZATION, Place, Task, act, require_covered
from keyhouse.control.fields import read_name
from keyhouse.control.limits import require_active_project
from keyhouse.control.people import locked_holders, settle_access
from keyhouse.core.authority import IN_A_PROJECT, Tasks, read_tasks
from keyhouse.core.clock import Entropy
from keyhouse.core.errors import Code, Refusal
from keyhouse.core.identifiers import identifier
from keyhouse.store import assignments, people, projects
from keyhouse.store import roles as rows
from keyhouse.store.audit import Event
from keyhouse.store.engine import Actor, Change, Database
from keyhouse.store.roles import Role


class Roles:
    """The verbs on roles, those of a project where one is named. `on_change` is told every key that is concerned.

    Each raises Refusal(NOT_PERMITTED) for an actor who may not, or who would give or take more than they have, and
    Refusal(NOT_FOUND) for a role or a project that is not here.
    """

    def __init__(self, database: Database, entropy: Entropy, on_change: Callable[[str], None]) -> None:
        self._database = database
        self._entropy = entropy
        self._on_change = on_change

    async def create(
        self,
        actor: Actor,
        name: str,
        permissions: Sequence[str],
        description: str | None = None,
        *,
        project_id: str | None = None,
    ) -> Role:
        """A new role. Raises Refusal(PARAMETER_INVALID, CONFLICT if the name is taken or the project was archived)."""
        name, permissions = read_name(name, "role_name"), _read_permissions(permissions, project_id)
        description = _read_description(description)

        def write(change: Change) -> Role:
            organization_id, now_ms = change.actor.organization_id, change.now_ms
            role_id = identifier("role_", self._entropy(20))
            made = Role(role_id, name, permissions, description, now_ms, now_ms, actor.user_id, project_id)
            require_covered(change.actor, made.tasks, project_id)
            people.get_organization(change.connection, organization_id, for_update=True)
            if project_id is not None:
                require_active_project(change.connection, organization_id, project_id)
            _refuse_taken(change, made)
            rows.insert_role(change.connection, organization_id, made)
            details = {"role_name": name, "permissions": permissions}
            change.record(Event.ROLE_CREATED, made.id, project_id=project_id, details=details)
            return made

        task, place = roles_at(project_id)
        return await act(self._database, actor, task, write, where=place)

    async def update(
        self,
        actor: Actor,
        role_id: str,
        name: str | None = None,
        permissions: Sequence[str] | None = None,
        description: str | UnsetType | None = UNSET,
        *,
        project_id: str | None = None,
    ) -> Role:
        """Change a role for all who hold it; a name or permissions of None stay, and a description that is not given.

        Raises Refusal(PARAMETER_INVALID, CONFLICT if the name is taken, the role always there or the project archived).
        """
        wanted: dict[str, object] = {}
        if name is not None:
            wanted["name"] = read_name(name, "role_name")
        if permissions is not None:
            wanted["permissions"] = _read_permissions(permissions, project_id)
        if description is not UNSET:
            wanted["description"] = _read_description(description)

        def write(change: Change) -> tuple[Role, tuple[str, ...]]:
            before = _locked_role(change, role_id, project_id)
            if project_id is not None:
                require_active_project(change.connection, change.actor.organization_id, project_id)
            after = msgspec.structs.replace(before, **wanted, updated_at_ms=change.now_ms)
            require_covered(change.actor, before.tasks | after.tasks, project_id)
            _refuse_taken(change, after)
            holders = _locked_holders_of(change, role_id)
            rows.update_role(change.connection, after)
            details = {field: {"from": getattr(before, field), "to": value} for field, value in wanted.items()}
            change.record(Event.ROLE_UPDATED, role_id, project_id=project_id, details=details)
            return after, settle_access(change, *holders)

        task, place = roles_at(project_id)
        role, _ = await act(self._database, actor, task, write, where=place, then=self._tell)
        return role

    async def delete(self, actor: Actor, role_id: str, *, project_id: str | None = None) -> None:
        """Take a role away, from everybody who holds it. Raises Refusal(CONFLICT) for one that is always there."""

        def write(change: Change) -> tuple[Role, tuple[str, ...]]:
            before = _locked_role(change, role_id, project_id)
            require_covered(change.actor, before.tasks, project_id)
            holders = _locked_holders_of(change, role_id)
            rows.delete_role(change.connection, change.actor.organization_id, role_id)
            details = {"role_name": before.name, "permissions": before.permissions, "users": holders}
            change.record(Event.ROLE_DELETED, role_id, project_id=project_id, details=details)
            return before, settle_access(change, *holders)

        task, place = roles_at(project_id)
        await act(self._database, actor, task, write, where=place, then=self._tell)

    def _tell(self, changed: tuple[object, tuple[str, ...]]) -> None:
        for key_id in changed[1]:
            self._on_change(key_id)


def roles_at(project_id: str | None) -> tuple[Task, Place]:
    """What it takes to change roles and who holds them, and where: in the organization, or in a project."""
    return (Task.ROLES, ORGANIZATION) if project_id is None else (Task.PROJECT_ROLES, Place(project_id))


def _locked_role(change: Change, role_id: str, project_id: str | None) -> Role:
    """A role that was made, which nobody else changes or gives until the transaction ends."""
    organization_id = change.actor.organization_id
    people.get_organization(change.connection, organization_id, for_update=True)
    if project_id is not None:
        projects.get_project(change.connection, organization_id, project_id)
    role = rows.get_role(change.connection, organization_id, role_id, project_id)
    if role.is_predefined:
        raise Refusal(
            Code.CONFLICT, f"The role {role_id} is always there, as it is.", hint="Create a role of your own instead."
        )
    return role


def _locked_holders_of(change: Change, role_id: str) -> tuple[str, ...]:
    return locked_holders(
        change, *assignments.list_principals(change.connection, change.actor.organization_id, role_id)
    )


def _refuse_taken(change: Change, role: Role) -> None:
    for other in rows.list_roles(change.connection, change.actor.organization_id, role.project_id):
        if other.name == role.name and other.id != role.id:
            raise Refusal(
                Code.CONFLICT,
                f"There is a role with the name {role.name[:100]} already: {other.id}.",
                hint="Choose another name.",
                param="role_name",
            )


def _read_permissions(permissions: Sequence[str], project_id: str | None) -> tuple[str, ...]:
    try:
        tasks = read_tasks(permissions)
        if project_id is not None:
            _require_in_a_project(tasks)
    except ValueError as fault:
        raise Refusal(
            Code.PARAMETER_INVALID,
            f"The field permissions is wrong: {fault}.",
            hint="docs/permissions.md lists them.",
            param="permissions",
        ) from None
    # In the order that was asked for: a client that compares must find what it sent.
    return tuple(dict.fromkeys(permissions))


def _require_in_a_project(tasks: Tasks) -> None:
    if beyond := tasks - IN_A_PROJECT:
        raise ValueError(f"{min(beyond)} cannot be held in one project")


def _read_description(description: str | None) -> str | None:
    return read_name(description, "description") if description else None
