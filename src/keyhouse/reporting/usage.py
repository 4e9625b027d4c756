"""Usage and cost over time: contiguous buckets of a time zone, grouped and filtered, exact to the last digit.

A bucket is never reported in part: a question's start is rounded down to the bucket it lies in, and its end
up. Days are the zone's, so one has 23 or 25 hours where its clocks change.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, tzinfo
from operator import add, sub
from typing import Final, Literal
from zoneinfo import ZoneInfo

import msgspec

from keyhouse.core.errors import Code, Refusal
from keyhouse.core.limit import instant_ms
from keyhouse.core.rollup import HOUR_MS, MINUTE_MS
from keyhouse.store import rollups
from keyhouse.store.engine import Connection, Database
from keyhouse.store.leaders import list_leaders
from keyhouse.store.rollups import EXPORT_ROWS_MAX, Selection

Bucket = Literal["minute", "hour", "day"]

DAY_MS: Final = 24 * HOUR_MS
BUCKETS_MAX: Final = 2_000
"""The most buckets of one answer: more than a day of minutes, or five years of days."""

INSTANT_MAX_MS: Final = 4_102_444_800_000
"""The year 2100: nothing was used after it."""

COLUMNS: Final = {
    "project_id": "project_id",
    "user_id": "owner_id",
    "api_key_id": "key_id",
    "model": "model",
    "upstream": "upstream",
    "endpoint": "endpoint",
}
"""What usage can be grouped by, and where that is kept. A call's user is the owner of its key."""


class UsageQuery(msgspec.Struct, frozen=True):
    """Whose usage, from `start_ms` up to `end_ms`, in buckets of `zone`, an IANA name.

    `group_by` is of `COLUMNS`; an empty filter lets everything pass.
    """

    organization_id: str
    start_ms: int
    end_ms: int
    bucket: Bucket = "day"
    zone: str = "UTC"
    group_by: tuple[str, ...] = ()
    project_ids: tuple[str, ...] = ()
    user_ids: tuple[str, ...] = ()
    api_key_ids: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    endpoints: tuple[str, ...] = ()
    upstreams: tuple[str, ...] = ()


class UsageRow(msgspec.Struct, frozen=True):
    """What one group used in one bucket; `group` is aligned with the question's `group_by`.

    `cached_input_tokens`, `cache_write_tokens` and `audio_input_tokens` are part of `input_tokens`, `reasoning_tokens`
    and `audio_output_tokens` of `output_tokens`. `cost_nano_usd` leaves out the `unpriced_requests`, whose price was
    unknown.
    """

    bucket_start_ms: int
    group: tuple[str | None, ...]
    requests: int
    errors: int
    input_tokens: int
    cached_input_tokens: int
    cache_write_tokens: int
    output_tokens: int
    reasoning_tokens: int
    cost_nano_usd: int
    unpriced_requests: int
    audio_input_tokens: int = 0
    audio_output_tokens: int = 0
    images: int = 0
    audio_seconds: int = 0
    characters: int = 0


class Leaders(msgspec.Struct, frozen=True):
    """The groups with the most of something in a time, most first, and how many groups there are beside them."""

    groups: tuple[str, ...]
    others: int


LEADERS_MAX: Final = 50
"""So many keys or people are shown by themselves; all others are one group."""

OTHERS: Final = "others"
"""The group of all that are not among the leaders."""

FILTERS: Final = {"user_id": "user_ids", "api_key_id": "api_key_ids"}
"""What an organization may have very many of, and the filter by it."""


class UsageQuestions:
    """Asks the rollups, and nothing else."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def rows(self, query: UsageQuery, rows_max: int = rollups.ROWS_MAX) -> list[UsageRow]:
        """One row for each bucket and group that has data, ordered by time and group.

        Raises Refusal(PARAMETER_INVALID) for too many buckets, an answer of more than `rows_max`, or an unknown group.
        """
        selection = selection_of(query)
        bounds = buckets(query.start_ms, query.end_ms, query.bucket, query.zone)
        if not bounds:
            return []
        first_ms, end_ms = bounds[0][0], bounds[-1][1]
        if query.bucket != "minute":
            found = await self._database.read(lambda c: rollups.list_spans(c, selection, bounds, rows_max))
        else:
            found = await self._database.read(lambda c: rollups.list_minutes(c, selection, first_ms, end_ms, rows_max))
        return [UsageRow(row.starts_at_ms, row.group, *row.sums.values) for row in found]

    async def whole(self, query: UsageQuery, measure: str) -> list[UsageRow]:
        """One row for each group, however many there are, of all buckets together: those with the most of a measure
        first, and of those with as much in the order of their ids. For a file.
        """
        selection = selection_of(query)
        bounds = buckets(query.start_ms, query.end_ms, query.bucket, query.zone)

        def ask(connection: Connection) -> list[UsageRow]:
            span = bounds[0][0], bounds[-1][1]
            found = rollups.list_spans(connection, selection, [span], EXPORT_ROWS_MAX)
            # Sorted here, beside the event loop: they may be very many.
            found.sort(key=lambda row: -int(getattr(row.sums, measure)))
            return [UsageRow(row.starts_at_ms, row.group, *row.sums.values) for row in found]

        return await self._database.read(ask) if bounds else []

    async def leaders(self, query: UsageQuery, measure: str) -> Leaders | None:
        """Who has the most of a measure, a field of `UsageRow`; None where a group is of what there are few of."""
        if query.group_by[0] not in FILTERS:
            return None
        return await leaders_of(self._database, query, measure)

    async def rows_of(self, query: UsageQuery, leaders: Leaders | None) -> list[UsageRow]:
        """The rows of these groups, and those of all others as one group; of every group with None."""
        if leaders is None:
            return await self.rows(query)
        shown = await self.rows(of_leaders(query, leaders)) if leaders.groups else []
        parts: dict[int, tuple[int, ...]] = {}
        for row in shown:
            part, counts = parts.get(row.bucket_start_ms), counts_of(row)
            parts[row.bucket_start_ms] = counts if part is None else tuple(map(add, part, counts))
        others = [_less(row, parts) for row in await self.rows(msgspec.structs.replace(query, group_by=()))]
        rows = [*shown, *(row for row in others if any(counts_of(row)))]
        return sorted(rows, key=lambda row: (row.bucket_start_ms, row.group[0] or ""))

    async def summed(self, query: UsageQuery, leaders: Leaders | None) -> tuple[list[UsageRow], list[UsageRow]]:
        """What each of these groups, and all others as one, used in all buckets together; and what all used in each."""
        shown: list[UsageRow] = []
        if leaders is None or leaders.groups:
            shown = await self.whole(query if leaders is None else of_leaders(query, leaders), "requests")
        by_bucket = await self.rows(msgspec.structs.replace(query, group_by=()))
        if leaders is not None and by_bucket:
            at_ms = by_bucket[0].bucket_start_ms
            whole, parts = (_together(rows) for rows in (by_bucket, shown))
            others = _less(UsageRow(at_ms, (), *whole), {at_ms: parts})
            shown += [others] if any(counts_of(others)) else []
        return shown, by_bucket


async def leaders_of(database: Database, query: UsageQuery, measure: str) -> Leaders:
    """Who has the most of a measure, by the rollups."""
    selection = selection_of(query)
    spans = buckets(query.start_ms, query.end_ms, query.bucket, query.zone)
    found, count = await database.read(lambda c: list_leaders(c, selection, spans, measure, LEADERS_MAX))
    return Leaders(found, count - len(found))


def of_leaders(query: UsageQuery, leaders: Leaders) -> UsageQuery:
    """The same question of these groups only."""
    return msgspec.structs.replace(query, **{FILTERS[query.group_by[0]]: leaders.groups})


def counts_of(row: UsageRow) -> tuple[int, ...]:
    """All that a row counts."""
    counted: tuple[int, ...] = msgspec.structs.astuple(row)[2:]
    return counted


def _together(rows: Sequence[UsageRow]) -> tuple[int, ...]:
    """All that these rows count."""
    width = len(UsageRow.__struct_fields__) - 2
    return tuple(map(sum, zip(*map(counts_of, rows), strict=True))) if rows else (0,) * width


def _less(whole: UsageRow, parts: Mapping[int, tuple[int, ...]]) -> UsageRow:
    """What is left of a bucket for the others. The parts were read before the whole, which may have grown since."""
    counts = counts_of(whole)
    left = map(sub, counts, parts.get(whole.bucket_start_ms, (0,) * len(counts)))
    return UsageRow(whole.bucket_start_ms, (OTHERS,), *(max(0, count) for count in left))


def buckets(start_ms: int, end_ms: int, bucket: Bucket, zone: str) -> list[tuple[int, int]]:
    """The contiguous buckets that cover these times: each one's first millisecond, and the first after it.

    None if the end is not after the start. Raises Refusal(PARAMETER_INVALID) for more than `BUCKETS_MAX`, or
    for times outside 1970 to 2100.
    """
    if start_ms < 0 or end_ms > INSTANT_MAX_MS:
        raise Refusal(Code.PARAMETER_INVALID, "The times lie outside the years 1970 to 2100.", param="start_time")
    place = _place(zone)
    bounds: list[tuple[int, int]] = []
    at_ms = floor_ms(start_ms, bucket, place)
    while at_ms < end_ms and start_ms < end_ms:
        if len(bounds) == BUCKETS_MAX:
            raise Refusal(
                Code.PARAMETER_INVALID,
                f"These times hold more than {BUCKETS_MAX} buckets of a {bucket}.",
                hint="Ask for less time at once, or for wider buckets.",
                param="bucket_width",
            )
        next_ms = following_ms(at_ms, bucket, place)
        bounds.append((at_ms, next_ms))
        at_ms = next_ms
    return bounds


def floor_ms(at_ms: int, bucket: Bucket, zone: tzinfo) -> int:
    """The first millisecond of the bucket that holds this instant."""
    if bucket == "minute":
        return at_ms - at_ms % MINUTE_MS
    local = datetime.fromtimestamp(at_ms / 1000, zone)
    if bucket == "day":
        return instant_ms(local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0))
    offset_ms = (local.utcoffset() or timedelta()) // timedelta(milliseconds=1)
    return at_ms - (at_ms + offset_ms) % HOUR_MS


def following_ms(start_ms: int, bucket: Bucket, zone: tzinfo) -> int:
    """The first millisecond after the bucket that begins at `start_ms`."""
    if bucket == "minute":
        return start_ms + MINUTE_MS
    if bucket == "hour":
        # Where clocks turn by half an hour, the bucket around it ends with the old hour.
        return floor_ms(start_ms + HOUR_MS, "hour", zone)
    local = datetime.fromtimestamp(start_ms / 1000, zone)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    return instant_ms(midnight + timedelta(days=1))  # a day later by the wall, whatever its length


def _place(zone: str) -> ZoneInfo:
    try:
        return ZoneInfo(zone)
    except (KeyError, ValueError):
        raise Refusal(Code.PARAMETER_INVALID, f"{zone!r} is not a time zone.", param="zone") from None


def selection_of(query: UsageQuery) -> Selection:
    """The question in the store's words; raises Refusal(PARAMETER_INVALID) for an unknown group."""
    unknown = [name for name in query.group_by if name not in COLUMNS]
    if unknown:
        raise Refusal(Code.PARAMETER_INVALID, f"{unknown[0]!r} is not one of {', '.join(COLUMNS)}.", param="group_by")
    return Selection(
        organization_id=query.organization_id,
        group_by=tuple(COLUMNS[name] for name in query.group_by),
        project_ids=query.project_ids,
        owner_ids=query.user_ids,
        key_ids=query.api_key_ids,
        models=query.models,
        endpoints=query.endpoints,
        upstreams=query.upstreams,
    )
