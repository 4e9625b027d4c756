"""Objects as the API shows them: OpenAI's fields first, Keyhouse's after them. Pure.

Times are Unix seconds, amounts exact decimal text. No function here can see a secret's value: it is added by
the two routes that show it once.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from keyhouse.core.errors import Code, Refusal
from keyhouse.core.key import ApiKey, SecretVersion
from keyhouse.core.limit import LimitState, format_amount
from keyhouse.core.policy import violations
from keyhouse.core.secret import Kind, redacted
from keyhouse.reporting.listings import OwnedKey
from keyhouse.store.callers import Caller
from keyhouse.store.people import Member
from keyhouse.store.projects import Project
from keyhouse.store.service_accounts import ServiceAccount

T = TypeVar("T")

Json = dict[str, Any]
"""An object of the API."""

NAMELESS: Final = "Unknown"

ID_SEPARATOR: Final = re.compile("[_-]")
"""What is in every id, between its kind and what tells it from others of that kind."""


def seconds(at_ms: int | None) -> int | None:
    """A time in Unix seconds, rounded down."""
    return None if at_ms is None else at_ms // 1000


def page(data: Sequence[Json], *, has_more: bool) -> Json:
    """A page of a list. Clients go on behind `last_id`, so it is the last object's, or null."""
    return {
        "object": "list",
        "data": list(data),
        "first_id": data[0]["id"] if data else None,
        "last_id": data[-1]["id"] if data else None,
        "has_more": has_more,
    }


def page_behind(rows: Sequence[T], id_of: Callable[[T], str], after: str | None, limit: int) -> tuple[list[T], bool]:
    """At most `limit` of the rows behind the one with the id `after`, and whether more follow.

    That one may be gone, and be in `rows` for its place alone: a page begins behind it.
    Raises Refusal(PARAMETER_INVALID) for an id that is not there.
    """
    start = _start(rows, id_of, after)
    chosen = list(rows[start : start + limit])
    return chosen, limit > 0 and start + limit < len(rows)


def page_around(
    rows: Sequence[T], id_of: Callable[[T], str], after: str | None, before: str | None, limit: int
) -> tuple[list[T], bool]:
    """The same, or the last `limit` rows ahead of the one with the id `before`, and whether more are ahead of those."""
    if before is None:
        return page_behind(rows, id_of, after, limit)
    start, end = _start(rows, id_of, after), _place(rows, id_of, before, "before")
    ahead = rows[start : max(start, 0 if end is None else end)]
    return list(ahead[-limit:] if limit else []), limit > 0 and len(ahead) > limit


def unknown_mark(mark: str, param: str) -> Refusal:
    """A list cannot go on at what is not there: an empty page would say that it has ended."""
    return Refusal(
        Code.PARAMETER_INVALID,
        f"This list has nothing with the id {mark[:100]!r} to go on at: it is gone, or never was.",
        hint="Ask for the list from its beginning.",
        param=param,
    )


def _start(rows: Sequence[T], id_of: Callable[[T], str], after: str | None) -> int:
    """Where the page behind `after` begins."""
    if after is None:
        return 0
    place = _place(rows, id_of, after, "after")
    return len(rows) if place is None else place + 1


def _place(rows: Sequence[T], id_of: Callable[[T], str], mark: str, param: str) -> int | None:
    """Where the row with this id is. None for what cannot be an id: around it is nothing, as OpenAI's own tests of its
    clients expect.
    """
    ids = [id_of(row) for row in rows]
    if mark in ids:
        return ids.index(mark)
    if ids and ID_SEPARATOR.search(mark):
        raise unknown_mark(mark, param)
    return None


def deleted(kind: str, object_id: str) -> Json:
    """The answer to a delete."""
    return {"object": f"{kind}.deleted", "id": object_id, "deleted": True}


def project(found: Project) -> Json:
    """A project."""
    return {
        "object": "organization.project",
        "id": found.id,
        "name": found.name,
        "created_at": seconds(found.created_at_ms),
        "archived_at": seconds(found.archived_at_ms),
        "status": "active" if found.archived_at_ms is None else "archived",
        "external_key_id": found.external_key_id,
        "is_default": found.is_default,
    }


def project_key(owned: OwnedKey, now_ms: int) -> Json:
    """An API key of a project."""
    key = owned.key
    return {
        "object": "organization.project.api_key",
        "id": key.id,
        "name": key.name,
        "redacted_value": _redacted(key, key.current),
        "created_at": seconds(key.created_at_ms),
        "last_used_at": seconds(key.last_used_at_ms),
        "expires_at": seconds(key.expires_at_ms),
        "owner": _owner(owned),
        "owner_project_access": "active" if owned.is_owner_active else "inactive",
        "project_id": key.project_id,
        "parent_id": key.parent_id,
        "status": str(key.status(now_ms)),
        "permissions": key.permissions.to_json(),
        "models": None if key.models is None else list(key.models),
        "endpoints": None if key.endpoints is None else list(key.endpoints),
        "ip_allowlist": list(key.ip_allowlist),
        "disabled_at": seconds(key.disabled_at_ms),
        "revoked_at": seconds(key.revoked_at_ms),
        "created_by": key.created_by,
        "limits": [limit(state) for state in owned.limits],
        "policy_violations": list(violations(key, owned.policy, now_ms)),
        "secrets": [_version(key, secret) for secret in key.secrets],
    }


def secret(key: ApiKey, version: SecretVersion, callers: Sequence[Caller]) -> Json:
    """A secret of a key, with who called with it."""
    return {
        "object": "organization.project.api_key.secret",
        **_version(key, version),
        "requests": sum(caller.requests for caller in callers),
        "last_used_at": seconds(max((caller.last_seen_at_ms for caller in callers), default=None)),
        "callers": [
            {
                "address": caller.address,
                "user_agent": caller.agent,
                "endpoint": caller.endpoint,
                "requests": caller.requests,
                "first_seen_at": seconds(caller.first_seen_at_ms),
                "last_seen_at": seconds(caller.last_seen_at_ms),
            }
            for caller in callers
        ],
    }


def admin_key(owned: OwnedKey) -> Json:
    """An admin key."""
    key, owner = owned.key, owned.owner
    return {
        "object": "organization.admin_api_key",
        "id": key.id,
        "name": key.name,
        "redacted_value": _redacted(key, key.current),
        "created_at": seconds(key.created_at_ms),
        "last_used_at": seconds(key.last_used_at_ms),
        "expires_at": seconds(key.expires_at_ms),
        "owner": {
            "type": "user",
            "object": "organization.user",
            "id": key.owner_id,
            "name": _name(owner),
            "created_at": _joined(key, owner),
            "role": owner.role if owner else "",
        },
    }


def limit(state: LimitState) -> Json:
    """A limit, as it stands in its present period."""
    found = state.limit
    return {
        "object": "organization.limit",
        "id": found.id,
        "scope": {"type": str(found.scope_type), "id": found.scope_id},
        "unit": str(found.unit),
        "window": str(found.window),
        "amount": format_amount(found.unit, found.amount),
        "model": found.model,
        "refuse_when_short": found.refuse_when_short,
        "used": format_amount(found.unit, state.used),
        "reserved": format_amount(found.unit, state.reserved),
        "left": format_amount(found.unit, state.left),
        "resets_at": seconds(state.resets_at_ms),
        "created_at": seconds(found.created_at_ms),
    }


def service_account(found: ServiceAccount) -> Json:
    """A service account."""
    return {
        "object": "organization.project.service_account",
        "id": found.id,
        "name": found.name,
        "role": found.role,
        "created_at": seconds(found.created_at_ms),
        "project_id": found.project_id,
    }


def _owner(owned: OwnedKey) -> Json:
    key, account = owned.key, owned.account
    if key.kind is Kind.SERVICE_ACCOUNT:
        machine = {
            "id": key.owner_id,
            "name": account.name if account else NAMELESS,
            "created_at": seconds(account.created_at_ms if account else key.created_at_ms),
            "role": account.role if account else "none",
        }
        return {"type": "service_account", "service_account": machine}
    member = owned.owner
    person = {
        "id": key.owner_id,
        "name": _name(member),
        "created_at": _joined(key, member),
        "email": member.email if member else "",
        "role": member.role if member else "",
    }
    return {"type": "user", "user": person}


def _name(owner: Member | None) -> str:
    return (owner.name or owner.email) if owner else NAMELESS


def _joined(key: ApiKey, owner: Member | None) -> int | None:
    return seconds(owner.added_at_ms if owner else key.created_at_ms)


def secret_end_ms(key: ApiKey, ends_at_ms: int | None) -> int | None:
    """When a secret that is to end then does: no later than its key."""
    return ends_at_ms if ends_at_ms is None or key.expires_at_ms is None else min(ends_at_ms, key.expires_at_ms)


def _version(key: ApiKey, version: SecretVersion) -> Json:
    return {
        "version": version.version,
        "redacted_value": _redacted(key, version),
        "created_at": seconds(version.created_at_ms),
        "expires_at": seconds(secret_end_ms(key, version.ends_at_ms)),
    }


def _redacted(key: ApiKey, secret: SecretVersion) -> str:
    return redacted(key.kind, key.id, secret.last_four)
