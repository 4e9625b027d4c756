"""The audit log's rows: appended, and chained, by the transaction that makes the change, never altered.

Every organization's entries are numbered from 1 without a gap, and each is bound to the one before it by a code
(`core/chain.py`). The head says where the chain ends; appending locks it, so that of those who change something at the
same time each finds the one before it.
"""

from collections.abc import Collection, Sequence
from enum import StrEnum
from typing import Final

import msgspec
from sqlalchemy import ColumnElement, Connection, insert, or_, select, update

from keyhouse.core.chain import BEGINNING, Head, entry_code, head_code
from keyhouse.store.schema import audit_events, audit_heads


class Event(StrEnum):
    """What happened, as `<subject>.<action>`; OpenAI's names where it has one. Alphabetical."""

    ADMIN_API_KEY_CREATED = "admin_api_key.created"
    ADMIN_API_KEY_DELETED = "admin_api_key.deleted"
    API_KEY_CREATED = "api_key.created"
    API_KEY_DELETED = "api_key.deleted"
    API_KEY_DISABLED = "api_key.disabled"
    API_KEY_ENABLED = "api_key.enabled"
    API_KEY_EXPIRING = "api_key.expiring"
    API_KEY_LEAKED = "api_key.leaked"
    API_KEY_ROTATED = "api_key.rotated"
    API_KEY_ROTATION_DUE = "api_key.rotation_due"
    API_KEY_SECRET_ENDED = "api_key.secret_ended"
    API_KEY_UPDATED = "api_key.updated"
    AUDIT_LOG_CHAINED = "audit_log.chained"
    GROUP_CREATED = "group.created"
    GROUP_DELETED = "group.deleted"
    GROUP_UPDATED = "group.updated"
    GROUP_USER_ADDED = "group.user.added"
    GROUP_USER_REMOVED = "group.user.removed"
    INVITE_ACCEPTED = "invite.accepted"
    INVITE_DELETED = "invite.deleted"
    INVITE_SENT = "invite.sent"
    LIMIT_DELETED = "limit.deleted"
    LIMIT_SET = "limit.set"
    LOGIN_FAILED = "login.failed"
    LOGIN_SUCCEEDED = "login.succeeded"
    LOGOUT_SUCCEEDED = "logout.succeeded"
    MASTER_KEY_ROTATED = "master_key.rotated"
    MODEL_CREATED = "model.created"
    MODEL_DELETED = "model.deleted"
    MODEL_PERMISSIONS_DELETED = "model_permissions.deleted"
    MODEL_PERMISSIONS_UPDATED = "model_permissions.updated"
    MODEL_UPDATED = "model.updated"
    ORGANIZATION_CREATED = "organization.created"
    ORGANIZATION_UPDATED = "organization.updated"
    PASSWORD_CHANGED = "password.changed"
    PASSWORD_RESET_LINK_MADE = "password.reset_link_made"
    POLICIES_UPDATED = "policies.updated"
    PRICE_CREATED = "price.created"
    PRICE_UPDATED = "price.updated"
    PROJECT_ARCHIVED = "project.archived"
    PROJECT_CREATED = "project.created"
    PROJECT_UPDATED = "project.updated"
    RATE_LIMIT_UPDATED = "rate_limit.updated"
    ROLE_ASSIGNMENT_CREATED = "role.assignment.created"
    ROLE_ASSIGNMENT_DELETED = "role.assignment.deleted"
    ROLE_CREATED = "role.created"
    ROLE_DELETED = "role.deleted"
    ROLE_UPDATED = "role.updated"
    SERVICE_ACCOUNT_CREATED = "service_account.created"
    SERVICE_ACCOUNT_DELETED = "service_account.deleted"
    SERVICE_ACCOUNT_UPDATED = "service_account.updated"
    SPEND_ALERT_CREATED = "spend_alert.created"
    SPEND_ALERT_CROSSED = "spend_alert.crossed"
    SPEND_ALERT_DELETED = "spend_alert.deleted"
    SPEND_ALERT_UPDATED = "spend_alert.updated"
    UPSTREAM_CREATED = "upstream.created"
    UPSTREAM_DELETED = "upstream.deleted"
    UPSTREAM_UPDATED = "upstream.updated"
    USER_ADDED = "user.added"
    USER_DELETED = "user.deleted"
    USER_UPDATED = "user.updated"


class Entry(msgspec.Struct, frozen=True):
    """One line of the audit log. `details` is JSON. Every field is part of what the entry's code is made of."""

    id: str
    organization_id: str
    at_ms: int
    event: str
    actor_type: str
    actor_id: str
    actor_user_id: str
    actor_email: str
    address: str
    project_id: str | None
    resource_id: str
    details: str


class ChainedEntry(Entry, frozen=True):
    """An entry with its place in the chain. An entry that was written before there were chains has none."""

    sequence: int | None = None
    code: bytes | None = None

    def expected_code(self, key: bytes, before: bytes) -> bytes:
        """What its code must be behind an entry with the code `before`."""
        return _code(key, before, self.sequence, self)


class EntrySelection(msgspec.Struct, frozen=True):
    """Which entries a list has; an empty filter lets everything pass. Times are milliseconds, `until_ms` is not in it.

    `actor_ids` are users, service accounts or keys.
    """

    from_ms: int = 0
    until_ms: int | None = None
    project_ids: tuple[str, ...] = ()
    events: tuple[str, ...] | None = None
    actor_ids: tuple[str, ...] = ()
    actor_emails: tuple[str, ...] = ()
    resource_ids: tuple[str, ...] = ()


_FIELDS: Final = Entry.__struct_fields__
_COLUMNS: Final = [audit_events.c[name] for name in ChainedEntry.__struct_fields__]


def insert_events(connection: Connection, key: bytes, entries: Sequence[Entry]) -> None:
    """Append entries of one organization. A chain begins with the organization, and with nothing else."""
    organization_id = entries[0].organization_id
    found = find_head(connection, organization_id, for_update=True)
    if found is None:
        if entries[0].event != Event.ORGANIZATION_CREATED:
            raise AssertionError(f"the head of the audit log of {organization_id} is missing")
        found = insert_head(connection, key, organization_id)
    head = found
    for entry in entries:
        head = Head(head.sequence + 1, _code(key, head.last_code, head.sequence + 1, entry))
        row = msgspec.structs.asdict(entry) | {"sequence": head.sequence, "code": head.last_code}
        connection.execute(insert(audit_events).values(row))
    update_head(connection, key, organization_id, head)


def insert_head(connection: Connection, key: bytes, organization_id: str) -> Head:
    """Begin an organization's chain."""
    head = Head(0, BEGINNING)
    code = head_code(key, organization_id, head)
    connection.execute(
        insert(audit_heads).values(organization_id=organization_id, sequence=0, last_code=BEGINNING, code=code)
    )
    return head


def update_head(connection: Connection, key: bytes, organization_id: str, head: Head) -> None:
    """Write where an organization's chain ends."""
    connection.execute(
        update(audit_heads)
        .where(audit_heads.c.organization_id == organization_id)
        .values(sequence=head.sequence, last_code=head.last_code, code=head_code(key, organization_id, head))
    )


def find_head(connection: Connection, organization_id: str, *, for_update: bool = False) -> Head | None:
    """Where an organization's chain ends."""
    statement = select(audit_heads.c.sequence, audit_heads.c.last_code).where(
        audit_heads.c.organization_id == organization_id
    )
    row = connection.execute(statement.with_for_update() if for_update else statement).one_or_none()
    return None if row is None else Head(*row)


def find_sequence(connection: Connection, organization_id: str, entry_id: str) -> int | None:
    """The number of an entry."""
    statement = select(audit_events.c.sequence).where(
        audit_events.c.organization_id == organization_id, audit_events.c.id == entry_id
    )
    return connection.execute(statement).scalar_one_or_none()


def list_events(
    connection: Connection,
    organization_id: str,
    selection: EntrySelection,
    limit: int,
    *,
    below: int | None = None,
    above: int | None = None,
) -> tuple[ChainedEntry, ...]:
    """At most `limit` entries, newest first: the newest with a number below `below`, or the oldest above `above`."""
    chosen = [audit_events.c.organization_id == organization_id, *_chosen(selection)]
    if below is not None:
        chosen.append(audit_events.c.sequence < below)
    if above is not None:
        chosen.append(audit_events.c.sequence > above)
    order = audit_events.c.sequence.desc() if above is None else audit_events.c.sequence.asc()
    rows = connection.execute(select(*_COLUMNS).where(*chosen).order_by(order).limit(limit))
    found = [ChainedEntry(*row) for row in rows]
    return tuple(found if above is None else reversed(found))


def list_chain(connection: Connection, organization_id: str, after: int, at_most: int) -> tuple[ChainedEntry, ...]:
    """The entries with a number above `after`, in their order."""
    rows = connection.execute(
        select(*_COLUMNS)
        .where(audit_events.c.organization_id == organization_id, audit_events.c.sequence > after)
        .order_by(audit_events.c.sequence)
        .limit(at_most)
    )
    return tuple(ChainedEntry(*row) for row in rows)


def list_unchained(connection: Connection, organization_id: str) -> tuple[ChainedEntry, ...]:
    """The entries without a number, oldest first."""
    rows = connection.execute(
        select(*_COLUMNS)
        .where(audit_events.c.organization_id == organization_id, audit_events.c.sequence.is_(None))
        .order_by(audit_events.c.at_ms, audit_events.c.id)
    )
    return tuple(ChainedEntry(*row) for row in rows)


def _code(key: bytes, before: bytes, sequence: int | None, entry: Entry) -> bytes:
    return entry_code(key, before, [sequence, *(getattr(entry, name) for name in _FIELDS)])


def _chosen(selection: EntrySelection) -> list[ColumnElement[bool]]:
    columns = audit_events.c
    chosen: list[ColumnElement[bool]] = [columns.at_ms >= selection.from_ms] if selection.from_ms else []
    if selection.until_ms is not None:
        chosen.append(columns.at_ms < selection.until_ms)
    if selection.events is not None:
        chosen.append(columns.event.in_(selection.events))
    if selection.actor_ids:
        chosen.append(or_(columns.actor_id.in_(selection.actor_ids), columns.actor_user_id.in_(selection.actor_ids)))
    wanted: dict[str, Collection[str]] = {
        "project_id": selection.project_ids,
        "actor_email": selection.actor_emails,
        "resource_id": selection.resource_ids,
    }
    return chosen + [columns[name].in_(values) for name, values in wanted.items() if values]
