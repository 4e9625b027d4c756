"""The questions asked of the rollups: sums over time and groups, never a scan of calls.

A rollup row belongs to one slot of time: a minute in `usage_minute`; in `usage_hour` an hour, or a quarter
of one where the organization's clock is not whole hours from UTC, so that the hours and days of UTC and of
the organization are exact sums of slots. Every question is a range of slots, which is how both tables
are ordered on disk, or days that were folded (`store/folding.py`), and is refused where its answer would be longer than
`ROWS_MAX`.
"""

from collections.abc import Iterable, Sequence
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

from keyhouse.core.errors import Code, Refusal
from keyhouse.core.identifiers import call_id
from keyhouse.store.folding import folded_table, list_folded
from keyhouse.store.ordering import by_bytes
from keyhouse.store.schema import calls, usage_hour, usage_minute

ROWS_MAX: Final = 50_000
"""The longest answer. A page of usage has a few hundred rows; an export asks for less time at once."""

DIMENSIONS: Final = ("project_id", "owner_id", "key_id", "model", "upstream", "endpoint")
"""What usage can be grouped by."""

_FIRST_RANDOM: Final = bytes(10)


class Sums(msgspec.Struct, frozen=True):
    """What was used in a stretch of time by one group. `cost_nano_usd` leaves out `unpriced_requests`."""

    requests: int = 0
    errors: int = 0
    input_tokens: int = 0
    cached_input_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    cost_nano_usd: int = 0
    unpriced_requests: int = 0
    audio_input_tokens: int = 0
    audio_output_tokens: int = 0
    images: int = 0
    audio_seconds: int = 0
    characters: int = 0

    def __add__(self, other: "Sums") -> "Sums":
        return Sums(*(mine + yours for mine, yours in zip(self.values, other.values, strict=True)))

    @property
    def values(self) -> tuple[int, ...]:
        """The sums in the order of their fields."""
        return msgspec.structs.astuple(self)


class GroupSums(msgspec.Struct, frozen=True):
    """The sums of one group from `starts_at_ms` on; `group` holds the values of the question's `group_by`."""

    starts_at_ms: int
    group: tuple[str, ...]
    sums: Sums


class Selection(msgspec.Struct, frozen=True):
    """Whose usage, and how it is grouped. `group_by` is of `DIMENSIONS`; an empty filter lets everything pass."""

    organization_id: str
    group_by: tuple[str, ...] = ()
    project_ids: tuple[str, ...] = ()
    owner_ids: tuple[str, ...] = ()
    key_ids: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    endpoints: tuple[str, ...] = ()
    upstreams: tuple[str, ...] = ()


def list_spans(
    connection: Connection, selection: Selection, spans: Iterable[tuple[int, int]], rows_max: int = ROWS_MAX
) -> list[GroupSums]:
    """Sums over whole spans of slots, such as days, in their order.

    Raises Refusal(PARAMETER_INVALID) if the answer is longer than `rows_max`.
    """
    found: list[GroupSums] = []
    for start_ms, row in span_rows(connection, selection, spans, Sums.__struct_fields__, rows_max):
        width = len(selection.group_by)
        found.append(GroupSums(start_ms, row[:width], Sums(*row[width:])))
    return found


def span_rows(
    connection: Connection,
    selection: Selection,
    spans: Iterable[tuple[int, int]],
    names: Sequence[str],
    rows_max: int,
) -> list[tuple[int, tuple[Any, ...]]]:
    """The start of each span with its groups and the sums of these columns, in order: of a day that was folded from
    there, else from its hours. Raises Refusal(PARAMETER_INVALID) if they are more than `rows_max`.
    """
    wanted = list(spans)
    table = folded_table({*selection.group_by, *_filters(selection)})
    days = [] if table is None else list_folded(connection, selection.organization_id, wanted)
    folded: dict[int, list[tuple[Any, ...]]] = {}
    count = 0
    if table is not None and days:
        groups = [table.c[name] for name in selection.group_by]
        statement = (
            select(table.c.starts_at_ms, *groups, *_sums(table, names))
            .where(table.c.starts_at_ms.in_([start_ms for start_ms, _ in days]), *_belonging(table, selection))
            .group_by(table.c.starts_at_ms, *groups)
            .having(func.count() > 0)
            .order_by(table.c.starts_at_ms, *map(by_bytes, groups))
            .limit(rows_max + 1)
        )
        for row in connection.execute(statement):
            folded.setdefault(row[0], []).append(tuple(row[1:]))
            count += 1
    is_folded = set(days)
    groups = [usage_hour.c[name] for name in selection.group_by]
    statement = (
        select(*groups, *_sums(usage_hour, names))
        .where(*chosen(usage_hour, selection))
        .group_by(*groups)
        .having(func.count() > 0)
        .order_by(*map(by_bytes, groups))
        .limit(bindparam("rows_max"))
    )
    found: list[tuple[int, tuple[Any, ...]]] = []
    for span in wanted:
        if span in is_folded:
            found += [(span[0], row) for row in folded.get(span[0], ())]
        else:
            bounds = {"starts_ms": span[0], "ends_ms": span[1], "rows_max": max(0, rows_max - count) + 1}
            rows = [(span[0], tuple(row)) for row in connection.execute(statement, bounds)]
            count += len(rows)
            found += rows
        if count > rows_max:
            raise _too_long(rows_max)
    return found


def list_leaders(
    connection: Connection, selection: Selection, spans: Iterable[tuple[int, int]], measure: str, count: int
) -> tuple[tuple[str, ...], int]:
    """The values of the one group that have the most of a measure in all of these spans, at most `count`, most first;
    and how many values there are.
    """
    (name,) = selection.group_by
    wanted = list(spans)
    table = folded_table({name, *_filters(selection)})
    days = [] if table is None else list_folded(connection, selection.organization_id, wanted)
    parts = []
    if table is not None and days:
        of_days = table.c.starts_at_ms.in_([start_ms for start_ms, _ in days])
        parts.append(_values(table, name, measure).where(of_days, *_belonging(table, selection)))
    at = usage_hour.c.starts_at_ms
    if rest := [and_(at >= start_ms, at < end_ms) for start_ms, end_ms in _joined(set(wanted) - set(days))]:
        parts.append(_values(usage_hour, name, measure).where(or_(*rest), *_belonging(usage_hour, selection)))
    if not parts:
        return (), 0
    values = union_all(*parts).subquery()
    sums = select(values.c.value, func.sum(values.c.much).label("much")).group_by(values.c.value).subquery()
    leaders = select(sums.c.value, func.count().over()).order_by(sums.c.much.desc(), by_bytes(sums.c.value))
    rows = connection.execute(leaders.limit(count)).all()
    return tuple(row[0] for row in rows), rows[0][1] if rows else 0


def _values(table: Table, name: str, measure: str) -> Select[Any]:
    return select(table.c[name].label("value"), table.c[measure].label("much"))


def _joined(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """The same stretch of time in as few spans as there can be."""
    joined: list[tuple[int, int]] = []
    for start_ms, end_ms in sorted(spans):
        if joined and joined[-1][1] == start_ms:
            joined[-1] = (joined[-1][0], end_ms)
        else:
            joined.append((start_ms, end_ms))
    return joined


def list_slots(
    connection: Connection, selection: Selection, start_ms: int, end_ms: int, rows_max: int = ROWS_MAX
) -> list[GroupSums]:
    """Sums for each slot of `usage_hour` that begins within these bounds, ordered by time and group.

    Raises Refusal(PARAMETER_INVALID) if the answer is longer than `rows_max`.
    """
    return _by_slot(connection, usage_hour, selection, start_ms, end_ms, rows_max)


def list_minutes(
    connection: Connection, selection: Selection, start_ms: int, end_ms: int, rows_max: int = ROWS_MAX
) -> list[GroupSums]:
    """The same for each minute."""
    return _by_slot(connection, usage_minute, selection, start_ms, end_ms, rows_max)


def list_requests_by_secret(connection: Connection, organization_id: str, key_id: str, since_ms: int) -> dict[int, int]:
    """How many calls each version of a key's secret began since then, by version.

    The one question here that reads calls: the rollups do not know secrets. Ids sort by when a call began, so
    the index by key leads to this key's calls since then, and to no others.
    """
    statement = (
        select(calls.c.secret_version, func.count())
        .where(
            calls.c.id >= call_id(max(0, since_ms), _FIRST_RANDOM),
            calls.c.key_id == key_id,
            calls.c.organization_id == organization_id,
        )
        .group_by(calls.c.secret_version)
    )
    return {row[0]: row[1] for row in connection.execute(statement)}


def _by_slot(
    connection: Connection, table: Table, selection: Selection, start_ms: int, end_ms: int, rows_max: int
) -> list[GroupSums]:
    groups = [table.c[name] for name in selection.group_by]
    statement = (
        select(table.c.starts_at_ms, *groups, *_sums(table, Sums.__struct_fields__))
        .where(*chosen(table, selection))
        .group_by(table.c.starts_at_ms, *groups)
        .order_by(table.c.starts_at_ms, *map(by_bytes, groups))
        .limit(bindparam("rows_max"))
    )
    rows = connection.execute(statement, {"starts_ms": start_ms, "ends_ms": end_ms, "rows_max": rows_max + 1})
    width = 1 + len(groups)
    found = [GroupSums(row[0], row[1:width], Sums(*row[width:])) for row in rows]
    require_short(found, rows_max)
    return found


def _sums(table: Table, names: Sequence[str]) -> list[ColumnElement[Any]]:
    # PostgreSQL's sum of bigint is numeric; what is asked for here is always within 64 bits.
    return [cast(func.sum(table.c[name]), BigInteger) for name in names]


def chosen(table: Table, selection: Selection) -> list[ColumnElement[bool]]:
    """The conditions of a question; it takes the parameters `starts_ms` and `ends_ms`."""
    return [
        table.c.starts_at_ms >= bindparam("starts_ms"),
        table.c.starts_at_ms < bindparam("ends_ms"),
        *_belonging(table, selection),
    ]


def _belonging(table: Table, selection: Selection) -> list[ColumnElement[bool]]:
    of_organization = table.c.organization_id == selection.organization_id
    return [of_organization, *(table.c[name].in_(values) for name, values in _filters(selection).items())]


def _filters(selection: Selection) -> dict[str, tuple[str, ...]]:
    wanted = {
        "project_id": selection.project_ids,
        "owner_id": selection.owner_ids,
        "key_id": selection.key_ids,
        "model": selection.models,
        "endpoint": selection.endpoints,
        "upstream": selection.upstreams,
    }
    return {name: values for name, values in wanted.items() if values}


def require_short(found: Sequence[object], rows_max: int) -> None:
    """Raise Refusal(PARAMETER_INVALID) if an answer is longer than this."""
    if len(found) > rows_max:
        raise _too_long(rows_max)


def _too_long(rows_max: int) -> Refusal:
    return Refusal(
        Code.PARAMETER_INVALID,
        f"The answer has more than {rows_max} rows.",
        hint="Ask for less time at once, wider buckets, or fewer groups.",
        param="group_by",
    )
