"""Usage as the page shows it: totals, stacked bars and a table, all summed from the same rows. Pure."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, time, timedelta
from typing import Final

import msgspec

from keyhouse.console import wording
from keyhouse.console.wording import HOUR_MS, Times
from keyhouse.core.limit import instant_ms
from keyhouse.core.money import NANO_PER_USD
from keyhouse.reporting.usage import Bucket, UsageRow

SERIES_MAX: Final = 4
"""So many groups have a color of their own; the rest are one gray one."""

PERIODS: Final = (("24h", "24 h"), ("7d", "7 d"), ("30d", "30 d"), ("month", "Month to date"))
GROUPS: Final = (
    ("model", "Model", "models"),
    ("api_key_id", "Key", "keys"),
    ("user_id", "Member", "members"),
    ("project_id", "Project", "projects"),
)
MEASURES: Final = (
    ("requests", "Requests"),
    ("input", "Input tokens"),
    ("cached", "Cached input"),
    ("output", "Output tokens"),
    ("reasoning", "Reasoning"),
    ("cost", "Cost"),
)
_DAYS: Final = {"7d": 7, "30d": 30}


class Period(msgspec.Struct, frozen=True):
    """A span of whole buckets and the one before it, of as many."""

    bucket: Bucket
    start_ms: int
    end_ms: int
    before_start_ms: int
    before_end_ms: int
    name: str


def period_at(name: str, times: Times) -> Period:
    """The period that is called so, up to and with the present bucket."""
    if name == "24h":
        end_ms = times.now_ms - times.now_ms % HOUR_MS + HOUR_MS
        start_ms = end_ms - 24 * HOUR_MS
        return Period("hour", start_ms, end_ms, start_ms - 24 * HOUR_MS, start_ms, "Previous 24 h")
    today = times.local(times.now_ms).date()

    def midnight(days: int) -> int:
        return instant_ms(datetime.combine(today + timedelta(days=days), time(), tzinfo=times.zone))

    if name == "month":
        passed = today.day
        first_before = (today.replace(day=1) - timedelta(days=1)).replace(day=1)
        back = (first_before - today).days
        # The month before may be shorter: then its last days have nobody to stand beside.
        before_end = min(back + passed, 1 - passed)
        return Period("day", midnight(1 - passed), midnight(1), midnight(back), midnight(before_end), "Previous month")
    days = _DAYS[name]
    before = midnight(1 - 2 * days)
    return Period("day", midnight(1 - days), midnight(1), before, midnight(1 - days), f"Previous {days} d")


class Sums(msgspec.Struct):
    """What was used, summed."""

    requests: int = 0
    input: int = 0
    cached: int = 0
    output: int = 0
    reasoning: int = 0
    cost: int = 0

    def add(self, row: UsageRow) -> None:
        """Count one row."""
        self.requests += row.requests
        self.input += row.input_tokens
        self.cached += row.cached_input_tokens
        self.output += row.output_tokens
        self.reasoning += row.reasoning_tokens
        self.cost += row.cost_nano_usd

    def of(self, measure: str) -> int:
        """One of them, by its name."""
        value: int = getattr(self, measure)
        return value


class Total(msgspec.Struct, frozen=True):
    """One number above the chart. `change` is None where there is nothing to compare with."""

    measure: str
    title: str
    value: str
    exact: str
    change: str | None
    is_more: bool
    before: str


class Line(msgspec.Struct, frozen=True):
    """One line of the table: a group and its sums, as text and, for CSV, as numbers."""

    name: str
    color: str
    cells: tuple[str, ...]
    before: str
    change: str
    sums: Sums


class Series(msgspec.Struct, frozen=True):
    """One color of the bars."""

    name: str
    color: str
    values: list[float]


class Plot(msgspec.Struct, frozen=True):
    """What the chart draws; the browser reads it as JSON."""

    measure: str
    labels: list[str]
    titles: list[str]
    label_every: int
    series: list[Series]
    previous: list[float] | None
    previous_labels: list[str]
    previous_name: str
    description: str


class Report(msgspec.Struct, frozen=True):
    """A whole page of usage."""

    totals: tuple[Total, ...]
    lines: tuple[Line, ...]
    whole: Line
    plot: Plot
    days: tuple[tuple[str, tuple[str, ...], str], ...]
    has_usage: bool


class Gathered(msgspec.Struct, frozen=True):
    """Rows of both periods and the bounds of their buckets."""

    rows: Sequence[UsageRow]
    rows_before: Sequence[UsageRow]
    buckets: Sequence[tuple[int, int]]
    buckets_before: Sequence[tuple[int, int]]


def value_text(measure: str, value: int) -> str:
    """A value of a measure, exact."""
    return wording.money(value) if measure == "cost" else wording.count(value)


def _total_text(measure: str, value: int) -> str:
    if measure == "cost":
        return wording.money(value)
    return wording.count(value) if measure == "requests" and value < 10_000_000 else wording.short(value)


def report(gathered: Gathered, period: Period, by: str, measure: str, names: Mapping[str, str], times: Times) -> Report:
    """Sum the rows into everything the page shows."""
    groups, before = _by_group(gathered.rows), _by_group(gathered.rows_before)
    ranked = sorted(groups, key=lambda group: (-groups[group].of(measure), names.get(group, group)))
    title, many = next((one, several) for name, one, several in GROUPS if name == by)
    lines = tuple(
        _line(names.get(group, group), _color(at), groups[group], before.get(group, Sums()), measure)
        for at, group in enumerate(ranked)
    )
    whole, whole_before = _sum(gathered.rows), _sum(gathered.rows_before)
    plot = _plot(gathered, period, ranked, measure, names, times, title.lower())
    return Report(
        totals=tuple(_total(name, text, whole.of(name), whole_before.of(name)) for name, text in MEASURES),
        lines=lines,
        whole=_line(f"All {many}", "", whole, whole_before, measure),
        plot=plot,
        days=_days(gathered, ranked, measure, times, period),
        has_usage=bool(gathered.rows),
    )


def _color(rank: int) -> str:
    return f"c{min(rank, SERIES_MAX) + 1}"


def _by_group(rows: Sequence[UsageRow]) -> dict[str, Sums]:
    groups: dict[str, Sums] = defaultdict(Sums)
    for row in rows:
        groups[row.group[0] or ""].add(row)
    return groups


def _sum(rows: Sequence[UsageRow]) -> Sums:
    sums = Sums()
    for row in rows:
        sums.add(row)
    return sums


def _total(measure: str, title: str, now: int, before: int) -> Total:
    return Total(
        measure=measure,
        title=title,
        value=_total_text(measure, now),
        exact=value_text(measure, now),
        change=wording.change(now, before),
        is_more=now >= before,
        before=_total_text(measure, before),
    )


def _line(name: str, color: str, sums: Sums, before: Sums, measure: str) -> Line:
    now, then = sums.of(measure), before.of(measure)
    percent = wording.change(now, then)
    return Line(
        name=name,
        color=color,
        cells=tuple(value_text(column, sums.of(column)) for column, _ in MEASURES),
        before=value_text(measure, then),
        change="" if percent is None else ("+" if now >= then else "−") + percent,  # noqa: RUF001  a true minus
        sums=sums,
    )


def _number(measure: str, value: int) -> float:
    # The chart's axis is in USD; nine decimals are more than a pixel shows.
    return value / NANO_PER_USD if measure == "cost" else value


def _by_bucket(rows: Sequence[UsageRow], measure: str) -> Counter[int]:
    counter: Counter[int] = Counter()
    for row in rows:
        sums = Sums()
        sums.add(row)
        counter[row.bucket_start_ms] += sums.of(measure)
    return counter


def _plot(
    gathered: Gathered,
    period: Period,
    ranked: Sequence[str],
    measure: str,
    names: Mapping[str, str],
    times: Times,
    title: str,
) -> Plot:
    starts = [start for start, _ in gathered.buckets]
    series = []
    for at, group in enumerate(ranked[:SERIES_MAX]):
        counted = _by_bucket([row for row in gathered.rows if (row.group[0] or "") == group], measure)
        values = [_number(measure, counted[start]) for start in starts]
        series.append(Series(names.get(group, group), _color(at), values))
    if rest := set(ranked[SERIES_MAX:]):
        counted = _by_bucket([row for row in gathered.rows if (row.group[0] or "") in rest], measure)
        name = wording.plural(len(rest), "other")
        series.append(Series(name, _color(SERIES_MAX), [_number(measure, counted[start]) for start in starts]))
    before = _by_bucket(gathered.rows_before, measure)
    starts_before = [start for start, _ in gathered.buckets_before][: len(starts)]
    measure_title = dict(MEASURES)[measure]
    return Plot(
        measure=measure,
        labels=[bucket_label(period.bucket, start, times) for start in starts],
        titles=[_bucket_title(period.bucket, start, times) for start in starts],
        label_every=1 if len(starts) <= 7 else 4 if period.bucket == "hour" else 7,
        series=series,
        previous=[_number(measure, before[start]) for start in starts_before] if gathered.rows_before else None,
        previous_labels=[bucket_label(period.bucket, start, times) for start in starts_before],
        previous_name=period.name,
        description=f"{measure_title} per {period.bucket}, stacked by {title}. The table below has the same numbers.",
    )


def bucket_label(bucket: str, start_ms: int, times: Times) -> str:
    """A bucket's name on an axis: `18:00` or `12 Nov`."""
    return times.clock(start_ms) if bucket == "hour" else times.short_day(start_ms)


def _bucket_title(bucket: str, start_ms: int, times: Times) -> str:
    moment = times.local(start_ms)
    if bucket == "hour":
        return f"{moment.day} {moment:%b}, {moment:%H:%M} to {times.clock(start_ms + HOUR_MS)}"
    return f"{moment:%A} {moment.day} {moment:%b}"


def _days(
    gathered: Gathered, ranked: Sequence[str], measure: str, times: Times, period: Period
) -> tuple[tuple[str, tuple[str, ...], str], ...]:
    shown, rest = ranked[:SERIES_MAX], set(ranked[SERIES_MAX:])
    columns = [_by_bucket([row for row in gathered.rows if (row.group[0] or "") == group], measure) for group in shown]
    if rest:
        columns.append(_by_bucket([row for row in gathered.rows if (row.group[0] or "") in rest], measure))
    whole = _by_bucket(gathered.rows, measure)
    return tuple(
        (
            bucket_label(period.bucket, start, times),
            tuple(value_text(measure, column[start]) for column in columns),
            value_text(measure, whole[start]),
        )
        for start, _ in gathered.buckets
    )
