"""Who may do what, and the one way to do it.

Every verb goes through `act`: it refuses before anything is written, asks again inside the transaction,
because a role may be taken away or a key revoked between a request's start and its change, keeps both from
being taken away until the change is done, and tells those who must know only once it is durable.

What a role allows is decided in `core.authority`; here it is asked, of an actor and at a place.
"""

import asyncio
from collections.abc import Callable
from typing import Final, TypeVar

import msgspec

from keyhouse.control.grantors import Lacking, naming_owners
from keyhouse.core.authority import OWN, OWNER, Sight, Task, Tasks, may, projects_with, tasks_in
from keyhouse.core.errors import Code, Refusal
from keyhouse.core.key import ApiKey, Standing, dead_key, died_at_ms, why_dead
from keyhouse.core.secret import redacted
from keyhouse.store import grants, keys, people
from keyhouse.store.engine import Actor, Change, Connection, Database

__all__ = [
    "ORGANIZATION",
    "OWNER",
    "Place",
    "Task",
    "Where",
    "act",
    "admit",
    "may_at",
    "owned_by",
    "projects_of",
    "require",
    "require_covered",
    "require_still",
    "sight_of",
    "unseen",
]

T = TypeVar("T")


class Place(msgspec.Struct, frozen=True):
    """Where something is to be done: in a project, or in the organization as a whole; and whose it is, if it
    belongs to a user.

    `named` is what the actor named, where that was not the project: who sees nothing of the project learns no more.
    """

    project_id: str | None = None
    owner_id: str | None = None
    named: str = ""


ORGANIZATION: Final = Place()
"""The organization as a whole: what nobody may do with a project's role alone."""

Where = Place | Callable[[Connection, Actor], Place]
"""A place, or how to find it once the transaction is open."""


def may_at(actor: Actor, task: Task, place: Place = ORGANIZATION) -> bool:
    """Whether this actor may do this there, by what was last read of their roles."""
    is_own = place.owner_id == actor.user_id
    return actor.type == "system" or may(actor.role, actor.grants, task, place.project_id, is_own=is_own)


def projects_of(actor: Actor, task: Task, *, is_own: bool = False) -> frozenset[str] | None:
    """The projects in which this actor may do this, with what is their own if `is_own`; None for every project."""
    return projects_with(actor.role, actor.grants, task, is_own=is_own)


def sight_of(actor: Actor, task: Task) -> Sight | None:
    """What of the organization this actor sees by this task; None for all of it."""
    seen = projects_of(actor, task)
    return None if seen is None else Sight(seen, actor.user_id)


def owned_by(actor: Actor, project_id: str | None) -> Place:
    """A project, for what the actor makes for themselves."""
    return Place(project_id, actor.user_id)


def require(actor: Actor, task: Task, place: Place = ORGANIZATION) -> None:
    """Go on only if this actor may do this there.

    Raises Refusal(NOT_PERMITTED) that names the permission, or Refusal(NOT_FOUND) for a project of which the
    actor may know nothing.
    """
    if not may_at(actor, task, place):
        raise _refusal(actor, task, place)


async def admit(database: Database, actor: Actor, task: Task, place: Place = ORGANIZATION) -> None:
    """The same, and who lacks the permission is told who can grant it."""
    try:
        require(actor, task, place)
    except Lacking as lacking:
        raise await naming_owners(database, lacking) from None


def require_somewhere(actor: Actor, task: Task) -> None:
    """Go on only if there is a place where this actor may do this; raises Refusal(NOT_PERMITTED)."""
    places = projects_of(actor, task, is_own=True)
    if places is not None and not places:
        raise _refusal(actor, task, ORGANIZATION)


def require_covered(actor: Actor, tasks: Tasks, project_id: str | None = None) -> None:
    """Go on only if this actor may do all of this there themselves: nobody gives or takes more than they have.

    Raises Refusal(NOT_PERMITTED) that names one permission that is missing.
    """
    held = tasks_in(actor.role, actor.grants, project_id)
    if actor.type != "system" and not tasks <= held:
        raise Lacking(
            actor,
            f"You may not give or take a role that can do more than you: {min(tasks - held)} is not among yours.",
            "An owner can do it.",
            project_id=project_id,
        )


async def act(
    database: Database,
    actor: Actor,
    task: Task,
    step: Callable[[Change], T],
    *,
    where: Where = ORGANIZATION,
    then: Callable[[T], None] | None = None,
) -> T:
    """Run `step` as one change by `actor` at a place, and `then` with its result once it is durable.

    A caller that is cancelled stops waiting, but what was begun is finished and told all the same: otherwise
    a change could be committed whose key the gateway still remembers as it was. Who lacks a permission is told who
    can grant it.
    """

    def authorized(change: Change) -> T:
        change.actor = require_still(change.connection, actor, change.now_ms, task, where, is_final=True)
        return step(change)

    async def commit() -> T:
        result = await database.change(actor, authorized)
        if then is not None:
            then(result)
        return result

    try:
        if isinstance(where, Place):
            require(actor, task, where)
        else:
            require_somewhere(actor, task)
        return await asyncio.shield(commit())
    except Lacking as lacking:
        raise await naming_owners(database, lacking) from None


def require_still(
    connection: Connection, actor: Actor, now_ms: int, task: Task, where: Where, *, is_final: bool = False
) -> Actor:
    """Go on only if this actor may do this there by what is read now; the actor as they stand.

    If that `is_final`, nothing of it changes until the transaction ends. Raises what `require` does, and a dead admin
    key's own refusal.
    """
    actor = _still(connection, actor, now_ms, is_final=is_final)
    require(actor, task, where if isinstance(where, Place) else where(connection, actor))
    return actor


def _still(connection: Connection, actor: Actor, now_ms: int, *, is_final: bool) -> Actor:
    if actor.type == "system":
        return actor
    organization_id = actor.organization_id
    if actor.key_id is not None:
        key = keys.get_key(connection, organization_id, actor.key_id, kinds=keys.ADMIN_KINDS, for_share=is_final)
        _require_living(key, now_ms)
    member = people.find_member(connection, organization_id, actor.user_id, for_share=is_final)
    if member is None or member.gone_at_ms is not None:
        raise Refusal(
            Code.NOT_PERMITTED,
            "You may not do this: you are no longer a member of this organization.",
            hint="An owner of the organization can invite you again.",
        )
    held = grants.list_grants(connection, organization_id, actor.user_id)
    return msgspec.structs.replace(actor, role=member.role, grants=held)


def _require_living(key: ApiKey, now_ms: int) -> None:
    standing = Standing(
        expires_at_ms=key.expires_at_ms, disabled_at_ms=key.disabled_at_ms, revoked_at_ms=key.revoked_at_ms
    )
    dead = why_dead(standing, now_ms)
    if dead is not None:
        raise dead_key(dead, redacted(key.kind, key.id, key.current.last_four), died_at_ms(standing, dead))


def unseen(actor: Actor, named: str) -> Lacking:
    """There is nothing of this name, as far as this actor may know: in the same words whether there is or not."""
    return Lacking(
        actor,
        f"There is no {named} here that you can see.",
        "If there is one, an owner of the organization can make you a member of its project.",
        code=Code.NOT_FOUND,
    )


def _refusal(actor: Actor, task: Task, place: Place) -> Lacking:
    project_id = place.project_id
    held = tasks_in(actor.role, actor.grants, project_id)
    if project_id is not None and not held:
        return unseen(actor, place.named or f"project {project_id}")
    where = "in this organization" if project_id is None else f"in the project {project_id}"
    needed = OWN.get(task, task) if place.owner_id == actor.user_id else task
    return Lacking(
        actor,
        f"You may not do this {where}: it takes the permission {needed}, which your roles do not give.",
        f"An owner of the {'organization' if project_id is None else 'project'} can give you a role that has it.",
        project_id=project_id,
    )
