"""The questions asked of the rollups: sums over time and groups, never a scan of calls.

A rollup row belongs to one slot of time: a minute in `usage_minute`; in `usage_hour` an hour, or a quarter
of one where the organization's clock is not whole hours from UTC, so that the hours and days of UTC and of
the organization are exact sums of slots. Every question is a range of slots, which is how both tables
are ordered on disk, read from hours and days that were folded (`store/folding.py`) as far as there are any, and is
refused where its answer would be longer than `ROWS_MAX`.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from operator import add
from typing import Any, Final

import msgspec
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    FromClause,
    Table,
    and_,
    bindparam,
    cast,
    func,
    or_,
    select,
)

from keyhouse.core.errors import Code, Refusal
from keyhouse.core.identifiers import call_id
from keyhouse.core.rollup import HOUR_MS, QUARTER_MS
from keyhouse.store.folding import DAYS, folds_of, list_folded
from keyhouse.store.ordering import by_bytes, unindexed
from keyhouse.store.schema import calls, usage_hour, usage_minute
from keyhouse.store.spans import Bounds, gaps, joined

ROWS_MAX: Final = 50_000
"""The longest answer. A page of usage has a few hundred rows."""

EXPORT_ROWS_MAX: Final = 2_000_000
"""The longest answer for a file."""

DIMENSIONS: Final = ("project_id", "owner_id", "key_id", "model", "upstream", "endpoint")
"""What usage can be grouped by."""

DAY_MS_MIN: Final = 23 * HOUR_MS
"""How long a day is when clocks are put forward."""

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
    spans: Iterable[Bounds],
    names: Sequence[str],
    rows_max: int,
) -> list[tuple[int, tuple[Any, ...]]]:
    """The start of each span with its groups and the sums of these columns, in order: of an hour or a day that was
    folded from there, else put together from the hours within it that were, and from slots.
    Raises Refusal(PARAMETER_INVALID) if they are more than `rows_max`.
    """
    wanted = list(spans)
    found: dict[Bounds, list[tuple[Any, ...]]] = {}
    count = 0
    for fold, table in folds_of(needed(selection)):
        left = [span for span in wanted if (span[1] - span[0] > HOUR_MS) == (fold is DAYS)]
        if not left:
            continue
        folded = set(list_folded(connection, selection.organization_id, fold, left[0][0], left[-1][1]))
        whole = [span for span in left if span in folded]
        found |= _whole(connection, table, selection, whole, names, rows_max - count)
        count = sum(map(len, found.values()))
    left = [span for span in wanted if span not in found]
    if len(left) > 1:
        # Before an organization's first call no day is folded: these are not asked for one by one.
        first_ms = _first_slot(connection, selection, (left[0][0], left[-1][1]))
        found |= {span: [] for span in left if first_ms is None or span[1] <= first_ms}
        left = [span for span in left if span not in found]
    if left and all(end_ms - start_ms <= HOUR_MS for start_ms, end_ms in left):
        found |= _hourly(connection, selection, left, names, rows_max - count)
        left = []
    for span, pieces in pieced(connection, selection, left):
        found[span] = _put_together(connection, selection, pieces, names, rows_max - count)
        count += len(found[span])
    return [(span[0], row) for span in wanted for row in found[span]]


def _whole(
    connection: Connection, table: Table, selection: Selection, spans: list[Bounds], names: Sequence[str], rows_max: int
) -> dict[Bounds, list[tuple[Any, ...]]]:
    """The rows of spans that were folded as they are."""
    if not spans:
        return {}
    groups = [table.c[name] for name in selection.group_by]
    statement = (
        select(table.c.starts_at_ms, *groups, *_sums(table, names))
        .where(*begins_with(table, spans), *belonging(table, selection))
        .group_by(table.c.starts_at_ms, *groups)
        .having(func.count() > 0)
        .order_by(table.c.starts_at_ms, *map(by_bytes, groups))
        .limit(max(0, rows_max) + 1)
    )
    rows = connection.execute(statement).all()
    require_short(rows, rows_max)
    by_start: dict[int, list[tuple[Any, ...]]] = {start_ms: [] for start_ms, _ in spans}
    for row in rows:
        by_start[row[0]].append(tuple(row[1:]))
    return {span: by_start[span[0]] for span in spans}


def _first_slot(connection: Connection, selection: Selection, bounds: Bounds) -> int | None:
    """When the organization's first slot within these bounds begins."""
    at = usage_hour.c.starts_at_ms
    within = at >= bounds[0], at < bounds[1], usage_hour.c.organization_id == selection.organization_id
    return connection.execute(select(at).where(*within).order_by(at).limit(1)).scalar_one_or_none()


def _hourly(
    connection: Connection, selection: Selection, spans: Sequence[Bounds], names: Sequence[str], rows_max: int
) -> dict[Bounds, list[tuple[Any, ...]]]:
    """The rows of spans no longer than an hour, in one question: of each slot, and there are few to each span."""
    groups = [usage_hour.c[name] for name in selection.group_by]
    width, starts = len(groups), [start_ms for start_ms, _ in spans]
    when = or_(*(and_(usage_hour.c.starts_at_ms >= one, usage_hour.c.starts_at_ms < end) for one, end in joined(spans)))
    statement = (
        select(usage_hour.c.starts_at_ms, *groups, *_sums(usage_hour, names))
        .where(when, *belonging(usage_hour, selection))
        .group_by(usage_hour.c.starts_at_ms, *groups)
        .limit(max(0, rows_max) * HOUR_MS // QUARTER_MS + 1)
    )
    sums: dict[tuple[int, tuple[Any, ...]], tuple[Any, ...]] = {}
    for row in connection.execute(statement):
        place, more = (bisect_right(starts, row[0]) - 1, tuple(row[1 : 1 + width])), tuple(row[1 + width :])
        had = sums.get(place)
        sums[place] = more if had is None else tuple(map(add, had, more))
    require_short(list(sums), rows_max)
    found: dict[Bounds, list[tuple[Any, ...]]] = {span: [] for span in spans}
    for at, group in sorted(sums):
        found[spans[at]].append((*group, *sums[at, group]))
    return found


def pieced(
    connection: Connection, selection: Selection, spans: Sequence[Bounds]
) -> Iterator[tuple[Bounds, list[tuple[Table, Bounds]]]]:
    """These spans in pieces, each with the table to read it from: days that were folded, hours between them that were,
    and the slots between these.
    """
    folds: list[tuple[Table, list[Bounds]]] = []
    is_long = any(end_ms - start_ms >= DAY_MS_MIN for start_ms, end_ms in spans)
    for fold, table in folds_of(needed(selection)) if spans else ():
        if fold is not DAYS or is_long:
            found = list_folded(connection, selection.organization_id, fold, spans[0][0], spans[-1][1])
            folds.append((table, found))
    for span in spans:
        pieces: list[tuple[Table, Bounds]] = []
        left = [span]
        for table, folded in folds:
            runs = [run for bounds in left for run in joined(_within(folded, bounds))]
            pieces += [(table, run) for run in runs]
            left = [gap for bounds in left for gap in gaps(_within(runs, bounds), bounds)]
        yield span, [*pieces, *((usage_hour, bounds) for bounds in left)]


def _within(folded: Sequence[Bounds], bounds: Bounds) -> list[Bounds]:
    """Those that lie within these bounds."""
    first, end = bisect_left(folded, (bounds[0], 0)), bisect_left(folded, (bounds[1], 0))
    return [one for one in folded[first:end] if one[1] <= bounds[1]]


def _put_together(
    connection: Connection,
    selection: Selection,
    pieces: Iterable[tuple[Table, Bounds]],
    names: Sequence[str],
    rows_max: int,
) -> list[tuple[Any, ...]]:
    """The rows of one span, added up over its pieces."""
    width = len(selection.group_by)
    sums: dict[tuple[Any, ...], tuple[Any, ...]] = {}
    for table, (start_ms, end_ms) in pieces:
        groups = [table.c[name] for name in selection.group_by]
        statement = (
            select(*groups, *_sums(table, names))
            .where(*chosen(table, selection))
            .group_by(*groups)
            .having(func.count() > 0)
            .limit(bindparam("rows_max"))
        )
        bounds = {"starts_ms": start_ms, "ends_ms": end_ms, "rows_max": max(0, rows_max) + 1}
        for row in connection.execute(statement, bounds):
            group, more = tuple(row[:width]), tuple(row[width:])
            had = sums.get(group)
            sums[group] = more if had is None else tuple(map(add, had, more))
        require_short(list(sums), rows_max)
    # Python sorts texts as their bytes are.
    return [(*group, *sums[group]) for group in sorted(sums)]


def list_slots(
    connection: Connection, selection: Selection, start_ms: int, end_ms: int, rows_max: int = ROWS_MAX
) -> list[GroupSums]:
    """Sums for each slot of `usage_hour`, or hour that was folded, that begins within these bounds, ordered by time and
    group.

    Raises Refusal(PARAMETER_INVALID) if the answer is longer than `rows_max`.
    """
    found: list[GroupSums] = []
    hours: list[Bounds] = []
    for fold, table in folds_of(needed(selection)):
        if fold is DAYS:
            continue
        hours = joined(list_folded(connection, selection.organization_id, fold, start_ms, end_ms))
        for bounds in hours:
            found += _by_slot(connection, table, selection, *bounds, rows_max)
    for bounds in gaps(hours, (start_ms, end_ms)):
        found += _by_slot(connection, usage_hour, selection, *bounds, rows_max)
        require_short(found, rows_max)
    return sorted(found, key=lambda slot: (slot.starts_at_ms, slot.group))


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
        *belonging(table, selection),
    ]


def begins_with(table: Table, spans: Sequence[Bounds]) -> list[ColumnElement[bool]]:
    """The conditions that a row of a folded table begins with one of these spans, which are in their order.

    Of few keys or owners SQLite would read every row of these days, where it shall look for theirs between the first
    and the last.
    """
    at = table.c.starts_at_ms
    starts = [start_ms for start_ms, _ in spans]
    return [at >= starts[0], at <= starts[-1], unindexed(at).in_(starts)]


def belonging(table: FromClause, selection: Selection) -> list[ColumnElement[bool]]:
    """The conditions of whose usage is asked for."""
    of_organization = table.c.organization_id == selection.organization_id
    return [of_organization, *(table.c[name].in_(values) for name, values in filters(selection).items())]


def needed(selection: Selection) -> set[str]:
    """What a table must know to answer."""
    return {*selection.group_by, *filters(selection)}


def filters(selection: Selection) -> dict[str, tuple[str, ...]]:
    """What is asked for, by column: only what is filtered by."""
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
