"""Prices of well-known models, from the genai-prices library, as integers."""

from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from keyhouse.core.money import Price, Rate

MAKERS: Final = frozenset({"anthropic", "deepseek", "google", "mistral", "openai", "x-ai"})
"""Whose own prices count before those of resellers, who list the same names."""

FREE: Final = ("omni-moderation-", "text-moderation-")
"""Models that OpenAI documents to be free of charge; the library does not list them."""

SAID_BADLY: Final = ("gpt-image-", "chatgpt-image-", "dall-e-")
"""Models of images, of which the library has one price where text and images have two, now the one, now the other."""

_PICO_PER_MILLION: Final = 1_000_000
_PICO_PER_THOUSAND: Final = 1_000_000_000


def known_price(model: str, now: datetime) -> Price | None:
    """What `model` costs, by its name at its maker (id 0), or None if nobody knows."""
    if model.startswith(FREE):
        return Price(0, (Rate(0, 0, 0, 0),))
    if model.startswith(SAID_BADLY):
        return None
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
    if prices.input_mtok is None and prices.output_mtok is None:
        return None
    figures = (
        prices.input_mtok,
        prices.cache_read_mtok,
        prices.cache_write_mtok,
        prices.output_mtok,
        prices.input_audio_mtok,
        prices.output_audio_mtok,
    )
    # A step of the library holds above its start, a rate of ours from its first token on.
    steps = {step.start + 1 for figure in figures for step in getattr(figure, "tiers", ())}
    rates = tuple(_rate(figures, first) for first in (0, *sorted(steps)))
    return Price(0, rates, request=_pico(prices.requests_kcount, 0, _PICO_PER_THOUSAND) or 0)


def _rate(figures: tuple[Any, ...], first: int) -> Rate:
    given, cached, written, output, audio_input, audio_output = (_pico(figure, first) for figure in figures)
    given = given or 0
    return Rate(
        given,
        given if cached is None else cached,
        given if written is None else written,
        output or 0,
        audio_input,
        audio_output,
        from_input_tokens=first,
    )


def _pico(figure: Any, first: int, pico_per_usd: int = _PICO_PER_MILLION) -> int | None:
    """A price of the library for calls with `first` input tokens or more, rounded upwards."""
    if figure is None:
        return None
    usd = figure
    if not isinstance(figure, Decimal):
        reached = [step.price for step in figure.tiers if step.start < first]
        usd = reached[-1] if reached else figure.base
    return int((usd * pico_per_usd).to_integral_value(rounding="ROUND_CEILING"))
