"""What a database says of itself, for whoever looks for what is wrong. It only reads."""

import msgspec
from sqlalchemy import Connection, select, text

from keyhouse.store.installation import Lock, find_lock
from keyhouse.store.migrations import revision
from keyhouse.store.schema import instances


class Health(msgspec.Struct, frozen=True):
    """Its engine and schema, which master key fits, whether it takes no writes, and its clock; None where it is
    this machine's own.
    """

    engine: str
    revision: str | None
    lock: Lock | None
    is_read_only: bool
    now_ms: int | None


def examine(connection: Connection) -> Health:
    """Ask it."""
    engine = connection.dialect.name
    found = revision(connection)
    lock = None if found is None else find_lock(connection)
    if engine != "postgresql":
        return Health(engine, found, lock, is_read_only=False, now_ms=None)
    standby = bool(connection.execute(text("SELECT pg_is_in_recovery()")).scalar_one())
    now_ms = connection.execute(text("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint")).scalar_one()
    return Health(engine, found, lock, standby, int(now_ms))


class Gateway(msgspec.Struct, frozen=True):
    """A gateway that was not declared dead. On SQLite the only one does not beat."""

    id: int
    started_at_ms: int
    heartbeat_at_ms: int


def list_gateways(connection: Connection) -> tuple[Gateway, ...]:
    """The gateways of this database that live, oldest first."""
    rows = connection.execute(
        select(instances.c.id, instances.c.started_at_ms, instances.c.heartbeat_at_ms)
        .where(instances.c.dead_at_ms.is_(None))
        .order_by(instances.c.id)
    )
    return tuple(Gateway(*row) for row in rows)
