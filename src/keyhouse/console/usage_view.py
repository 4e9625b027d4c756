"""Usage as the page shows it: totals, stacked bars and a table, all summed from the same rows. Pure."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from keyhouse.console import wording
from keyhouse.console.periods import Period, bucket_label, bucket_title, label_every
from keyhouse.console.plots import Plot, Series
from keyhouse.console.wording import Times
from keyhouse.core.money import NANO_PER_USD
from keyhouse.reporting.usage import OTHERS, UsageRow

SERIES_MAX: Final = 4
"""So many groups have a color of their own; the rest are one gray one."""

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
MEASURED: Final = {
    "requests": "requests",
    "input": "input_tokens",
    "cached": "cached_input_tokens",
    "output": "output_tokens",
    "reasoning": "reasoning_tokens",
    "cost": "cost_nano_usd",
}
"""Where a row has each of them."""


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


class Report(msgspec.Struct, frozen=True):
    """A whole page of usage."""

    totals: tuple[Total, ...]
    lines: tuple[Line, ...]
    whole: Line
    plot: Plot
    days: tuple[tuple[str, tuple[str, ...], str], ...]
    has_usage: bool


class Gathered(msgspec.Struct, frozen=True):
    """Rows of a period by bucket and group, and of the one before it by group and, whoever called, by bucket; and the
    bounds of their buckets. `others` groups are in the rows of `OTHERS`.
    """

    rows: Sequence[UsageRow]
    rows_before: Sequence[UsageRow]
    whole_before: Sequence[UsageRow]
    buckets: Sequence[tuple[int, int]]
    buckets_before: Sequence[tuple[int, int]]
    others: int = 0

    @property
    def behind(self) -> int:
        """How many groups there are more than rows tell: those of `OTHERS` but one."""
        return max(0, self.others - 1)


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
    ranked = sorted(groups, key=lambda group: (group == OTHERS, -groups[group].of(measure), names.get(group, group)))
    title, many = next((one, several) for name, one, several in GROUPS if name == by)
    lines = tuple(
        _line(names.get(group, group), _color(at), groups[group], before.get(group, Sums()), measure)
        for at, group in enumerate(ranked)
    )
    whole, whole_before = _sum(gathered.rows), _sum(gathered.whole_before)
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
    column = MEASURED[measure]
    for row in rows:
        counter[row.bucket_start_ms] += getattr(row, column)
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
        name = wording.plural(len(rest) + gathered.behind, "other")
        series.append(Series(name, _color(SERIES_MAX), [_number(measure, counted[start]) for start in starts]))
    before = _by_bucket(gathered.whole_before, measure)
    starts_before = [start for start, _ in gathered.buckets_before][: len(starts)]
    measure_title = dict(MEASURES)[measure]
    return Plot(
        unit="usd" if measure == "cost" else "count",
        labels=[bucket_label(period.bucket, start, times) for start in starts],
        titles=[bucket_title(period.bucket, start, times) for start in starts],
        label_every=label_every(period.bucket, len(starts)),
        series=series,
        previous=[_number(measure, before[start]) for start in starts_before] if gathered.whole_before else None,
        previous_labels=[bucket_label(period.bucket, start, times) for start in starts_before],
        previous_name=period.name,
        description=f"{measure_title} per {period.bucket}, stacked by {title}. The table below has the same numbers.",
    )


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
