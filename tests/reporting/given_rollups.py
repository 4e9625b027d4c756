"""Rows of the usage rollups, as the ledger writes them."""

from typing import Any

from sqlalchemy import Connection, insert

from given import NOON
from keyhouse.store import fold_parts, schema
from keyhouse.store.fold_parts import Begun
from keyhouse.store.folding import Fold
from keyhouse.store.spans import Bounds


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


def fold_at_once(connection: Connection, fold: Fold, bounds: Bounds, now_ms: int = NOON) -> None:
    """An hour or a day of the first organization, folded in one transaction."""
    begun = Begun("org-1", fold, bounds, now_ms)
    assert fold_parts.begin(connection, begun)
    while fold_parts.has_rows(connection, begun):
        assert fold_parts.clear(connection, begun)
    for part in fold_parts.list_parts(connection, begun):
        assert fold_parts.write_rows(connection, begun, part, fold_parts.read_part(connection, begun, part))
    assert fold_parts.finish(connection, begun)
