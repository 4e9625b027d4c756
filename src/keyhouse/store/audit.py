"""The audit log's rows: appended by the transaction that makes the change, never altered."""

from enum import StrEnum

import msgspec
from sqlalchemy import Connection, insert

from keyhouse.store.schema import audit_events


class Event(StrEnum):
    """What happened, as `<subject>.<action>`; OpenAI's names where it has one. Alphabetical."""

    ADMIN_API_KEY_CREATED = "admin_api_key.created"
    ADMIN_API_KEY_DELETED = "admin_api_key.deleted"
    API_KEY_CREATED = "api_key.created"
    API_KEY_DELETED = "api_key.deleted"
    API_KEY_DISABLED = "api_key.disabled"
    API_KEY_ENABLED = "api_key.enabled"
    API_KEY_ROTATED = "api_key.rotated"
    API_KEY_SECRET_ENDED = "api_key.secret_ended"
    API_KEY_UPDATED = "api_key.updated"
    LIMIT_DELETED = "limit.deleted"
    LIMIT_SET = "limit.set"
    LOGIN_FAILED = "login.failed"
    LOGIN_SUCCEEDED = "login.succeeded"
    LOGOUT_SUCCEEDED = "logout.succeeded"
    ORGANIZATION_CREATED = "organization.created"
    PROJECT_ARCHIVED = "project.archived"
    PROJECT_CREATED = "project.created"
    PROJECT_UPDATED = "project.updated"
    SERVICE_ACCOUNT_CREATED = "service_account.created"
    SERVICE_ACCOUNT_DELETED = "service_account.deleted"
    SERVICE_ACCOUNT_UPDATED = "service_account.updated"


class Entry(msgspec.Struct, frozen=True):
    """One line of the audit log."""

    id: str
    organization_id: str
    at_ms: int
    event: Event
    actor_type: str
    actor_id: str
    actor_email: str
    address: str
    project_id: str | None
    resource_id: str
    details: object


def insert_event(connection: Connection, entry: Entry) -> None:
    """Append one entry."""
    row = msgspec.structs.asdict(entry) | {"details": msgspec.json.encode(entry.details).decode()}
    connection.execute(insert(audit_events).values(row))
