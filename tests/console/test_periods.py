"""The period picker: what addresses mean, and the buckets of a period."""

from zoneinfo import ZoneInfo

import pytest

from given import NOON
from keyhouse.console.periods import CUSTOM_DAYS_MAX, Picked, bucket_title, label_every, period_at, read
from keyhouse.console.wording import DAY_MS, HOUR_MS, Times
from keyhouse.reporting.usage import buckets

BERLIN = Times(ZoneInfo("Europe/Berlin"), NOON)


class Asked(Picked, frozen=True):
    by: str = "model"


def asked(**query: str) -> Asked:
    return read(Asked, query, {"by": {"model", "key"}})


@pytest.mark.parametrize(
    ("name", "count", "count_before"), [("24h", 24, 24), ("7d", 7, 7), ("30d", 30, 30), ("month", 24, 24)]
)
def test_a_period_and_the_one_before_it_have_as_many_buckets(name: str, count: int, count_before: int) -> None:
    period = period_at(Picked(name), BERLIN)
    assert len(buckets(period.start_ms, period.end_ms, period.bucket, "Europe/Berlin")) == count
    assert len(buckets(period.before_start_ms, period.before_end_ms, period.bucket, "Europe/Berlin")) == count_before
    assert period.before_end_ms <= period.start_ms <= NOON < period.end_ms


def test_the_31st_is_compared_with_a_shorter_month() -> None:
    late = Times(ZoneInfo("UTC"), NOON + 37 * DAY_MS)  # 31 December 2026
    assert late.day(late.now_ms) == "31 Dec 2026"
    period = period_at(Picked("month"), late)
    assert late.day(period.before_start_ms) == "1 Nov 2026"
    assert period.before_end_ms == period.start_ms


def test_a_period_of_ones_own_has_all_its_days_in_either_order() -> None:
    for first, last in (("2026-11-02", "2026-11-11"), ("2026-11-11", "2026-11-02")):
        period = period_at(asked(period="custom", first=first, last=last), BERLIN)
        assert (BERLIN.day(period.start_ms), BERLIN.day(period.end_ms - 1)) == ("2 Nov 2026", "11 Nov 2026")
        assert (period.bucket, period.before_end_ms) == ("day", period.start_ms)
        assert BERLIN.day(period.before_start_ms) == "23 Oct 2026"


def test_one_day_is_shown_by_the_hour_also_when_its_clocks_change() -> None:
    period = period_at(asked(period="custom", first="2026-10-25", last="2026-10-25"), BERLIN)
    assert (period.bucket, period.end_ms - period.start_ms) == ("hour", 25 * HOUR_MS)
    assert period.name == "Day before"


def test_a_very_long_period_is_cut_at_its_old_end() -> None:
    period = period_at(asked(period="custom", first="2001-01-01", last="2026-11-11"), BERLIN)
    assert BERLIN.day(period.end_ms - 1) == "11 Nov 2026"
    assert len(buckets(period.start_ms, period.end_ms, "day", "Europe/Berlin")) == CUSTOM_DAYS_MAX


@pytest.mark.parametrize(
    "query",
    [
        {"period": "1y"},
        {"period": "custom"},
        {"period": "custom", "first": "2026-13-01", "last": "2026-11-01"},
        {"period": "custom", "first": "0001-01-01", "last": "0001-01-02"},
        {"by": "password"},
    ],
)
def test_what_is_asked_wrongly_is_as_if_it_were_not_there(query: dict[str, str]) -> None:
    found = asked(**query)
    assert (found.period, found.by) == ("7d", "model")


def test_an_address_says_only_what_is_not_usual() -> None:
    assert asked().address("/usage") == "/usage"
    found = asked(period="custom", first="2026-11-01", last="2026-11-03", by="key")
    assert found.address("/usage") == "/usage?period=custom&first=2026-11-01&last=2026-11-03&by=key"
    assert found.address("/usage", period="30d") == "/usage?period=30d&by=key"
    assert found.fields(without_period=True) == {"by": "key"}


def test_axes_name_few_buckets() -> None:
    assert [label_every("day", 7), label_every("day", 30), label_every("day", 366)] == [1, 7, 30]
    assert [label_every("hour", 24), label_every("hour", 48)] == [4, 8]
    assert bucket_title("day", NOON, BERLIN) == "Tuesday 24 Nov"
    assert bucket_title("hour", NOON, BERLIN) == "24 Nov, 13:00 to 14:00"
