"""Prices of well-known models, from the genai-prices library, as integers.

Where a price depends on the length of the prompt, the dearest step counts for every token: a budget then
holds whichever step the upstream charges.
"""

from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from keyhouse.core.money import Price

MAKERS: Final = frozenset({"anthropic", "deepseek", "google", "mistral", "openai", "x-ai"})
"""Whose own prices count before those of resellers, who list the same names."""


def known_price(model: str, now: datetime) -> Price | None:
    """What `model` costs, by its name at its maker (pico-USD per token, id 0), or None if nobody knows."""
    # Imported here because its data takes 0.4 s to load, and a configuration with its own prices needs none of it.
    from genai_prices.data_snapshot import get_snapshot

    makers = sorted(get_snapshot().providers, key=lambda provider: provider.id not in MAKERS)
    for info in (info for provider in makers for info in provider.models):
        if info.id == model or info.is_match(model):
            price = _price(info.get_prices(now))
            if price is not None:
                return price
    return None


def known_models(provider: str) -> list[str]:
    """Names of the models of one maker that have a price."""
    from genai_prices.data_snapshot import get_snapshot

    return [info.id for found in get_snapshot().providers if found.id == provider for info in found.models]


def _price(prices: Any) -> Price | None:
    given, output = _pico(prices.input_mtok), _pico(prices.output_mtok)
    if given is None and output is None:
        return None
    given, output = given or 0, output or 0
    cached = _pico(prices.cache_read_mtok)
    written = _pico(prices.cache_write_mtok)
    return Price(0, given, given if cached is None else cached, given if written is None else written, output)


def _pico(price: Any) -> int | None:
    if price is None:
        return None
    if isinstance(price, Decimal):
        return int((price * 1_000_000).to_integral_value(rounding="ROUND_CEILING"))
    steps = [price.base, *(tier.price for tier in price.tiers)]
    return max(int((step * 1_000_000).to_integral_value(rounding="ROUND_CEILING")) for step in steps)
