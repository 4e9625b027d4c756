"""The form of a limit, field by field."""

import pytest

from keyhouse.console.key_form import FaultsError
from keyhouse.console.limit_form import Typed, draft_of, limit_of, read_typed, scope_of
from keyhouse.control.limits import LimitDraft
from keyhouse.core.limit import ScopeType, Unit, Window


def faults(typed: Typed) -> dict[str, str]:
    with pytest.raises(FaultsError) as caught:
        draft_of(typed)
    return caught.value.faults


def test_a_whole_form_is_a_draft() -> None:
    typed = read_typed({"unit": "usd", "window": "week", "amount": " 1,500.50 ", "model": "m", "strict": "on"})
    assert draft_of(typed) == LimitDraft(Unit.USD, Window.WEEK, 1_500_500_000_000, "m", refuse_when_short=True)
    assert draft_of(Typed(unit="tokens", window="minute", amount="40,000")).amount == 40_000


def test_calls_at_once_are_in_no_window() -> None:
    assert draft_of(Typed(unit="concurrency", window="minute", amount="8")).window is Window.TOTAL


def test_each_field_that_is_wrong_says_so() -> None:
    assert faults(Typed(amount="")) == {"amount": "Write it as 1500 or 1,500.00."}
    assert faults(Typed(unit="requests", amount="1.5")) == {"amount": "Write it as 1500 or 1,500."}
    assert set(faults(Typed(unit="bananas", window="year", amount="1"))) == {"unit", "window"}


def test_an_id_says_what_it_is_for() -> None:
    for on, scope_type in (("org-1", "organization"), ("proj_1", "project"), ("user-1", "user"), ("key_1", "key")):
        assert scope_of(on) == (ScopeType(scope_type), on)
    assert scope_of("svc_acct_1")[0] is ScopeType.SERVICE_ACCOUNT
    with pytest.raises(FaultsError):
        scope_of("")


def test_a_limit_to_be_replayed_has_no_id() -> None:
    limit = limit_of(LimitDraft(Unit.USD, Window.DAY, 5, "m"), "org-1", ScopeType.KEY, "key_1")
    assert (limit.id, limit.scope_id, limit.amount, limit.model) == ("", "key_1", 5, "m")
