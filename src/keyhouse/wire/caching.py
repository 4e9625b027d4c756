"""For how long a prompt may be kept at the price of a cache write that is known; longer ones cost more."""

from typing import Final

import msgspec

from keyhouse.wire.body import is_given

_SHORT: Final = frozenset({None, "30m"})
"""OpenAI, prompt caching."""

_SHORT_CONTROLS: Final = frozenset({None, "5m"})
"""Anthropic, prompt caching."""


class Caching(msgspec.Struct, gc=False):
    """What a request says of keeping its prompt, or a part of it."""

    ttl: str | None = None

    @property
    def is_long(self) -> bool:
        """Whether it costs more than is known, as OpenAI's options and breakpoints say it."""
        return self.ttl not in _SHORT

    @property
    def is_long_control(self) -> bool:
        """Whether it is at the price of an hour, as Anthropic's `cache_control` says it."""
        return self.ttl not in _SHORT_CONTROLS


_CACHING: Final = msgspec.json.Decoder(Caching)


def read_caching(value: msgspec.Raw | None) -> Caching:
    """What a part's mark says; of one that is not there, that it says nothing."""
    return _CACHING.decode(value) if value is not None and is_given(value) else Caching()
