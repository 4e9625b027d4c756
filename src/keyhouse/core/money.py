"""Money in integers.

Amounts are nano-USD (1 USD = 1,000,000,000). Prices are pico-USD per unit, which is the same number as
micro-USD per million units: $0.25 per million tokens = 250,000. A call's cost is rounded once, upwards.
"""

from decimal import Decimal, InvalidOperation
from typing import Final

import msgspec

NANO_PER_USD: Final = 1_000_000_000
PICO_PER_NANO: Final = 1_000
AMOUNT_MAX: Final = 2**63 - 1
"""What a database's 64-bit integer holds: about 9.2 billion USD."""


class Price(msgspec.Struct, frozen=True):
    """What one unit costs, in pico-USD. It never changes: a new price is a new row with a new id."""

    id: int
    input: int
    cached_input: int
    cache_write: int
    output: int

    @property
    def dearest_input(self) -> int:
        """The most an input token can cost, however the upstream counts it."""
        return max(self.input, self.cached_input, self.cache_write)


class Counts(msgspec.Struct, frozen=True):
    """What a call used, in tokens. `cached_input` and `cache_write` are part of `input`; `reasoning` of `output`."""

    input: int = 0
    cached_input: int = 0
    cache_write: int = 0
    output: int = 0
    reasoning: int = 0

    @property
    def tokens(self) -> int:
        """Input and output together: what a limit in tokens counts."""
        return self.input + self.output


def to_nano(pico: int) -> int:
    """Pico-USD to nano-USD, rounded upwards."""
    return -(-pico // PICO_PER_NANO)


def cost_nano_usd(counts: Counts, price: Price) -> int:
    """Counts x price, in nano-USD: the one place where a charge is derived."""
    plain = counts.input - counts.cached_input - counts.cache_write
    return to_nano(
        plain * price.input
        + counts.cached_input * price.cached_input
        + counts.cache_write * price.cache_write
        + counts.output * price.output
    )


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
