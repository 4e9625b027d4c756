"""What a key's present state allows, and how the audit log tells it."""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from keyhouse.core.children import LIFE_SECONDS_MAX
from keyhouse.core.errors import Code, Refusal
from keyhouse.core.key import ApiKey, SecretVersion
from keyhouse.store import projects
from keyhouse.store.engine import Actor, Change, Connection

OVERLAP_MS_MAX: Final = 30 * 24 * 3_600_000
"""The longest a rotated secret may go on: thirty days."""


def described(key: ApiKey) -> dict[str, Any]:
    """A key as the audit log tells it: nothing of its secrets."""
    return {
        "name": key.name,
        "permissions": key.permissions.to_json(),
        "models": key.models,
        "endpoints": key.endpoints,
        "ip_allowlist": key.ip_allowlist,
        "expires_at_ms": key.expires_at_ms,
    }


def revoked_by(actor: Actor) -> Callable[[ApiKey, Change], tuple[ApiKey, dict[str, Any]]]:
    """How `actor` revokes a key; one that was revoked stays as it is."""

    def revoke(key: ApiKey, change: Change) -> tuple[ApiKey, dict[str, Any]]:
        if key.revoked_at_ms is not None:
            return key, {"unchanged": True}
        return msgspec.structs.replace(key, revoked_at_ms=change.now_ms, revoked_by=actor.user_id), {}

    return revoke


def refuse_revoked(key: ApiKey) -> None:
    """Raise Refusal(CONFLICT) for a revoked key."""
    if key.revoked_at_ms is not None:
        raise Refusal(
            Code.CONFLICT, f"The API key {key.id} was revoked.", hint="Revoking is final; create a new key instead."
        )


def refuse_archived(connection: Connection, key: ApiKey) -> None:
    """Raise Refusal(CONFLICT) for a key of an archived project: it can be ended, and is otherwise as it is."""
    if key.project_id is not None:
        project = projects.get_project(connection, key.organization_id, key.project_id)
        if project.archived_at_ms is not None:
            raise Refusal(
                Code.CONFLICT,
                f"The project {project.id} of the API key {key.id} was archived.",
                hint="Archiving is final; create a new key in an active project.",
            )


def refuse_without_secret(key: ApiKey, now_ms: int) -> None:
    """Raise Refusal(CONFLICT) for a key whose secrets have all ended, as after a report of a leak."""
    if not any(key.has_living(secret.version, now_ms) for secret in key.secrets):
        raise Refusal(
            Code.CONFLICT,
            f"The API key {key.id} has no secret that works: its last one was reported as leaked.",
            hint="Rotate the key first, then enable it.",
        )


def refuse_longer_child(key: ApiKey) -> None:
    """Raise Refusal(PARAMETER_INVALID) for a child key that lives longer than a day."""
    latest_ms = key.created_at_ms + LIFE_SECONDS_MAX * 1000
    if key.parent_id is not None and (key.expires_at_ms is None or key.expires_at_ms > latest_ms):
        raise Refusal(
            Code.PARAMETER_INVALID,
            "A child key lives a day at most.",
            hint="Choose an end within a day of its creation, or have its parent make another one.",
            param="expires_at",
        )


def previous_secret_of(key: ApiKey, now_ms: int) -> SecretVersion:
    """The older secret that still works; raises Refusal(CONFLICT) if there is none."""
    previous = key.previous_secret(now_ms)
    if previous is None:
        raise Refusal(
            Code.CONFLICT,
            f"No older secret of the API key {key.id} works any more.",
            hint="What has ended does not come back; rotate the key to begin a new overlap.",
        )
    return previous


def read_end(ends_at_ms: int, now_ms: int) -> int:
    """When an older secret ends: in the future, and within thirty days. Raises Refusal(PARAMETER_INVALID)."""
    if not now_ms < ends_at_ms <= now_ms + OVERLAP_MS_MAX:
        raise Refusal(
            Code.PARAMETER_INVALID,
            "The older secret's end is out of range.",
            hint="Choose a moment in the future, at most 30 days from now.",
            param="expires_at",
        )
    return ends_at_ms
