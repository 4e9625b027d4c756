"""Prices as people write them become the integers they mean, or say what is wrong with them."""

import pytest

from keyhouse.core.money import Price, Rate
from keyhouse.core.price_list import BadField, PriceList, WrittenRate

KNOWN = Price(7, (Rate(1, 1, 1, 2),), request=5)


def test_who_says_nothing_has_no_price() -> None:
    assert not PriceList().has_prices()
    assert PriceList().price(KNOWN) is None


def test_zero_is_a_price() -> None:
    free = PriceList(input_usd_per_million="0", output_usd_per_million="0")
    assert free.price(KNOWN) == Price(0, (Rate(0, 0, 0, 0),))


def test_a_price_beside_tokens_leaves_what_is_known_of_tokens() -> None:
    assert PriceList(image_usd="0.04").price(KNOWN) == Price(0, KNOWN.rates, 40_000_000_000, request=5)
    assert PriceList(request_usd="0.01").price(KNOWN) == Price(0, KNOWN.rates, request=10_000_000_000)


@pytest.mark.parametrize(
    ("prices", "field"),
    [
        (PriceList(input_usd_per_million="1"), ""),
        (PriceList(input_usd_per_million="1e3", output_usd_per_million="1"), "input_usd_per_million"),
        (PriceList(image_usd="1000000.01"), "image_usd"),
        (PriceList(cached_input_usd_per_million="1"), "cached_input_usd_per_million"),
        (PriceList(rates=(WrittenRate(input_usd_per_million="1", output_usd_per_million="1"),)), "rates"),
        (
            PriceList(
                input_usd_per_million="1",
                output_usd_per_million="1",
                rates=(WrittenRate(tier="flex", input_usd_per_million="-1", output_usd_per_million="1"),),
            ),
            "rates[0].input_usd_per_million",
        ),
    ],
)
def test_what_cannot_be_meant_is_named(prices: PriceList, field: str) -> None:
    with pytest.raises(BadField) as caught:
        prices.require_prices()
    assert caught.value.field == field
