"""What an answer of Anthropic's Messages used: figures that grow while it comes, believed as far as they make sense.

Their `input_tokens` are only what was neither read from the cache nor written to it; all three together are our input.
"""

from typing import Any, Final

import msgspec

from keyhouse.core.money import DEFAULT_TIER, TIER_CHARACTERS_MAX, Counts
from keyhouse.wire.usage import TOKENS_MAX, Reading, in_reason

FAST: Final = "fast"
"""The speed that costs more. It is a service tier here, so that a rate can be set for it."""

_STANDARD: Final = "standard"
_INPUT, _READ, _WRITTEN = "input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"
_OUTPUT: Final = "output_tokens"
_FIGURES: Final = (_INPUT, _READ, _WRITTEN, _OUTPUT)
_UNREADABLE: Final = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)


class _Answer(msgspec.Struct, gc=False):
    usage: msgspec.Raw = msgspec.Raw()


_ANSWER: Final = msgspec.json.Decoder(_Answer)


class GrowingUsage:
    """Usage that is told more than once. Every figure is a sum so far, so of each the largest counts."""

    __slots__ = ("_figures", "_is_clamped", "_reasoning", "_tier")

    def __init__(self) -> None:
        self._figures: dict[str, int] = {}
        self._reasoning = 0
        self._is_clamped = False
        self._tier: str | None = None

    def take(self, usage: msgspec.Raw | bytes) -> bool:
        """Take in a `usage` object in JSON; nothing where there is none. Returns whether it spoke of the output."""
        if bytes(usage) in (b"", b"null"):
            return False
        try:
            said = msgspec.json.decode(usage)
        except _UNREADABLE:
            said = None
        if not isinstance(said, dict):
            self._is_clamped = True
            return True
        for name in _FIGURES:
            if said.get(name) is not None:
                self._figures[name] = max(self._figures.get(name, 0), self._believed(said[name]))
        details = said.get("output_tokens_details")
        if isinstance(details, dict) and details.get("thinking_tokens") is not None:
            self._reasoning = max(self._reasoning, self._believed(details["thinking_tokens"]))
        self._take_tier(said)
        return said.get(_OUTPUT) is not None

    @property
    def reading(self) -> Reading | None:
        """What was said so far; None if nothing was. Without input or output it is not the whole truth."""
        figures = self._figures
        if not figures and not self._is_clamped:
            return None
        read, written, output = figures.get(_READ, 0), figures.get(_WRITTEN, 0), figures.get(_OUTPUT, 0)
        given = figures.get(_INPUT, 0) + read + written
        is_whole = _INPUT in figures and _OUTPUT in figures and given <= TOKENS_MAX and self._reasoning <= output
        return Reading(
            Counts(given, read, written, output, min(self._reasoning, output)),
            is_clamped=self._is_clamped or not is_whole,
            tier=self._tier,
        )

    def _believed(self, figure: object) -> int:
        believed = in_reason(figure, TOKENS_MAX)
        if isinstance(figure, bool) or not isinstance(figure, int) or believed != figure:
            self._is_clamped = True
        return believed

    def _take_tier(self, said: dict[Any, Any]) -> None:
        tier, speed = said.get("service_tier"), said.get("speed")
        if speed == FAST:
            self._tier = FAST
        elif isinstance(tier, str) and self._tier is None:
            self._tier = DEFAULT_TIER if tier == _STANDARD else tier[:TIER_CHARACTERS_MAX]


def read_messages_answer(body: bytes) -> Reading | None:
    """The usage in a whole answer's body; None if it has none or is no JSON object."""
    try:
        answer = _ANSWER.decode(body)
    except _UNREADABLE:
        return None
    usage = GrowingUsage()
    usage.take(answer.usage)
    return usage.reading
