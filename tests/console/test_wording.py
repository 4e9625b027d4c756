"""Numbers and times in words."""

from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as some

from given import NOON
from keyhouse.console import wording
from keyhouse.console.wording import DAY_MS, HOUR_MS, MINUTE_MS, Times
from keyhouse.core.limit import Limit, LimitState, ScopeType, Unit, Window
from keyhouse.core.permissions import ALL, CHAT_ONLY, Access, Permissions, Resource

BERLIN = Times(ZoneInfo("Europe/Berlin"), NOON)


@pytest.mark.parametrize(
    ("nano", "text"),
    [
        (182_400_000_000, "$182.40"),
        (0, "$0.00"),
        (691_000, "$0.000691"),
        (10_000_000, "$0.01"),
        (9_999_999, "$0.010000"),
        (1, "under $0.000001"),
        (1_234_567_890_000_000, "$1,234,567.89"),
    ],
)
def test_money(nano: int, text: str) -> None:
    assert wording.money(nano) == text


@pytest.mark.parametrize(
    ("nano", "text"),
    [(250_000_000_000, "$250"), (12_500_000_000, "$12.50"), (4_000_000_000_000, "$4,000"), (1_000, "$0.000001")],
)
def test_budgets_have_no_cents_when_round(nano: int, text: str) -> None:
    assert wording.budget(nano) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (9_999, "9,999"),
        (10_000, "10k"),
        (412_008, "412k"),
        (999_499, "999k"),
        (999_500, "1M"),
        (2_410_417_846, "2.41B"),
        (86_520_947, "86.5M"),
    ],
)
def test_totals_are_three_digits_long(number: int, text: str) -> None:
    assert wording.short(number) == text


@given(some.integers(min_value=0, max_value=10**12))
def test_a_short_count_is_never_more_than_a_percent_off(number: int) -> None:
    text = wording.short(number).replace(",", "")
    size = {"k": 10**3, "M": 10**6, "B": 10**9}.get(text[-1], 1)
    assert abs(float(text.rstrip("kMB")) * size - number) <= number * 0.01


@pytest.mark.parametrize(
    ("passed_ms", "text"),
    [
        (-5, "just now"),
        (59_000, "just now"),
        (4 * MINUTE_MS, "4 min ago"),
        (2 * HOUR_MS, "2 h ago"),
        (14 * HOUR_MS, "yesterday"),
        (3 * DAY_MS, "3 d ago"),
        (20 * DAY_MS, "4 Nov"),
        (400 * DAY_MS, "20 Oct 2025"),
    ],
)
def test_how_long_ago(passed_ms: int, text: str) -> None:
    assert BERLIN.ago(NOON - passed_ms) == text


def test_times_are_the_organizations() -> None:
    assert BERLIN.exact(NOON) == "24 Nov 2026, 13:00:00"
    assert Times(ZoneInfo("Asia/Tokyo"), NOON).clock(NOON) == "21:00"
    assert BERLIN.moment(NOON + DAY_MS) == "tomorrow at 13:00"
    assert BERLIN.moment(NOON + 6 * DAY_MS) == "30 Nov, 13:00"
    assert BERLIN.left(NOON + 3 * HOUR_MS + 5) == "3 h"
    assert BERLIN.left(NOON - 1) == "0 s"


def test_permissions_have_their_presets_names() -> None:
    assert wording.permissions(ALL) == "All"
    assert wording.permissions(CHAT_ONLY) == "Chat only"
    assert wording.permissions(Permissions("restricted", {Resource.FILES: Access.READ})) == "Restricted"


USD = 1_000_000_000


@pytest.mark.parametrize(
    ("unit", "window", "amount", "used", "text", "every"),
    [
        (Unit.USD, Window.MONTH, 25 * USD, 3_200_000_000, "$3.20 of $25 this month", "a month"),
        (Unit.REQUESTS, Window.MINUTE, 60, 40, "40 of 60 requests this minute", "a minute"),
        (Unit.TOKENS, Window.DAY, 1_000_000, 412_008, "412,008 of 1M tokens today", "a day"),
        (Unit.IMAGES, Window.WEEK, 50, 12, "12 of 50 images this week", "a week"),
        (Unit.IMAGES, Window.WEEK, 1, 0, "0 of 1 image this week", "a week"),
        (Unit.AUDIO_SECONDS, Window.MONTH, 3_600, 90, "90 of 3,600 seconds of audio this month", "a month"),
        (Unit.AUDIO_SECONDS, Window.TOTAL, 1, 1, "1 of 1 second of audio in all", "in all"),
        (Unit.CHARACTERS, Window.TOTAL, 20_000, 5, "5 of 20k characters in all", "in all"),
        (Unit.CONCURRENCY, Window.TOTAL, 8, 0, "3 of 8 calls at once", "at once"),
        (Unit.CONCURRENCY, Window.TOTAL, 1, 0, "3 of 1 call at once", "at once"),
    ],
)
def test_a_limit_of_every_unit_and_window_reads_well(
    unit: Unit, window: Window, amount: int, used: int, text: str, every: str
) -> None:
    limit = Limit("limit_1", "org-1", ScopeType.KEY, "key_1", unit, window, amount)
    assert wording.standing(LimitState(limit, used, 3, None)) == text
    assert wording.every(limit) == every


@pytest.mark.parametrize("window", list(Window))
@pytest.mark.parametrize("unit", list(Unit))
def test_no_unit_and_no_window_is_without_words(unit: Unit, window: Window) -> None:
    limit = Limit("limit_1", "org-1", ScopeType.KEY, "key_1", unit, window, 5)
    words = (wording.limit_size(limit), wording.window(limit), wording.every(limit))
    assert all(words)
    assert "_" not in "".join(words)


@pytest.mark.parametrize(
    ("scope_type", "text"),
    [
        (ScopeType.KEY, "API key bot"),
        (ScopeType.USER, "Member bot"),
        (ScopeType.SERVICE_ACCOUNT, "Service account bot"),
        (ScopeType.PROJECT, "Project bot"),
        (ScopeType.ORGANIZATION, "The organization"),
    ],
)
def test_what_a_limit_stands_on_is_said_by_its_name(scope_type: ScopeType, text: str) -> None:
    limit = Limit("limit_1", "org-1", scope_type, "id_1", Unit.USD, Window.DAY, 5)
    assert wording.scope(limit, "bot") == text
    assert wording.scope(limit, "") == text.replace("bot", "id_1")


@pytest.mark.parametrize(
    ("name", "letters"), [("Mira Okafor", "MO"), ("mira@meridian.example", "MI"), ("a.b@c", "AB"), ("", "?")]
)
def test_initials(name: str, letters: str) -> None:
    assert wording.initials(name) == letters


def test_change_needs_something_before() -> None:
    assert wording.change(112, 100) == "12.0%"
    assert wording.change(5, 0) is None
