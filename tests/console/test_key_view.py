"""A key's one status, its limit's bar, its days."""

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from given import NOON
from keyhouse.console.key_view import key_line, meter_view, spark
from keyhouse.console.wording import DAY_MS, HOUR_MS, Times
from keyhouse.core.key import ApiKey, SecretVersion
from keyhouse.core.limit import Limit, LimitState, ScopeType, Unit, Window
from keyhouse.core.permissions import ALL
from keyhouse.core.secret import Kind
from keyhouse.reporting.keys import KeyRow

BERLIN = Times(ZoneInfo("Europe/Berlin"), NOON)
OLD = (SecretVersion(2, "Wq0e", NOON, "u", None), SecretVersion(1, "p8Ls", NOON, "u", NOON + 3 * HOUR_MS))


def a_row(*limits: LimitState, **fields: Any) -> KeyRow:
    usual: dict[str, Any] = {
        "id": "key_7Qm2aaaaaa",
        "kind": Kind.USER,
        "organization_id": "o",
        "project_id": "p",
        "owner_id": "u",
        "name": "alpha",
        "permissions": ALL,
        "models": None,
        "ip_allowlist": (),
        "created_at_ms": NOON,
        "created_by": "u",
        "secrets": (SecretVersion(1, "x9Fa", NOON, "u", None),),
    }
    times = dict.fromkeys(
        ("expires_at_ms", "disabled_at_ms", "disabled_by", "revoked_at_ms", "revoked_by", "last_used_at_ms")
    )
    return KeyRow(ApiKey(**({"endpoints": None} | usual | times | fields)), "Mira", "Mira", "Main", limits, ())


def a_state(used: int, reserved: int = 0, *, amount: int = 100, window: Window = Window.MONTH) -> LimitState:
    limit = Limit("l", "o", ScopeType.KEY, "k", Unit.REQUESTS, window, amount)
    return LimitState(limit, used, reserved, None if window is Window.TOTAL else NOON + 6 * DAY_MS)


@pytest.mark.parametrize(
    ("fields", "limits", "look", "word", "when"),
    [
        ({}, (), "active", "Active", ""),
        ({"expires_at_ms": NOON + 6 * DAY_MS}, (), "expires", "Expires in 6 d", "30 Nov, 13:00"),
        ({"expires_at_ms": NOON + 60 * DAY_MS}, (), "active", "Active", ""),
        ({"secrets": OLD}, (), "rotating", "Rotating", "Old secret ends in 3 h"),
        ({"secrets": OLD}, (a_state(100),), "over", "Over limit", "Resets 30 Nov"),
        ({}, (a_state(100, window=Window.MINUTE),), "active", "Active", ""),
        ({}, (a_state(100, window=Window.TOTAL),), "over", "Over limit", "It never resets"),
        ({"disabled_at_ms": NOON}, (a_state(100),), "disabled", "Disabled", "since 24 Nov"),
        ({"expires_at_ms": NOON}, (), "ended", "Expired", "24 Nov"),
        ({"revoked_at_ms": NOON, "disabled_at_ms": NOON}, (), "ended", "Revoked", "24 Nov"),
    ],
)
def test_the_status_that_matters_most(
    fields: dict[str, Any], limits: tuple[LimitState, ...], look: str, word: str, when: str
) -> None:
    status = key_line(a_row(*limits, **fields), BERLIN).status
    assert (status.look, status.word, status.when) == (look, word, when)


def test_the_tightest_limit_stands_in_the_list() -> None:
    line = key_line(a_row(a_state(10), a_state(40), a_state(20)), BERLIN)
    assert line.limit is not None
    assert line.limit.used == "40"
    assert line.secret == "sk-kh_7Qm2…x9Fa"
    assert line.last_used == "Never used"


@pytest.mark.parametrize(
    ("state", "tone", "used", "reserved"),
    [
        (a_state(50, 10), "live", "50.00%", "10.00%"),
        (a_state(75, 5), "near", "75.00%", "5.00%"),
        (a_state(90, 10), "full", "90.00%", "10.00%"),
        (a_state(150, 10), "full", "100.00%", "0.00%"),
        (a_state(0, amount=0), "full", "100.00%", "0.00%"),
    ],
)
def test_a_bar_never_leaves_its_track(state: LimitState, tone: str, used: str, reserved: str) -> None:
    view = meter_view(state, BERLIN)
    assert (view.tone, view.used_width, view.reserved_width) == (tone, used, reserved)


def test_calls_that_run_are_what_a_limit_on_them_has_used() -> None:
    limit = Limit("l", "o", ScopeType.KEY, "k", Unit.CONCURRENCY, Window.TOTAL, 8)
    view = meter_view(LimitState(limit, 0, 2, None), BERLIN)
    assert (view.used, view.size, view.window) == ("2", "8 calls", "at once")
    assert (view.used_width, view.reserved_width) == ("25.00%", "0.00%")
    assert (view.left, view.resets, view.sentence) == ("6", "When a call ends", "2 of 8 calls at once")
    full = key_line(a_row(LimitState(limit, 0, 8, None)), BERLIN)
    assert full.status.word == "Active"


def test_a_bar_says_in_words_what_it_shows() -> None:
    assert meter_view(a_state(50, 10), BERLIN).sentence == "50 of 100 requests this month, 10 more reserved"
    assert meter_view(a_state(50), BERLIN).sentence == "50 of 100 requests this month"


def test_days_without_use_have_no_bar_and_the_last_day_is_today() -> None:
    assert spark((0,) * 30) == ()
    bars = spark((0,) * 28 + (1, 100))
    assert [bar.height for bar in bars[-3:]] == [0, 2, 22]
    assert [bar.is_today for bar in bars[-2:]] == [False, True]
