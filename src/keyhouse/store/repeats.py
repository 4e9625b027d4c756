"""Requests that may be repeated: what one with an `Idempotency-Key` made, for a day.

The secret that it made is in no form here. What is kept for some minutes is the seed it was derived from, which is
worth nothing without the master key.
"""

import msgspec
from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from keyhouse.store.schema import repeats


class Repeat(msgspec.Struct, frozen=True):
    """What a request made: a version of a key's secret. `seed` is None once it is too old to be shown again."""

    actor_id: str
    idempotency_key: str
    fingerprint: bytes
    key_id: str
    version: int
    seed: bytes | None
    created_at_ms: int

    def __repr__(self) -> str:
        return f"Repeat({self.idempotency_key!r}, {self.key_id}, version {self.version})"


def find_repeat(connection: Connection, actor_id: str, idempotency_key: str, since_ms: int) -> Repeat | None:
    """What this actor's request with this key made since then, or None."""
    row = connection.execute(
        select(repeats).where(
            repeats.c.actor_id == actor_id,
            repeats.c.idempotency_key == idempotency_key,
            repeats.c.created_at_ms > since_ms,
        )
    )
    found = row.mappings().one_or_none()
    return None if found is None else Repeat(**found)


def insert_repeat(connection: Connection, repeat: Repeat, since_ms: int) -> bool:
    """Note what a request made, in place of anything from before `since_ms`; False if another was first.

    One that is just being made by another transaction is waited for.
    """
    connection.execute(
        delete(repeats).where(
            repeats.c.actor_id == repeat.actor_id,
            repeats.c.idempotency_key == repeat.idempotency_key,
            repeats.c.created_at_ms <= since_ms,
        )
    )
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    made = connection.execute(insert(repeats).values(**msgspec.structs.asdict(repeat)).on_conflict_do_nothing())
    return made.rowcount == 1
