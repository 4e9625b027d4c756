"""Friendly ways to write things, and what they mean."""

from datetime import UTC, datetime

import pytest

from keyhouse.cli import forms
from keyhouse.cli.talk import Exit, Failure

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"), [("45s", 45), ("30m", 1800), ("24h", 86_400), ("90d", 7_776_000), ("2w", 1_209_600), ("0", 0)]
)
def test_a_duration_has_a_unit(text: str, seconds: int) -> None:
    assert forms.duration(text, "--overlap") == seconds


@pytest.mark.parametrize(
    ("text", "direction", "moment"),
    [
        ("2027-01-31", 1, datetime(2027, 1, 31, tzinfo=UTC)),
        ("2027-01-31T12:30", 1, datetime(2027, 1, 31, 12, 30, tzinfo=UTC)),
        ("2027-01-31T12:30+01:00", 1, datetime(2027, 1, 31, 11, 30, tzinfo=UTC)),
        ("1d", 1, datetime(2026, 11, 25, 12, tzinfo=UTC)),
        ("1d", -1, datetime(2026, 11, 23, 12, tzinfo=UTC)),
    ],
)
def test_a_moment_is_a_date_in_utc_or_a_duration_from_now(text: str, direction: int, moment: datetime) -> None:
    assert forms.instant(text, "--expires", NOW, direction=direction) == int(moment.timestamp())


@pytest.mark.parametrize(
    "text", ["", "soon", "90", "-1d", "1y", "1.5h", "٩d", "2027-13-01", "9999999999d", "900000000w"]
)
def test_what_is_no_moment_is_refused_by_its_option(text: str) -> None:
    with pytest.raises(Failure, match="--expires") as refused:
        forms.instant(text, "--expires", NOW)
    assert refused.value.status is Exit.USAGE


@pytest.mark.parametrize(
    ("text", "amount", "window"),
    [("25/month", "25", "month"), ("$0.50/day", "0.50", "day"), ("7/week", "7", "week"), ("1/total", "1", "total")],
)
def test_a_budget_is_an_amount_a_window(text: str, amount: str, window: str) -> None:
    assert forms.budget(text) == {"unit": "usd", "window": window, "amount": amount}


@pytest.mark.parametrize("text", ["25", "25/year", "-1/day", "month/25", "1e3/day", ""])
def test_what_is_no_budget_is_refused(text: str) -> None:
    with pytest.raises(Failure, match="--budget") as refused:
        forms.budget(text)
    assert refused.value.status is Exit.USAGE


def test_permissions_are_a_preset_or_grants() -> None:
    assert forms.permissions("chat_only") == "chat_only"
    assert forms.permissions("chat_completions=write, models=read") == {"chat_completions": "write", "models": "read"}
