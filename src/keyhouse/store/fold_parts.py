"""How an hour or a day is folded: in parts, so that no call waits long for it.

What is to be written is added up beside the ledger's writer and written some rows at a time, and the mark that it is
folded comes last. Nobody reads what has no mark, so that an end between two parts neither loses anything nor counts it
twice: whoever folds it again clears what is there first. Who began is written down, and goes on only until somebody
else begins something of the same time: of two gateways only one writes.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Table,
    and_,
    cast,
    delete,
    exists,
    func,
    insert,
    literal_column,
    select,
    tuple_,
)

from keyhouse.store.bulk import Rows, insert_rows
from keyhouse.store.folding import Fold
from keyhouse.store.ordering import by_bytes, unindexed
from keyhouse.store.rollup_tables import HOUR_SUMS
from keyhouse.store.schema import calls, foldings, usage_hour
from keyhouse.store.spans import Bounds
from keyhouse.store.turns import Turn, take_turn, try_turn

ROWS_AT_ONCE: Final = 500
"""How many rows are written, or deleted, in one transaction."""

READ_AT_ONCE: Final = 2_000
"""Of how many keys or owners rows are added up at once."""

_LONGEST_MS: Final = 2 * 86_400_000
"""No day is as long as this."""


class Begun(msgspec.Struct, frozen=True):
    """What is being folded: an hour or a day of an organization. `at_ms` is when that began."""

    organization_id: str
    fold: Fold
    bounds: Bounds
    at_ms: int


class Part(msgspec.Struct, frozen=True):
    """Some rows of one table: those whose last group is one from `first` to `last`, in the order of their bytes, of
    which there are `count`.
    """

    table: Table
    groups: tuple[str, ...]
    first: str
    last: str
    count: int


def begin(connection: Connection, begun: Begun) -> bool:
    """Begin to fold an hour or a day that is over, again if it was; whether it could be: not while a call that began in
    it runs, nor if somebody else has since. From now on nothing that is folded of this time is read, be it of another
    time zone.
    """
    starts_ms, ends_ms = begun.bounds
    if not try_turn(connection, Turn.HOUSEKEEPING):
        return False
    if _is_running(connection, begun.bounds):
        return False
    marks = begun.fold.marks
    since = *_marked(marks, begun), marks.c.folded_at_ms >= begun.at_ms
    if connection.execute(select(exists().where(*since))).scalar_one():
        return False
    for table, more in ((marks, []), (foldings, [foldings.c.fold == marks.name])):
        connection.execute(
            delete(table).where(
                table.c.organization_id == begun.organization_id,
                table.c.starts_at_ms > starts_ms - _LONGEST_MS,
                table.c.starts_at_ms < ends_ms,
                table.c.ends_at_ms > starts_ms,
                *more,
            )
        )
    connection.execute(insert(foldings).values(_row(begun) | {"fold": marks.name, "begun_at_ms": begun.at_ms}))
    return True


def read_few(connection: Connection, begun: Begun, at_most: int) -> list[tuple[Part, Rows]] | None:
    """All rows, if they are not more than this and there are none from before: they are written at once. None, too,
    while a call that began in this time runs, which is asked for first: what it counts would be missing.
    """
    if _is_running(connection, begun.bounds) or has_rows(connection, begun):
        return None
    parts = list_parts(connection, begun)
    if sum(part.count for part in parts) > at_most:
        return None
    found = [(part, read_part(connection, begun, part)) for part in parts]
    return found if sum(len(rows) for _, rows in found) <= at_most else None


def fold_few(connection: Connection, begun: Begun, found: Sequence[tuple[Part, Rows]]) -> bool:
    """Fold these rows in one transaction; whether it could be."""
    return (
        begin(connection, begun)
        and all(write_rows(connection, begun, part, rows) for part, rows in found)
        and finish(connection, begun)
    )


def has_rows(connection: Connection, begun: Begun) -> bool:
    """Whether there are rows of this time from before."""
    return any(
        connection.execute(select(exists().where(*_between(table, begun.organization_id, begun.bounds)))).scalar_one()
        for table, _ in begun.fold.tables
    )


def clear(connection: Connection, begun: Begun) -> bool:
    """Delete some of these rows; whether it is still this one that folds."""
    if not _goes_on(connection, begun):
        return False
    for table, _ in begun.fold.tables:
        _delete_some(connection, table, begun.organization_id, begun.bounds)
    return True


def list_parts(connection: Connection, begun: Begun) -> list[Part]:
    """All that is to be added up."""
    parts: list[Part] = []
    for table, groups in begun.fold.tables:
        last = usage_hour.c[groups[-1]]
        found = select(last).where(*_slots(begun)).distinct()
        values = sorted(connection.execute(found).scalars())
        for place in range(0, len(values), READ_AT_ONCE):
            some = values[place : place + READ_AT_ONCE]
            parts.append(Part(table, groups, some[0], some[-1], len(some)))
    return parts


def read_part(connection: Connection, begun: Begun, part: Part) -> Rows:
    """The rows of a part, from the slots: the values of its groups, and then of `HOUR_SUMS`."""
    columns = [usage_hour.c[name] for name in part.groups]
    # PostgreSQL's sum of bigint is numeric.
    sums = [cast(func.sum(usage_hour.c[name]), BigInteger) for name in HOUR_SUMS]
    # The index by key would lead to all of these keys' past.
    last = by_bytes(unindexed(columns[-1]))
    these = [last >= part.first, last <= part.last]
    found = connection.execute(select(*columns, *sums).where(*_slots(begun), *these).group_by(*columns))
    return [tuple(row) for row in found]


def write_rows(connection: Connection, begun: Begun, part: Part, rows: Rows) -> bool:
    """Write some rows of a part; whether it was still this one that folds."""
    if not _goes_on(connection, begun):
        return False
    starts_ms = begun.bounds[0]
    names = ["starts_at_ms", *part.groups, *HOUR_SUMS]
    insert_rows(connection, part.table.name, names, [(starts_ms, *row) for row in rows])
    return True


def finish(connection: Connection, begun: Begun) -> bool:
    """Mark it as folded; whether it was still this one that folds."""
    if not _goes_on(connection, begun):
        return False
    connection.execute(delete(foldings).where(*_claim(begun)))
    connection.execute(insert(begun.fold.marks).values(_row(begun) | {"folded_at_ms": begun.at_ms}))
    return True


def is_old(connection: Connection, organization_id: str, fold: Fold, before_ms: int) -> bool:
    """Whether something folded begins before this instant."""
    return any(
        connection.execute(select(exists().where(*_between(table, organization_id, (0, before_ms))))).scalar_one()
        for table in (fold.marks, *(table for table, _ in fold.tables))
    )


def delete_old(connection: Connection, organization_id: str, fold: Fold, before_ms: int) -> None:
    """Delete some of what was folded and begins before this instant, the marks of all of it first."""
    take_turn(connection, Turn.HOUSEKEEPING)
    connection.execute(delete(fold.marks).where(*_between(fold.marks, organization_id, (0, before_ms))))
    for table, _ in fold.tables:
        _delete_some(connection, table, organization_id, (0, before_ms))


def _is_running(connection: Connection, bounds: Bounds) -> bool:
    """Whether a call that began in this time runs."""
    # The state as it stands in the condition of its index, which leads to the few that run.
    is_held = calls.c.state == literal_column("'held'")
    within = calls.c.rollup_at_ms >= bounds[0], calls.c.rollup_at_ms < bounds[1]
    return bool(connection.execute(select(exists().where(is_held, *within))).scalar_one())


def _delete_some(connection: Connection, table: Table, organization_id: str, bounds: Bounds) -> None:
    names = list(table.primary_key.columns)
    some = select(*names).where(*_between(table, organization_id, bounds)).limit(ROWS_AT_ONCE)
    connection.execute(delete(table).where(tuple_(*names).in_(some)))


def _goes_on(connection: Connection, begun: Begun) -> bool:
    """Whether nobody else began anything of this time since."""
    take_turn(connection, Turn.HOUSEKEEPING)
    return bool(connection.execute(select(exists().where(*_claim(begun)))).scalar_one())


def _claim(begun: Begun) -> list[ColumnElement[bool]]:
    of_it = foldings.c.fold == begun.fold.marks.name, foldings.c.begun_at_ms == begun.at_ms
    return [*_marked(foldings, begun), *of_it]


def _marked(marks: Table, begun: Begun) -> list[ColumnElement[bool]]:
    starts_ms, ends_ms = begun.bounds
    of_organization = marks.c.organization_id == begun.organization_id
    return [of_organization, marks.c.starts_at_ms == starts_ms, marks.c.ends_at_ms == ends_ms]


def _row(begun: Begun) -> dict[str, Any]:
    starts_ms, ends_ms = begun.bounds
    return {"organization_id": begun.organization_id, "starts_at_ms": starts_ms, "ends_at_ms": ends_ms}


def _slots(begun: Begun) -> Sequence[ColumnElement[bool]]:
    return _between(usage_hour, begun.organization_id, begun.bounds)


def _between(table: Table, organization_id: str, bounds: Bounds) -> Sequence[ColumnElement[bool]]:
    at = table.c.starts_at_ms
    return [and_(at >= bounds[0], at < bounds[1]), table.c.organization_id == organization_id]
