"""How fast calls were and what became of them: the histograms and causes of the rollups, summed over spans of slots."""

from collections.abc import Sequence
from typing import Final

import msgspec
from sqlalchemy import Connection

from keyhouse.store.refused import list_refused
from keyhouse.store.rollup_tables import HISTOGRAM_BOUNDS_MS
from keyhouse.store.rollups import ROWS_MAX, Selection, span_rows
from keyhouse.store.spans import Bounds

_PLACES: Final = len(HISTOGRAM_BOUNDS_MS) + 1
_PLAIN: Final = ("requests", "errors", "errors_429", "errors_5xx", "output_tokens", "answering_ms")
_NUMBERS: Final = (*_PLAIN, "refused")


class Timings(msgspec.Struct, frozen=True):
    """What a group's calls took in a stretch of time.

    `durations` and `first_bytes` count calls that settled by latency bucket (`HISTOGRAM_BOUNDS_MS`), from their
    admission to the last and to the first byte. `answering_ms` is the time from first to last byte, added up.
    Of `errors`, `errors_429` were the upstream's, `errors_5xx` faults; the rest were the caller's. `refused` are the
    requests that a limit refused: they are none of the calls, and no errors of theirs.
    """

    requests: int
    errors: int
    errors_429: int
    errors_5xx: int
    output_tokens: int
    answering_ms: int
    durations: tuple[int, ...]
    first_bytes: tuple[int, ...]
    refused: int = 0

    def __add__(self, other: "Timings") -> "Timings":
        return Timings(
            durations=tuple(mine + yours for mine, yours in zip(self.durations, other.durations, strict=True)),
            first_bytes=tuple(mine + yours for mine, yours in zip(self.first_bytes, other.first_bytes, strict=True)),
            **{name: getattr(self, name) + getattr(other, name) for name in _NUMBERS},
        )

    def __sub__(self, other: "Timings") -> "Timings":
        """What is left of these without a part of them, which was read before: nothing counts less than zero."""

        def less(mine: tuple[int, ...], yours: tuple[int, ...]) -> tuple[int, ...]:
            return tuple(max(0, one - another) for one, another in zip(mine, yours, strict=True))

        return Timings(
            durations=less(self.durations, other.durations),
            first_bytes=less(self.first_bytes, other.first_bytes),
            **{name: max(0, getattr(self, name) - getattr(other, name)) for name in _NUMBERS},
        )


NOTHING: Final = Timings(0, 0, 0, 0, 0, 0, (0,) * _PLACES, (0,) * _PLACES)


class GroupTimings(msgspec.Struct, frozen=True):
    """The timings of one group from `starts_at_ms` on; `group` holds the values of the question's `group_by`."""

    starts_at_ms: int
    group: tuple[str, ...]
    timings: Timings


def list_timings(
    connection: Connection, selection: Selection, spans: Sequence[Bounds], rows_max: int = ROWS_MAX
) -> list[GroupTimings]:
    """Timings over whole spans of slots, such as days or hours, in their order, and in that of their groups.

    Raises Refusal(PARAMETER_INVALID) if the answer is longer than `rows_max`.
    """
    names = [*_PLAIN, *(f"duration_{n}" for n in range(_PLACES)), *(f"first_byte_{n}" for n in range(_PLACES))]
    width, plain = len(selection.group_by), len(selection.group_by) + len(_PLAIN)
    found: list[GroupTimings] = []
    for start_ms, row in span_rows(connection, selection, spans, names, rows_max):
        durations, first_bytes = row[plain : plain + _PLACES], row[plain + _PLACES :]
        sums = dict(zip(_PLAIN, row[width:plain], strict=True))
        found.append(GroupTimings(start_ms, row[:width], Timings(**sums, durations=durations, first_bytes=first_bytes)))
    refused = list_refused(connection, selection, spans)
    return _with_refused(found, refused) if refused else found


def _with_refused(found: Sequence[GroupTimings], refused: dict[tuple[int, tuple[str, ...]], int]) -> list[GroupTimings]:
    """These timings with what was refused; where nothing but that was, a row of its own."""
    rows = {(row.starts_at_ms, row.group): row.timings for row in found}
    for place, count in refused.items():
        rows[place] = msgspec.structs.replace(rows.get(place, NOTHING), refused=count)
    return [GroupTimings(start_ms, group, rows[start_ms, group]) for start_ms, group in sorted(rows)]
