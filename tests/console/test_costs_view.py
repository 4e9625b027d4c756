"""Costs: chart, table, CSV and statement are the same numbers."""

from zoneinfo import ZoneInfo

from given import NOON
from keyhouse.console.costs_view import Report, month_view, report, statement_of, statement_sum
from keyhouse.console.periods import Picked, period_at
from keyhouse.console.usage_view import Gathered
from keyhouse.console.wording import DAY_MS, HOUR_MS, Times
from keyhouse.core.limit import Limit, LimitState, ScopeType, Unit, Window
from keyhouse.core.money import parse_usd
from keyhouse.reporting.costs import Month, month_of
from keyhouse.reporting.usage import OTHERS, UsageRow, buckets

USD = 1_000_000_000
BERLIN = Times(ZoneInfo("Europe/Berlin"), NOON)
MIDNIGHT = NOON - 13 * HOUR_MS
MONTH = (MIDNIGHT - 23 * DAY_MS, MIDNIGHT + 7 * DAY_MS)


def spent(day: int, nano: int, *group: str) -> UsageRow:
    return UsageRow(MIDNIGHT - day * DAY_MS, group or ("m",), 2, 0, 30, 10, 0, 7, 0, nano, 0)


def a_report(rows: list[UsageRow], before: list[UsageRow] | None = None, others: int = 0) -> Report:
    period = period_at(Picked("7d"), BERLIN)
    gathered = Gathered(
        rows,
        before or [],
        before or [],
        buckets(period.start_ms, period.end_ms, "day", "Europe/Berlin"),
        buckets(period.before_start_ms, period.before_end_ms, "day", "Europe/Berlin"),
        others,
    )
    return report(gathered, period, "model", {}, BERLIN)


def a_month(limit_usd: int | None, *days: int) -> Month:
    budgets: tuple[LimitState, ...] = ()
    rows = [spent(day, usd * USD) for day, usd in enumerate(days)]
    if limit_usd is not None:
        limit = Limit("l", "org-1", ScopeType.ORGANIZATION, "org-1", Unit.USD, Window.MONTH, limit_usd * USD)
        budgets = (LimitState(limit, sum(days) * USD, 0, MONTH[1]),)
    return month_of(rows, MONTH, NOON, "Europe/Berlin", budgets)


def test_bars_table_and_csv_sum_to_the_same_cost() -> None:
    rows = [spent(day, 1_234_567 * (model + 1) + day, f"m{model}") for day in range(7) for model in range(7)]
    found = a_report(rows, [spent(8, 5, "m1")])
    whole = sum(row.cost_nano_usd for row in rows)
    assert found.cost_nano_usd == whole
    assert round(sum(value or 0 for series in found.plot.series for value in series.values) * USD) == whole
    assert sum(parse_usd(line.exact[1:]) for line in found.lines) == whole
    assert [series.name for series in found.plot.series][-1] == "3 others"
    assert len(found.days) == 7
    assert found.lines[0].share == "25.0%"


def test_nothing_spent_is_said() -> None:
    assert not a_report([]).has_cost


def test_a_month_within_its_budget() -> None:
    found = month_view(a_month(400, 4, *[10] * 23), BERLIN)
    assert (found.name, found.spent, found.budget, found.pace) == ("November", "$234.00", "$400", "$10.00")
    assert found.verdict == "At this pace the month stays within its budget of $400."
    assert not found.is_over
    spent_line, forecast, budget = found.plot.series
    assert (len(spent_line.values), spent_line.values[-1]) == (24, 234)
    assert forecast.values[:23] == [None] * 23
    assert forecast.values[23] == 234
    assert forecast.values[-1] == 298.583333333
    assert set(budget.values) == {400}
    assert found.days[0][:3] == ("1 Nov", "$10.00", "$10.00")


def test_a_month_that_will_not_do_says_when_and_one_that_is_over_says_so() -> None:
    found = month_view(a_month(260, 4, *[10] * 23), BERLIN)
    assert found.is_over
    assert found.verdict == "At this pace the budget of $260 is used up 27 Nov, 03:24."
    assert month_view(a_month(200, 4, *[10] * 23), BERLIN).verdict == "The budget of $200 is used up."


def test_without_a_budget_or_a_day_that_is_told() -> None:
    assert month_view(a_month(None, 4, 10), BERLIN).verdict == "The organization has no budget for a month."
    early = month_view(a_month(None, 4), BERLIN)
    assert (early.expected, early.pace) == ("", "")
    assert "no forecast before a full day" in early.verdict
    assert [series.name for series in early.plot.series] == ["Spent"]


def test_a_statement_has_each_projects_models_and_sums() -> None:
    rows = [spent(0, 5, "proj_b", "m1"), spent(0, 9, "proj_b", "m2"), spent(0, 1, "proj_a", "m1")]
    lines = statement_of(rows, {"proj_a": "Zoo", "proj_b": "Bank"})
    assert [(line.project, line.model, line.cost_nano_usd) for line in lines] == [
        ("Bank", "m2", 9),
        ("Bank", "m1", 5),
        ("Bank", "", 14),
        ("Zoo", "m1", 1),
        ("Zoo", "", 1),
    ]
    assert statement_sum(rows).cost_nano_usd == 15
    assert lines[0].cells == ("2", "30", "10", "7", "$0.000000009")


def test_all_others_stand_last_and_are_counted_with_what_has_no_color_of_its_own() -> None:
    rows = [spent(0, uses, group) for uses, group in enumerate(("a", "b", "c", "d", "e", "f"), 1)] + [
        spent(0, 90, OTHERS)
    ]
    found = a_report(rows, [], others=40)
    assert [line.name for line in found.lines] == ["f", "e", "d", "c", "b", "a", OTHERS]
    assert found.plot.series[-1].name == "42 others"
