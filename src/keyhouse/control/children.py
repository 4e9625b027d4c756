"""Child keys: made, listed and revoked by the key that they are carved out of.

A child may do no more than its parent, when it is made and whenever it is used; its calls count on its own limits and
on every limit of its parent, so that nothing a parent may spend is spent twice; and it is dead the moment its parent
is. The organization's policy holds for it as for every new key. Who asks is the parent itself, so every change reads it
again and holds it until the change is done.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from keyhouse.control.fields import read_models, read_name
from keyhouse.control.issuing import IssuedKey, NewKey, issue_key
from keyhouse.control.limits import insert_limits, read_drafts
from keyhouse.control.policies import under_policy
from keyhouse.core.children import CHILDREN_MAX, LIFE_SECONDS_MAX, ChildDraft, require_no_more, require_parent
from keyhouse.core.clock import Entropy
from keyhouse.core.errors import Code, Refusal
from keyhouse.core.key import ApiKey, Credential, Standing, dead_key, died_at_ms, why_dead
from keyhouse.store import keys as rows
from keyhouse.store import policies
from keyhouse.store.audit import Event
from keyhouse.store.engine import Actor, Change, Connection, Database


class Children:
    """The verbs on child keys, each asked by their parent's credential."""

    def __init__(self, database: Database, entropy: Entropy, pepper: bytes, on_change: Callable[[str], None]) -> None:
        self._database = database
        self._entropy = entropy
        self._pepper = pepper
        self._on_change = on_change

    async def mint(self, parent: Credential, draft: ChildDraft, address: str) -> IssuedKey:
        """A new child key. Raises Refusal(PARAMETER_INVALID, PERMISSION_MISSING, CONFLICT for too many)."""
        name, models = read_name(draft.name), read_models(draft.models)
        drafts = read_drafts(draft.limits)
        if not 1 <= draft.expires_in_seconds <= LIFE_SECONDS_MAX:
            raise Refusal(
                Code.PARAMETER_INVALID,
                f"The field expires_in_seconds is {draft.expires_in_seconds}.",
                hint=f"A child key lives from 1 second to a day ({LIFE_SECONDS_MAX}).",
                param="expires_in_seconds",
            )

        def write(change: Change) -> IssuedKey:
            connection, now_ms = change.connection, change.now_ms
            key = _living(change, parent)
            require_parent(key)
            require_no_more(key, msgspec.structs.replace(draft, models=models))
            if len(rows.list_children(connection, key.organization_id, key.id, now_ms)) >= CHILDREN_MAX:
                raise Refusal(
                    Code.CONFLICT,
                    f"The API key {key.id} has {CHILDREN_MAX} living child keys.",
                    hint="Revoke some of them, or let them expire.",
                )
            end_ms = now_ms + draft.expires_in_seconds * 1000
            new = NewKey(
                kind=key.kind,
                organization_id=key.organization_id,
                project_id=key.project_id,
                owner_id=key.owner_id,
                name=name,
                permissions=key.permissions if draft.permissions is None else draft.permissions,
                models=_inherited(change, key) if models is None else models,
                endpoints=key.endpoints,
                ip_allowlist=key.ip_allowlist,
                expires_at_ms=end_ms if key.expires_at_ms is None else min(end_ms, key.expires_at_ms),
                parent_id=key.id,
            )
            allowed, wanted = under_policy(change, new, drafts)
            issued = issue_key(connection, allowed, now_ms, self._entropy, self._pepper)
            made = insert_limits(change, wanted, issued.key.id, self._entropy)
            details = _described(issued.key) | {"limits": made}
            change.record(Event.API_KEY_CREATED, issued.key.id, project_id=key.project_id, details=details)
            change.announce(issued.key.id)
            return issued

        issued = await self._database.change(_actor(parent, address), write)
        self._on_change(issued.key.id)
        return issued

    async def list(self, parent: Credential, now_ms: int) -> tuple[ApiKey, ...]:
        """The parent's living child keys, newest first."""

        def ask(connection: Connection) -> tuple[ApiKey, ...]:
            return rows.list_children(connection, parent.organization_id, parent.key_id, now_ms)

        return await self._database.read(ask)

    async def revoke(self, parent: Credential, child_id: str, address: str) -> None:
        """Refuse a child key for good. Raises Refusal(NOT_FOUND) for a key that is not this parent's child."""

        def write(change: Change) -> None:
            _living(change, parent)
            child = rows.find_key(change.connection, parent.organization_id, child_id, for_update=True)
            if child is None or child.parent_id != parent.key_id or child.revoked_at_ms is not None:
                raise Refusal(
                    Code.NOT_FOUND,
                    f"This key has no living child key {child_id}.",
                    hint="GET /v1/keys/children lists them with their ids.",
                )
            gone = msgspec.structs.replace(child, revoked_at_ms=change.now_ms, revoked_by=parent.owner_id)
            rows.update_key(change.connection, gone)
            details = {"name": child.name, "parent_id": parent.key_id}
            change.record(Event.API_KEY_DELETED, child.id, project_id=child.project_id, details=details)
            change.announce(child.id)

        await self._database.change(_actor(parent, address), write)
        self._on_change(child_id)


def _actor(parent: Credential, address: str) -> Actor:
    return Actor("api_key", parent.organization_id, parent.owner_id, "", "", key_id=parent.key_id, address=address)


def _living(change: Change, parent: Credential) -> ApiKey:
    """The parent as it stands in the books, held until the change is done; raises Refusal if it is dead."""
    key = rows.get_key(change.connection, parent.organization_id, parent.key_id, for_share=True)
    standing = Standing(
        secret_ends_at_ms=parent.standing.secret_ends_at_ms,
        expires_at_ms=key.expires_at_ms,
        disabled_at_ms=key.disabled_at_ms,
        revoked_at_ms=key.revoked_at_ms,
    )
    dead = why_dead(standing, change.now_ms)
    if dead is not None:
        raise dead_key(dead, parent.redacted, died_at_ms(standing, dead))
    return key


def _inherited(change: Change, parent: ApiKey) -> tuple[str, ...] | None:
    """The parent's models, of which those are left out that the policy does not allow any more.

    If none is left they stay as they are, for the policy to refuse.
    """
    allowed = policies.find_policy(change.connection, parent.organization_id).models
    if parent.models is None or allowed is None:
        return parent.models
    return tuple(model for model in parent.models if model in allowed) or parent.models


def _described(child: ApiKey) -> dict[str, Any]:
    return {
        "name": child.name,
        "parent_id": child.parent_id,
        "permissions": child.permissions.to_json(),
        "models": child.models,
        "expires_at_ms": child.expires_at_ms,
    }
