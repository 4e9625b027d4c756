"""Money is exact: text to integer and back, and one rounding, upwards."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyhouse.core.money import (
    CHEAP_TIERS,
    Counts,
    Price,
    Rate,
    cost_lines,
    cost_nano_usd,
    format_usd,
    parse_price,
    parse_usd,
    to_nano,
)

AMOUNTS = st.integers(0, 2**63 - 1)


@given(AMOUNTS)
def test_every_amount_survives_its_text(nano: int) -> None:
    assert parse_usd(format_usd(nano)) == nano


@given(AMOUNTS)
def test_the_text_is_the_decimal_value(nano: int) -> None:
    assert Decimal(format_usd(nano)) == Decimal(nano).scaleb(-9)


@pytest.mark.parametrize(
    ("text", "nano"), [("25", 25_000_000_000), ("25.00", 25_000_000_000), ("0.000000001", 1), (".5", 500_000_000)]
)
def test_plain_decimals_are_read(text: str, nano: int) -> None:
    assert parse_usd(text) == nano


@pytest.mark.parametrize(
    "text",
    ["", ".", "-1", "+1", "1e3", "1,000", "NaN", "Infinity", "0.0000000001", "1_000", " 1", "9" * 20, "٣", "1.2.3"],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="."):
        parse_usd(text)


def test_a_price_per_million_is_the_integer_per_token_in_pico_usd() -> None:
    assert parse_price("0.0375") == 37_500


RATES = st.builds(Rate, *[st.integers(0, 10**9)] * 4)
PRICES = st.builds(lambda rate: Price(1, (rate,)), RATES)
COUNTS = st.builds(
    lambda plain, cached, written, output: Counts(plain + cached + written, cached, written, output),
    *[st.integers(0, 10**7)] * 4,
)


@given(COUNTS, PRICES)
def test_a_cost_is_the_exact_sum_rounded_up_once(counts: Counts, price: Price) -> None:
    plain = counts.input - counts.cached_input - counts.cache_write
    (rate,) = price.rates
    exact = Fraction(
        plain * rate.input
        + counts.cached_input * rate.cached_input
        + counts.cache_write * rate.cache_write
        + counts.output * rate.output,
        1000,
    )
    assert 0 <= cost_nano_usd(counts, price) - exact < 1


TIERS = Price(
    1,
    (
        Rate(1_000, 500, 1_250, 4_000, audio_input=40_000, audio_output=80_000, image_input=2_000, image_output=30_000),
        Rate(2_000, 1_000, 2_500, 6_000, from_input_tokens=200_001),
        Rate(4_000, 2_000, 5_000, 9_000, from_input_tokens=1_000_001),
        Rate(3_000, 1_500, 3_750, 8_000, tier="priority"),
        Rate(5_000, 2_500, 6_250, 12_000, tier="priority", from_input_tokens=200_001),
    ),
    image=40_000_000_000,
    audio_second=100_000_000,
    character=15_000_000,
    request=2_000_000,
)


@pytest.mark.parametrize(
    ("tier", "input_tokens", "rate"),
    [
        ("default", 0, 0),
        ("default", 200_000, 0),
        ("default", 200_001, 1),
        ("default", 1_000_000, 1),
        ("default", 1_000_001, 2),
        ("priority", 200_000, 3),
        ("priority", 200_001, 4),
        ("priority", 9_000_000, 4),
        ("flex", 200_001, 1),  # a tier without a rate of its own costs what the default one does
        ("never-heard-of", 0, 0),
    ],
)
def test_the_rate_is_that_of_the_tier_and_of_the_prompts_length(tier: str, input_tokens: int, rate: int) -> None:
    assert TIERS.rate(tier, input_tokens) is TIERS.rates[rate]


def test_the_order_of_the_steps_does_not_matter() -> None:
    turned = Price(1, (TIERS.rates[0], *reversed(TIERS.rates[1:])))
    for tokens in (0, 200_000, 200_001, 1_000_000, 1_000_001):
        for tier in ("default", "priority"):
            assert turned.rate(tier, tokens) == TIERS.rate(tier, tokens)


@pytest.mark.parametrize(("tier", "is_covered"), [*((tier, True) for tier in CHEAP_TIERS), ("batch-2", False)])
def test_a_tier_that_may_cost_more_is_covered_only_by_a_rate_of_its_own(tier: str | None, is_covered: bool) -> None:
    assert TIERS.covers(tier) is is_covered
    assert TIERS.covers("priority")
    assert not Price(1, TIERS.rates[:3]).covers("priority")


def test_a_charge_is_explained_line_by_line() -> None:
    counts = Counts(
        input=100,
        cached_input=20,
        cache_write=10,
        output=50,
        reasoning=30,
        audio_input=40,
        audio_output=15,
        image_input=7,
        image_output=9,
        images=2,
        audio_seconds=3,
        characters=4,
    )
    lines = cost_lines(counts, TIERS)
    assert lines == [
        ("input", 23, 1_000, 23_000),
        ("cached_input", 20, 500, 10_000),
        ("cache_write", 10, 1_250, 12_500),
        ("audio_input", 40, 40_000, 1_600_000),
        ("image_input", 7, 2_000, 14_000),
        ("output", 26, 4_000, 104_000),
        ("audio_output", 15, 80_000, 1_200_000),
        ("image_output", 9, 30_000, 270_000),
        ("images", 2, 40_000_000_000, 80_000_000_000),
        ("audio_seconds", 3, 100_000_000, 300_000_000),
        ("characters", 4, 15_000_000, 60_000_000),
        ("request", 1, 2_000_000, 2_000_000),
    ]
    assert cost_nano_usd(counts, TIERS) == to_nano(sum(line[3] for line in lines))


def test_what_was_not_used_and_what_costs_nothing_has_no_line() -> None:
    assert cost_lines(Counts(), Price(1, TIERS.rates)) == []
    assert cost_lines(Counts(input=5, output=5), Price(1, (Rate(0, 0, 0, 7),))) == [("output", 5, 7, 35)]


def test_audio_and_images_without_a_rate_of_their_own_cost_what_text_costs() -> None:
    counts = Counts(input=10, output=10, audio_input=4, audio_output=3, image_input=2, image_output=5)
    plain = Price(1, (Rate(1_000, 500, 1_250, 4_000),))
    assert cost_nano_usd(counts, plain) == cost_nano_usd(Counts(input=10, output=10), plain)


def test_a_long_prompt_changes_the_price_of_every_token() -> None:
    short, long = Counts(input=200_000, output=10), Counts(input=200_001, output=10)
    assert cost_nano_usd(short, TIERS) == to_nano(200_000 * 1_000 + 10 * 4_000 + 2_000_000)
    assert cost_nano_usd(long, TIERS) == to_nano(200_001 * 2_000 + 10 * 6_000 + 2_000_000)
    assert cost_nano_usd(long, TIERS, "priority") == to_nano(200_001 * 5_000 + 10 * 12_000 + 2_000_000)


PARTS = st.lists(st.integers(0, 10**6), min_size=11, max_size=11)


@given(PARTS, st.sampled_from(["default", "priority", "flex"]))
def test_every_part_of_a_call_is_charged_once_at_its_own_price(parts: list[int], tier: str) -> None:
    plain, cached, written, heard, seen, text, spoken, drawn, images, seconds, characters = parts
    counts = Counts(
        input=plain + cached + written + heard + seen,
        cached_input=cached,
        cache_write=written,
        output=text + spoken + drawn,
        audio_input=heard,
        audio_output=spoken,
        image_input=seen,
        image_output=drawn,
        images=images,
        audio_seconds=seconds,
        characters=characters,
    )
    rate = TIERS.rate(tier, counts.input)
    exact = plain * rate.input + cached * rate.cached_input + written * rate.cache_write + text * rate.output
    exact += heard * (rate.input if rate.audio_input is None else rate.audio_input)
    exact += spoken * (rate.output if rate.audio_output is None else rate.audio_output)
    exact += seen * (rate.input if rate.image_input is None else rate.image_input)
    exact += drawn * (rate.output if rate.image_output is None else rate.image_output)
    exact += images * TIERS.image + seconds * TIERS.audio_second + characters * TIERS.character + TIERS.request
    assert 0 <= cost_nano_usd(counts, TIERS, tier) * 1_000 - exact < 1_000
    assert counts.input * rate.dearest_input >= sum(
        line[3] for line in cost_lines(counts, TIERS, tier) if "input" in line[0] or line[0] == "cache_write"
    )
