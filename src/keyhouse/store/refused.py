"""Requests that limits refused, by the hour: they never became calls, and stand in no other rollup."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence

import msgspec
from sqlalchemy import BigInteger, Connection, cast, func, select
from sqlalchemy.dialects import postgresql, sqlite

from keyhouse.store.rollup_tables import SLOT_GROUPS
from keyhouse.store.rollups import Selection, belonging
from keyhouse.store.schema import refused_hour
from keyhouse.store.spans import Bounds


class RefusedSlot(msgspec.Struct, frozen=True):
    """Whose requests were refused, for what, in the slot of time that begins at `starts_at_ms`."""

    starts_at_ms: int
    organization_id: str
    project_id: str
    owner_id: str
    key_id: str
    model: str
    upstream: str
    endpoint: str


def add_refused(connection: Connection, counts: Mapping[RefusedSlot, int]) -> None:
    """Add so many requests to what was counted before, by whichever gateway."""
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    statement = insert(refused_hour)
    both = refused_hour.c.requests + statement.excluded.requests
    # In one order, so that gateways that write the same rows wait for each other and not in a circle.
    rows = sorted((msgspec.structs.astuple(slot), count) for slot, count in counts.items())
    connection.execute(
        statement.on_conflict_do_update(index_elements=["starts_at_ms", *SLOT_GROUPS], set_={"requests": both}),
        [dict(zip(RefusedSlot.__struct_fields__, slot, strict=True)) | {"requests": count} for slot, count in rows],
    )


def list_refused(
    connection: Connection, selection: Selection, spans: Sequence[Bounds]
) -> dict[tuple[int, tuple[str, ...]], int]:
    """How many requests of each group were refused in each of these spans, which are in order: by the span's start and
    the group, where there were any.
    """
    if not spans:
        return {}
    at = refused_hour.c.starts_at_ms
    groups = [refused_hour.c[name] for name in selection.group_by]
    slot = [at] if len(spans) > 1 else []
    rows = connection.execute(
        select(*slot, *groups, cast(func.sum(refused_hour.c.requests), BigInteger))
        .where(at >= spans[0][0], at < spans[-1][1], *belonging(refused_hour, selection))
        .group_by(*slot, *groups)
        .having(func.count() > 0)
    )
    starts = [start_ms for start_ms, _ in spans]
    found: dict[tuple[int, tuple[str, ...]], int] = {}
    for row in rows:
        start_ms, end_ms = spans[bisect_right(starts, row[0]) - 1] if slot else spans[0]
        if slot and row[0] >= end_ms:
            continue
        place = start_ms, tuple(row[len(slot) : -1])
        found[place] = found.get(place, 0) + row[-1]
    return found
