"""Prices that are known come out as integers, and steps for long prompts as rates."""

from datetime import UTC, datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from given import NOON
from keyhouse.core.bound import Ask, worst_case
from keyhouse.core.money import Counts, Price, Rate, cost_nano_usd
from keyhouse.gateway.known_prices import _price, known_models, known_price

NOW = datetime.fromtimestamp(NOON / 1000, UTC)


def priced(model: str) -> Price:
    price = known_price(model, NOW)
    assert price is not None
    return price


def listed(**figures: object) -> Any:
    """Figures as the library has them; what is not named is not there."""
    names = ("input", "cache_read", "cache_write", "output", "input_audio", "output_audio")
    empty = dict.fromkeys((*(f"{name}_mtok" for name in names), "requests_kcount"))
    return SimpleNamespace(**(empty | figures))


def stepped(base: str, *steps: tuple[int, str]) -> SimpleNamespace:
    """A price of the library that is another one above so many input tokens."""
    tiers = [SimpleNamespace(start=start, price=Decimal(price)) for start, price in steps]
    return SimpleNamespace(base=Decimal(base), tiers=tiers)


def test_openais_moderation_is_known_to_be_free() -> None:
    for name in ("omni-moderation-latest", "omni-moderation-2024-09-26", "text-moderation-stable"):
        price = known_price(name, NOW)
        assert price is not None
        assert cost_nano_usd(Counts(1_000, output=1_000), price) == 0


@pytest.mark.parametrize(
    ("model", "first", "short", "long"),
    [
        ("gemini-2.5-pro", 200_001, (1_250_000, 125_000, 10_000_000), (2_500_000, 250_000, 15_000_000)),
        ("claude-sonnet-4-5", 200_001, (3_000_000, 300_000, 15_000_000), (6_000_000, 600_000, 22_500_000)),
    ],
)
def test_a_step_for_long_prompts_is_a_rate_from_its_first_token_on(
    model: str, first: int, short: tuple[int, ...], long: tuple[int, ...]
) -> None:
    price = priced(model)
    assert [rate.from_input_tokens for rate in price.rates] == [0, first]
    assert [(rate.input, rate.cached_input, rate.output) for rate in price.rates] == [short, long]
    assert price.rate("default", first - 1) is price.rates[0]
    assert price.rate("default", first) is price.rates[1]


def test_a_prompt_that_may_be_long_reserves_what_a_long_one_costs() -> None:
    price = priced("gemini-2.5-pro")
    need = worst_case(Ask("gemini-2.5-pro", 300_000, output_tokens_max=1_000), price)
    assert need.nano_usd(1_000) >= cost_nano_usd(Counts(input=300_000, output=1_000), price)
    assert need.output_token_pico == price.rates[1].output


def test_audio_has_its_own_rates_where_they_are_known() -> None:
    spoken = priced("gpt-4o-realtime-preview").rates[0]
    assert (spoken.audio_input, spoken.audio_output) == (40_000_000, 80_000_000)
    (written,) = priced("gpt-5-mini").rates
    assert written == Rate(250_000, 25_000, 250_000, 2_000_000)


def test_a_request_has_its_own_price_where_it_is_known() -> None:
    assert priced("sonar-pro").request > 0
    assert priced("gpt-5-mini").request == 0


def test_a_model_nobody_knows_has_no_price() -> None:
    assert known_price("nobody-knows-this-model-1", NOW) is None


def test_steps_of_different_figures_are_each_kept() -> None:
    price = _price(
        listed(
            input_mtok=stepped("1", (1_000, "2"), (5_000, "3")),
            output_mtok=stepped("4", (3_000, "6")),
            cache_read_mtok=Decimal("0.5"),
        )
    )
    assert price is not None
    assert [(rate.from_input_tokens, rate.input, rate.output, rate.cached_input) for rate in price.rates] == [
        (0, 1_000_000, 4_000_000, 500_000),
        (1_001, 2_000_000, 4_000_000, 500_000),
        (3_001, 2_000_000, 6_000_000, 500_000),
        (5_001, 3_000_000, 6_000_000, 500_000),
    ]


def test_a_figure_finer_than_a_pico_dollar_is_rounded_upwards() -> None:
    price = _price(listed(input_mtok=Decimal("0.0000001"), output_mtok=Decimal(0), requests_kcount=Decimal(5)))
    assert price is not None
    assert price.rates[0].input == 1
    assert price.request == 5_000_000_000
    assert cost_nano_usd(Counts(), price) == 5_000_000


def test_what_has_no_price_of_tokens_has_none() -> None:
    assert _price(listed(requests_kcount=Decimal(5))) is None


def test_every_known_model_of_a_maker_can_be_priced_or_is_refused_under_a_budget() -> None:
    names = known_models("openai")
    assert "gpt-5-mini" in names
    for name in names:
        price = known_price(name, NOW)
        if price is not None:
            assert price.rates[0].from_input_tokens == 0
            assert all(figure >= 0 for rate in price.rates for figure in (rate.input, rate.cached_input, rate.output))


@pytest.mark.parametrize("model", ["gpt-image-1", "gpt-image-1.5", "chatgpt-image-latest"])
def test_a_price_that_may_be_the_cheaper_of_two_is_not_known(model: str) -> None:
    assert known_price(model, NOW) is None
