"""What the auditor knows by heart: the sums of every call that is final, so that only the rest is added up anew.

Ids sort by when a call began and a closed call never changes, so calls are read once, in the order of their ids,
up to a watermark that follows the present at a distance. Those that still ran when it passed are remembered and
counted once they have closed. What `limit_periods.pruned` says is taken over at the beginning; what is pruned later
was counted here before, and its sum only moves from the calls to that column.

Rollups are compared slot by slot, as the watermark passes the end of each, and then forgotten: what is kept does not
grow with the past.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from keyhouse.core.rollup import HOUR_MS
from keyhouse.store import watch as rows
from keyhouse.store.engine import Connection
from keyhouse.store.evidence import PeriodEvidence, RollupEvidence

FOUND_MAX: Final = 1_000
"""More disagreements than this of one kind are not listed."""

SLOT_CLOSES_MS: Final = 2 * HOUR_MS
"""How long after a slot's first millisecond nothing is added to it: its hour, and another for late comers."""


class Stale(Exception):  # noqa: N818  it is an answer, not a fault
    """Calls were pruned that had not been read: what is known is of no use any more."""


class Step(msgspec.Struct, frozen=True):
    """What one snapshot adds to what is known, up to a new watermark."""

    watermark: str
    pruned_to: str
    floor_ms: int
    calls: int
    settled: dict[int, int]
    used: dict[rows.Rollup, rows.Used]
    held: tuple[str, ...]
    adjusted: frozenset[str]
    rollups: tuple[RollupEvidence, ...]
    rollups_compared: int
    strays: tuple[tuple[str, str], ...]
    is_last: bool


class Known:
    """The sums of all final calls. `watermark` is the newest of them, `floor_ms` the newest slot that was compared."""

    def __init__(self) -> None:
        self.watermark = rows.FIRST
        self.calls = 0
        self.settled: dict[int, int] = {}
        self.used: dict[rows.Rollup, rows.Used] = {}
        self.held: tuple[str, ...] = ()
        self.adjusted: frozenset[str] = frozenset()
        self.floor_ms = 0
        self.rollups: tuple[RollupEvidence, ...] = ()
        self.rollups_compared = 0
        self.strays: tuple[tuple[str, str], ...] = ()
        self._pruned_to: str | None = None

    def step(self, connection: Connection, before: str, at_most: int) -> Step:
        """Read the next calls, at most so many, that began before this id. Changes nothing. Raises Stale."""
        pruned_to, pruned_ms = rows.get_pruned_to(connection)
        if self._pruned_to is not None and pruned_to != self._pruned_to and pruned_to > self.watermark:
            raise Stale
        last, count = rows.find_step(connection, self.watermark, before, at_most)
        watermark = self.watermark if last is None else last
        stretch = rows.Stretch(self.watermark, watermark, self.held)
        floor_ms = max(self.floor_ms, pruned_ms)
        settled: dict[int, int] = dict(rows.list_pruned(connection)) if self._pruned_to is None else {}
        for counted in rows.list_counted(connection, stretch):
            _add(settled, counted.period_id, counted.settled)
        used = dict(rows.list_rolled_up(connection, stretch, floor_ms))
        adjusted = rows.list_adjusted(connection, watermark)
        # Those of the stretch itself are in its sums already.
        late = [
            call_id for call_id in adjusted - self.adjusted if call_id <= self.watermark and call_id not in self.held
        ]
        if late:
            for period_id, given in rows.list_given(connection, late):
                _add(settled, period_id, given)
            _add_up(used, rows.list_given_back(connection, late, floor_ms))
        closed_ms = max(floor_ms, rows.begun_ms(watermark) - SLOT_CLOSES_MS)
        rollups, compared = self._compare_slots(connection, used, floor_ms, closed_ms)
        return Step(
            watermark=watermark,
            pruned_to=pruned_to,
            floor_ms=closed_ms,
            calls=count,
            settled=settled,
            used=used,
            held=rows.list_held(connection, watermark),
            adjusted=adjusted,
            rollups=rollups,
            rollups_compared=compared,
            strays=tuple(rows.list_strays(connection, stretch)),
            is_last=count < at_most,
        )

    def take(self, step: Step) -> None:
        """Know from now on what this step read."""
        self.watermark, self._pruned_to, self.floor_ms = step.watermark, step.pruned_to, step.floor_ms
        self.calls += step.calls
        for period_id, settled in step.settled.items():
            _add(self.settled, period_id, settled)
        _add_up(self.used, step.used.items())
        self.used = {rollup: used for rollup, used in self.used.items() if rollup[0] > self.floor_ms}
        self.held, self.adjusted = step.held, step.adjusted
        self.rollups = (*self.rollups, *step.rollups)[:FOUND_MAX]
        self.rollups_compared += step.rollups_compared
        self.strays = (*self.strays, *step.strays)[:FOUND_MAX]

    def forget(self, kept: set[int]) -> None:
        """Forget every period but these: the others are no longer there."""
        self.settled = {period_id: settled for period_id, settled in self.settled.items() if period_id in kept}

    def _compare_slots(
        self, connection: Connection, fresh: dict[rows.Rollup, rows.Used], floor_ms: int, up_to_ms: int
    ) -> tuple[tuple[RollupEvidence, ...], int]:
        if up_to_ms <= floor_ms:
            return (), 0
        expected = {rollup: used for rollup, used in self.used.items() if floor_ms < rollup[0] <= up_to_ms}
        _add_up(expected, (item for item in fresh.items() if item[0][0] <= up_to_ms))
        return compared(rows.list_hours(connection, floor_ms, up_to_ms), expected)


class Rest(msgspec.Struct, frozen=True):
    """What calls after the watermark, and those before it that still run, add up to at one moment."""

    calls: int
    held: int
    counted: dict[int, tuple[int, int]]
    used: dict[rows.Rollup, rows.Used]
    strays: tuple[tuple[str, str], ...]


def read_rest(connection: Connection, step: Step) -> Rest:
    """The calls that a step left out."""
    stretch = rows.Stretch(step.watermark, rows.LAST, step.held)
    _, count = rows.find_step(connection, step.watermark, rows.LAST, 2**31 - 1)
    return Rest(
        calls=count,
        held=len(rows.list_held(connection, rows.LAST)),
        counted={
            counted.period_id: (counted.settled, counted.reserved) for counted in rows.list_counted(connection, stretch)
        },
        used=dict(rows.list_rolled_up(connection, stretch, step.floor_ms)),
        strays=tuple(rows.list_strays(connection, stretch)),
    )


def compared(
    found: Iterable[tuple[rows.Rollup, rows.Used]], expected: dict[rows.Rollup, rows.Used]
) -> tuple[tuple[RollupEvidence, ...], int]:
    """Where rollups and what calls add up to differ, and how many were compared."""
    stored = dict(found)
    every = sorted(stored.keys() | expected.keys())
    wrong = [rollup for rollup in every if stored.get(rollup) != expected.get(rollup)]
    return tuple(_evidence(rollup, stored.get(rollup), expected.get(rollup)) for rollup in wrong[:FOUND_MAX]), len(
        every
    )


def disagreeing(counters: rows.Counters, settled: int, reserved: int) -> PeriodEvidence | None:
    """The period's evidence if its counters are not what its calls add up to (I2) or beyond its amount (I1)."""
    agrees = counters.settled == settled and counters.reserved == reserved
    is_within = counters.settled + counters.reserved <= counters.peak + counters.overrun
    if agrees and is_within and min(counters.settled, counters.reserved, counters.overrun) >= 0:
        return None
    return PeriodEvidence(
        period_id=counters.period_id,
        limit_id=counters.limit_id,
        period=counters.period,
        unit=counters.unit,
        settled=counters.settled,
        settled_expected=settled,
        reserved=counters.reserved,
        reserved_expected=reserved,
        overrun=counters.overrun,
        peak=counters.peak,
    )


def _evidence(rollup: rows.Rollup, stored: rows.Used | None, expected: rows.Used | None) -> RollupEvidence:
    says, adds = stored or (None,) * 4, expected or (None,) * 4
    return RollupEvidence(
        starts_at_ms=rollup[0],
        key_id=rollup[4],
        model=rollup[5],
        requests=says[0],
        requests_expected=adds[0],
        input_tokens=says[1],
        input_tokens_expected=adds[1],
        output_tokens=says[2],
        output_tokens_expected=adds[2],
        cost_nano_usd=says[3],
        cost_nano_usd_expected=adds[3],
    )


def _add(sums: dict[int, int], period_id: int, amount: int) -> None:
    sums[period_id] = sums.get(period_id, 0) + amount


def _add_up(sums: dict[rows.Rollup, rows.Used], more: Iterable[tuple[rows.Rollup, rows.Used]]) -> None:
    for rollup, (requests, given, output, cost) in more:
        had = sums.get(rollup, (0, 0, 0, 0))
        sums[rollup] = (had[0] + requests, had[1] + given, had[2] + output, had[3] + cost)
