"""What the auditor asks again and again: sums over a stretch of calls, and the counters as they stand.

A stretch is the calls whose ids come after one and up to another, and some besides by their ids. Ids sort by when
a call began, so a stretch is read along the primary key and costs what is in it.
"""

from collections.abc import Collection, Iterable
from functools import cache
from typing import Any, Final

import msgspec
from sqlalchemy import Connection

from keyhouse.core.identifiers import ALPHABET
from keyhouse.store.statements import load_statements

Rollup = tuple[int, str, str, str, str, str, str, str]
"""A row of `usage_hour` by its slot, organization, project, owner, key, model, upstream and endpoint."""

Used = tuple[int, int, int, int]
"""Requests, input tokens, output tokens and nano-USD."""

FIRST: Final = ""
LAST: Final = "~"
"""Before and after every call's id."""

_TIME_BITS: Final = 80
_PREFIX: Final = "call_"
_FILES: Final = {"sqlite": "watch_sqlite.sql", "postgresql": "watch_postgres.sql"}


class Stretch(msgspec.Struct, frozen=True):
    """The calls after one id and up to another, and some besides."""

    after: str
    up_to: str
    besides: tuple[str, ...] = ()

    @property
    def bounds(self) -> tuple[str, str, str]:
        """The stretch as the statements take it."""
        return self.after, self.up_to, _text(self.besides)


class Counted(msgspec.Struct, frozen=True):
    """What calls add up to on one period."""

    period_id: int
    settled: int
    reserved: int


class Counters(msgspec.Struct, frozen=True):
    """A period as it stands."""

    period_id: int
    limit_id: str
    period: str
    unit: str
    settled: int
    reserved: int
    overrun: int
    peak: int


def begun_ms(call_id: str) -> int:
    """When a call began by its id, in milliseconds since 1970; 0 if its id does not say."""
    number = 0
    for digit in call_id.removeprefix(_PREFIX):
        place = ALPHABET.find(digit)
        if place < 0:
            return 0
        number = number * len(ALPHABET) + place
    return number >> _TIME_BITS


def find_step(connection: Connection, after: str, before: str, at_most: int) -> tuple[str | None, int]:
    """The newest of the next calls between two ids, None if there is none, and how many they are."""
    ((last, count),) = _rows(connection, "step", after, before, at_most)
    return last, count


def list_held(connection: Connection, up_to: str) -> tuple[str, ...]:
    """The calls that run, up to this id."""
    return tuple(row[0] for row in _rows(connection, "held", up_to))


def list_adjusted(connection: Connection, up_to: str) -> frozenset[str]:
    """The calls that were settled late, up to this id."""
    return frozenset(row[0] for row in _rows(connection, "adjusted", up_to))


def list_counted(connection: Connection, stretch: Stretch) -> list[Counted]:
    """What these calls add up to on each period that is still there."""
    return [Counted(*row) for row in _rows(connection, "counted", *stretch.bounds)]


def list_given(connection: Connection, call_ids: Iterable[str]) -> list[tuple[int, int]]:
    """What late settles of these calls gave back, zero or less, by period."""
    return [(row[0], row[1]) for row in _rows(connection, "given", _text(call_ids))]


def list_rolled_up(connection: Connection, stretch: Stretch, after_ms: int) -> list[tuple[Rollup, Used]]:
    """What these calls add up to in each rollup whose slot begins after this instant."""
    return [_rollup(row) for row in _rows(connection, "rolled_up", *stretch.bounds, after_ms)]


def list_given_back(connection: Connection, call_ids: Iterable[str], after_ms: int) -> list[tuple[Rollup, Used]]:
    """What late settles of these calls gave back in each rollup whose slot begins after this instant."""
    return [_rollup(row) for row in _rows(connection, "given_back", _text(call_ids), after_ms)]


def list_hours(connection: Connection, after_ms: int, up_to_ms: int) -> list[tuple[Rollup, Used]]:
    """The rollups as they stand, whose slots begin after one instant and up to another."""
    return [_rollup(row) for row in _rows(connection, "hours", after_ms, up_to_ms)]


def list_counters(connection: Connection, after: int, at_most: int, besides: Collection[int]) -> list[Counters]:
    """The next periods by id, and some besides, as they stand. One that is no longer there is left out."""
    return [Counters(*row) for row in _rows(connection, "periods", after, at_most, _text(besides))]


def list_pruned(connection: Connection) -> list[tuple[int, int]]:
    """What calls counted that are no longer kept, by period."""
    return [(row[0], row[1]) for row in _rows(connection, "pruned")]


def get_pruned_to(connection: Connection) -> tuple[str, int]:
    """How far calls were pruned: the newest id and the newest slot among them."""
    ((last_id, last_slot_ms),) = _rows(connection, "pruned_to")
    return last_id, last_slot_ms


def list_strays(connection: Connection, stretch: Stretch) -> list[tuple[str, str]]:
    """Calls among these that are not closed properly or count on a missing period, with their states."""
    return [(row[0], row[1]) for row in _rows(connection, "strays", *stretch.bounds)]


def _rollup(row: Any) -> tuple[Rollup, Used]:
    return tuple(row[:8]), tuple(row[8:])


def _rows(connection: Connection, name: str, *values: object) -> list[Any]:
    return list(connection.exec_driver_sql(_statements(connection.dialect.name)[name], values).all())


@cache
def _statements(dialect: str) -> dict[str, str]:
    return load_statements(_FILES[dialect])


def _text(values: Iterable[object]) -> str:
    return msgspec.json.encode(list(values)).decode()
