"""The decision: all limits or none, first in first out, and the counters always equal to the calls."""

import msgspec
import pytest

from given import NOON, a_need, an_opening
from given_decide import SCOPES, a_period, one, rows_of
from keyhouse.core.bound import OUTPUT_TOKENS_MIN, OUTPUT_TOKENS_UNKNOWN, Ask, Ceilings, Need, worst_case
from keyhouse.core.call import Basis, Closing, State
from keyhouse.core.decide import (
    Adjusted,
    Admitted,
    Closed,
    HeldCall,
    Ignored,
    Operation,
    Refused,
    Reserve,
    Reserved,
    decide,
)
from keyhouse.core.errors import Code
from keyhouse.core.key import Standing
from keyhouse.core.limit import ScopeType, Unit, Window
from keyhouse.core.money import Counts, Price, Rate


def test_a_call_that_fits_counts_on_every_limit_on_its_way() -> None:
    periods = [
        a_period(5_000, period_id=1),
        a_period(3, unit=Unit.REQUESTS, scope=ScopeType.PROJECT, period_id=2),
        a_period(100, unit=Unit.TOKENS, scope=ScopeType.ORGANIZATION, period_id=3),
        a_period(25, unit=Unit.TOKENS, window=Window.MINUTE, period_id=4),
    ]
    verdict = one(Reserve(an_opening(), a_need(1_000, tokens=100)), rows_of(periods))
    assert isinstance(verdict, Admitted)
    assert [period.reserved for period in periods] == [1_000, 1, 100, 25]
    assert verdict.reserved.period_ids == (1, 4, 2, 3)


@pytest.mark.parametrize("full", range(4))
def test_a_refused_call_consumes_nothing_of_any_limit(full: int) -> None:
    amounts = [1_000] * 4
    amounts[full] = 999
    periods = [
        a_period(amount, scope=scope, period_id=place)
        for place, (amount, scope) in enumerate(zip(amounts, SCOPES, strict=True))
    ]
    verdict = one(Reserve(an_opening(), a_need(1_000)), rows_of(periods))
    assert isinstance(verdict, Refused)
    assert verdict.limit is not None
    assert (verdict.code, verdict.limit.id) == (Code.LIMIT_QUOTA, f"limit_{full}")
    assert (verdict.needed, verdict.left, verdict.resets_at_ms) == (1_000, 999, NOON + 1000)
    assert [period.reserved for period in periods] == [0] * 4


def test_zero_means_zero_and_no_limit_means_no_limit() -> None:
    assert isinstance(one(Reserve(an_opening(), a_need()), rows_of([a_period(0)])), Refused)
    assert isinstance(one(Reserve(an_opening(), a_need(10**15)), rows_of([])), Admitted)


def test_a_limit_below_zero_stops_only_who_needs_more_of_it() -> None:
    """As after it was lowered below what is used, or after an overrun."""
    lowered = a_period(5, unit=Unit.IMAGES)
    lowered.settled = 9
    chat = a_need(1_000)
    assert isinstance(one(Reserve(an_opening(), chat), rows_of([lowered])), Admitted)
    drawing = msgspec.structs.replace(chat, images=1)
    assert isinstance(one(Reserve(an_opening(), drawing), rows_of([lowered])), Refused)


def test_a_limit_for_one_model_leaves_the_others_alone() -> None:
    rows = rows_of([a_period(0, model="big-1")])
    assert isinstance(one(Reserve(an_opening(model="tiny-1"), a_need()), rows), Admitted)
    assert isinstance(one(Reserve(an_opening(model="big-1"), a_need()), rows), Refused)


@pytest.mark.parametrize(
    ("window", "needed", "code"),
    [
        (Window.MINUTE, 1, Code.LIMIT_RATE),
        (Window.MINUTE, 30, Code.LIMIT_RATE_TOO_LARGE),
        (Window.DAY, 1, Code.LIMIT_QUOTA),
        (Window.TOTAL, 30, Code.LIMIT_QUOTA),
    ],
)
def test_only_a_minute_that_may_fit_later_is_a_rate(window: Window, needed: int, code: Code) -> None:
    period = a_period(20, unit=Unit.TOKENS, window=window)
    period.settled = 20
    verdict = one(
        Reserve(an_opening(), a_need(tokens=needed * 4 if window is Window.MINUTE else needed)), rows_of([period])
    )
    assert isinstance(verdict, Refused)
    assert verdict.code is code


def test_an_answer_is_shortened_to_what_fits_the_tightest_limit() -> None:
    need = a_need(1_000, tokens=50, output_tokens=1_000, nano_usd_per_output_token=10)
    periods = [a_period(3_000), a_period(110, unit=Unit.TOKENS, scope=ScopeType.PROJECT, period_id=2)]
    verdict = one(Reserve(an_opening(), need), rows_of(periods))
    assert isinstance(verdict, Admitted)
    assert (verdict.output_tokens_max, verdict.is_shortened) == (60, True)
    assert [period.reserved for period in periods] == [1_600, 110]


def test_an_answer_is_not_shortened_below_the_least_useful_length() -> None:
    need = a_need(0, output_tokens=1_000, nano_usd_per_output_token=10)
    fits = a_period(10 * OUTPUT_TOKENS_MIN)
    assert isinstance(one(Reserve(an_opening(), need), rows_of([fits])), Admitted)
    short = a_period(10 * OUTPUT_TOKENS_MIN - 1)
    verdict = one(Reserve(an_opening(), need), rows_of([short]))
    assert isinstance(verdict, Refused)
    assert verdict.needed == 10 * OUTPUT_TOKENS_MIN


def test_a_limit_can_be_set_to_refuse_instead() -> None:
    need = a_need(0, output_tokens=1_000, nano_usd_per_output_token=10)
    assert isinstance(one(Reserve(an_opening(), need), rows_of([a_period(9_999, refuse_when_short=True)])), Refused)


def test_no_length_is_written_where_no_limit_depends_on_it() -> None:
    verdict = one(Reserve(an_opening(), a_need(output_tokens=9)), rows_of([a_period(5, unit=Unit.REQUESTS)]))
    assert isinstance(verdict, Admitted)
    assert verdict.output_tokens_max is None


@pytest.mark.parametrize("change", [{"base_pico": None}, {"unbounded": "image_url"}])
def test_what_cannot_be_bounded_is_refused_where_money_is_limited_and_passes_elsewhere(
    change: dict[str, object],
) -> None:
    need: Need = msgspec.structs.replace(a_need(), **change)
    refused = one(Reserve(an_opening(), need), rows_of([a_period(10**15)]))
    assert refused == Refused(Code.PRICE_UNKNOWN)
    assert isinstance(one(Reserve(an_opening(), need), rows_of([a_period(5, unit=Unit.REQUESTS)])), Admitted)


@pytest.mark.parametrize(
    ("standing", "code"),
    [
        (Standing(revoked_at_ms=1), Code.KEY_REVOKED),
        (Standing(owner_gone_at_ms=1), Code.KEY_OWNER_GONE),
        (Standing(project_archived_at_ms=1), Code.PROJECT_ARCHIVED),
        (Standing(expires_at_ms=NOON), Code.KEY_EXPIRED),
        (Standing(disabled_at_ms=1), Code.KEY_DISABLED),
        (Standing(secret_ends_at_ms=NOON), Code.KEY_ROTATED),
    ],
)
def test_a_dead_key_is_refused_by_the_reserving_transaction(standing: Standing, code: Code) -> None:
    period = a_period(10**9)
    refused = one(Reserve(an_opening(), a_need()), rows_of([period], standing=standing))
    since_ms = NOON if code in (Code.KEY_EXPIRED, Code.KEY_ROTATED) else 1
    assert refused == Refused(code, dead_at_ms=since_ms)
    assert period.reserved == 0


def test_an_old_secret_works_until_its_last_millisecond() -> None:
    rows = rows_of([], standing=Standing(secret_ends_at_ms=NOON + 1, expires_at_ms=NOON + 1))
    assert isinstance(one(Reserve(an_opening(), a_need()), rows), Admitted)


def test_a_key_that_is_not_there_is_refused() -> None:
    rows = rows_of([])
    rows.standings = {}
    assert one(Reserve(an_opening(), a_need()), rows) == Refused(Code.KEY_UNKNOWN)


def test_what_a_closing_frees_can_be_reserved_in_the_same_batch() -> None:
    period = a_period(1_000)
    period.reserved = 1_000
    held = HeldCall("call_old", State.HELD, Reserved(1_000, 100, 25, (1,)))
    batch: list[Operation] = [Reserve(an_opening("call_new"), a_need(900)), Closing("call_old", State.RELEASED)]
    decision = decide(batch, rows_of([period], calls=[held]), NOON)
    assert isinstance(decision.verdicts[0], Admitted)
    assert isinstance(decision.verdicts[1], Closed)
    assert (period.settled, period.reserved) == (0, 900)


@pytest.mark.parametrize("state", [State.SETTLED, State.RELEASED])
def test_a_call_closes_once(state: State) -> None:
    period = a_period(1_000)
    call = HeldCall("call_1", state, Reserved(500, 0, 0, (1,)))
    assert one(Closing("call_1", State.SETTLED, Basis.UPSTREAM), rows_of([period], calls=[call])) == Ignored(state)
    assert one(Closing("call_2", State.SETTLED, Basis.UPSTREAM), rows_of([period])) == Ignored(None)
    assert (period.settled, period.reserved) == (0, 0)


def test_a_charge_above_the_worst_case_is_an_overrun_that_is_shown() -> None:
    period = a_period(1_000)
    period.reserved = period.peak = 1_000
    held = HeldCall("call_1", State.HELD, Reserved(1_000, 0, 0, (1,)))
    one(Closing("call_1", State.SETTLED, Basis.UPSTREAM, charged_nano_usd=1_300), rows_of([period], calls=[held]))
    assert (period.settled, period.reserved, period.overrun) == (1_300, 0, 300)


def test_a_late_settle_of_an_orphan_corrects_downwards_once() -> None:
    period = a_period(1_000)
    period.settled = 1_000
    orphan = HeldCall("call_1", State.ORPHANED, Reserved(1_000, 100, 25, (1,)))
    late = Closing("call_1", State.SETTLED, Basis.UPSTREAM, Counts(10, 0, 0, 10), charged_nano_usd=400)
    rows = rows_of([period], calls=[orphan])
    assert one(late, rows) == Adjusted(-600, 0, -80, -5)
    assert one(late, rows) == Ignored(State.ORPHANED)
    assert period.settled == 400


def test_a_late_settle_never_corrects_upwards() -> None:
    period = a_period(1_000)
    period.settled = 1_000
    orphan = HeldCall("call_1", State.ORPHANED, Reserved(1_000, 100, 25, (1,)))
    assert one(
        Closing("call_1", State.SETTLED, Basis.UPSTREAM, Counts(500), charged_nano_usd=4_000),
        rows_of([period], calls=[orphan]),
    ) == Adjusted(0, 0, 0, 0)
    assert period.settled == 1_000


def test_headers_speak_of_the_limit_with_the_least_left() -> None:
    periods = [
        a_period(9, unit=Unit.REQUESTS, window=Window.MINUTE),
        a_period(5, unit=Unit.REQUESTS, scope=ScopeType.PROJECT, period_id=2),
    ]
    verdict = one(Reserve(an_opening(), a_need()), rows_of(periods))
    assert isinstance(verdict, Admitted)
    assert [(left.amount, left.left) for left in verdict.remaining] == [(5, 4)]


PRICE = Price(1, (Rate(1_000, 500, 1_250, 4_000),))


def test_the_worst_case_is_every_byte_at_the_dearest_price_and_the_longest_answer() -> None:
    need = worst_case(Ask("m", 100, output_tokens_max=50, choices=2), PRICE, Ceilings(40))
    assert need.output_tokens_max == 40
    assert need.input_tokens == 164
    assert need.nano_usd(40) == -(-(164 * 1_250 + 2 * 40 * 4_000) // 1_000)
    assert need.tokens(40) == 164 + 80
    assert need.tokens_estimate == 25 + 100


def test_an_answer_nobody_bounds_gets_a_bound() -> None:
    need = worst_case(Ask("m", 1), PRICE)
    assert (need.output_tokens_max, need.output_is_bounded) == (OUTPUT_TOKENS_UNKNOWN, False)


def test_a_prediction_can_cost_its_own_text_once_more() -> None:
    plain = worst_case(Ask("m", 1_000, output_tokens_max=1), PRICE)
    predicted = worst_case(Ask("m", 1_000, output_tokens_max=1, extra_output_tokens=1_000), PRICE)
    assert predicted.nano_usd(1) - plain.nano_usd(1) == 4_000
