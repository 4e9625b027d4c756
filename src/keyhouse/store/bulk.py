"""Many rows at once, for filling an empty database: rows as they are, and the sums that settling would have written.

It checks nothing and counts nothing by itself: whoever fills a database hands over calls whose charges are right, and
adds what they count to the periods.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, TypeVar

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Dialect,
    Table,
    bindparam,
    case,
    cast,
    exists,
    func,
    insert,
    select,
    update,
)

from keyhouse.core.call import State
from keyhouse.core.rollup import MINUTE_MS
from keyhouse.store.metadata import METADATA
from keyhouse.store.rollup_tables import HISTOGRAM_BOUNDS_MS
from keyhouse.store.schema import calls, keys, limit_periods, usage_hour, usage_minute

T = TypeVar("T")

Rows = Sequence[tuple[Any, ...]]

ROWS_AT_ONCE: Final = 5_000

_GROUPS: Final = ("organization_id", "project_id", "owner_id", "key_id", "model", "upstream", "endpoint")
_COUNTED: Final = (
    "input_tokens",
    "cached_input_tokens",
    "cache_write_tokens",
    "output_tokens",
    "reasoning_tokens",
    "audio_input_tokens",
    "audio_output_tokens",
    "images",
    "audio_seconds",
    "characters",
)


def has_calls(connection: Connection) -> bool:
    """Whether there is a call at all, of any organization."""
    return bool(connection.execute(select(exists(select(calls.c.id)))).scalar_one())


def insert_rows(connection: Connection, table: str, columns: Sequence[str], rows: Rows) -> None:
    """Add rows to the table of this name, each with a value for each of these columns."""
    if not rows:
        return
    statement, order = _insertion(table, tuple(columns), connection.dialect)
    if order != tuple(columns):
        places = [columns.index(name) for name in order]
        rows = [tuple(row[place] for place in places) for row in rows]
    # Past SQLAlchemy's own preparation of each row, which takes longer than SQLite does to write it.
    for some in _some_at_once(rows):
        connection.exec_driver_sql(statement, list(some))


@lru_cache(32)
def _insertion(table: str, columns: tuple[str, ...], dialect: Dialect) -> tuple[str, tuple[str, ...]]:
    """The statement, and the order of the columns in it."""
    statement = insert(METADATA.tables[table]).compile(dialect=dialect, column_keys=list(columns))
    return str(statement), tuple(statement.positiontup or columns)


def get_next_period_id(connection: Connection) -> int:
    """The number after that of the newest period of a limit."""
    return int(connection.execute(select(func.coalesce(func.max(limit_periods.c.id), 0))).scalar_one()) + 1


def update_period_sequence(connection: Connection) -> None:
    """Let the database count on from the newest period, where it counts in a place of its own: PostgreSQL."""
    if connection.dialect.name == "postgresql":
        sequence = func.pg_get_serial_sequence("limit_periods", "id")
        connection.execute(select(func.setval(sequence, func.max(limit_periods.c.id))).select_from(limit_periods))


def update_settled(connection: Connection, settled: Mapping[int, int]) -> None:
    """Add what calls counted to these periods, by their ids."""
    if settled:
        statement = (
            update(limit_periods)
            .where(limit_periods.c.id == bindparam("its_id"))
            .values(settled=limit_periods.c.settled + bindparam("its_sum"))
        )
        for some in _some_at_once(sorted(settled)):
            connection.execute(statement, [{"its_id": one, "its_sum": settled[one]} for one in some])


def update_last_used(connection: Connection, used_at_ms: Mapping[str, int]) -> None:
    """Write when these keys were used, by their ids."""
    if used_at_ms:
        statement = update(keys).where(keys.c.id == bindparam("its_id")).values(last_used_at_ms=bindparam("at_ms"))
        for some in _some_at_once(sorted(used_at_ms)):
            connection.execute(statement, [{"its_id": one, "at_ms": used_at_ms[one]} for one in some])


def _some_at_once(all_of_them: Sequence[T]) -> Iterator[Sequence[T]]:
    """In parts of which PostgreSQL writes each in the time that a statement may take, on a busy machine too."""
    for place in range(0, len(all_of_them), ROWS_AT_ONCE):
        yield all_of_them[place : place + ROWS_AT_ONCE]


def insert_hours(connection: Connection, first_id: str, last_id: str) -> None:
    """Add up these closed calls, by the hour. They are all there are in their slots."""
    took, waited = (case((calls.c.state == State.SETTLED, calls.c[name])) for name in ("duration_ms", "first_byte_ms"))
    sums: dict[str, ColumnElement[Any]] = {
        **_sums(),
        **_histogram("duration", took),
        **_histogram("first_byte", waited),
        "errors_429": _count(calls.c.status == 429),
        "errors_5xx": _count((calls.c.status >= 500) | (calls.c.state == State.ORPHANED)),
        "answering_ms": func.coalesce(func.sum(took - func.coalesce(waited, 0)), 0),
    }
    _insert_sums(connection, usage_hour, calls.c.rollup_at_ms, sums, first_id, last_id)


def insert_minutes(connection: Connection, first_id: str, last_id: str) -> None:
    """The same by the minute."""
    minute = calls.c.created_at_ms - calls.c.created_at_ms % MINUTE_MS
    _insert_sums(connection, usage_minute, minute, _sums(), first_id, last_id)


def _sums() -> dict[str, ColumnElement[Any]]:
    counts = calls.c.state != State.RELEASED
    return {
        "requests": _count(counts),
        "errors": _count((calls.c.status >= 400) | (calls.c.state == State.ORPHANED)),
        "cost_nano_usd": func.sum(func.coalesce(calls.c.charged_nano_usd, 0)),
        "unpriced_requests": _count(counts & calls.c.charged_nano_usd.is_(None)),
        **{name: func.sum(calls.c[name]) for name in _COUNTED},
    }


def _histogram(name: str, value: ColumnElement[Any]) -> dict[str, ColumnElement[Any]]:
    bounds = (-1, *HISTOGRAM_BOUNDS_MS)
    places: dict[str, ColumnElement[Any]] = {
        f"{name}_{place}": _count(value.between(bounds[place] + 1, bounds[place + 1]))
        for place in range(len(HISTOGRAM_BOUNDS_MS))
    }
    return places | {f"{name}_{len(HISTOGRAM_BOUNDS_MS)}": _count(value > bounds[-1])}


def _count(condition: ColumnElement[bool]) -> ColumnElement[Any]:
    return func.count().filter(condition)


def _insert_sums(
    connection: Connection,
    table: Table,
    start: ColumnElement[Any],
    sums: Mapping[str, ColumnElement[Any]],
    first_id: str,
    last_id: str,
) -> None:
    groups = [calls.c[name] for name in _GROUPS]
    chosen = (
        select(start.label("starts_at_ms"), *groups, *(cast(one, BigInteger).label(name) for name, one in sums.items()))
        .where(calls.c.id >= first_id, calls.c.id <= last_id)
        .group_by(start, *groups)
    )
    connection.execute(insert(table).from_select(["starts_at_ms", *_GROUPS, *sums], chosen))
