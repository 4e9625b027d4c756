"""Whole days added up once and for all, so that a page of a month reads thirty days and not every key's hours.

A day is the organization's, in its time zone, and is folded when it can change no more: it is over, and no call that
began in it still runs. A late settle changes it all the same; then its hours are read until it is folded again. Whoever
asks reads a folded day only if its bounds are those of the day that is asked for: a change of the time zone makes other
days.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from sqlalchemy import BigInteger, Connection, Table, cast, delete, exists, func, insert, literal, select

from keyhouse.core.call import State
from keyhouse.core.identifiers import call_id
from keyhouse.store.rollup_tables import DAY_GROUPS, DAY_KEY_GROUPS, HOUR_SUMS
from keyhouse.store.schema import (
    adjustments,
    calls,
    folded_days,
    organizations,
    usage_day,
    usage_day_by_key,
    usage_hour,
)
from keyhouse.store.turns import Turn, try_turn

Day = tuple[int, int]
"""The first millisecond of a day, and the first after it."""

LATE_MS: Final = 60_000
"""How long a transaction may take that gives back what a late settle did not use."""

_NO_RANDOM: Final = bytes(10)
_TABLES: Final = ((usage_day, DAY_GROUPS), (usage_day_by_key, DAY_KEY_GROUPS))


def folded_table(groups: Iterable[str]) -> Table | None:
    """The table of folded days that knows these groups, None if only the hours do."""
    wanted = set(groups)
    return next((table for table, known in _TABLES if wanted <= set(known)), None)


def list_organizations(connection: Connection) -> list[tuple[str, str]]:
    """The organizations and their time zones."""
    rows = connection.execute(select(organizations.c.id, organizations.c.time_zone).order_by(organizations.c.id))
    return [(row[0], row[1]) for row in rows]


def find_first_slot(connection: Connection, organization_id: str) -> int | None:
    """When the organization's first slot of usage begins."""
    statement = select(usage_hour.c.starts_at_ms).where(usage_hour.c.organization_id == organization_id)
    return connection.execute(statement.order_by(usage_hour.c.starts_at_ms).limit(1)).scalar_one_or_none()


def list_folded(connection: Connection, organization_id: str, days: Sequence[Day]) -> list[Day]:
    """Those of these days that are folded and have not changed since, in their order."""
    if not days:
        return []
    rows = connection.execute(
        select(folded_days.c.starts_at_ms, folded_days.c.ends_at_ms, folded_days.c.folded_at_ms).where(
            folded_days.c.organization_id == organization_id,
            folded_days.c.starts_at_ms >= days[0][0],
            folded_days.c.starts_at_ms < days[-1][1],
        )
    )
    folded_ms = {(row[0], row[1]): row[2] for row in rows}
    known = folded_ms.keys() - _late(connection, organization_id, folded_ms)
    return [day for day in days if day in known]


def _late(connection: Connection, organization_id: str, folded_ms: Mapping[Day, int]) -> set[Day]:
    """Those of these days that a late settle has changed since they were folded, or may have meanwhile. There are few
    late settles: each is of a call whose gateway was lost. They are looked up first, so that calls are read by their
    ids and never all of them.
    """
    if not folded_ms:
        return set()
    since_ms = min(folded_ms.values()) - LATE_MS
    settled = select(adjustments.c.call_id, adjustments.c.at_ms).where(adjustments.c.at_ms >= since_ms)
    at_ms = {row[0]: row[1] for row in connection.execute(settled)}
    if not at_ms:
        return set()
    of_these = calls.c.id.in_(at_ms), calls.c.organization_id == organization_id
    slots = connection.execute(select(calls.c.id, calls.c.rollup_at_ms).where(*of_these)).all()
    return {
        day
        for day, folded_at_ms in folded_ms.items()
        for call, slot_ms in slots
        if day[0] <= slot_ms < day[1] and at_ms[call] >= folded_at_ms - LATE_MS
    }


def insert_day(connection: Connection, organization_id: str, day: Day, now_ms: int) -> bool:
    """Fold a day that is over, again if it was; whether it could be: not while a call that began in it runs."""
    starts_ms, ends_ms = day
    if not try_turn(connection, Turn.HOUSEKEEPING):
        return False
    runs = exists().where(calls.c.state == State.HELD, calls.c.id < call_id(ends_ms, _NO_RANDOM))
    if connection.execute(select(runs)).scalar_one():
        return False
    for table, groups in _TABLES:
        connection.execute(
            delete(table).where(table.c.organization_id == organization_id, table.c.starts_at_ms == starts_ms)
        )
        columns = [usage_hour.c[name] for name in groups]
        # PostgreSQL's sum of bigint is numeric.
        sums = [cast(func.sum(usage_hour.c[name]), BigInteger) for name in HOUR_SUMS]
        connection.execute(
            insert(table).from_select(
                ["starts_at_ms", *groups, *HOUR_SUMS],
                select(literal(starts_ms, BigInteger), *columns, *sums)
                .where(
                    usage_hour.c.starts_at_ms >= starts_ms,
                    usage_hour.c.starts_at_ms < ends_ms,
                    usage_hour.c.organization_id == organization_id,
                )
                .group_by(*columns),
            )
        )
    connection.execute(
        delete(folded_days).where(
            folded_days.c.organization_id == organization_id, folded_days.c.starts_at_ms == starts_ms
        )
    )
    row = {"organization_id": organization_id, "starts_at_ms": starts_ms, "ends_at_ms": ends_ms, "folded_at_ms": now_ms}
    connection.execute(insert(folded_days).values(row))
    return True
