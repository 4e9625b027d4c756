"""Hours and days added up once and for all, so that a page of a month reads thirty days and not every key's hours.

They are the organization's, in its time zone, and are folded when they can change no more: such an hour is over, and
no call that began in it still runs. A late settle changes it all the same; then its slots are read until it is folded
again. Whoever asks reads what is folded only within the bounds it was folded for: a change of the time zone makes other
days. Of what is folded no two overlap. `store/fold_parts.py` folds.
"""

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec
from sqlalchemy import Connection, Table, select

from keyhouse.store.rollup_tables import KEY_GROUPS, OWNER_GROUPS, WHOLE_GROUPS
from keyhouse.store.schema import (
    adjustments,
    calls,
    folded_days,
    folded_hours,
    folded_recent_hours,
    organizations,
    usage_day,
    usage_day_by_key,
    usage_day_by_owner,
    usage_hour,
    usage_whole_hour,
    usage_whole_hour_by_key,
    usage_whole_hour_by_owner,
)
from keyhouse.store.spans import Bounds

LATE_MS: Final = 60_000
"""How long a transaction may take that gives back what a late settle did not use."""


class Fold(msgspec.Struct, frozen=True):
    """One way to fold: where it stands what is folded, and the tables with the groups that each of them knows."""

    marks: Table
    tables: tuple[tuple[Table, tuple[str, ...]], ...]

    def table(self, groups: Iterable[str]) -> Table | None:
        """The table that knows these groups, None if only the slots do."""
        wanted = set(groups)
        return next((table for table, known in self.tables if wanted <= set(known)), None)


DAYS: Final = Fold(
    folded_days,
    (
        (usage_day, WHOLE_GROUPS),
        (usage_day_by_owner, OWNER_GROUPS),
        (usage_day_by_key, KEY_GROUPS),
    ),
)
HOURS: Final = Fold(folded_hours, ((usage_whole_hour, WHOLE_GROUPS),))
RECENT: Final = Fold(
    folded_recent_hours, ((usage_whole_hour_by_owner, OWNER_GROUPS), (usage_whole_hour_by_key, KEY_GROUPS))
)
"""The hours of the last days by owner and by key, for pages that show hours; older ones are in the days."""

FOLDS: Final = (DAYS, HOURS, RECENT)


def folds_of(groups: Iterable[str]) -> list[tuple[Fold, Table]]:
    """What is folded that knows these groups, days before hours, each with the table to read."""
    wanted = set(groups)
    found = [(fold, table) for fold in FOLDS if (table := fold.table(wanted)) is not None]
    # Recent hours know whose, too, but there are many more of them.
    return [(fold, table) for fold, table in found if fold is not RECENT or HOURS.table(wanted) is None]


def list_organizations(connection: Connection) -> list[tuple[str, str]]:
    """The organizations and their time zones."""
    rows = connection.execute(select(organizations.c.id, organizations.c.time_zone).order_by(organizations.c.id))
    return [(row[0], row[1]) for row in rows]


def find_first_slot(connection: Connection, organization_id: str) -> int | None:
    """When the organization's first slot of usage begins."""
    statement = select(usage_hour.c.starts_at_ms).where(usage_hour.c.organization_id == organization_id)
    return connection.execute(statement.order_by(usage_hour.c.starts_at_ms).limit(1)).scalar_one_or_none()


def list_folded(connection: Connection, organization_id: str, fold: Fold, start_ms: int, end_ms: int) -> list[Bounds]:
    """What is folded between these instants and has not changed since, in its order."""
    marks = fold.marks.c
    rows = connection.execute(
        select(marks.starts_at_ms, marks.ends_at_ms, marks.folded_at_ms).where(
            marks.organization_id == organization_id,
            marks.starts_at_ms >= start_ms,
            marks.starts_at_ms < end_ms,
            marks.ends_at_ms <= end_ms,
        )
    )
    folded_ms = {(row[0], row[1]): row[2] for row in rows}
    return sorted(folded_ms.keys() - list_late(connection, organization_id, folded_ms))


def list_late(connection: Connection, organization_id: str, folded_ms: Mapping[Bounds, int]) -> set[Bounds]:
    """Those of these, each with when it was folded, that a late settle has changed since, or may have meanwhile. There
    are few late settles: each is of a call whose gateway was lost. They are looked up first, so that calls are read by
    their ids and never all of them.
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
        bounds
        for bounds, folded_at_ms in folded_ms.items()
        for call, slot_ms in slots
        if bounds[0] <= slot_ms < bounds[1] and at_ms[call] >= folded_at_ms - LATE_MS
    }
