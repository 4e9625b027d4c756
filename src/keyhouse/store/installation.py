"""The one row that says which master key this database answers to."""

import msgspec
from sqlalchemy import Connection, insert, select, update

from keyhouse.store.schema import installation
from keyhouse.store.turns import Turn, take_turn


class Lock(msgspec.Struct, frozen=True):
    """The master key's fingerprint, and the root wrapped with it; None while the master key is the root itself."""

    fingerprint: bytes
    wrapped_root: bytes | None = None


def find_lock(connection: Connection) -> Lock | None:
    """Which master key fits, None in a database that has never been used."""
    row = connection.execute(select(installation.c.master_key_check, installation.c.wrapped_root)).one_or_none()
    return None if row is None else Lock(*row)


def insert_lock(connection: Connection, lock: Lock, now_ms: int) -> Lock:
    """Bind a database to its first master key; the lock it has then, which may be another gateway's."""
    take_turn(connection, Turn.MASTER_KEY)
    known = find_lock(connection)
    if known is None:
        row = {"id": 1, "master_key_check": lock.fingerprint, "created_at_ms": now_ms}
        connection.execute(insert(installation).values(row))
    return known or lock


def update_lock(connection: Connection, before: Lock, after: Lock) -> bool:
    """Put another master key's lock in the place of one; whether that one was still there."""
    take_turn(connection, Turn.MASTER_KEY)
    if find_lock(connection) != before:
        return False
    connection.execute(update(installation).values(master_key_check=after.fingerprint, wrapped_root=after.wrapped_root))
    return True
