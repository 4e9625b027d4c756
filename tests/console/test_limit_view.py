"""Limits in groups, and a replay in words."""

from zoneinfo import ZoneInfo

from given import NOON
from keyhouse.console.limit_view import choices_of, groups_of, replay_view, size_of
from keyhouse.console.wording import DAY_MS, HOUR_MS, Times
from keyhouse.core.limit import Limit, LimitState, ScopeType, Unit, Window
from keyhouse.reporting.limit_pages import NamedLimit
from keyhouse.reporting.replay import Replay, ReplayedPeriod

BERLIN = Times(ZoneInfo("Europe/Berlin"), NOON)
MIDNIGHT = NOON - 13 * HOUR_MS


def a_limit(scope_type: ScopeType, amount: int = 5, unit: Unit = Unit.REQUESTS, window: Window = Window.DAY) -> Limit:
    return Limit("limit_1", "org-1", scope_type, f"{scope_type}_1", unit, window, amount)


def test_limits_stand_in_groups_and_only_keys_have_a_page() -> None:
    scopes = (ScopeType.ORGANIZATION, ScopeType.USER, ScopeType.SERVICE_ACCOUNT, ScopeType.KEY)
    rows = [NamedLimit(LimitState(a_limit(scope), 5, 0, NOON), f"the {scope}") for scope in scopes]
    groups = groups_of(rows, BERLIN)
    assert [(group.title, len(group.lines)) for group in groups] == [
        ("Organization", 1),
        ("People and service accounts", 2),
        ("Keys", 1),
    ]
    assert groups[2].lines[0].address == "/api-keys/key_1"
    assert groups[0].lines[0].address == ""
    assert groups[0].lines[0].meter.tone == "full"


def test_sizes_are_exact() -> None:
    assert size_of(a_limit(ScopeType.KEY, 25_500_000_000, Unit.USD)) == "$25.50"
    assert size_of(a_limit(ScopeType.KEY, 1_000_000, Unit.TOKENS)) == "1,000,000 tokens"
    assert size_of(a_limit(ScopeType.KEY, 90, Unit.AUDIO_SECONDS)) == "90 audio seconds"
    assert size_of(a_limit(ScopeType.KEY, 8, Unit.CONCURRENCY, Window.TOTAL)) == "8"


def test_a_replay_that_refuses_says_how_many_and_when_first() -> None:
    periods = (
        ReplayedPeriod(MIDNIGHT - DAY_MS, 20, 0, 20, 0, None),
        ReplayedPeriod(MIDNIGHT, 30, 10, 30, 10, MIDNIGHT + 2 * HOUR_MS),
    )
    found = replay_view(a_limit(ScopeType.KEY, 20), Replay(NOON - 7 * DAY_MS, 50, 10, periods), BERLIN)
    assert found.headline == "About 10 of 50 requests refused, 20.0%"
    assert found.text == "20 requests a day would first have been full today at 02:00, and in 1 day in all."
    assert found.rows == (("24 Nov 2026", "today at 02:00", "30", "10", "30", "10"),)
    assert found.plot is not None
    assert [series.values for series in found.plot.series] == [[20, 20], [0, 10]]


def test_a_replay_that_refuses_nothing_and_one_of_nothing() -> None:
    period = ReplayedPeriod(MIDNIGHT, 30, 0, 30, 0, None)
    harmless = replay_view(a_limit(ScopeType.KEY, 40), Replay(0, 30, 0, (period,)), BERLIN)
    assert harmless.is_harmless
    assert harmless.text.endswith("The most that one day asked was 30.")
    assert replay_view(a_limit(ScopeType.KEY), Replay(0, 0, 0, ()), BERLIN).headline == "Nothing was asked of it"


def test_choices_leave_out_groups_that_are_empty() -> None:
    assert choices_of({"org-1": "Acme"}, {"proj_1": "Main"}, {}, {}) == (
        ("Organization", (("org-1", "Acme"),)),
        ("Projects", (("proj_1", "Main"),)),
    )
