"""The meter on a stream of the Responses API. Every byte passes as it came: usage is in its last event by itself.

What a model made is counted by its deltas, or by the finished pieces where an upstream sends only those. The ids of
what the upstream keeps are noted, so that they can be kept before a client learns them.
"""

from typing import Any, Final

import msgspec

from keyhouse.core.errors import Refusal
from keyhouse.core.money import Counts
from keyhouse.wire import errors
from keyhouse.wire.body import ENCODE
from keyhouse.wire.meter import StreamMeter
from keyhouse.wire.usage import RESPONSES, Reading, output_tokens_in, read_usage
from keyhouse.wire.usage import read_answer as _read_answer

RESPONSE: Final = "response"
ITEM: Final = "item"
CONTAINER: Final = "container"
"""Kinds of what an upstream keeps: an answer, each item of its output, which a later request may name, and the
containers that were made for it."""

UNFINISHED: Final = frozenset({"queued", "in_progress"})
"""What an answer's status is while it is worked on in the background."""

_BEGINNINGS: Final = frozenset({"response.created", "response.queued", "response.in_progress"})
_ENDS: Final = frozenset({"response.completed", "response.incomplete", "response.failed", "response.cancelled"})
_ABSENT: Final = msgspec.Raw()


class _Item(msgspec.Struct, gc=False):
    id: Any = None
    container_id: Any = None


class _Response(msgspec.Struct, gc=False):
    id: Any = None
    usage: msgspec.Raw = _ABSENT
    output: msgspec.Raw = _ABSENT
    service_tier: Any = None
    status: Any = None


class _Event(msgspec.Struct, gc=False):
    type: str
    delta: Any = None
    response: msgspec.Raw = _ABSENT
    text: Any = None
    arguments: Any = None
    refusal: Any = None
    input: Any = None
    code: Any = None
    sequence_number: Any = None


_EVENT: Final = msgspec.json.Decoder(_Event)
_RESPONSE: Final = msgspec.json.Decoder(_Response)
_OUTPUT: Final = msgspec.json.Decoder(list[_Item])
_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class ResponsesMeter(StreamMeter):
    """Events of a response. `made` holds the kind and id of what the upstream keeps, as soon as they are known."""

    __slots__ = ("_done_bytes", "_number", "response_id")

    def __init__(self, *, wants_usage: bool, most: Counts, secret: bytes | None = None) -> None:
        super().__init__(wants_usage=wants_usage, most=most, secret=secret)
        self._done_bytes = 0
        self._number = -1
        self.response_id: str | None = None

    @property
    def output_tokens(self) -> int:
        """Output tokens as counted from what was seen."""
        return output_tokens_in(max(self._text_bytes, self._done_bytes), self._events)

    def broken_off(self, refusal: Refusal, request_id: str) -> bytes:  # noqa: ARG002  this form has no place for it
        """An `error` event, numbered after the last one that passed."""
        error = {
            "type": "error",
            "code": errors.form(refusal).code or str(refusal.code),
            "message": refusal.text,
            "param": refusal.param,
            "sequence_number": self._number + 1,
            "reason": str(refusal.code),
        }
        return b"event: error\ndata: " + ENCODE(error) + b"\n\n"

    def _look(self, event: bytes, data: bytes) -> bytes:
        if data == b"[DONE]":
            return event
        seen = _EVENT.decode(data)
        if isinstance(seen.sequence_number, int):
            self._number = seen.sequence_number
        if seen.delta is not None:
            self._count(seen.delta if isinstance(seen.delta, str) else ENCODE(seen.delta).decode())
        elif seen.type in _BEGINNINGS:
            self._begin(_RESPONSE.decode(seen.response))
        elif seen.type in _ENDS:
            self._finish(_RESPONSE.decode(seen.response))
        elif seen.type.endswith(".done"):
            for text in (seen.text, seen.arguments, seen.refusal, seen.input, seen.code):
                if isinstance(text, str):
                    self._done_bytes += len(text.encode())
        return event

    def _begin(self, response: _Response) -> None:
        if self.response_id is None and isinstance(response.id, str):
            self.response_id = response.id
            self.made.append((RESPONSE, response.id))

    def _finish(self, response: _Response) -> None:
        self.is_done = True
        self._begin(response)
        self.made += _items(response.output)
        self._take(read_usage(response.usage, response.service_tier, RESPONSES))
        if self.reading is None:
            self._done_bytes = max(self._done_bytes, len(bytes(response.output)))


class Kept(msgspec.Struct, frozen=True):
    """What a whole answer says of itself: its id, its status, and what the upstream keeps of it, by kind and id."""

    id: str | None
    status: str | None
    made: list[tuple[str, str]]


def read_kept(body: bytes) -> Kept:
    """What of a whole answer the upstream keeps; nothing if it is no response."""
    try:
        response = _RESPONSE.decode(body)
    except _UNREADABLE:
        return Kept(None, None, [])
    status = response.status if isinstance(response.status, str) else None
    if not isinstance(response.id, str):
        return Kept(None, status, [])
    return Kept(response.id, status, [(RESPONSE, response.id), *_items(response.output)])


def read_answer(body: bytes) -> Reading | None:
    """The usage in a whole response; None if it has none or is no JSON object."""
    return _read_answer(body, RESPONSES)


def _items(output: msgspec.Raw) -> list[tuple[str, str]]:
    if not bytes(output):
        return []
    try:
        items = _OUTPUT.decode(output)
    except _UNREADABLE:
        return []
    kinds = [(ITEM, item.id) for item in items] + [(CONTAINER, item.container_id) for item in items]
    return [(kind, found) for kind, found in kinds if isinstance(found, str)]
