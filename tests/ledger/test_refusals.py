"""A refusal says which limit, what was needed, what is left and when it resets, for every unit, window and scope."""

import msgspec
import pytest

from given import NOON, an_opening
from keyhouse.core.decide import Refused
from keyhouse.core.errors import Code
from keyhouse.core.limit import Limit, ScopeType, Unit, Window
from keyhouse.ledger.refusals import CONCURRENCY_RETRY_MS, refusal

SECOND_MS = 1_000


def a_refused(
    unit: Unit,
    window: Window,
    amount: int,
    needed: int,
    left: int,
    *,
    scope: tuple[ScopeType, str] = (ScopeType.KEY, "key_1"),
    model: str | None = None,
    code: Code = Code.LIMIT_QUOTA,
) -> Refused:
    limit = Limit("limit_1", "org-1", *scope, unit, window, amount, model)
    return Refused(code, limit, needed, left, None if window is Window.TOTAL else NOON + 30 * SECOND_MS)


@pytest.mark.parametrize(
    ("unit", "window", "numbers", "says"),
    [
        (Unit.USD, Window.MONTH, (25_000_000_000, 4_000_000, 0), "$25.00 a month: $0.00 left"),
        (Unit.REQUESTS, Window.MINUTE, (60, 1, 0), "60 requests a minute: 0 requests left"),
        (Unit.TOKENS, Window.DAY, (40_000, 900, 899), "40,000 tokens a day: 899 tokens left"),
        (Unit.IMAGES, Window.WEEK, (50, 4, 1), "50 images a week: 1 image left"),
        (Unit.AUDIO_SECONDS, Window.WEEK, (3_600, 90, 1), "3,600 seconds of audio a week: 1 second of audio left"),
        (Unit.CHARACTERS, Window.TOTAL, (1, 2, 1), "1 character in all: 1 character left"),
    ],
)
def test_a_full_limit_is_told_in_its_unit_and_window(
    unit: Unit, window: Window, numbers: tuple[int, int, int], says: str
) -> None:
    told = refusal(a_refused(unit, window, *numbers), an_opening(), NOON)
    assert told.message.startswith(f"The API key sk-kh_1...x9Fa is limited to {says}, and this call may need ")
    assert told.facts["limit_id"] == "limit_1"
    assert told.retry_after_ms == (None if window is Window.TOTAL else 30 * SECOND_MS)


def test_calls_at_once_are_told_without_a_window_and_may_be_tried_again_soon() -> None:
    full = a_refused(Unit.CONCURRENCY, Window.TOTAL, 8, 1, 0, code=Code.LIMIT_RATE)
    told = refusal(full, an_opening(), NOON)
    assert told.message == "The API key sk-kh_1...x9Fa is limited to 8 calls at once: all are running."
    assert told.hint == "Try again when one of them has ended."
    assert (told.retry_after_ms, told.facts["resets_at"]) == (CONCURRENCY_RETRY_MS, None)
    one = msgspec.structs.replace(full, limit=Limit("l", "o", ScopeType.KEY, "k", Unit.CONCURRENCY, Window.TOTAL, 1))
    assert "limited to 1 call at once" in refusal(one, an_opening(), NOON).message


@pytest.mark.parametrize(
    ("scope", "who"),
    [
        ((ScopeType.KEY, "key_1"), "The API key sk-kh_1...x9Fa"),
        ((ScopeType.USER, "user-1"), "The user user-1"),
        ((ScopeType.SERVICE_ACCOUNT, "svc_acct_1"), "The service account svc_acct_1"),
        ((ScopeType.PROJECT, "proj_1"), "The project proj_1"),
        ((ScopeType.ORGANIZATION, "org-1"), "The organization"),
    ],
)
def test_it_says_whose_limit_it_is_and_for_which_model(scope: tuple[ScopeType, str], who: str) -> None:
    full = a_refused(Unit.IMAGES, Window.WEEK, 5, 1, 0, scope=scope, model="painter-1")
    told = refusal(full, an_opening(), NOON)
    assert told.message.startswith(f"{who} is limited to 5 images a week for painter-1: 0 images left")
    assert (told.facts["scope"], told.facts["scope_id"]) == scope


@pytest.mark.parametrize(
    ("window", "code", "hint"),
    [
        (Window.MINUTE, Code.LIMIT_RATE, "Try again when the minute is over."),
        (Window.MINUTE, Code.LIMIT_RATE_TOO_LARGE, "It can never fit:"),
        (Window.WEEK, Code.LIMIT_QUOTA, "It resets on 24 November 2026 at 13:00 (Europe/Berlin); an owner can raise"),
        (Window.TOTAL, Code.LIMIT_QUOTA, "This limit never resets; an owner can raise it (limit_1)."),
    ],
)
def test_it_says_what_to_do_next(window: Window, code: Code, hint: str) -> None:
    told = refusal(a_refused(Unit.TOKENS, window, 5, 9, 0, code=code), an_opening(), NOON)
    assert (told.code, told.hint.startswith(hint)) == (code, True)


def test_an_unknown_price_and_a_dead_key_have_their_own_words() -> None:
    unknown = refusal(Refused(Code.PRICE_UNKNOWN), an_opening(model="new-1"), NOON)
    assert (unknown.param, "new-1" in unknown.message) == ("model", True)
    gone = refusal(Refused(Code.KEY_OWNER_GONE), an_opening(), NOON)
    assert gone.message == "The API key sk-kh_1...x9Fa belongs to someone who is no longer a member."
