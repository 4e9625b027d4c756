"""`POST /v1/keys/verify`: a key, what it may do and what is left of its limits, for people's own APIs.

The answer is 200 whether or not the key will do; what it costs is one call in the books, reserved and charged as
every call is, so that limits are exact. A refused verification consumes nothing. Only an admin key, or a key with the
permission `keys: write`, may ask, and only about keys of its own organization: every other key is not found.
"""

from typing import Any, Final

import msgspec

from keyhouse.core.call import Opening, scopes_of
from keyhouse.core.errors import Code, Refusal
from keyhouse.core.key import ApiKey, Credential, dead_key, died_at_ms, why_dead
from keyhouse.core.limit import LimitState, ScopeType, format_amount
from keyhouse.core.permissions import Access, Resource
from keyhouse.core.secret import Kind
from keyhouse.gateway.authenticate import require_address, require_model, require_permission
from keyhouse.gateway.house import House, identify, opening_of
from keyhouse.gateway.request import Request
from keyhouse.store.engine import Connection
from keyhouse.store.keys import find_key
from keyhouse.store.limits import list_states
from keyhouse.wire.verification import Verification, read_verification

PATH: Final = "/v1/keys/verify"
UPSTREAM: Final = "none"
MODEL: Final = "keyhouse-verify"
"""What stands in the books for a verification that names no model."""

CODES: Final = {
    Code.ADDRESS_NOT_ALLOWED: "FORBIDDEN",
    Code.KEY_ACCESS_LOST: "FORBIDDEN",
    Code.KEY_DISABLED: "DISABLED",
    Code.KEY_EXPIRED: "EXPIRED",
    Code.KEY_OWNER_GONE: "FORBIDDEN",
    Code.KEY_REVOKED: "REVOKED",
    Code.KEY_ROTATED: "ROTATED",
    Code.KEY_UNKNOWN: "NOT_FOUND",
    Code.LIMIT_QUOTA: "USAGE_EXCEEDED",
    Code.LIMIT_RATE: "RATE_LIMITED",
    Code.LIMIT_RATE_TOO_LARGE: "RATE_LIMITED",
    Code.MODEL_NOT_ALLOWED: "FORBIDDEN",
    Code.PERMISSION_MISSING: "INSUFFICIENT_PERMISSIONS",
    Code.PROJECT_ARCHIVED: "FORBIDDEN",
}
"""What a refusal is called here. Every other one is about the question, or about Keyhouse, and is an error."""


async def verify(request: Request, house: House) -> None:
    """Answer whether the key in the body will do, and charge it what that costs."""
    asker = await identify(request, house, anew=True, admits_admins=True)
    if asker.kind is not Kind.ADMIN:
        require_permission(asker, Resource.KEYS, Access.WRITE)
    asked = read_verification(await request.body(house.body_bytes_max, house.body_seconds_max))
    found = await house.authenticator.recognize(asked.key)
    if found is None or found.organization_id != asker.organization_id:
        await request.answer_json(_told(dead_key(Code.KEY_UNKNOWN, "in the body"), None, (), None))
        return
    model, address = asked.model or MODEL, asked.ip or ""
    opening = opening_of(request, found, house, model=model, upstream=UPSTREAM, price_id=None, address=address)
    refused: Refusal | None = None
    try:
        _require(found, asked, house.clock.now_ms())
        if asked.is_consuming:
            # What is refused is an answer here, and no 429; and its model is whatever the question says.
            async with house.ledger.hold(opening, asked.need(), counts_refused=False) as hold:
                hold.settle_stated(status=200)
    except Refusal as refusal:
        if refusal.code not in CODES:
            raise
        refused = refusal
    if refused is not None or not asked.is_consuming:
        request.call_id = None  # there is no such call in the books
    key, limits = await _surroundings(house, opening)
    await request.answer_json(_told(refused, key, limits, request.call_id))


def _require(found: Credential, asked: Verification, now_ms: int) -> None:
    """Raise Refusal unless the key is alive and may do all that was asked."""
    dead = why_dead(found.standing, now_ms)
    if dead is not None:
        raise dead_key(dead, found.redacted, died_at_ms(found.standing, dead))
    require_address(found, asked.ip or "")
    for resource, access in asked.grants:
        require_permission(found, resource, access)
    if asked.model is not None:
        require_model(found, asked.model)


async def _surroundings(house: House, opening: Opening) -> tuple[ApiKey | None, tuple[LimitState, ...]]:
    """The key as it stands in the books, and every limit on its way."""
    scopes = [(ScopeType(kind), scope_id) for kind, scope_id in scopes_of(opening)]
    organization_id, now_ms = opening.organization_id, house.clock.now_ms()

    def ask(connection: Connection) -> tuple[ApiKey | None, tuple[LimitState, ...]]:
        states = list_states(connection, organization_id, opening.time_zone, now_ms, scopes=scopes)
        return find_key(connection, organization_id, opening.key_id), states

    return await house.database.read(ask)


def _told(refusal: Refusal | None, key: ApiKey | None, limits: tuple[LimitState, ...], call: str | None) -> bytes:
    answer: dict[str, Any] = {
        "object": "key.verification",
        "valid": refusal is None,
        "code": "VALID" if refusal is None else CODES[refusal.code],
        "reason": None if refusal is None else str(refusal.code),
        "message": None if refusal is None else refusal.text,
        "call_id": call,
        "key": None if key is None else _shown(key),
        "limits": [_limit(state) for state in limits],
        "retry_after_ms": None if refusal is None else refusal.retry_after_ms,
    }
    if refusal is not None and refusal.facts:
        answer["details"] = dict(refusal.facts)
    return msgspec.json.encode(answer)


def _shown(key: ApiKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "owner": {"type": str(key.kind), "id": key.owner_id},
        "project_id": key.project_id,
        "parent_id": key.parent_id,
        "permissions": key.permissions.to_json(),
        "models": None if key.models is None else list(key.models),
        "expires_at": None if key.expires_at_ms is None else key.expires_at_ms // 1000,
    }


def _limit(state: LimitState) -> dict[str, Any]:
    limit = state.limit
    return {
        "id": limit.id,
        "scope": {"type": str(limit.scope_type), "id": limit.scope_id},
        "unit": str(limit.unit),
        "window": str(limit.window),
        "model": limit.model,
        "amount": format_amount(limit.unit, limit.amount),
        "left": format_amount(limit.unit, state.left),
        "resets_at": None if state.resets_at_ms is None else state.resets_at_ms // 1000,
    }
