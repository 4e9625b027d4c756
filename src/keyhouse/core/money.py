"""Money in integers.

Amounts are nano-USD (1 USD = 1,000,000,000). Prices are pico-USD per unit, which is the same number as
micro-USD per million units: $0.25 per million tokens = 250,000. A call's cost is rounded once, upwards.
"""

from decimal import Decimal, InvalidOperation
from typing import Final

import msgspec

NANO_PER_USD: Final = 1_000_000_000
PICO_PER_NANO: Final = 1_000
DEFAULT_TIER: Final = "default"
UNKNOWN_TIER: Final = "unknown"
"""What a tier is called whose name cannot be kept."""

TIER_CHARACTERS_MAX: Final = 32
"""What is kept of the name of a service tier."""

"""The service tier that a call is on if nobody says another."""

CHEAP_TIERS: Final = frozenset({None, "auto", DEFAULT_TIER, "flex", "scale"})
"""Tiers that cost no more than the default one where they have no rate of their own. `auto` leaves the choice to
the upstream, which says afterwards what it took."""

NANO_PER_CENT: Final = 10**7
AMOUNT_MAX: Final = 2**63 - 1
"""What a database's 64-bit integer holds: about 9.2 billion USD."""


class Rate(msgspec.Struct, frozen=True):
    """What one token costs, in pico-USD, on one service tier and from so many input tokens on.

    A rate holds for every token of a call, not only for those beyond `from_input_tokens`. Audio and images that
    have no rate of their own cost what text costs.
    """

    input: int
    cached_input: int
    cache_write: int
    output: int
    audio_input: int | None = None
    audio_output: int | None = None
    image_input: int | None = None
    image_output: int | None = None
    tier: str = DEFAULT_TIER
    from_input_tokens: int = 0

    @property
    def dearest_input(self) -> int:
        """The most an input token can cost, however the upstream counts it."""
        return max(self.input, self.cached_input, self.cache_write, self.audio_input or 0, self.image_input or 0)

    @property
    def dearest_output(self) -> int:
        """The most an output token can cost."""
        return max(self.output, self.audio_output or 0, self.image_output or 0)


class Price(msgspec.Struct, frozen=True):
    """What a model costs. It never changes: a new price is a new row with a new id.

    `rates` begin with the one of the default tier from the first token on. Beside tokens, pico-USD: an
    `image` made, a second of audio heard or spoken, a `character` spoken, and each `request`.
    """

    id: int
    rates: tuple[Rate, ...]
    image: int = 0
    audio_second: int = 0
    character: int = 0
    request: int = 0

    def rate(self, tier: str, input_tokens: int) -> Rate:
        """The rate of a call with so many input tokens; a tier that has none costs what the default one does."""
        rates = self.rates
        if len(rates) == 1:
            return rates[0]
        if all(rate.tier != tier for rate in rates):
            tier = DEFAULT_TIER
        fitting = [rate for rate in rates if rate.tier == tier and rate.from_input_tokens <= input_tokens]
        return max(fitting, key=lambda rate: rate.from_input_tokens)

    @property
    def is_more_than_tokens(self) -> bool:
        """Whether images, seconds or characters cost something."""
        return bool(self.image or self.audio_second or self.character)

    def covers(self, tier: str | None) -> bool:
        """Whether no call on this tier costs more than these rates say."""
        return tier in CHEAP_TIERS or any(rate.tier == tier for rate in self.rates)


class Counts(msgspec.Struct, frozen=True, gc=False):
    """What a call used. `cached_input`, `cache_write`, `audio_input` and `image_input` are parts of `input` that do not
    overlap, `reasoning`, `audio_output` and `image_output` are parts of `output`, all in tokens, the last two apart;
    then images made, seconds of audio and characters spoken.
    """

    input: int = 0
    cached_input: int = 0
    cache_write: int = 0
    output: int = 0
    reasoning: int = 0
    audio_input: int = 0
    audio_output: int = 0
    images: int = 0
    audio_seconds: int = 0
    characters: int = 0
    image_input: int = 0
    image_output: int = 0

    @property
    def tokens(self) -> int:
        """Input and output together: what a limit in tokens counts."""
        return self.input + self.output


def to_nano(pico: int) -> int:
    """Pico-USD to nano-USD, rounded upwards."""
    return -(-pico // PICO_PER_NANO)


def cost_nano_usd(counts: Counts, price: Price, tier: str = DEFAULT_TIER) -> int:
    """Counts x price, in nano-USD: what a call is charged. `cost_lines` says the same line by line."""
    rate = price.rate(tier, counts.input)
    cached, written = counts.cached_input, counts.cache_write
    pico = (
        (counts.input - cached - written) * rate.input
        + cached * rate.cached_input
        + written * rate.cache_write
        + counts.output * rate.output
        + price.request
    )
    # What is no text costs what text does, and what its own rate is above or below that.
    if counts.audio_input and rate.audio_input is not None:
        pico += counts.audio_input * (rate.audio_input - rate.input)
    if counts.audio_output and rate.audio_output is not None:
        pico += counts.audio_output * (rate.audio_output - rate.output)
    if counts.image_input and rate.image_input is not None:
        pico += counts.image_input * (rate.image_input - rate.input)
    if counts.image_output and rate.image_output is not None:
        pico += counts.image_output * (rate.image_output - rate.output)
    if price.is_more_than_tokens:
        pico += counts.images * price.image + counts.audio_seconds * price.audio_second
        pico += counts.characters * price.character
    return to_nano(pico)


def cost_lines(counts: Counts, price: Price, tier: str = DEFAULT_TIER) -> list[tuple[str, int, int, int]]:
    """The charge line by line, those of zero left out: what was counted, how many, pico-USD each, pico-USD in all."""
    rate = price.rate(tier, counts.input)
    seen, drawn, spoken = counts.image_input, counts.image_output, counts.audio_output
    plain = counts.input - counts.cached_input - counts.cache_write - counts.audio_input - seen
    lines = (
        ("input", plain, rate.input),
        ("cached_input", counts.cached_input, rate.cached_input),
        ("cache_write", counts.cache_write, rate.cache_write),
        ("audio_input", counts.audio_input, rate.input if rate.audio_input is None else rate.audio_input),
        ("image_input", seen, rate.input if rate.image_input is None else rate.image_input),
        ("output", counts.output - spoken - drawn, rate.output),
        ("audio_output", spoken, rate.output if rate.audio_output is None else rate.audio_output),
        ("image_output", drawn, rate.output if rate.image_output is None else rate.image_output),
        ("images", counts.images, price.image),
        ("audio_seconds", counts.audio_seconds, price.audio_second),
        ("characters", counts.characters, price.character),
        ("request", 1, price.request),
    )
    return [(name, count, each, count * each) for name, count, each in lines if count and each]


def parse_usd(text: str) -> int:
    """A decimal amount in USD, such as `25`, `25.00` or `0.000001`, in nano-USD.

    Raises ValueError for anything else: a sign, an exponent, a thousands separator, NaN,
    more than nine decimals, or more than 64 bits hold.
    """
    return _parse_scaled(text, 9)


def parse_price(text: str) -> int:
    """USD per million units as decimal text (`0.0375`), in pico-USD per unit; raises ValueError like `parse_usd`."""
    return _parse_scaled(text, 6)


def format_usd(nano: int, *, decimals_min: int = 2) -> str:
    """Nano-USD as exact decimal text with at least `decimals_min` decimals: 25_000_000_000 -> `25.00`."""
    sign = "-" if nano < 0 else ""
    whole, part = divmod(abs(nano), NANO_PER_USD)
    decimals = f"{part:09d}".rstrip("0").ljust(decimals_min, "0")
    return f"{sign}{whole}.{decimals}" if decimals else f"{sign}{whole}"


def _parse_scaled(text: str, decimals: int) -> int:
    if not text or not set(text) <= set("0123456789."):
        raise ValueError(f"{text!r} is not a plain decimal number")
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise ValueError(f"{text!r} is not a plain decimal number") from None
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int) or -exponent > decimals:
        raise ValueError(f"{text!r} has more than {decimals} decimals")
    scaled = int(value.scaleb(decimals))
    if scaled > AMOUNT_MAX:
        raise ValueError(f"{text!r} is too large")
    return scaled
