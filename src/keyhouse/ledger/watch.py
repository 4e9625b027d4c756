"""The auditor in production: every minute the books are added up again, at the cost of what is new.

It checks what `keyhouse ledger verify` checks: I1 and I2 for every period that a call touched since the last round
and for the others in turns, every rollup of the last hours, and every call's row. What it cannot see is a change of
what it has read before: a final call that is altered or deleted behind the watermark, an old rollup that is altered,
and whether what pruning moved to `limit_periods.pruned` was right. Therefore it forgets everything once a day and
reads all calls again, in small pieces; the full verification sees everything at once.

A call comes late if its gateway's clock is behind, so the watermark keeps minutes of distance. One that comes later
still, or a database that was put back from a backup, makes what is known wrong. Before it raises the alarm, the
auditor therefore reads everything again.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

import msgspec

from keyhouse.core.clock import Clock
from keyhouse.core.identifiers import call_id
from keyhouse.core.rollup import MINUTE_MS
from keyhouse.ledger.auditor import Report, report
from keyhouse.ledger.known import FOUND_MAX, Known, Rest, Stale, Step, compared, disagreeing, read_rest
from keyhouse.store import watch as rows
from keyhouse.store.engine import Connection, Database
from keyhouse.store.evidence import Evidence, PeriodEvidence, RollupEvidence, Totals

AUDIT_SECONDS: Final = 60.0
"""Rest between two rounds."""

DISTANCE_MS: Final = 5 * MINUTE_MS
"""How far the watermark stays behind the present."""

STEP_CALLS: Final = 10_000
"""How many calls are read at once."""

PAUSE_SECONDS: Final = 0.25
"""Rest between two steps, so that reading all calls takes a fraction of a core and never keeps a reader long."""

PERIODS_IN_TURN: Final = 2_000
"""How many periods are looked at in a round although no call touched them. Comparing them is the part of a round that
is Python's, and on PostgreSQL the event loop's: some milliseconds."""

AGAIN_MS: Final = 24 * 3_600_000
"""How old what is known may become."""

MILLISECONDS_MAX: Final = 2**62

Pause = Callable[[float], Awaitable[None]]


class _Found(msgspec.Struct, frozen=True):
    """What one snapshot showed."""

    evidence: Evidence
    periods_seen: frozenset[int]
    cursor: int

    @property
    def subjects(self) -> frozenset[object]:
        """What disagrees, whatever its figures are."""
        found = self.evidence
        return frozenset(
            [period.period_id for period in found.periods]
            + [(rollup.starts_at_ms, rollup.key_id, rollup.model) for rollup in found.rollups]
            + [call for call, _ in found.strays]
        )


class Watch:
    """Audits the books round by round. `tell` is told what changed: the disagreements, none when they agree again.

    The attributes are for the metrics: the last report, None before the first, when it was made, how long it took,
    in milliseconds, and how often all calls were read.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        tell: Callable[[tuple[str, ...]], None],
        *,
        step_calls: int = STEP_CALLS,
        periods_in_turn: int = PERIODS_IN_TURN,
        pause: Pause = asyncio.sleep,
    ) -> None:
        self._database = database
        self._clock = clock
        self._tell = tell
        self._step_calls = step_calls
        self._periods_in_turn = periods_in_turn
        self._pause = pause
        self._known: Known | None = None
        self._known_since_ms = 0.0
        self._cursor = 0
        self._seen: set[int] = set()
        self._confirmed: frozenset[object] = frozenset()
        self._suspects: frozenset[int] = frozenset()
        self._was_told = False
        self.report: Report | None = None
        self.audited_at_ms: int | None = None
        self.took_ms = 0.0
        self.readings = 0

    async def round(self) -> Report:
        """Audit once. Raises what the database raises; then the last report stands."""
        began_ms = self._clock.monotonic_ms()
        if self._known is None or began_ms - self._known_since_ms >= AGAIN_MS:
            self._forget_all()
        found, is_fresh = await self._look()
        self._suspects = frozenset(period.period_id for period in found.evidence.periods)
        if found.subjects - self._confirmed and not is_fresh:
            self._forget_all()
            found, _ = await self._look()
        self._confirmed = found.subjects
        made = report(found.evidence)
        self.report, self.audited_at_ms = made, self._clock.now_ms()
        self.took_ms = self._clock.monotonic_ms() - began_ms
        # While they disagree they are told of every time, when they agree again once.
        if made.disagreements or self._was_told:
            self._was_told = bool(made.disagreements)
            self._tell(made.disagreements)
        return made

    def _forget_all(self) -> None:
        self._known, self._cursor, self._seen = None, 0, set()

    async def _look(self) -> tuple[_Found, bool]:
        """Catch up, and compare on one snapshot; and whether everything was read for it."""
        is_fresh = self._known is None
        while True:
            if self._known is None:
                self._known, self._known_since_ms = Known(), self._clock.monotonic_ms()
                self.readings += 1
            known = self._known
            try:
                step, found = await self._database.read(partial(self._read, known))
            except Stale:
                self._forget_all()
                is_fresh = True
                continue
            known.take(step)
            if found is not None:
                self._turn(known, found)
                return found, is_fresh
            await self._pause(PAUSE_SECONDS)

    def _read(self, known: Known, connection: Connection) -> tuple[Step, _Found | None]:
        """One step; and, if it is the last one, what there is to see from it."""
        before = call_id(max(0, self._clock.now_ms() - DISTANCE_MS), bytes(10))
        step = known.step(connection, before, self._step_calls)
        return step, self._compare(connection, known, step) if step.is_last else None

    def _compare(self, connection: Connection, known: Known, step: Step) -> _Found:
        rest = read_rest(connection, step)
        touched = step.settled.keys() | rest.counted.keys() | self._suspects
        stored = rows.list_counters(connection, self._cursor, self._periods_in_turn, touched)
        in_turn = [counters.period_id for counters in stored if counters.period_id > self._cursor]
        is_round = len(in_turn) < self._periods_in_turn
        rollups, rollups_compared = _compare_rollups(connection, known, step, rest)
        evidence = Evidence(
            Totals(
                calls=known.calls + step.calls + rest.calls,
                held=rest.held,
                periods=len(stored),
                rollups=known.rollups_compared + step.rollups_compared + rollups_compared,
                adjustments=len(step.adjusted),
            ),
            _compare_periods(stored, known, step, rest),
            (*known.rollups, *step.rollups, *rollups)[:FOUND_MAX],
            (*known.strays, *step.strays, *rest.strays)[:FOUND_MAX],
        )
        seen = frozenset(counters.period_id for counters in stored)
        return _Found(evidence, seen, -1 if is_round else sorted(in_turn)[self._periods_in_turn - 1])

    def _turn(self, known: Known, found: _Found) -> None:
        """Go on where this round ended; after the last period forget those that are no longer there."""
        self._seen |= found.periods_seen
        if found.cursor >= 0:
            self._cursor = found.cursor
            return
        known.forget(self._seen)
        self._cursor, self._seen = 0, set()


def _compare_periods(stored: list[rows.Counters], known: Known, step: Step, rest: Rest) -> tuple[PeriodEvidence, ...]:
    found = []
    for counters in stored:
        settled, reserved = rest.counted.get(counters.period_id, (0, 0))
        settled += known.settled.get(counters.period_id, 0) + step.settled.get(counters.period_id, 0)
        if evidence := disagreeing(counters, settled, reserved):
            found.append(evidence)
    return tuple(found[:FOUND_MAX])


def _compare_rollups(
    connection: Connection, known: Known, step: Step, rest: Rest
) -> tuple[tuple[RollupEvidence, ...], int]:
    expected: dict[rows.Rollup, rows.Used] = {}
    for part in (known.used, step.used, rest.used):
        for rollup, used in part.items():
            if rollup[0] > step.floor_ms:
                had = expected.get(rollup, (0, 0, 0, 0))
                expected[rollup] = (had[0] + used[0], had[1] + used[1], had[2] + used[2], had[3] + used[3])
    return compared(rows.list_hours(connection, step.floor_ms, MILLISECONDS_MAX), expected)
