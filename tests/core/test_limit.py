"""Periods are the organization's calendar, without gaps or overlaps, whatever its clock does."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyhouse.core.limit import Unit, Window, format_amount, instant_ms, parse_amount, span_at
from keyhouse.core.rollup import HOUR_MS, QUARTER_MS, slot_ms

ZONES = st.sampled_from(
    [ZoneInfo(name) for name in ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe")]
)
INSTANTS = st.integers(instant_ms(datetime(2020, 1, 1, tzinfo=UTC)), instant_ms(datetime(2035, 1, 1, tzinfo=UTC)))


@given(st.sampled_from(list(Window)), INSTANTS, ZONES)
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
