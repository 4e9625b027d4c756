"""The life of an API key: created, changed, rotated, disabled, enabled and, for good, revoked.

A key is a stable object: whatever happens to its secrets, its id, limits and history stay. At most two of
its secrets live at once. Every change is told to `on_change` by the key's id once it is durable, and announced
to every other gateway.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from keyhouse.control.authority import ORGANIZATION, Place, Task, Where, act, admit, owned_by, require, require_still
from keyhouse.control.fields import read_endpoints, read_expiry, read_models, read_name, read_networks
from keyhouse.control.issuing import IssuedKey, NewKey, issue_key, issue_secret
from keyhouse.control.key_rules import (
    OVERLAP_MS_MAX,
    described,
    previous_secret_of,
    read_end,
    refuse_archived,
    refuse_longer_child,
    refuse_revoked,
    refuse_without_secret,
    revoked_by,
)
from keyhouse.control.limits import insert_limits, read_drafts
from keyhouse.control.new_admin_keys import issue_admin_key, new_admin_key
from keyhouse.control.policies import require_within, under_policy
from keyhouse.control.repeats import Minting, Once, issue_once
from keyhouse.core.clock import Clock, Entropy
from keyhouse.core.errors import Code, Refusal
from keyhouse.core.key import ApiKey, Status
from keyhouse.core.permissions import ALL, Permissions
from keyhouse.core.policy import LimitDraft
from keyhouse.core.secret import Kind
from keyhouse.core.widening import ends_no_later, widens
from keyhouse.store import keys as rows
from keyhouse.store import policies, projects
from keyhouse.store.audit import Event
from keyhouse.store.engine import Actor, Change, Connection, Database

__all__ = ["OVERLAP_MS_MAX", "IssuedKey", "KeyChange", "KeyDraft", "Keys", "LimitDraft"]


class KeyDraft(msgspec.Struct, frozen=True):
    """A key as it is asked for. `models` None means every model, `endpoints` None every endpoint, an empty
    `ip_allowlist` every address.
    """

    name: str
    project_id: str
    permissions: Permissions = ALL
    models: tuple[str, ...] | None = None
    endpoints: tuple[str, ...] | None = None
    ip_allowlist: tuple[str, ...] = ()
    expires_at_ms: int | None = None
    limits: tuple[LimitDraft, ...] = ()


class KeyChange(msgspec.Struct, frozen=True):
    """What to change of a key; what is left unset stays."""

    name: str | UnsetType = UNSET
    permissions: Permissions | UnsetType = UNSET
    models: tuple[str, ...] | UnsetType | None = UNSET
    endpoints: tuple[str, ...] | UnsetType | None = UNSET
    ip_allowlist: tuple[str, ...] | UnsetType = UNSET
    expires_at_ms: int | UnsetType | None = UNSET


class Keys:
    """The verbs on keys.

    Each raises Refusal(NOT_PERMITTED) for an actor who may not, and, where it takes an id, Refusal(NOT_FOUND)
    for a key that is not in the actor's organization, or not in the project named.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        entropy: Entropy,
        pepper: bytes,
        on_change: Callable[[str], None],
    ) -> None:
        self._database = database
        self._clock = clock
        self._entropy = entropy
        self._pepper = pepper
        self._on_change = on_change

    async def create(self, actor: Actor, draft: KeyDraft, once: Once | None = None) -> IssuedKey:
        """A new key with its limits, owned by the actor; the same one again for a request that is repeated.

        Raises Refusal(PARAMETER_INVALID, NOT_FOUND for the project, CONFLICT if that is archived).
        """
        place = owned_by(actor, draft.project_id)
        await admit(self._database, actor, Task.API_KEYS, place)
        new = NewKey(
            kind=Kind.USER,
            organization_id=actor.organization_id,
            project_id=draft.project_id,
            owner_id=actor.user_id,
            name=read_name(draft.name),
            permissions=draft.permissions,
            models=read_models(draft.models),
            endpoints=read_endpoints(draft.endpoints),
            ip_allowlist=read_networks(draft.ip_allowlist),
            expires_at_ms=read_expiry(draft.expires_at_ms, self._clock.now_ms()),
        )
        limit_drafts = read_drafts(draft.limits)

        def write(minting: Minting, change: Change) -> IssuedKey:
            require(change.actor, Task.MODEL_REQUEST, place)
            project = projects.get_project(change.connection, actor.organization_id, draft.project_id, for_update=True)
            if project.archived_at_ms is not None:
                raise Refusal(
                    Code.CONFLICT,
                    f"The project {project.id} was archived.",
                    hint="Create the key in an active project.",
                    param="project_id",
                )
            allowed, wanted = under_policy(change, new, limit_drafts)
            issued = issue_key(
                change.connection,
                allowed,
                change.now_ms,
                self._entropy,
                self._pepper,
                secret_entropy=minting.entropy,
            )
            minting.note(change, issued)
            details = described(issued.key) | {"limits": insert_limits(change, wanted, issued.key.id, self._entropy)}
            change.record(Event.API_KEY_CREATED, issued.key.id, project_id=project.id, details=details)
            change.announce(issued.key.id)
            return issued

        return await self._issue_once(actor, once, place, write)

    async def update(self, actor: Actor, key_id: str, change: KeyChange, *, project_id: str | None = None) -> ApiKey:
        """Change what a key is called or may do; to let it do more takes who may call models themselves.

        Raises Refusal(PARAMETER_INVALID, CONFLICT if it is revoked or its project archived).
        """
        wanted = self._read_change(change)

        def write(key: ApiKey, writing: Change) -> tuple[ApiKey, dict[str, Any]]:
            refuse_archived(writing.connection, key)
            after = msgspec.structs.replace(key, **wanted)
            if widens(key, after):
                require(writing.actor, Task.MODEL_REQUEST, Place(key.project_id))
            # An earlier end brings a key nearer to any policy, however old it is.
            is_sooner = change.expires_at_ms is UNSET or ends_no_later(after.expires_at_ms, key.expires_at_ms)
            if not is_sooner:
                refuse_longer_child(after)
            policy = policies.find_policy(writing.connection, key.organization_id)
            require_within(policy, UNSET if is_sooner else after.expires_at_ms, change.models, key.created_at_ms)
            old, new = described(key), described(after)
            return after, {field: {"from": old[field], "to": new[field]} for field in wanted}

        return await self._alter(actor, key_id, project_id, Event.API_KEY_UPDATED, write)

    async def rotate(
        self,
        actor: Actor,
        key_id: str,
        overlap_ms: int,
        *,
        project_id: str | None = None,
        once: Once | None = None,
    ) -> IssuedKey:
        """Give a key a new secret; the same one again for a request that is repeated.

        The present one works for `overlap_ms` more milliseconds, none if that is 0, and no longer than it would have:
        one that was reported as leaked has ended for good. One older than that ends now, because at most two live at
        once. It takes who may call models themselves.

        Raises Refusal(PARAMETER_INVALID for an overlap beyond thirty days, CONFLICT if revoked or expired or its
        project archived).
        """
        if not 0 <= overlap_ms <= OVERLAP_MS_MAX:
            raise Refusal(
                Code.PARAMETER_INVALID,
                "The overlap is out of range.",
                hint="It may be from 0 seconds to 30 days (2592000 seconds).",
                param="overlap_seconds",
            )

        def write(minting: Minting, change: Change) -> IssuedKey:
            connection, now_ms = change.connection, change.now_ms
            key = rows.get_key(connection, actor.organization_id, key_id, project_id=project_id, for_update=True)
            require(change.actor, Task.MODEL_REQUEST, Place(key.project_id))
            refuse_revoked(key)
            refuse_archived(connection, key)
            if key.status(now_ms) is Status.EXPIRED:
                raise Refusal(Code.CONFLICT, f"The API key {key.id} has expired.", hint="Give it a later expiry first.")
            older = key.previous_secret(now_ms)
            if older is not None:
                rows.update_secret_end(connection, key.id, older.version, now_ms)
            ends_at_ms = now_ms + overlap_ms
            if key.current.ends_at_ms is None:
                rows.update_secret_end(connection, key.id, key.current.version, ends_at_ms)
            else:
                ends_at_ms = key.current.ends_at_ms
            issued = issue_secret(connection, key, actor.user_id, now_ms, minting.entropy, self._pepper)
            minting.note(change, issued)
            details = {"version": issued.key.current.version, "previous_secret_ends_at_ms": ends_at_ms}
            change.record(Event.API_KEY_ROTATED, key.id, project_id=key.project_id, details=details)
            change.announce(key.id)
            after = rows.get_key(connection, actor.organization_id, key_id)
            return IssuedKey(after, issued.value, ends_at_ms)

        return await self._issue_once(actor, once, _place_of(key_id, project_id), write)

    async def end_previous_secret(self, actor: Actor, key_id: str, *, project_id: str | None = None) -> ApiKey:
        """End a rotation's overlap now. Raises Refusal(CONFLICT) if no older secret works any more."""
        return await self._end_previous(actor, key_id, project_id, None)

    async def extend_previous_secret(
        self, actor: Actor, key_id: str, ends_at_ms: int, *, project_id: str | None = None
    ) -> ApiKey:
        """Let a rotation's overlap last until this moment, which may also be sooner than it was; later takes who may
        call models themselves.

        Raises Refusal(PARAMETER_INVALID) for a moment in the past or beyond thirty days, Refusal(CONFLICT) if
        no older secret works any more: what has ended does not come back.
        """
        return await self._end_previous(actor, key_id, project_id, ends_at_ms)

    async def disable(self, actor: Actor, key_id: str, *, project_id: str | None = None) -> ApiKey:
        """Refuse a key until it is enabled again. Raises Refusal(CONFLICT) if it is revoked."""

        def write(key: ApiKey, change: Change) -> tuple[ApiKey, dict[str, Any]]:
            if key.disabled_at_ms is None:
                return msgspec.structs.replace(key, disabled_at_ms=change.now_ms, disabled_by=actor.user_id), {}
            if key.disabled_by == key.owner_id != actor.user_id:
                # What its owner could undo they can undo no more.
                return msgspec.structs.replace(key, disabled_by=actor.user_id), {}
            return key, {"unchanged": True}

        return await self._alter(actor, key_id, project_id, Event.API_KEY_DISABLED, write)

    async def enable(self, actor: Actor, key_id: str, *, project_id: str | None = None) -> ApiKey:
        """Accept a disabled key again. What somebody else disabled, or a report of a leak, takes more than being
        the key's owner.

        Raises Refusal(CONFLICT) if it is revoked, its project archived, or if no secret of it has not ended.
        """

        def write(key: ApiKey, change: Change) -> tuple[ApiKey, dict[str, Any]]:
            refuse_archived(change.connection, key)
            if key.disabled_at_ms is None:
                return key, {"unchanged": True}
            if key.disabled_by != change.actor.user_id:
                require(change.actor, Task.API_KEYS, Place(key.project_id))
            refuse_without_secret(key, change.now_ms)
            return msgspec.structs.replace(key, disabled_at_ms=None, disabled_by=None), {}

        return await self._alter(actor, key_id, project_id, Event.API_KEY_ENABLED, write)

    async def revoke(self, actor: Actor, key_id: str, *, project_id: str | None = None) -> ApiKey:
        """Refuse a key for good. Revoking it again changes nothing."""
        return await self._alter(
            actor, key_id, project_id, Event.API_KEY_DELETED, revoked_by(actor), may_be_revoked=True
        )

    async def create_admin(self, actor: Actor, name: str, expires_at_ms: int | None) -> IssuedKey:
        """A new admin key, owned by the actor and never able to do more than they can.

        Raises Refusal(PARAMETER_INVALID).
        """
        await admit(self._database, actor, Task.ADMIN_KEYS)
        new = new_admin_key(actor.organization_id, actor.user_id, name, expires_at_ms, now_ms=self._clock.now_ms())

        def write(change: Change) -> IssuedKey:
            return issue_admin_key(change, new, self._entropy, self._pepper)

        return await act(self._database, actor, Task.ADMIN_KEYS, write, then=self._tell_issued)

    async def revoke_admin(self, actor: Actor, key_id: str) -> ApiKey:
        """Refuse an admin key for good; an admin key may revoke itself. Revoking it again changes nothing."""
        event, revoke = Event.ADMIN_API_KEY_DELETED, revoked_by(actor)
        return await self._alter(actor, key_id, None, event, revoke, may_be_revoked=True, task=Task.ADMIN_KEYS)

    async def _issue_once(
        self, actor: Actor, once: Once | None, where: Where, write: Callable[[Minting, Change], IssuedKey]
    ) -> IssuedKey:
        def issue(minting: Minting) -> Awaitable[IssuedKey]:
            return act(
                self._database, actor, Task.API_KEYS, partial(write, minting), where=where, then=self._tell_issued
            )

        def require_allowed(connection: Connection, now_ms: int) -> None:
            for task in (Task.API_KEYS, Task.MODEL_REQUEST):
                require_still(connection, actor, now_ms, task, where)

        return await issue_once(self._database, self._clock, self._entropy, self._pepper, once, issue, require_allowed)

    async def _alter(
        self,
        actor: Actor,
        key_id: str,
        project_id: str | None,
        event: Event,
        alter: Callable[[ApiKey, Change], tuple[ApiKey, dict[str, Any]]],
        *,
        may_be_revoked: bool = False,
        task: Task = Task.API_KEYS,
    ) -> ApiKey:
        """Replace a key's row by what `alter` makes of it, and record `event` with the details it gives."""
        kinds = rows.ADMIN_KINDS if task is Task.ADMIN_KEYS else rows.PROJECT_KINDS

        def write(change: Change) -> ApiKey:
            before = rows.get_key(
                change.connection, actor.organization_id, key_id, project_id=project_id, kinds=kinds, for_update=True
            )
            if not may_be_revoked:
                refuse_revoked(before)
            after, details = alter(before, change)
            rows.update_key(change.connection, after)
            change.record(event, after.id, project_id=after.project_id, details={"name": after.name} | details)
            change.announce(after.id)
            return after

        where: Where = ORGANIZATION if task is Task.ADMIN_KEYS else _place_of(key_id, project_id)
        return await act(self._database, actor, task, write, where=where, then=self._tell)

    async def _end_previous(self, actor: Actor, key_id: str, project_id: str | None, ends_at_ms: int | None) -> ApiKey:
        """Let the older secret end at this moment, now if it is None."""

        def write(change: Change) -> ApiKey:
            connection, now_ms = change.connection, change.now_ms
            key = rows.get_key(connection, actor.organization_id, key_id, project_id=project_id, for_update=True)
            refuse_revoked(key)
            previous = previous_secret_of(key, now_ms)
            if ends_at_ms is None:
                end_ms, event = now_ms, Event.API_KEY_SECRET_ENDED
            else:
                end_ms, event = read_end(ends_at_ms, now_ms), Event.API_KEY_UPDATED
            if not ends_no_later(end_ms, previous.ends_at_ms):
                require(change.actor, Task.MODEL_REQUEST, Place(key.project_id))
            rows.update_secret_end(connection, key.id, previous.version, end_ms)
            details = {"version": previous.version, "ends_at_ms": {"from": previous.ends_at_ms, "to": end_ms}}
            change.record(event, key.id, project_id=key.project_id, details=details)
            change.announce(key.id)
            return rows.get_key(connection, actor.organization_id, key_id)

        where = _place_of(key_id, project_id)
        return await act(self._database, actor, Task.API_KEYS, write, where=where, then=self._tell)

    def _read_change(self, change: KeyChange) -> dict[str, Any]:
        wanted: dict[str, Any] = {}
        if change.name is not UNSET:
            wanted["name"] = read_name(change.name)
        if change.permissions is not UNSET:
            wanted["permissions"] = change.permissions
        if change.models is not UNSET:
            wanted["models"] = read_models(change.models)
        if change.endpoints is not UNSET:
            wanted["endpoints"] = read_endpoints(change.endpoints)
        if change.ip_allowlist is not UNSET:
            wanted["ip_allowlist"] = read_networks(change.ip_allowlist)
        if change.expires_at_ms is not UNSET:
            wanted["expires_at_ms"] = read_expiry(change.expires_at_ms, self._clock.now_ms())
        return wanted

    def _tell(self, key: ApiKey) -> None:
        self._on_change(key.id)

    def _tell_issued(self, issued: IssuedKey) -> None:
        self._on_change(issued.key.id)


def _place_of(key_id: str, project_id: str | None) -> Callable[[Connection, Actor], Place]:
    """Where a key is and whose, which never changes: to be found once the transaction is open."""

    def find(connection: Connection, actor: Actor) -> Place:
        key = rows.get_key(connection, actor.organization_id, key_id, project_id=project_id)
        owner_id = key.owner_id if key.kind is Kind.USER else None
        return Place(key.project_id, owner_id, named=f"API key {key.id}")

    return find
