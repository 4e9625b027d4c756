"""Events on a WebSocket: JSON objects with a `type`, as OpenAI's Realtime and Responses APIs send them. Pure.

A client's event is written anew before it goes up, as a request's body is (`body.py`), so that the upstream reads the
same names as were read here; every value's bytes stay as they came. An upstream's event passes as it came.
"""

from typing import Any, Final

import msgspec

from keyhouse.core.errors import Code, Refusal
from keyhouse.wire import errors
from keyhouse.wire.body import ABSENT, ENCODE, OBJECT, Object

_TEXT: Final = msgspec.json.Decoder(str)
UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Event:
    """A client's event that was read: its type, the id that the client gave it, and all its fields."""

    __slots__ = ("fields", "id", "type")

    def __init__(self, kind: str, event_id: str | None, fields: Object) -> None:
        self.type = kind
        self.id = event_id
        self.fields = fields

    def written(self, **changes: bytes) -> bytes:
        """The event for an upstream, with these fields changed, which are in JSON."""
        for name, value in changes.items():
            self.fields[name] = msgspec.Raw(value)
        return ENCODE(self.fields)


def read_event(message: bytes) -> Event:
    """A client's event. Raises Refusal if it is none."""
    try:
        if not message.isascii():
            message.decode()
        fields = OBJECT.decode(message)
        kind = _TEXT.decode(fields.get("type", ABSENT))
    except UNREADABLE as error:
        raise Refusal(
            Code.BODY_NOT_JSON,
            f"The event cannot be read: {error}.",
            hint="An event is a JSON object with a `type`, sent as text.",
        ) from None
    for name in fields:
        if name not in _ENVELOPE and name.lower() in _ENVELOPE:
            raise unknown(name, f"Write `{name.lower()}`.")
    return Event(kind, text_of(fields.get("event_id")), fields)


_ENVELOPE: Final = frozenset({"audio", "event_id", "item", "response", "session", "stream_id", "type"})
"""Names that servers which ignore case would read out of others."""


def objects_of(value: msgspec.Raw | None, param: str) -> Object:
    """An object within an event, nothing if it is absent or null. Raises Refusal for anything else."""
    if value is None or bytes(value) in (b"", b"null"):
        return {}
    try:
        return OBJECT.decode(value)
    except UNREADABLE:
        raise invalid(param, f"`{param}` is not an object.", "Send an object.") from None


def text_of(value: msgspec.Raw | None) -> str | None:
    """A text in JSON, None where there is anything else."""
    try:
        return None if value is None else _TEXT.decode(value)
    except UNREADABLE:
        return None


def invalid(param: str, message: str, hint: str) -> Refusal:
    """The refusal of an event for the value of one of its parameters."""
    return Refusal(Code.PARAMETER_INVALID, message, hint=hint, param=param)


def unknown(param: str, hint: str) -> Refusal:
    """The refusal of an event for a parameter that has no place in it."""
    return Refusal(Code.PARAMETER_UNKNOWN, f"`{param}` is not a parameter of this event.", hint=hint, param=param)


def realtime_error(refusal: Refusal, event_id: str, of_event: str | None) -> bytes:
    """The refusal of the client's event `of_event` as Realtime's `error` event."""
    error = {**errors.error_object(refusal), "event_id": of_event}
    return ENCODE({"type": "error", "event_id": event_id, "error": error})


def responses_error(refusal: Refusal, lane: str | None) -> bytes:
    """The refusal as the `error` event of the Responses API over a WebSocket, on the lane that it is about."""
    error: dict[str, Any] = {
        "type": "error",
        "status": errors.form(refusal).status,
        "error": errors.error_object(refusal),
    }
    if lane is not None:
        error["stream_id"] = lane
    return ENCODE(error)
