"""The account of a charge against the rows: the lines add up to it, or the outcome says why not."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from given import NOON
from keyhouse.core.call import Basis, State
from keyhouse.core.decide import Adjusted, Reserved
from keyhouse.core.limit import Limit, ScopeType, Unit, Window
from keyhouse.core.money import Counts, Price, Rate, cost_nano_usd
from keyhouse.reporting.explanations import FLAGS, Outcome, explain
from keyhouse.store.calls import Adjustment, Call, CountedPeriod

PRICE = Price(
    1,
    (
        Rate(1_000_000, 500_000, 1_250_000, 2_000_000),
        Rate(2_000_000, 1_000_000, 2_500_000, 3_000_000, from_input_tokens=200_000),
        Rate(4_000_000, 2_000_000, 5_000_000, 8_000_000, tier="priority"),
    ),
)
"""$1 in, $0.50 cached, $2 out a million; twice that for long prompts; four times on tier priority."""

CALL = Call(
    id="call_1",
    request_id="req_1",
    attempt=1,
    organization_id="org-1",
    project_id="proj_1",
    owner_type="user",
    owner_id="user-1",
    key_id="key_1",
    secret_version=1,
    instance_id=1,
    model="tiny-1",
    upstream="local",
    endpoint="/v1/chat/completions",
    address="",
    agent="",
    price_id=1,
    created_at_ms=NOON,
    reserved=Reserved(5_000_000, 1_500, 600, (), 4, 5, 6),
    output_tokens_max=None,
    state=State.SETTLED,
    basis=Basis.UPSTREAM,
    tier="default",
    charged_nano_usd=1_350_000,
    counts=Counts(1_000, cached_input=300, output=250, images=1, audio_seconds=2, characters=3),
    status=200,
    first_byte_ms=120,
    duration_ms=900,
    closed_at_ms=NOON + 900,
    flags=(),
)


def a_call(**changes: Any) -> Call:
    return msgspec.structs.replace(CALL, **changes)


def a_period(unit: Unit, window: Window = Window.MONTH) -> CountedPeriod:
    limit = Limit(f"limit_{unit}", "org-1", ScopeType.KEY, "key_1", unit, window, 10)
    return CountedPeriod(1, limit, "2026-11", NOON, None, None)


pico = st.integers(0, 10**9)
tokens = st.integers(0, 10**7)
RATES = st.builds(Rate, pico, pico, pico, pico, st.none() | pico, st.none() | pico)
PRICES = st.builds(
    lambda first, long, priority, *others: Price(
        1,
        (
            first,
            msgspec.structs.replace(long, from_input_tokens=200_000),
            msgspec.structs.replace(priority, tier="priority"),
        ),
        *others,
    ),
    RATES,
    RATES,
    RATES,
    pico,
    pico,
    pico,
    pico,
)
COUNTS = st.builds(
    lambda cached, written, heard, plain, reasoning, spoken, output, *others: Counts(
        cached + written + heard + plain,
        cached,
        written,
        spoken + reasoning + output,
        reasoning,
        heard,
        spoken,
        *others,
    ),
    *[tokens] * 7,
    st.integers(0, 100),
    st.integers(0, 10**5),
    st.integers(0, 10**6),
)


@given(
    COUNTS,
    PRICES,
    st.sampled_from(("default", "priority", "flex")),
    st.sampled_from((Basis.UPSTREAM, Basis.COUNTED, Basis.RESERVED)),
)
def test_the_lines_add_up_to_the_charge_exactly(counts: Counts, price: Price, tier: str, basis: Basis) -> None:
    charged = cost_nano_usd(counts, price, tier)
    reserved = Reserved(charged, 0, 0, ())
    call = a_call(counts=counts, tier=tier, basis=basis, charged_nano_usd=charged, reserved=reserved)
    charge = explain(call, price, ()).charge
    assert charge.outcome is Outcome.EXACT
    assert all(line.count * line.each_pico_usd == line.pico_usd > 0 for line in charge.lines)
    assert sum(line.pico_usd for line in charge.lines) + charge.rounding_pico_usd == charged * 1_000
    assert 0 <= charge.rounding_pico_usd < 1_000
    assert charge.charged_nano_usd == charge.rounded_nano_usd == charged
    assert charge.rate == price.rate(tier, counts.input)


PRICED = (Basis.UPSTREAM, Basis.COUNTED, Basis.RESERVED)


@given(COUNTS, PRICES, st.integers(-(10**9), 10**9).filter(bool))
def test_a_charge_that_does_not_follow_is_never_said_to(counts: Counts, price: Price, wrong: int) -> None:
    charged = max(0, cost_nano_usd(counts, price) + wrong)
    explained = explain(a_call(counts=counts, charged_nano_usd=charged), price, ())
    assert explained.charge.outcome is (
        Outcome.EXACT if charged == cost_nano_usd(counts, price) else Outcome.UNEXPLAINED
    )


def test_what_the_upstream_reported_times_price_is_the_charge() -> None:
    explained = explain(a_call(), PRICE, ())
    charge = explained.charge
    assert [(line.item, line.count, line.each_pico_usd, line.pico_usd) for line in charge.lines] == [
        ("input", 700, 1_000_000, 700_000_000),
        ("cached_input", 300, 500_000, 150_000_000),
        ("output", 250, 2_000_000, 500_000_000),
    ]
    assert (charge.sum_pico_usd, charge.rounding_pico_usd, charge.rounded_nano_usd) == (1_350_000_000, 0, 1_350_000)
    assert explained.notes == ("The upstream reported what was used; times its price, that is the charge.",)


def test_a_counted_charge_says_who_counted() -> None:
    explained = explain(a_call(basis=Basis.COUNTED, flags=("no_usage",)), PRICE, ())
    assert explained.charge.outcome is Outcome.EXACT
    assert explained.notes == (
        "The gateway counted what was used; times its price, that is the charge.",
        "The upstream did not say what was used.",
    )


def test_a_counted_charge_is_capped_at_what_was_reserved_and_shows_what_it_would_have_been() -> None:
    reserved = Reserved(1_000_000, 1_500, 600, ())
    explained = explain(a_call(basis=Basis.COUNTED, charged_nano_usd=1_000_000, reserved=reserved), PRICE, ())
    assert explained.charge.outcome is Outcome.CAPPED
    assert explained.charge.rounded_nano_usd == 1_350_000
    assert explained.notes == (
        (
            "The gateway counted what was used, which would cost $0.00135; what is only counted is never charged with "
            "more than was reserved, $0.001."
        ),
    )


def test_an_upstreams_report_is_never_capped() -> None:
    reserved = Reserved(1_000_000, 1_500, 600, ())
    explained = explain(a_call(reserved=reserved, flags=("overrun",)), PRICE, ())
    assert (explained.charge.outcome, explained.charge.overrun_nano_usd) == (Outcome.EXACT, 350_000)
    assert explained.notes[1] == (
        "It was charged $0.00035 more than it had reserved: the upstream reported more than the worst case."
    )
    capped = explain(a_call(reserved=reserved, charged_nano_usd=1_000_000), PRICE, ())
    assert capped.charge.outcome is Outcome.UNEXPLAINED


@pytest.mark.parametrize(
    ("tier", "counts", "charged", "note"),
    [
        ("priority", Counts(1_000), 4_000_000, "The rate is the one of the service tier priority."),
        ("flex", Counts(1_000), 1_000_000, "The service tier flex has no rate of its own: the default one applies."),
        (
            "default",
            Counts(250_000),
            500_000_000,
            (
                "Its input of 250,000 tokens is a long one: from 200,000 on, every token is charged by the rate for "
                "long prompts."
            ),
        ),
    ],
)
def test_the_rate_of_a_tier_or_a_long_prompt_is_told(tier: str, counts: Counts, charged: int, note: str) -> None:
    explained = explain(a_call(tier=tier, counts=counts, charged_nano_usd=charged), PRICE, ())
    assert explained.charge.outcome is Outcome.EXACT
    assert note in explained.notes
    assert explained.charge.rate == PRICE.rate(tier, counts.input)


def test_a_running_call_has_no_charge_yet() -> None:
    explained = explain(a_call(state=State.HELD, basis=None, charged_nano_usd=None), PRICE, (a_period(Unit.USD),))
    assert (explained.charge.outcome, explained.charge.lines) == (Outcome.RUNNING, ())
    assert (explained.limits[0].reserved, explained.limits[0].charged) == (5_000_000, None)


def test_a_released_call_costs_nothing_and_shows_no_lines_although_requests_have_a_price() -> None:
    price = msgspec.structs.replace(PRICE, request=5_000)
    call = a_call(state=State.RELEASED, basis=None, charged_nano_usd=0, counts=Counts())
    explained = explain(call, price, (a_period(Unit.REQUESTS),))
    assert (explained.charge.outcome, explained.charge.lines) == (Outcome.RELEASED, ())
    assert (explained.limits[0].reserved, explained.limits[0].charged) == (1, 0)


def test_an_unpriced_call_counts_on_limits_and_costs_nothing() -> None:
    call = a_call(price_id=None, charged_nano_usd=None)
    explained = explain(call, None, (a_period(Unit.TOKENS),))
    assert (explained.charge.outcome, explained.charge.charged_nano_usd) == (Outcome.UNPRICED, None)
    assert explained.limits[0].charged == 1_250
    orphan = explain(msgspec.structs.replace(call, state=State.ORPHANED, basis=Basis.RESERVED), None, ())
    assert orphan.charge.outcome is Outcome.UNPRICED


def test_an_orphan_is_charged_what_it_reserved_until_its_gateway_tells_more() -> None:
    call = a_call(
        state=State.ORPHANED,
        basis=Basis.RESERVED,
        charged_nano_usd=5_000_000,
        counts=Counts(),
        flags=("orphaned",),
        reserved=Reserved(5_000_000, 1_500, 600, (1, 2, 3)),
    )
    explained = explain(call, PRICE, (a_period(Unit.USD),))
    assert (explained.charge.outcome, explained.charge.lines, explained.forgotten_limits) == (Outcome.RESERVED, (), 2)
    assert "died while it ran" in explained.notes[0]
    assert len(explained.notes) == 1
    late = Adjustment(NOON + 60_000, Adjusted(-3_650_000, 0, -250, 0), "settled late")
    told = explain(msgspec.structs.replace(call, adjustment=late), PRICE, (a_period(Unit.USD),))
    assert told.notes[1] == (
        "Its gateway had only been paused and told on 2026-11-24 12:01:00 UTC what was really used: $0.00365 was "
        "given back, so it cost $0.00135."
    )
    assert (told.limits[0].charged, told.limits[0].adjusted) == (5_000_000, -3_650_000)
    nothing = msgspec.structs.replace(late, given=Adjusted(0, 0, 0, 0))
    assert (
        "nothing had to be given back" in explain(msgspec.structs.replace(call, adjustment=nothing), PRICE, ()).notes[1]
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"state": State.RELEASED, "charged_nano_usd": 1},
        {"state": State.ORPHANED, "charged_nano_usd": 1},
        {"price_id": None, "charged_nano_usd": 1},
        {"charged_nano_usd": None},
        {"charged_nano_usd": 1},
    ],
)
def test_a_row_that_makes_no_sense_is_said_to_make_none(changes: dict[str, Any]) -> None:
    explained = explain(a_call(**changes), PRICE, ())
    assert explained.charge.outcome is Outcome.UNEXPLAINED
    assert "keyhouse ledger verify" in explained.notes[0]


def test_a_price_that_is_gone_explains_nothing() -> None:
    assert explain(a_call(), None, ()).charge.outcome is Outcome.UNEXPLAINED


@pytest.mark.parametrize(
    ("unit", "window", "reserved", "charged", "adjusted"),
    [
        (Unit.USD, Window.MONTH, 5_000_000, 1_350_000, -1),
        (Unit.REQUESTS, Window.DAY, 1, 1, -2),
        (Unit.TOKENS, Window.DAY, 1_500, 1_250, -3),
        (Unit.TOKENS, Window.MINUTE, 600, 1_250, -4),
        (Unit.IMAGES, Window.WEEK, 4, 1, -5),
        (Unit.AUDIO_SECONDS, Window.MONTH, 5, 2, -6),
        (Unit.CHARACTERS, Window.TOTAL, 6, 3, -7),
        (Unit.CONCURRENCY, Window.TOTAL, 1, 0, 0),
    ],
)
def test_every_unit_tells_what_was_reserved_charged_and_given_back(
    unit: Unit, window: Window, reserved: int, charged: int, adjusted: int
) -> None:
    period = a_period(unit, window)
    (settled,) = explain(a_call(), PRICE, (period,)).limits
    assert (settled.reserved, settled.charged, settled.adjusted) == (reserved, charged, 0)
    late = Adjustment(NOON, Adjusted(-1, -2, -3, -4, -5, -6, -7), "settled late")
    orphan = a_call(state=State.ORPHANED, charged_nano_usd=5_000_000, adjustment=late)
    (given_back,) = explain(orphan, PRICE, (period,)).limits
    assert given_back.charged == (0 if unit is Unit.CONCURRENCY else reserved)
    assert given_back.adjusted == adjusted


def test_every_flag_is_told_in_words_and_an_unknown_one_by_its_name() -> None:
    flags = (*FLAGS, "brand_new")
    notes = explain(a_call(flags=flags), PRICE, ()).notes
    assert notes[1:] == (*filter(None, FLAGS.values()), "It is flagged brand_new.")


def test_what_a_verification_stated_is_the_charge_and_any_other_sum_is_unexplained() -> None:
    reserved = msgspec.structs.replace(CALL.reserved, nano_usd=250)
    stated = a_call(basis=Basis.STATED, price_id=None, charged_nano_usd=250, reserved=reserved)
    explained = explain(stated, None, ())
    assert explained.charge.outcome is Outcome.STATED
    assert "$0.00000025" in explained.notes[0]
    wrong = msgspec.structs.replace(stated, charged_nano_usd=251)
    assert explain(wrong, None, ()).charge.outcome is Outcome.UNEXPLAINED
