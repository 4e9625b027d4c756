"""Roles that an organization makes for itself, and to whom they are given: at once, for their keys too."""

from collections.abc import Callable, Sequence

import msgspec

from keyhouse.control.authority import Task, act, require_covered
from keyhouse.control.fields import read_name
from keyhouse.control.people import locked_member, settle_access
from keyhouse.core.authority import read_tasks
from keyhouse.core.clock import Entropy
from keyhouse.core.errors import Code, Refusal
from keyhouse.core.identifiers import identifier
from keyhouse.store import grants, people
from keyhouse.store import roles as rows
from keyhouse.store.audit import Event
from keyhouse.store.engine import Actor, Change, Database
from keyhouse.store.people import Member
from keyhouse.store.roles import Role


class Roles:
    """The verbs on roles and their assignments. `on_change` is told every key that is concerned.

    Each raises Refusal(NOT_PERMITTED) for an actor who may not, or who would give or take more than they have, and
    Refusal(NOT_FOUND) for a role or a user that is not here.
    """

    def __init__(self, database: Database, entropy: Entropy, on_change: Callable[[str], None]) -> None:
        self._database = database
        self._entropy = entropy
        self._on_change = on_change

    async def create(self, actor: Actor, name: str, permissions: Sequence[str], description: str | None = None) -> Role:
        """A new role. Raises Refusal(PARAMETER_INVALID, CONFLICT if the name is taken)."""
        name, permissions = read_name(name, "role_name"), _read_permissions(permissions)

        def write(change: Change) -> Role:
            organization_id, now_ms = change.actor.organization_id, change.now_ms
            role_id = identifier("role_", self._entropy(20))
            made = Role(role_id, name, permissions, _read_description(description), now_ms, now_ms, actor.user_id)
            require_covered(change.actor, made.tasks)
            people.get_organization(change.connection, organization_id, for_update=True)
            _refuse_taken(change, made)
            rows.insert_role(change.connection, organization_id, made)
            change.record(Event.ROLE_CREATED, made.id, details={"role_name": name, "permissions": permissions})
            return made

        return await act(self._database, actor, Task.ROLES, write)

    async def update(
        self,
        actor: Actor,
        role_id: str,
        name: str | None = None,
        permissions: Sequence[str] | None = None,
        description: str | None = None,
    ) -> Role:
        """Change a role for all who hold it; what is None stays.

        Raises Refusal(PARAMETER_INVALID, CONFLICT if the name is taken or the role is always there).
        """
        wanted: dict[str, object] = {}
        if name is not None:
            wanted["name"] = read_name(name, "role_name")
        if permissions is not None:
            wanted["permissions"] = _read_permissions(permissions)
        if description is not None:
            wanted["description"] = _read_description(description)

        def write(change: Change) -> tuple[Role, tuple[str, ...]]:
            before = _locked_role(change, role_id)
            after = msgspec.structs.replace(before, **wanted, updated_at_ms=change.now_ms)
            require_covered(change.actor, before.tasks | after.tasks)
            _refuse_taken(change, after)
            holders = _locked_holders(change, role_id)
            rows.update_role(change.connection, after)
            details = {field: {"from": getattr(before, field), "to": value} for field, value in wanted.items()}
            change.record(Event.ROLE_UPDATED, role_id, details=details)
            return after, _settle(change, holders)

        role, _ = await act(self._database, actor, Task.ROLES, write, then=self._tell)
        return role

    async def delete(self, actor: Actor, role_id: str) -> None:
        """Take a role away, from everybody who holds it. Raises Refusal(CONFLICT) for one that is always there."""

        def write(change: Change) -> tuple[Role, tuple[str, ...]]:
            before = _locked_role(change, role_id)
            require_covered(change.actor, before.tasks)
            holders = _locked_holders(change, role_id)
            rows.delete_role(change.connection, change.actor.organization_id, role_id)
            details = {"role_name": before.name, "permissions": before.permissions, "users": holders}
            change.record(Event.ROLE_DELETED, role_id, details=details)
            return before, _settle(change, holders)

        await act(self._database, actor, Task.ROLES, write, then=self._tell)

    async def assign(self, actor: Actor, user_id: str, role_id: str) -> tuple[Member, Role]:
        """Give a user a role in the whole organization. Raises Refusal(CONFLICT) if it is theirs already."""

        def write(change: Change) -> tuple[tuple[Member, Role], tuple[str, ...]]:
            connection, organization_id = change.connection, change.actor.organization_id
            member = locked_member(change, user_id)
            role = rows.get_role(connection, organization_id, role_id)
            require_covered(change.actor, role.tasks)
            if user_id in rows.list_sources(connection, organization_id, user_id).get(role_id, ()):
                raise Refusal(
                    Code.CONFLICT,
                    f"The user {user_id} holds the role {role_id} already.",
                    hint="List the user's roles to see them.",
                )
            rows.insert_assignment(connection, organization_id, user_id, role_id, change.now_ms, actor.user_id)
            change.record(Event.ROLE_ASSIGNMENT_CREATED, user_id, details={"role": role.name, "role_id": role_id})
            return (member, role), settle_access(change, user_id)

        made, _ = await act(self._database, actor, Task.ROLES, write, then=self._tell)
        return made

    async def unassign(self, actor: Actor, user_id: str, role_id: str) -> None:
        """Take a role from a user to whom it is assigned; one that a group gives them stays."""

        def write(change: Change) -> tuple[Role, tuple[str, ...]]:
            connection, organization_id = change.connection, change.actor.organization_id
            locked_member(change, user_id)
            role = rows.get_role(connection, organization_id, role_id)
            require_covered(change.actor, role.tasks)
            if user_id not in rows.list_sources(connection, organization_id, user_id).get(role_id, ()):
                raise _not_assigned(user_id, role_id)
            rows.delete_assignment(connection, organization_id, user_id, role_id)
            change.record(Event.ROLE_ASSIGNMENT_DELETED, user_id, details={"role": role.name, "role_id": role_id})
            return role, settle_access(change, user_id)

        await act(self._database, actor, Task.ROLES, write, then=self._tell)

    def _tell(self, changed: tuple[object, tuple[str, ...]]) -> None:
        for key_id in changed[1]:
            self._on_change(key_id)


def _not_assigned(user_id: str, role_id: str) -> Refusal:
    """The role is here, but not assigned to this user."""
    return Refusal(
        Code.NOT_FOUND,
        f"The role {role_id} is not assigned to the user {user_id}.",
        hint="List the user's roles to see them; the one that a user has as a member is the user's field role.",
    )


def _locked_role(change: Change, role_id: str) -> Role:
    """A role of the organization's own, which nobody else changes or gives until the transaction ends."""
    organization_id = change.actor.organization_id
    people.get_organization(change.connection, organization_id, for_update=True)
    role = rows.get_role(change.connection, organization_id, role_id)
    if role.is_predefined:
        raise Refusal(
            Code.CONFLICT, f"The role {role_id} is always there, as it is.", hint="Create a role of your own instead."
        )
    return role


def _locked_holders(change: Change, role_id: str) -> tuple[str, ...]:
    """All who hold a role; nobody relies on their standing until the transaction ends."""
    connection, organization_id = change.connection, change.actor.organization_id
    holders = grants.list_holders(
        connection, organization_id, rows.list_principals(connection, organization_id, role_id)
    )
    for user_id in holders:
        people.find_member(connection, organization_id, user_id, for_update=True)
    return holders


def _settle(change: Change, user_ids: Sequence[str]) -> tuple[str, ...]:
    return tuple(key_id for user_id in user_ids for key_id in settle_access(change, user_id))


def _refuse_taken(change: Change, role: Role) -> None:
    for other in rows.list_roles(change.connection, change.actor.organization_id):
        if other.name == role.name and other.id != role.id:
            raise Refusal(
                Code.CONFLICT,
                f"There is a role with the name {role.name[:100]} already: {other.id}.",
                hint="Choose another name.",
                param="role_name",
            )


def _read_permissions(permissions: Sequence[str]) -> tuple[str, ...]:
    try:
        return tuple(sorted(read_tasks(permissions)))
    except ValueError as fault:
        raise Refusal(
            Code.PARAMETER_INVALID,
            f"The field permissions is wrong: {fault}.",
            hint="docs/permissions.md lists them.",
            param="permissions",
        ) from None


def _read_description(description: str | None) -> str | None:
    return read_name(description, "description") if description else None
