"""Performance: charts, table and totals are the same numbers."""

from zoneinfo import ZoneInfo

import msgspec

from given import NOON
from keyhouse.console.performance_view import HEADS, Gathered, Report, report, took
from keyhouse.console.periods import Picked, period_at
from keyhouse.console.wording import HOUR_MS, Times
from keyhouse.reporting.usage import OTHERS, buckets
from keyhouse.store.timings import NOTHING, GroupTimings, Timings

BERLIN = Times(ZoneInfo("Europe/Berlin"), NOON)
MIDNIGHT = NOON - 13 * HOUR_MS
QUICK = (0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
SLOW = (0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0)


def some(durations: tuple[int, ...], **fields: int) -> Timings:
    return msgspec.structs.replace(NOTHING, requests=8, durations=durations, first_bytes=durations, **fields)


def a_report(rows: list[GroupTimings], before: list[GroupTimings] | None = None) -> Report:
    period = period_at(Picked("7d"), BERLIN)
    bounds = buckets(period.start_ms, period.end_ms, "day", "Europe/Berlin")
    return report(Gathered(rows, before or [], bounds), period, "model", {}, BERLIN)


def test_each_model_has_its_line_the_most_used_first_and_all_are_summed() -> None:
    rows = [
        GroupTimings(MIDNIGHT, ("quick",), some(QUICK, output_tokens=80, answering_ms=400)),
        GroupTimings(MIDNIGHT, ("slow",), some(SLOW, errors=3, errors_429=1, errors_5xx=1)),
        GroupTimings(MIDNIGHT - 24 * HOUR_MS, ("slow",), some(SLOW)),
    ]
    found = a_report(rows)
    assert [line[:2] for line in found.lines] == [("slow", "16"), ("quick", "8")]
    assert found.lines[1] == ("quick", "8", "75 ms", "98 ms", "75 ms", "98 ms", "200.0", "0.00%", "0", "0", "0", "0")
    assert found.lines[0][-5:] == ("18.75%", "1", "0", "1", "1")
    assert found.whole[:2] == ("All models", "24")
    assert len(found.buckets) == 7
    assert all(len(row) == 1 + len(HEADS) for row in (*found.lines, *found.buckets, found.whole))


def test_charts_leave_out_days_without_calls_and_show_errors_by_cause() -> None:
    found = a_report([GroupTimings(MIDNIGHT, ("m",), some(QUICK, errors=4, errors_429=1, errors_5xx=2, refused=8))])
    charts = {chart.title: chart.plot for chart in found.charts}
    assert charts["Whole answer"].series[1].values == [None] * 6 + [75.0]
    assert [series.values[-1] for series in charts["Errors"].series] == [12.5, 6.25, 50.0, 6.25]
    assert found.lines[0][-5:] == ("75.00%", "1", "8", "1", "2")
    assert all(series.form == "bar" for series in charts["Errors"].series)


def test_slower_is_worse_and_more_tokens_a_second_are_better() -> None:
    before = [GroupTimings(MIDNIGHT, ("m",), some(QUICK, output_tokens=80, answering_ms=400))]
    found = a_report([GroupTimings(MIDNIGHT, ("m",), some(SLOW, output_tokens=80, answering_ms=200))], before)
    told = {total.title: (total.is_worse, total.has_changed, total.before) for total in found.totals}
    assert told["First token, median"] == (True, True, "75 ms")
    assert told["Tokens a second"] == (False, True, "200.0")
    assert told["Errors"] == (False, False, "0.00%")


def test_times_are_read_by_people() -> None:
    assert [took(None), took(386.4), took(1240), took(125_000)] == ["–", "386 ms", "1.24 s", "2 min 5 s"]  # noqa: RUF001


def test_all_others_stand_last_however_many_calls_they_made() -> None:
    rows = [GroupTimings(MIDNIGHT, (group,), some(QUICK)) for group in ("a", OTHERS, "b")]
    rows.append(GroupTimings(MIDNIGHT, (OTHERS,), some(QUICK)))
    assert [line[:2] for line in a_report(rows).lines] == [("a", "8"), ("b", "8"), (OTHERS, "16")]
