"""Rows of calls as the ledger leaves them, for tests of those who read them."""

from typing import Any

from sqlalchemy import Connection, insert

from given import NOON
from keyhouse.core.identifiers import call_id
from keyhouse.store import schema


def id_at(at_ms: int, place: int = 0) -> str:
    """The id of a call that began then; `place` orders those of the same millisecond."""
    return call_id(at_ms, place.to_bytes(10))


def a_row(at_ms: int = NOON, place: int = 0, **columns: Any) -> dict[str, Any]:
    """A call of `key_1` that was settled by its upstream's report, unless its columns say otherwise."""
    return {
        "id": id_at(at_ms, place),
        "request_id": "req_1",
        "attempt": 1,
        "organization_id": "org-1",
        "project_id": "proj_1",
        "owner_id": "user-1",
        "key_id": "key_1",
        "secret_version": 1,
        "instance_id": 7,
        "model": "tiny-1",
        "upstream": "local",
        "endpoint": "/v1/chat/completions",
        "address": "192.0.2.7",
        "agent": "OpenAI/Python 2.1.0",
        "price_id": 1,
        "created_at_ms": at_ms,
        "rollup_at_ms": at_ms - at_ms % 3_600_000,
        "period_ids": "[]",
        "reserved_nano_usd": 5_000_000,
        "reserved_tokens": 1_500,
        "reserved_tokens_estimate": 600,
        "output_tokens_max": 512,
        "state": "settled",
        "basis": "upstream",
        "charged_nano_usd": 1_350_000,
        "input_tokens": 1_000,
        "cached_input_tokens": 300,
        "output_tokens": 250,
        "status": 200,
        "first_byte_ms": 120,
        "duration_ms": 900,
        "closed_at_ms": at_ms + 900,
    } | columns


def a_call(connection: Connection, at_ms: int = NOON, place: int = 0, **columns: Any) -> str:
    """The same in the books; its id."""
    row = a_row(at_ms, place, **columns)
    connection.execute(insert(schema.calls).values(row))
    return str(row["id"])


def a_period(connection: Connection, limit_id: str, period: str, **columns: Any) -> int:
    """A period of a limit; its number."""
    row: dict[str, Any] = {"limit_id": limit_id, "period": period, "starts_at_ms": NOON - 1_000} | columns
    statement = insert(schema.limit_periods).values(row).returning(schema.limit_periods.c.id)
    return int(connection.execute(statement).scalar_one())
