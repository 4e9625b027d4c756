"""Who calls with which secret of a key: the newest of its calls, counted by where they come from.

Only calls know secrets, so this reads them, newest first along the index by key, and never more than `rows_max`.
"""

from typing import Final

import msgspec
from sqlalchemy import Connection, func, select

from keyhouse.core.identifiers import call_id
from keyhouse.store.ordering import by_bytes
from keyhouse.store.schema import calls

ROWS_READ_MAX: Final = 50_000
CALLERS_MAX: Final = 500

_NO_RANDOM: Final = bytes(10)


class Caller(msgspec.Struct, frozen=True):
    """Calls of one secret of a key from one place: how many, and when the first and the last of them began."""

    version: int
    address: str
    agent: str
    endpoint: str
    requests: int
    first_seen_at_ms: int
    last_seen_at_ms: int


class Callers(msgspec.Struct, frozen=True):
    """The callers, the one seen last first, of all calls from `since_ms` on: later than asked for where a key has more
    calls than are read at once.
    """

    callers: tuple[Caller, ...]
    since_ms: int


def list_callers(
    connection: Connection, organization_id: str, key_id: str, since_ms: int, *, rows_max: int = ROWS_READ_MAX
) -> Callers:
    """Who has called with this key since then."""
    from_id = call_id(max(0, since_ms), _NO_RANDOM)
    mine = (calls.c.key_id == key_id, calls.c.organization_id == organization_id)
    edge = (
        select(calls.c.id, calls.c.created_at_ms)
        .where(*mine, calls.c.id >= from_id)
        .order_by(calls.c.id.desc())
        .offset(rows_max - 1)
        .limit(1)
    )
    cut = connection.execute(edge).one_or_none()
    if cut is not None:
        from_id, since_ms = cut[0], cut[1]
    place = (calls.c.secret_version, calls.c.address, calls.c.agent, calls.c.endpoint)
    last = func.max(calls.c.created_at_ms)
    rows = connection.execute(
        select(*place, func.count(), func.min(calls.c.created_at_ms), last)
        .where(*mine, calls.c.id >= from_id)
        .group_by(*place)
        .order_by(last.desc(), *(by_bytes(column) for column in place[1:]))
        .limit(CALLERS_MAX)
    )
    return Callers(tuple(Caller(*row) for row in rows), since_ms)
