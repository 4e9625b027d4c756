"""Periods are the organization's calendar, without gaps or overlaps, whatever its clock does."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyhouse.core.limit import Unit, Window, format_amount, instant_ms, parse_amount, require_window, span_at
from keyhouse.core.rollup import HOUR_MS, QUARTER_MS, slot_ms

ZONES = st.sampled_from(
    [ZoneInfo(name) for name in ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe")]
)
ODD_ZONES = st.sampled_from(
    [ZoneInfo(name) for name in ("America/Havana", "Africa/Cairo", "America/Santiago", "Asia/Beirut", "Asia/Gaza")]
)
"""Zones whose clocks are changed at midnight: some days begin at one o'clock, some midnights come twice."""
INSTANTS = st.integers(instant_ms(datetime(2020, 1, 1, tzinfo=UTC)), instant_ms(datetime(2035, 1, 1, tzinfo=UTC)))


@given(st.sampled_from(list(Window)), INSTANTS, ZONES | ODD_ZONES)
def test_an_instant_lies_in_its_period_and_the_next_begins_where_it_ends(
    window: Window, now_ms: int, zone: ZoneInfo
) -> None:
    span = span_at(window, now_ms, zone)
    assert span.holds(now_ms)
    assert span_at(window, span.starts_at_ms, zone) == span or window is Window.TOTAL
    if span.ends_at_ms is not None:
        following = span_at(window, span.ends_at_ms, zone)
        assert following.starts_at_ms == span.ends_at_ms
        assert following.key > span.key
        assert span_at(window, span.ends_at_ms - 1, zone) == span


def test_a_month_begins_at_the_organizations_midnight() -> None:
    zone = ZoneInfo("Europe/Berlin")
    span = span_at(Window.MONTH, instant_ms(datetime(2026, 10, 31, 23, 30, tzinfo=UTC)), zone)
    assert span.key == "2026-11"
    assert span.starts_at_ms == instant_ms(datetime(2026, 10, 31, 23, tzinfo=UTC))


def test_a_day_with_a_clock_change_has_its_own_length() -> None:
    zone = ZoneInfo("Europe/Berlin")
    span = span_at(Window.DAY, instant_ms(datetime(2026, 10, 25, 12, tzinfo=UTC)), zone)
    assert span.ends_at_ms is not None
    assert span.ends_at_ms - span.starts_at_ms == 25 * HOUR_MS


def at(zone: str, *moment: int) -> int:
    """A moment on this zone's clock, in milliseconds since 1970."""
    return instant_ms(datetime(*moment, tzinfo=ZoneInfo(zone)))  # type: ignore[arg-type,misc]


@pytest.mark.parametrize(
    ("moment", "key", "monday"),
    [
        ((2026, 11, 24), "2026-W48", (2026, 11, 23)),
        ((2026, 12, 31), "2026-W53", (2026, 12, 28)),
        ((2027, 1, 1), "2026-W53", (2026, 12, 28)),  # a year's first days may be in the last week of the one before
        ((2027, 1, 3, 23, 59), "2026-W53", (2026, 12, 28)),
        ((2027, 1, 4), "2027-W01", (2027, 1, 4)),
        ((2024, 12, 30), "2025-W01", (2024, 12, 30)),  # and its last ones in the first of the one after
        ((2025, 1, 5, 23, 59), "2025-W01", (2024, 12, 30)),
        ((2025, 12, 28), "2025-W52", (2025, 12, 22)),
    ],
)
@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Pacific/Kiritimati", "Pacific/Pago_Pago"])
def test_a_week_begins_on_monday_and_is_named_as_iso_8601_has_it(
    zone: str, moment: tuple[int, ...], key: str, monday: tuple[int, ...]
) -> None:
    span = span_at(Window.WEEK, at(zone, *moment), ZoneInfo(zone))
    assert (span.key, span.starts_at_ms) == (key, at(zone, *monday))
    assert span.ends_at_ms == span.starts_at_ms + 7 * 24 * HOUR_MS


@pytest.mark.parametrize(
    ("zone", "moment", "hours"),
    [
        ("Europe/Berlin", (2026, 3, 25), 167),  # 29 March, at two
        ("Europe/Berlin", (2026, 10, 21), 169),
        ("America/New_York", (2026, 3, 5), 167),
        ("America/New_York", (2026, 11, 1, 12), 169),
        ("Australia/Lord_Howe", (2026, 4, 2), 168.5),  # by half an hour only
        ("Australia/Lord_Howe", (2026, 10, 1), 167.5),
        ("America/Havana", (2026, 3, 5), 167),  # at midnight before Sunday
        ("Asia/Kolkata", (2026, 3, 25), 168),
    ],
)
def test_a_week_with_a_clock_change_has_its_own_length(zone: str, moment: tuple[int, ...], hours: float) -> None:
    span = span_at(Window.WEEK, at(zone, *moment), ZoneInfo(zone))
    assert span.ends_at_ms is not None
    assert (span.ends_at_ms - span.starts_at_ms) / HOUR_MS == hours
    for edge in (span.starts_at_ms, span.ends_at_ms):
        local = datetime.fromtimestamp(edge / 1000, ZoneInfo(zone))
        assert (local.isoweekday(), local.hour, local.minute) == (1, 0, 0)


@given(INSTANTS, ZONES | ODD_ZONES)
def test_a_week_is_the_seven_days_that_begin_in_it(now_ms: int, zone: ZoneInfo) -> None:
    week = span_at(Window.WEEK, now_ms, zone)
    start, days = week.starts_at_ms, []
    while week.holds(start):
        day = span_at(Window.DAY, start, zone)
        assert day.starts_at_ms == start
        assert day.ends_at_ms is not None
        days.append(datetime.fromtimestamp(start / 1000, zone).isoweekday())
        start = day.ends_at_ms
    assert (days, start) == ([1, 2, 3, 4, 5, 6, 7], week.ends_at_ms)


@pytest.mark.parametrize("window", list(Window))
@pytest.mark.parametrize("unit", list(Unit))
def test_only_what_runs_at_once_is_without_a_window(unit: Unit, window: Window) -> None:
    if unit is Unit.CONCURRENCY and window is not Window.TOTAL:
        with pytest.raises(ValueError, match="write total"):
            require_window(unit, window)
    else:
        require_window(unit, window)


@given(INSTANTS, ZONES)
def test_a_rollup_slot_never_crosses_an_hour_of_utc_or_a_day_of_the_organization(now_ms: int, zone: ZoneInfo) -> None:
    start = slot_ms(now_ms, zone)
    width = HOUR_MS if zone.key in ("UTC", "Europe/Berlin", "America/New_York") else QUARTER_MS
    assert start <= now_ms < start + HOUR_MS
    assert start // HOUR_MS == now_ms // HOUR_MS
    assert span_at(Window.DAY, start, zone) == span_at(Window.DAY, now_ms, zone)
    assert start % QUARTER_MS == 0
    if width == HOUR_MS:
        assert start % HOUR_MS == 0


@pytest.mark.parametrize(
    ("unit", "value", "amount"),
    [
        (Unit.USD, "25.00", 25_000_000_000),
        (Unit.USD, 25, 25_000_000_000),
        (Unit.USD, 0.1, 100_000_000),
        (Unit.REQUESTS, "137", 137),
        (Unit.REQUESTS, 137.0, 137),
        (Unit.TOKENS, 0, 0),
    ],
)
def test_amounts_are_read_from_text_and_numbers(unit: Unit, value: object, amount: int) -> None:
    assert parse_amount(unit, value) == amount


@pytest.mark.parametrize(
    ("unit", "value"),
    [
        (Unit.REQUESTS, "1.5"),
        (Unit.REQUESTS, -1),
        (Unit.REQUESTS, True),
        (Unit.USD, None),
        (Unit.USD, float("nan")),
        (Unit.USD, 1e300),
        (Unit.TOKENS, "1e3"),
        (Unit.TOKENS, 2**64),
    ],
)
def test_other_amounts_are_refused(unit: Unit, value: object) -> None:
    with pytest.raises(ValueError, match="."):
        parse_amount(unit, value)


@given(st.sampled_from(list(Unit)), st.integers(0, 2**63 - 1))
def test_an_amount_survives_its_text(unit: Unit, amount: int) -> None:
    assert parse_amount(unit, format_amount(unit, amount)) == amount
