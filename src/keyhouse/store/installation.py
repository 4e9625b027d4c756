"""The one row that says which master key this database was made with."""

from sqlalchemy import Connection, insert, select

from keyhouse.store.schema import installation
from keyhouse.store.turns import Turn, take_turn


def find_master_key_check(connection: Connection) -> bytes | None:
    """What the master key's fingerprint must be, None in a database that has never been used."""
    return connection.execute(select(installation.c.master_key_check)).scalar()


def insert_master_key_check(connection: Connection, check: bytes, now_ms: int) -> bytes:
    """Bind the database to its master key, for good; the check it is bound to, which may be another gateway's."""
    take_turn(connection, Turn.MASTER_KEY)
    known = find_master_key_check(connection)
    if known is None:
        connection.execute(insert(installation).values(id=1, master_key_check=check, created_at_ms=now_ms))
    return check if known is None else known
