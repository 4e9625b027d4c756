"""What was folded, checked against the slots that it was folded from."""

from functools import cache
from typing import Any, Final

import msgspec
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Select,
    Table,
    and_,
    bindparam,
    cast,
    func,
    or_,
    select,
    union_all,
)

from keyhouse.store.folding import DAYS, FOLDS, HOURS, Fold, list_folded, list_organizations
from keyhouse.store.rollup_tables import HOUR_SUMS
from keyhouse.store.schema import usage_hour

FOUND_MAX: Final = 1_000
_EVER_MS: Final = 2**62


class FoldedEvidence(msgspec.Struct, frozen=True):
    """Where an hour or a day in a table disagrees with its slots: whose, and by how much it says more."""

    table: str
    starts_at_ms: int
    group: tuple[str, ...]
    more: dict[str, int]


def count_folded(connection: Connection) -> int:
    """How many hours and days are folded."""
    counts = (select(func.count()).select_from(fold.marks) for fold in (DAYS, HOURS))
    return sum(connection.execute(count).scalar_one() for count in counts)


def list_wrong(connection: Connection) -> list[FoldedEvidence]:
    """What disagrees, at most `FOUND_MAX`. An hour or a day that a late settle has changed since is not read, and
    therefore not wrong.
    """
    found: list[FoldedEvidence] = []
    for organization_id, _ in list_organizations(connection):
        for fold in FOLDS:
            read = {start_ms for start_ms, _ in list_folded(connection, organization_id, fold, 0, _EVER_MS)}
            for table, groups in fold.tables if read else ():
                found += [
                    wrong
                    for wrong in _compare(connection, organization_id, fold, table, groups)
                    if wrong.starts_at_ms in read
                ]
    return found[:FOUND_MAX]


def _compare(
    connection: Connection, organization_id: str, fold: Fold, table: Table, groups: tuple[str, ...]
) -> list[FoldedEvidence]:
    width = 1 + len(groups)
    return [
        FoldedEvidence(
            table.name,
            row[0],
            tuple(row[1:width]),
            {name: value for name, value in zip(HOUR_SUMS, row[width:], strict=True) if value},
        )
        for row in connection.execute(_differences(fold.marks, table, groups), {"organization_id": organization_id})
    ]


@cache
def _differences(marks: Table, table: Table, groups: tuple[str, ...]) -> Select[Any]:
    """An organization's hours or days and groups of which this table says another sum than the slots."""
    sides = []
    for source, sign in ((usage_hour, -1), (table, 1)):
        within = and_(
            source.c.organization_id == marks.c.organization_id,
            source.c.starts_at_ms >= marks.c.starts_at_ms,
            source.c.starts_at_ms < marks.c.ends_at_ms,
        )
        columns = [source.c[name].label(name) for name in groups]
        sums = [func.sum(sign * source.c[name]).label(name) for name in HOUR_SUMS]
        sides.append(
            select(marks.c.starts_at_ms.label("starts_at_ms"), *columns, *sums)
            .select_from(marks.join(source, within))
            .where(marks.c.organization_id == bindparam("organization_id"))
            .group_by(marks.c.starts_at_ms, *columns)
        )
    both = union_all(*sides).subquery()
    whose = [both.c.starts_at_ms, *(both.c[name] for name in groups)]
    more: list[ColumnElement[int]] = [cast(func.sum(both.c[name]), BigInteger) for name in HOUR_SUMS]
    return select(*whose, *more).group_by(*whose).having(or_(*(each != 0 for each in more))).limit(FOUND_MAX)
