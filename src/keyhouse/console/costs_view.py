"""Costs as pages show them: bars by group, the month against its budget, a statement. Pure."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from itertools import accumulate

import msgspec

from keyhouse.console import wording
from keyhouse.console.periods import Period, bucket_label, bucket_title, label_every
from keyhouse.console.plots import Plot, Series
from keyhouse.console.usage_view import GROUPS, SERIES_MAX, Gathered
from keyhouse.console.wording import Times
from keyhouse.core.money import NANO_PER_USD, format_usd
from keyhouse.reporting.costs import Month
from keyhouse.reporting.usage import OTHERS, UsageRow

_MINUS = "−"  # noqa: RUF001  a true minus


class Line(msgspec.Struct, frozen=True):
    """One group: what it cost, its share of all, and the period before."""

    name: str
    color: str
    cost: str
    exact: str
    share: str
    requests: str
    before: str
    change: str


class Report(msgspec.Struct, frozen=True):
    """What a period cost."""

    cost_nano_usd: int
    cost: str
    before: str
    change: str | None
    is_more: bool
    lines: tuple[Line, ...]
    plot: Plot
    days: tuple[tuple[str, ...], ...]
    unpriced: int
    has_cost: bool


class MonthView(msgspec.Struct, frozen=True):
    """The present month in words, as a chart and as a table."""

    name: str
    spent: str
    expected: str
    budget: str
    left: str
    verdict: str
    is_over: bool
    pace: str
    plot: Plot
    days: tuple[tuple[str, ...], ...]


class StatementLine(msgspec.Struct, frozen=True):
    """One model of a project, or the sum of it: counts and cost to the last digit."""

    project: str
    model: str
    requests: int
    input: int
    cached: int
    output: int
    cost_nano_usd: int

    @property
    def cells(self) -> tuple[str, ...]:
        """What a table shows after the names."""
        counts = (self.requests, self.input, self.cached, self.output)
        return (*map(wording.count, counts), f"${format_usd(self.cost_nano_usd)}")


def report(gathered: Gathered, period: Period, by: str, names: Mapping[str, str], times: Times) -> Report:
    """Sum the rows into everything the page shows of a period."""
    groups: dict[str, int] = defaultdict(int)
    requests: dict[str, int] = defaultdict(int)
    before: dict[str, int] = defaultdict(int)
    for row in gathered.rows:
        groups[row.group[0] or ""] += row.cost_nano_usd
        requests[row.group[0] or ""] += row.requests
    for row in gathered.rows_before:
        before[row.group[0] or ""] += row.cost_nano_usd
    ranked = sorted(groups, key=lambda group: (group == OTHERS, -groups[group], names.get(group, group)))
    whole, whole_before = sum(groups.values()), sum(before.values())
    series, days = _stacks(gathered, period, ranked, names, times)
    return Report(
        cost_nano_usd=whole,
        cost=wording.money(whole),
        before=wording.money(whole_before),
        change=wording.change(whole, whole_before),
        is_more=whole >= whole_before,
        lines=tuple(
            Line(
                name=names.get(group, group),
                color=f"c{min(at, SERIES_MAX) + 1}",
                cost=wording.money(groups[group]),
                exact=f"${format_usd(groups[group])}",
                share=f"{groups[group] * 100 / whole:.1f}%" if whole else "0%",
                requests=wording.count(requests[group]),
                before=wording.money(before[group]),
                change=_change(groups[group], before[group]),
            )
            for at, group in enumerate(ranked)
        ),
        plot=_plot(gathered, period, series, by, times),
        days=days,
        unpriced=sum(row.unpriced_requests for row in gathered.rows),
        has_cost=bool(gathered.rows),
    )


def name_of(row: UsageRow, names: Mapping[str, str]) -> str:
    """What a row's group is called."""
    return names.get(row.group[0] or "", row.group[0] or "")


def _change(now: int, before: int) -> str:
    percent = wording.change(now, before)
    return "" if percent is None else ("+" if now >= before else _MINUS) + percent


def _stacks(
    gathered: Gathered, period: Period, ranked: Sequence[str], names: Mapping[str, str], times: Times
) -> tuple[list[Series], tuple[tuple[str, ...], ...]]:
    """The bars, and the same as rows of a table: bucket, each series, the whole."""
    starts = [start for start, _ in gathered.buckets]
    stacks: list[tuple[str, Counter[int]]] = [(names.get(group, group), Counter()) for group in ranked[:SERIES_MAX]]
    if rest := len(ranked) - SERIES_MAX:
        stacks += [(wording.plural(rest + gathered.behind, "other"), Counter())] if rest > 0 else []
    places = {group: min(at, SERIES_MAX) for at, group in enumerate(ranked)}
    for row in gathered.rows:
        stacks[places[row.group[0] or ""]][1][row.bucket_start_ms] += row.cost_nano_usd
    series = [
        Series(name, f"c{at + 1}", [counted[start] / NANO_PER_USD for start in starts])
        for at, (name, counted) in enumerate(stacks)
    ]
    days = tuple(
        (
            bucket_label(period.bucket, start, times),
            *(wording.money(counted[start]) for _, counted in stacks),
            wording.money(sum(counted[start] for _, counted in stacks)),
        )
        for start in starts
    )
    return series, days


def _plot(gathered: Gathered, period: Period, series: list[Series], by: str, times: Times) -> Plot:
    starts = [start for start, _ in gathered.buckets]
    starts_before = [start for start, _ in gathered.buckets_before][: len(starts)]
    before: Counter[int] = Counter()
    for row in gathered.whole_before:
        before[row.bucket_start_ms] += row.cost_nano_usd
    title = next(one for name, one, _ in GROUPS if name == by).lower()
    return Plot(
        unit="usd",
        labels=[bucket_label(period.bucket, start, times) for start in starts],
        titles=[bucket_title(period.bucket, start, times) for start in starts],
        label_every=label_every(period.bucket, len(starts)),
        series=series,
        description=f"Cost per {period.bucket}, stacked by {title}. The table below has the same numbers.",
        previous=[before[start] / NANO_PER_USD for start in starts_before] if gathered.whole_before else None,
        previous_labels=[bucket_label(period.bucket, start, times) for start in starts_before],
        previous_name=period.name,
    )


def month_view(month: Month, times: Times) -> MonthView:
    """The present month: what was spent day by day, where it goes, and what it may cost."""
    sums = list(accumulate(month.spent))
    budget = month.budget
    budget_nano = None if budget is None else budget.limit.amount
    goes_to = _going(month, sums)
    series = [Series("Spent", "c1", [value / NANO_PER_USD for value in sums], "line")]
    if month.expected is not None:
        series.append(
            Series("Forecast", "c1", [None if one is None else one / NANO_PER_USD for one in goes_to], "dashed")
        )
    if budget_nano is not None:
        series.append(Series("Budget", "bad", [budget_nano / NANO_PER_USD] * len(month.days), "level"))
    labels = [times.short_day(start) for start, _ in month.days]
    name = f"{times.local(month.start_ms):%B}"
    plot = Plot(
        unit="usd",
        labels=labels,
        titles=[bucket_title("day", start, times) for start, _ in month.days],
        label_every=7,
        series=series,
        description=f"What {name} has cost so far, day by day added up, and its forecast.",
    )
    rows = tuple(
        (
            label,
            wording.money(month.spent[at]) if at < len(month.spent) else "",
            wording.money(sums[at]) if at < len(sums) else "",
            "" if goes_to[at] is None else wording.money(goes_to[at] or 0),
        )
        for at, label in enumerate(labels)
    )
    return MonthView(
        name=name,
        spent=wording.money(month.spent_so_far),
        expected="" if month.expected is None else wording.money(month.expected),
        budget="" if budget is None else wording.budget(budget.limit.amount),
        left="" if budget is None else wording.money(budget.left),
        verdict=_verdict(month, times),
        is_over=budget_nano is not None and (month.expected or month.spent_so_far) > budget_nano,
        pace="" if month.pace is None else wording.money(month.pace),
        plot=plot,
        days=rows,
    )


def _going(month: Month, sums: Sequence[int]) -> list[int | None]:
    """The forecast at the end of each day that is not over, beginning where today stands."""
    count, begun = len(month.days), len(sums)
    if month.expected is None or not begun:
        return [None] * count
    now, left = sums[-1], count - begun
    if not left:
        return [*[None] * (count - 1), month.expected]
    steps = [now + (month.expected - now) * step // left for step in range(left + 1)]
    return [*[None] * (begun - 1), *steps]


def _verdict(month: Month, times: Times) -> str:
    budget = month.budget
    if month.expected is None:
        return "There is no forecast before a full day with calls has passed."
    if budget is None:
        return "The organization has no budget for a month."
    size = wording.budget(budget.limit.amount)
    if month.spent_so_far >= budget.limit.amount:
        return f"The budget of {size} is used up."
    if month.expected <= budget.limit.amount:
        return f"At this pace the month stays within its budget of {size}."
    days = (budget.limit.amount - month.spent_so_far) * wording.DAY_MS // max(1, month.pace or 1)
    return f"At this pace the budget of {size} is used up {times.moment(times.now_ms + days)}."


def statement_of(rows: Sequence[UsageRow], names: Mapping[str, str]) -> tuple[StatementLine, ...]:
    """A statement's lines by project and model, each project's sum behind its models."""
    lines: list[StatementLine] = []
    projects = sorted({row.group[0] or "" for row in rows}, key=lambda one: (names.get(one, one), one))
    for project in projects:
        mine = [row for row in rows if (row.group[0] or "") == project]
        ranked = sorted(mine, key=lambda one: (-one.cost_nano_usd, one.group[1] or ""))
        lines += [_statement_line(names.get(project, project), row.group[1] or "", [row]) for row in ranked]
        lines.append(_statement_line(names.get(project, project), "", mine))
    return tuple(lines)


def statement_sum(rows: Sequence[UsageRow]) -> StatementLine:
    """The sum of a statement."""
    return _statement_line("All projects", "", rows)


def _statement_line(project: str, model: str, rows: Sequence[UsageRow]) -> StatementLine:
    return StatementLine(
        project,
        model,
        sum(row.requests for row in rows),
        sum(row.input_tokens for row in rows),
        sum(row.cached_input_tokens for row in rows),
        sum(row.output_tokens for row in rows),
        sum(row.cost_nano_usd for row in rows),
    )
