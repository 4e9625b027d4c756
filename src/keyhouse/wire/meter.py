"""The meter on a chat stream, sans I/O: what goes on to the client, and what was used.

Usage is asked of the upstream whether or not the client wanted it. If it did not, the meter takes out what
the asking put in: the last chunk, with no choices and all the usage, and `"usage":null` in the others, where
it stands as servers write it; every other byte stays. Events go on whole, so that an error can follow at any
moment and still be read; what is not in the form of events goes on as it came.
"""

import contextlib
from typing import Any, Final

import msgspec

from keyhouse.core.money import Counts
from keyhouse.wire.sse import Splitter, data_of
from keyhouse.wire.usage import Reading, counted, output_tokens_in, read_usage

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


class _Chunk(msgspec.Struct, gc=False):
    choices: list[_Choice] | None = None
    usage: msgspec.Raw = _ABSENT
    service_tier: Any = None


class _OnlyUsage(msgspec.Struct, gc=False):
    usage: msgspec.Raw = _ABSENT


_CHUNK: Final = msgspec.json.Decoder(_Chunk)
_ONLY_USAGE: Final = msgspec.json.Decoder(_OnlyUsage)
_NULLS: Final = (b',"usage":null', b', "usage": null', b'"usage":null,', b'"usage": null, ')


class ChatMeter:
    """Feed it what the upstream sends, pass on what it gives back.

    `reading` is the upstream's own usage, once it came; `output_tokens` counts in the meantime,
    and `is_done` is true once the upstream has said `[DONE]`. `secret` is
    the upstream's credential, which is cut out wherever it shows.
    """

    __slots__ = ("_events", "_input_tokens", "_secret", "_splitter", "_strips", "_text_bytes", "is_done", "reading")

    def __init__(self, *, wants_usage: bool, input_tokens: int, secret: bytes | None = None) -> None:
        self._strips = not wants_usage
        self._secret = secret
        self._input_tokens = input_tokens
        self._splitter = Splitter()
        self._events = 0
        self._text_bytes = 0
        self.is_done = False
        self.reading: Reading | None = None

    def feed(self, data: bytes) -> bytes:
        """What may be passed on now that `data` has come."""
        events = self._splitter.feed(data)
        if len(events) == 1:
            return self._seen(events[0])
        return b"".join([self._seen(event) for event in events])

    def end(self) -> bytes:
        """What is left to be passed on when the stream has ended."""
        rest = self._splitter.rest()
        return self._seen(rest) if rest else b""

    @property
    def output_tokens(self) -> int:
        """Output tokens as counted from what was seen."""
        return output_tokens_in(self._text_bytes, self._events)

    @property
    def counts(self) -> Counts:
        """The best knowledge so far of what was used, for an answer that did not come to a good end."""
        return counted(self.reading, self._input_tokens, self.output_tokens)

    def _seen(self, event: bytes) -> bytes:
        if self._secret is not None and self._secret in event:
            event = event.replace(self._secret, b"[removed]")
        data = data_of(event)
        if not data:
            return event
        if data == b"[DONE]":
            self.is_done = True
            return event
        try:
            chunk = _CHUNK.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return self._seen_oddity(event, data)
        if chunk.choices:
            self._count(chunk.choices)
        usage = bytes(chunk.usage)
        if not usage:
            return event
        if usage == _NULL:
            return _without_null(event) if self._strips else event
        self._read(usage, chunk.service_tier)
        return b"" if self._strips and not chunk.choices else event

    def _seen_oddity(self, event: bytes, data: bytes) -> bytes:
        """Data that is no chunk as OpenAI writes it: it may still have cost something, so it counts by its size."""
        self._events += 1
        self._text_bytes += len(data)
        with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self._read(bytes(_ONLY_USAGE.decode(data).usage))
        return event

    def _read(self, usage: bytes, tier: object = None) -> None:
        """Take the upstream's usage; where it comes more than once, the larger."""
        reading = read_usage(usage, tier)
        if reading is not None and (self.reading is None or reading.counts.tokens >= self.reading.counts.tokens):
            self.reading = reading

    def _count(self, choices: list[_Choice]) -> None:
        for choice in choices:
            delta = choice.delta
            if delta is None:
                continue
            size = 0
            for text in (delta.content, delta.reasoning_content, delta.reasoning, delta.refusal):
                if text:
                    size += len(text) if text.isascii() else len(text.encode())
            for calls in (delta.tool_calls, delta.function_call):
                given = bytes(calls)
                if given and given != _NULL:
                    size += len(given)
            if size:
                self._events += 1
                self._text_bytes += size


def _without_null(event: bytes) -> bytes:
    """The event without its top-level `"usage":null`. It is cut only where no doubt is left which bytes those are."""
    if event.count(b'"usage"') != 1:
        return event
    for null in _NULLS:
        if null in event:
            return event.replace(null, b"", 1)
    return event
