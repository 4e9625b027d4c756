"""The meter on a chat stream.

Usage is asked of the upstream whether or not the client wanted it. If it did not, the meter takes out what
the asking put in: the last chunk, with no choices and all the usage, and `"usage":null` in the others, where
it stands as servers write it; every other byte stays.
"""

from typing import Any, Final

import msgspec

from keyhouse.wire.meter import StreamMeter
from keyhouse.wire.usage import read_usage

_ABSENT: Final = msgspec.Raw()
_NULL: Final = b"null"


class _Delta(msgspec.Struct, gc=False):
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    tool_calls: msgspec.Raw = _ABSENT
    function_call: msgspec.Raw = _ABSENT


class _Choice(msgspec.Struct, gc=False):
    delta: _Delta | None = None
    text: str | None = None


class _Chunk(msgspec.Struct, gc=False):
    choices: list[_Choice] | None = None
    usage: msgspec.Raw = _ABSENT
    service_tier: Any = None


_CHUNK: Final = msgspec.json.Decoder(_Chunk)
_NULLS: Final = (b',"usage":null', b', "usage": null', b'"usage":null,', b'"usage": null, ')


class ChatMeter(StreamMeter):
    """Chunks of chat, and of its predecessor, whose choices hold `text` instead of a delta."""

    __slots__ = ()

    def _look(self, event: bytes, data: bytes) -> bytes:
        if data == b"[DONE]":
            self.is_done = True
            return event
        chunk = _CHUNK.decode(data)
        if chunk.choices:
            for choice in chunk.choices:
                self._count_choice(choice)
        usage = bytes(chunk.usage)
        if not usage:
            return event
        if usage == _NULL:
            return event if self._wants_usage else _without_null(event)
        self._take(read_usage(usage, chunk.service_tier))
        return event if self._wants_usage or chunk.choices else b""

    def _count_choice(self, choice: _Choice) -> None:
        delta = choice.delta
        if delta is None:
            self._count(choice.text)
            return
        calls = [
            given.decode()
            for given in (bytes(delta.tool_calls), bytes(delta.function_call))
            if given and given != _NULL
        ]
        self._count(delta.content, delta.reasoning_content, delta.reasoning, delta.refusal, *calls)


def _without_null(event: bytes) -> bytes:
    """The event without its top-level `"usage":null`. It is cut only where no doubt is left which bytes those are."""
    if event.count(b'"usage"') != 1:
        return event
    for null in _NULLS:
        if null in event:
            return event.replace(null, b"", 1)
    return event
