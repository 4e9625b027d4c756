"""Money is exact: text to integer and back, and one rounding, upwards."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyhouse.core.money import Counts, Price, Rate, cost_nano_usd, format_usd, parse_price, parse_usd

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
