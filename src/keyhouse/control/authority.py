"""Who may do what, and the one way to do it.

Every verb goes through `act`: it refuses before anything is written, asks again inside the transaction,
because a role may be taken away or a key revoked between a request's start and its change, keeps both from
being taken away until the change is done, and tells those who must know only once it is durable.
"""

import asyncio
from collections.abc import Callable
from enum import StrEnum
from typing import TypeVar

from keyhouse.core.errors import Code, Refusal
from keyhouse.core.key import Standing, dead_key, died_at_ms, why_dead
from keyhouse.core.secret import redacted
from keyhouse.store import keys, people
from keyhouse.store.engine import Actor, Change, Database

T = TypeVar("T")

OWNER = "owner"
ROLES = (OWNER, "member", "reader")
"""What a member can be: an owner may do everything, the others may look."""


class Task(StrEnum):
    """What authority is asked for, as the refusal names it. Alphabetical."""

    ADMIN_KEYS = "manage admin keys"
    API_KEYS = "manage API keys"
    AUDIT_LOG = "read the audit log"
    LIMITS = "manage limits"
    MODEL_PERMISSIONS = "manage the models of projects"
    POLICIES = "set the organization's policies"
    PROJECTS = "manage projects"
    SERVICE_ACCOUNTS = "manage service accounts"
    SPEND_ALERTS = "manage spend alerts"


def allows(role: str, task: Task) -> bool:  # noqa: ARG001  every task asks for the same role, for now
    """Whether a member with this role may do this."""
    return role == OWNER


def require(actor: Actor, task: Task) -> None:
    """Go on only if this actor may do this; raises Refusal(NOT_PERMITTED) that says who can."""
    if not allows(actor.role, task):
        raise _not_permitted(actor.role, task)


async def act(
    database: Database,
    actor: Actor,
    task: Task,
    step: Callable[[Change], T],
    *,
    then: Callable[[T], None] | None = None,
) -> T:
    """Run `step` as one change by `actor`, and `then` with its result once it is durable.

    A caller that is cancelled stops waiting, but what was begun is finished and told all the same: otherwise
    a change could be committed whose key the gateway still remembers as it was.
    """
    require(actor, task)

    def authorized(change: Change) -> T:
        _require_still(change, task)
        return step(change)

    async def commit() -> T:
        result = await database.change(actor, authorized)
        if then is not None:
            then(result)
        return result

    return await asyncio.shield(commit())


def _require_still(change: Change, task: Task) -> None:
    actor = change.actor
    if actor.type == "system":
        return
    if actor.key_id is not None:
        _require_living_key(change, actor.key_id)
    member = people.find_member(change.connection, actor.organization_id, actor.user_id, for_share=True)
    if member is None or member.gone_at_ms is not None:
        raise _not_permitted("no longer a member", task)
    if member.role != OWNER:
        raise _not_permitted(member.role, task)


def _require_living_key(change: Change, key_id: str) -> None:
    organization_id = change.actor.organization_id
    key = keys.get_key(change.connection, organization_id, key_id, kinds=keys.ADMIN_KINDS, for_share=True)
    standing = Standing(
        expires_at_ms=key.expires_at_ms, disabled_at_ms=key.disabled_at_ms, revoked_at_ms=key.revoked_at_ms
    )
    dead = why_dead(standing, change.now_ms)
    if dead is not None:
        raise dead_key(dead, redacted(key.kind, key.id, key.current.last_four), died_at_ms(standing, dead))


def _not_permitted(role: str, task: Task) -> Refusal:
    return Refusal(
        Code.NOT_PERMITTED,
        f"You may not {task} in this organization: you are {_with_article(role)}.",
        hint="An owner of the organization can do it, or make you an owner.",
    )


def _with_article(role: str) -> str:
    return f"a {role}" if role in ROLES else role or "not a member"
