"""Identifiers: opaque, prefixed by what they name, and for calls ordered by time."""

from functools import lru_cache
from typing import Final

ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
"""Base 62 in ASCII order, so that text order is number order."""

_PAIRS: Final = [a + b for a in ALPHABET for b in ALPHABET]
_PAIR_BASE: Final = 62 * 62


def base62(number: int, width: int) -> str:
    """`number` (not negative) in base 62, padded to `width`; raises ValueError if it does not fit."""
    if number < 0 or number >= 62**width:
        raise ValueError(f"{number} does not fit in {width} base62 digits")
    parts: list[str] = []
    for _ in range(width // 2):
        number, rest = divmod(number, _PAIR_BASE)
        parts.append(_PAIRS[rest])
    if width % 2:
        parts.append(ALPHABET[number % 62])
    return "".join(reversed(parts))


def random_base62(random: bytes, width: int) -> str:
    """`width` base62 digits from random bytes; pass at least `width` bytes so that the bias is far below 2**-40."""
    if len(random) < width:
        raise ValueError(f"{width} digits need at least {width} random bytes")
    return base62(int.from_bytes(random) % 62**width, width)


def identifier(prefix: str, random: bytes) -> str:
    """An id such as `proj_4fQ...`: the prefix (with its separator) and 20 digits from 20 random bytes."""
    return prefix + random_base62(random, 20)


def call_id(now_ms: int, random: bytes) -> str:
    """A call's id: 48 bits of time, then 80 random bits, so that ids sort by when the call began."""
    beginning, rest = divmod(now_ms << 80 | int.from_bytes(random[:10]), 62**14)
    return f"call_{_beginning(beginning)}{_fourteen(rest)}"


# For some milliseconds all calls begin alike: the time alone decides it.
@lru_cache(maxsize=4)
def _beginning(number: int) -> str:
    return base62(number, 8)


def _fourteen(number: int) -> str:
    """The same as `base62`, in small numbers, which divide several times as fast as large ones."""
    six, eight = divmod(number, 62**8)
    two, four = divmod(six, 62**4)
    first, second = divmod(eight, 62**4)
    pairs, base = _PAIRS, _PAIR_BASE
    last = pairs[first // base] + pairs[first % base] + pairs[second // base] + pairs[second % base]
    return pairs[two] + pairs[four // base] + pairs[four % base] + last
