"""The meter on a stream of Anthropic's Messages. Every byte passes as it came: usage is in its events by itself.

Usage begins in `message_start`, with the input, and is whole in `message_delta`; `message_stop` is the end. What comes
beside the known events, such as `ping`, passes.
"""

from typing import Any, Final

import msgspec

from keyhouse.core.errors import Refusal
from keyhouse.core.money import Counts
from keyhouse.wire.messages_errors import body as error_body
from keyhouse.wire.messages_usage import GrowingUsage
from keyhouse.wire.meter import StreamMeter
from keyhouse.wire.usage import counted

_ABSENT: Final = msgspec.Raw()


class _Message(msgspec.Struct, gc=False):
    usage: msgspec.Raw = _ABSENT


class _Piece(msgspec.Struct, gc=False):
    """What of a piece of the answer is text of some kind."""

    text: Any = None
    thinking: Any = None
    partial_json: Any = None
    name: Any = None
    data: Any = None


class _Event(msgspec.Struct, gc=False):
    type: str
    message: _Message | None = None
    delta: _Piece | None = None
    content_block: _Piece | None = None
    usage: msgspec.Raw = _ABSENT


_EVENT: Final = msgspec.json.Decoder(_Event)


class MessagesMeter(StreamMeter):
    """Events of a message."""

    __slots__ = ("_usage",)

    def __init__(self, *, wants_usage: bool, most: Counts, secret: bytes | None = None) -> None:
        super().__init__(wants_usage=wants_usage, most=most, secret=secret)
        self._usage = GrowingUsage()

    @property
    def counts(self) -> Counts:
        """The best knowledge so far: the input as it was told at the beginning, the output as it was counted."""
        return counted(self._usage.reading, self._most, self.output_tokens)

    def broken_off(self, refusal: Refusal, request_id: str) -> bytes:
        """An `error` event, as Anthropic's streams have it."""
        return b"event: error\ndata: " + error_body(refusal, request_id) + b"\n\n"

    def _look(self, event: bytes, data: bytes) -> bytes:
        seen = _EVENT.decode(data)
        piece = seen.delta or seen.content_block
        if seen.type == "message_start" and seen.message is not None:
            self._usage.take(seen.message.usage)
        elif seen.type == "message_delta":
            if self._usage.take(seen.usage):
                # Only now: what `message_start` says of the output is where it began.
                self.reading = self._usage.reading
        elif seen.type == "message_stop":
            self.is_done = True
        elif piece is not None:
            found = (piece.text, piece.thinking, piece.partial_json, piece.name, piece.data)
            self._count(*[text for text in found if isinstance(text, str)])
        return event
