"""Keys about which something has to be told, and what was told already: each thing once."""

from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, Connection, and_, func, literal, or_, select
from sqlalchemy.dialects import postgresql, sqlite

from keyhouse.core.policy import DAY_MS, Policy
from keyhouse.store.audit import Event
from keyhouse.store.keys import PROJECT_KINDS
from keyhouse.store.schema import key_notices, key_secrets, keys

NOTICES_MAX: Final = 500
"""How many are told in one round."""


class Notice(msgspec.Struct, frozen=True):
    """Something to tell of a key. `mark` is what makes it another thing: the key's end, or its secret's version."""

    organization_id: str
    project_id: str | None
    key_id: str
    name: str
    event: Event
    mark: int


def list_expiring(connection: Connection, now_ms: int, until_ms: int) -> list[Notice]:
    """Living keys that end until then and of whose end nothing was told, the soonest first."""
    told = _told(Event.API_KEY_EXPIRING, keys.c.expires_at_ms)
    statement = (
        select(keys.c.organization_id, keys.c.project_id, keys.c.id, keys.c.name, keys.c.expires_at_ms)
        .where(
            keys.c.expires_at_ms > now_ms,
            keys.c.expires_at_ms <= until_ms,
            # Who asks for a key of an hour needs no warning at once that it ends soon.
            keys.c.created_at_ms <= now_ms - DAY_MS,
            keys.c.revoked_at_ms.is_(None),
            ~told,
        )
        .order_by(keys.c.expires_at_ms, keys.c.id)
        .limit(NOTICES_MAX)
    )
    return [Notice(*row[:4], Event.API_KEY_EXPIRING, row[4]) for row in connection.execute(statement)]


def list_rotation_due(connection: Connection, policies: dict[str, Policy], now_ms: int) -> list[Notice]:
    """Living keys whose newest secret is older than their organization's policy wants, and not told of yet."""
    due = [
        and_(keys.c.organization_id == organization_id, key_secrets.c.created_at_ms <= now_ms - days * DAY_MS)
        for organization_id, policy in policies.items()
        if (days := policy.rotation_days) is not None
    ]
    if not due:
        return []
    newest = (
        select(func.max(key_secrets.c.version)).where(key_secrets.c.key_id == keys.c.id).correlate(keys)
    ).scalar_subquery()
    statement = (
        select(keys.c.organization_id, keys.c.project_id, keys.c.id, keys.c.name, key_secrets.c.version)
        .join(key_secrets, and_(key_secrets.c.key_id == keys.c.id, key_secrets.c.version == newest))
        .where(
            keys.c.revoked_at_ms.is_(None),
            keys.c.kind.in_(PROJECT_KINDS),
            or_(keys.c.expires_at_ms.is_(None), keys.c.expires_at_ms > now_ms),
            or_(*due),
            ~_told(Event.API_KEY_ROTATION_DUE, key_secrets.c.version),
        )
        .order_by(key_secrets.c.created_at_ms, keys.c.id)
        .limit(NOTICES_MAX)
    )
    return [Notice(*row[:4], Event.API_KEY_ROTATION_DUE, row[4]) for row in connection.execute(statement)]


def insert_notice(connection: Connection, notice: Notice) -> bool:
    """Note that this is told; False if it was told before, by whichever gateway."""
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    row = {"key_id": notice.key_id, "event": str(notice.event), "mark": notice.mark}
    return connection.execute(insert(key_notices).values(row).on_conflict_do_nothing()).rowcount == 1


def _told(event: Event, mark: ColumnElement[Any]) -> ColumnElement[bool]:
    return (
        select(literal(1))
        .where(key_notices.c.key_id == keys.c.id, key_notices.c.event == str(event), key_notices.c.mark == mark)
        .correlate(keys, key_secrets)
        .exists()
    )
