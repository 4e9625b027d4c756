"""Rows of the usage rollups, as the ledger writes them."""

from typing import Any

from sqlalchemy import Connection, insert

from given import NOON
from keyhouse.store import schema


def a_slot(connection: Connection, starts_at_ms: int = NOON, *, table: Any = schema.usage_hour, **sums: Any) -> None:
    """One row of a rollup: a request of `key_1` to `tiny-1`, unless told otherwise."""
    usual = {
        "organization_id": "org-1",
        "project_id": "proj_1",
        "owner_id": "user-1",
        "key_id": "key_1",
        "model": "tiny-1",
        "upstream": "local",
        "endpoint": "/v1/chat/completions",
        "requests": 1,
    }
    connection.execute(insert(table).values(usual | {"starts_at_ms": starts_at_ms} | sums))
