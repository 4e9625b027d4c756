"""How fast calls are answered and how many fail, over time and by group.

Percentiles are read from histograms, so that a month costs what its hours cost and not what its calls do: a value
lies within its latency bucket, taken to be spread evenly over it.
"""

from collections.abc import Sequence

import msgspec

from keyhouse.reporting.usage import (
    FILTERS,
    OTHERS,
    Leaders,
    UsageQuery,
    buckets,
    leaders_of,
    of_leaders,
    selection_of,
)
from keyhouse.store import timings
from keyhouse.store.engine import Connection, Database
from keyhouse.store.rollup_tables import HISTOGRAM_BOUNDS_MS
from keyhouse.store.rollups import EXPORT_ROWS_MAX
from keyhouse.store.timings import NOTHING, GroupTimings, Timings


class PerformanceQuestions:
    """Asks the rollups by the hour, and nothing else."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def rows(self, query: UsageQuery) -> list[GroupTimings]:
        """One row for each bucket and group that has data, ordered by time and group; buckets are hours or days.

        Raises Refusal(PARAMETER_INVALID) for too many buckets, too long an answer, or an unknown group.
        """
        selection = selection_of(query)
        bounds = buckets(query.start_ms, query.end_ms, query.bucket, query.zone)
        return await self._database.read(lambda c: timings.list_timings(c, selection, bounds))

    async def whole(self, query: UsageQuery) -> list[GroupTimings]:
        """One row for each group, however many there are, of all buckets together: those with the most requests first,
        and of those with as many in the order of their ids. For a file.
        """
        selection = selection_of(query)
        bounds = buckets(query.start_ms, query.end_ms, query.bucket, query.zone)

        def ask(connection: Connection) -> list[GroupTimings]:
            span = bounds[0][0], bounds[-1][1]
            found = timings.list_timings(connection, selection, [span], EXPORT_ROWS_MAX)
            return sorted(found, key=lambda row: -row.timings.requests)

        return await self._database.read(ask) if bounds else []

    async def leaders(self, query: UsageQuery) -> Leaders | None:
        """Who has the most requests; None where a group is of what there are few of."""
        return await leaders_of(self._database, query, "requests") if query.group_by[0] in FILTERS else None

    async def rows_of(self, query: UsageQuery, leaders: Leaders | None) -> list[GroupTimings]:
        """The rows of these groups, and those of all others as one group; of every group with None."""
        if leaders is None:
            return await self.rows(query)
        shown = await self.rows(of_leaders(query, leaders)) if leaders.groups else []
        rest = {row.starts_at_ms: row.timings for row in await self.rows(msgspec.structs.replace(query, group_by=()))}
        for row in shown:
            rest[row.starts_at_ms] = rest[row.starts_at_ms] - row.timings
        return [*shown, *(GroupTimings(at_ms, (OTHERS,), left) for at_ms, left in rest.items() if left != NOTHING)]


class Speed(msgspec.Struct, frozen=True):
    """What the timings say. Times are milliseconds, rates shares of the requests; None where nothing was measured.

    `asked` are all requests, those too that a limit of ours refused (`own_429`) and so never became one of `requests`.
    """

    asked: int
    requests: int
    first_byte_p50_ms: float | None
    first_byte_p95_ms: float | None
    duration_p50_ms: float | None
    duration_p95_ms: float | None
    output_tokens_per_second: float | None
    error_share: float | None
    caller_errors: int
    own_429: int
    upstream_429: int
    faults: int


def speed_of(found: Timings) -> Speed:
    """Percentiles and rates of these calls."""
    caller_errors = found.errors - found.errors_429 - found.errors_5xx
    # A call that was released answered with an error, and is no request that was charged: both are counted.
    asked = max(found.requests, found.errors) + found.refused
    return Speed(
        asked=asked,
        requests=found.requests,
        first_byte_p50_ms=percentile_ms(found.first_bytes, 0.5),
        first_byte_p95_ms=percentile_ms(found.first_bytes, 0.95),
        duration_p50_ms=percentile_ms(found.durations, 0.5),
        duration_p95_ms=percentile_ms(found.durations, 0.95),
        output_tokens_per_second=(
            found.output_tokens * 1000 / found.answering_ms if found.answering_ms and found.output_tokens else None
        ),
        error_share=(found.errors + found.refused) / asked if asked else None,
        caller_errors=max(0, caller_errors),
        own_429=found.refused,
        upstream_429=found.errors_429,
        faults=found.errors_5xx,
    )


def percentile_ms(counts: Sequence[int], share: float) -> float | None:
    """The time that this share of calls did not exceed, in milliseconds; None without calls.

    The last bucket has no end: what lies in it is said to be its beginning.
    """
    whole = sum(counts)
    if whole == 0:
        return None
    wanted, passed, below = share * whole, 0, 0
    for count, bound in zip(counts, HISTOGRAM_BOUNDS_MS, strict=False):
        if count and passed + count >= wanted:
            return below + (bound - below) * (wanted - passed) / count
        passed += count
        below = bound
    return float(HISTOGRAM_BOUNDS_MS[-1])
