"""Usage: totals, bars, table and days are the same numbers."""

from zoneinfo import ZoneInfo

from given import NOON
from keyhouse.console.periods import Picked, period_at
from keyhouse.console.usage_view import Gathered, Report, report
from keyhouse.console.wording import DAY_MS, HOUR_MS, Times
from keyhouse.reporting.usage import OTHERS, UsageRow, buckets

BERLIN = Times(ZoneInfo("Europe/Berlin"), NOON)
MIDNIGHT = NOON - 13 * HOUR_MS


def a_use(start_ms: int, model: str, requests: int, cost: int = 0) -> UsageRow:
    return UsageRow(start_ms, (model,), requests, 0, requests * 10, 0, 0, requests * 5, 0, cost, 0)


def a_report(rows: list[UsageRow], before: list[UsageRow], measure: str = "requests", others: int = 0) -> Report:
    period = period_at(Picked("7d"), BERLIN)
    gathered = Gathered(
        rows,
        before,
        before,
        buckets(period.start_ms, period.end_ms, "day", "Europe/Berlin"),
        buckets(period.before_start_ms, period.before_end_ms, "day", "Europe/Berlin"),
        others,
    )
    return report(gathered, period, "model", measure, {}, BERLIN)


def test_bars_and_table_sum_to_the_totals() -> None:
    rows = [a_use(MIDNIGHT - day * DAY_MS, f"m{model}", model + day) for day in range(7) for model in range(7)]
    found = a_report(rows, [])
    whole = sum(row.requests for row in rows)
    assert found.totals[0].value == str(whole)
    assert found.whole.sums.requests == whole == sum(line.sums.requests for line in found.lines)
    assert sum(value or 0 for series in found.plot.series for value in series.values) == whole
    assert len(found.plot.series) == 5
    assert found.plot.series[-1].name == "3 others"
    assert [line.name for line in found.lines[:2]] == ["m6", "m5"]
    assert sum(int(text) for _, _, text in found.days) == whole


def test_the_period_before_stands_beside_it() -> None:
    found = a_report([a_use(MIDNIGHT, "m", 150)], [a_use(MIDNIGHT - 7 * DAY_MS, "m", 100)])
    assert (found.totals[0].change, found.totals[0].is_more) == ("50.0%", True)
    assert found.lines[0].change == "+50.0%"
    assert found.plot.previous == [0, 0, 0, 0, 0, 0, 100]
    assert found.plot.previous_labels[-1] == "17 Nov"


def test_cost_is_exact_in_words_and_in_dollars_on_the_axis() -> None:
    found = a_report([a_use(MIDNIGHT, "m", 1, cost=691_000)], [], measure="cost")
    assert found.totals[-1].value == "$0.000691"
    assert found.plot.series[0].values[-1] == 0.000691
    assert found.plot.previous is None


def test_nothing_used_is_said() -> None:
    found = a_report([], [])
    assert not found.has_usage
    assert found.totals[0].change is None


def test_all_others_stand_last_and_are_counted_with_what_has_no_color_of_its_own() -> None:
    rows = [a_use(MIDNIGHT, group, uses) for uses, group in enumerate(("a", "b", "c", "d", "e", "f"), 1)] + [
        a_use(MIDNIGHT, OTHERS, 90)
    ]
    found = a_report(rows, [], others=40)
    assert [line.name for line in found.lines] == ["f", "e", "d", "c", "b", "a", OTHERS]
    assert found.plot.series[-1].name == "42 others"
