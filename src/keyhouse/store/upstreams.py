"""Upstreams that administrators added. A credential comes in sealed and goes out sealed: nothing here can read it."""

from typing import Any, Final

import msgspec
from sqlalchemy import Connection, RowMapping, delete, insert, select, update

from keyhouse.core.errors import Code, Refusal
from keyhouse.core.sealing import Sealed
from keyhouse.core.written import WrittenUpstream
from keyhouse.store.schema import upstreams

_DECODE: Final = msgspec.json.Decoder(WrittenUpstream).decode


class StoredUpstream(msgspec.Struct, frozen=True):
    """An upstream as it was written, and its credential if it has one."""

    id: str
    organization_id: str
    written: WrittenUpstream
    credential: Sealed | None
    created_at_ms: int
    created_by: str


def insert_upstream(connection: Connection, upstream: StoredUpstream) -> None:
    """Add an upstream."""
    connection.execute(insert(upstreams).values(_row(upstream)))


def update_upstream(connection: Connection, upstream: StoredUpstream) -> None:
    """Write an upstream."""
    connection.execute(update(upstreams).where(upstreams.c.id == upstream.id).values(_row(upstream)))


def delete_upstream(connection: Connection, upstream_id: str) -> None:
    """Delete an upstream. Calls keep its name."""
    connection.execute(delete(upstreams).where(upstreams.c.id == upstream_id))


def get_upstream(
    connection: Connection, organization_id: str, upstream_id: str, *, for_update: bool = False
) -> StoredUpstream:
    """The organization's upstream with this id; raises Refusal(NOT_FOUND)."""
    statement = select(upstreams).where(upstreams.c.id == upstream_id, upstreams.c.organization_id == organization_id)
    row = connection.execute(statement.with_for_update() if for_update else statement).mappings().one_or_none()
    if row is None:
        raise Refusal(
            Code.NOT_FOUND, f"There is no upstream {upstream_id} here.", hint="List the upstreams to see their ids."
        )
    return _upstream(row)


def list_upstreams(connection: Connection) -> list[StoredUpstream]:
    """All of them, oldest first."""
    statement = select(upstreams).order_by(upstreams.c.created_at_ms, upstreams.c.id)
    return [_upstream(row) for row in connection.execute(statement).mappings()]


def _row(upstream: StoredUpstream) -> dict[str, Any]:
    sealed = upstream.credential
    return {
        "id": upstream.id,
        "organization_id": upstream.organization_id,
        "name": upstream.written.name,
        "written": msgspec.json.encode(upstream.written).decode(),
        "credential": None if sealed is None else sealed.content,
        "credential_key_id": None if sealed is None else sealed.key_id,
        "created_at_ms": upstream.created_at_ms,
        "created_by": upstream.created_by,
    }


def _upstream(row: RowMapping) -> StoredUpstream:
    sealed = None if row["credential"] is None else Sealed(row["credential_key_id"], bytes(row["credential"]))
    return StoredUpstream(
        row["id"],
        row["organization_id"],
        _DECODE(row["written"]),
        sealed,
        row["created_at_ms"],
        row["created_by"],
    )
