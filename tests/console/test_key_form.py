"""The create sheet's form, field by field."""

from zoneinfo import ZoneInfo

import msgspec
import pytest

from given import NOON
from keyhouse.console.key_form import FaultsError, Typed, draft_of, read_amount
from keyhouse.console.wording import DAY_MS, Times
from keyhouse.control.keys import KeyDraft
from keyhouse.core.limit import Unit, Window
from keyhouse.core.permissions import CHAT_ONLY, Access, Resource
from keyhouse.core.policy import LimitDraft

BERLIN = Times(ZoneInfo("Europe/Berlin"), NOON)
TYPED = Typed(name="a", project="p")


def drafted(typed: Typed) -> KeyDraft:
    return draft_of(typed, ["p"], ["m", "n"], BERLIN)


def test_a_full_form_is_a_full_draft() -> None:
    typed = Typed(
        name="a",
        project="p",
        may="chat_only",
        models=("m",),
        expires="7",
        budget="1,500.50",
        budget_window="total",
        requests="60",
        tokens="40,000",
        addresses="10.0.0.0/8, 192.0.2.7",
    )
    assert drafted(typed) == KeyDraft(
        name="a",
        project_id="p",
        permissions=CHAT_ONLY,
        models=("m",),
        ip_allowlist=("10.0.0.0/8", "192.0.2.7"),
        expires_at_ms=NOON + 7 * DAY_MS,
        limits=(
            LimitDraft(unit=Unit.USD, window=Window.TOTAL, amount=1_500_500_000_000),
            LimitDraft(unit=Unit.REQUESTS, window=Window.MINUTE, amount=60),
            LimitDraft(unit=Unit.TOKENS, window=Window.MINUTE, amount=40_000),
        ),
    )


def test_a_day_begins_where_the_organization_is() -> None:
    draft = drafted(msgspec.structs.replace(TYPED, expires="date", expires_on="2026-11-25"))
    assert draft.expires_at_ms == NOON + 11 * 3_600_000
    assert drafted(msgspec.structs.replace(TYPED, expires="never")).expires_at_ms is None


def test_restricted_grants_what_is_listed() -> None:
    draft = drafted(msgspec.structs.replace(TYPED, may="restricted", grants={"files": "read", "audio": "none"}))
    assert draft.permissions.grants == {Resource.FILES: Access.READ}


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("name", {"name": ""}),
        ("project", {"project": "other"}),
        ("models", {"models": ("m", "secret-model")}),
        ("may", {"may": "restricted"}),
        ("may", {"may": "everything"}),
        ("expires_on", {"expires": "date", "expires_on": ""}),
        ("expires_on", {"expires": "date", "expires_on": "2026-11-24"}),
        ("expires_on", {"expires": "36500"}),
        ("budget", {"budget": "-5"}),
        ("budget", {"budget": "5", "budget_window": "century"}),
        ("requests", {"requests": "1.5"}),
        ("tokens", {"tokens": "1e9"}),
        ("addresses", {"addresses": "10.0.0.1/8"}),
        ("addresses", {"addresses": "example.com"}),
    ],
)
def test_what_is_wrong_is_named_by_its_field(field: str, changes: dict[str, object]) -> None:
    with pytest.raises(FaultsError) as caught:
        drafted(msgspec.structs.replace(TYPED, **changes))
    assert set(caught.value.faults) == {field}


@pytest.mark.parametrize("text", ["1,50,0", "1.500,00", "1,5", "1 500", "٣", "NaN", "1e3", "+5", "$5", "."])
def test_a_doubtful_amount_is_not_guessed(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        read_amount(Unit.USD, text)
