"""The Responses API on a WebSocket: `response.create` holds what the body of `POST /v1/responses` does. Pure."""

from typing import Any, Final

import msgspec

from keyhouse.core.errors import Refusal
from keyhouse.wire.body import ABSENT, ENCODE, Names
from keyhouse.wire.events import Event, invalid, text_of
from keyhouse.wire.responses import ResponsesRequest, read_responses
from keyhouse.wire.responses_meter import ResponsesMeter

CREATE: Final = "response.create"

_ENVELOPE: Final = ("event_id", "stream_id", "type")
_ENDS: Final = frozenset({"error", "response.completed", "response.failed", "response.incomplete"})


class ServerEvent(msgspec.Struct, gc=False):
    """An upstream's event, as far as it is read beside its meter."""

    type: str
    stream_id: Any = None

    @property
    def lane(self) -> str | None:
        """The lane that it belongs to."""
        return self.stream_id if isinstance(self.stream_id, str) else None

    @property
    def is_end(self) -> bool:
        """Whether nothing follows it for the response it is about."""
        return self.type in _ENDS


SERVER_EVENT: Final = msgspec.json.Decoder(ServerEvent)


class Create:
    """A `response.create` that was read. `lane` is where its events come, of those that share the socket."""

    __slots__ = ("_envelope", "asked", "lane")

    def __init__(self, event: Event) -> None:
        """Raises Refusal that names the parameter at fault."""
        self.lane = lane_of(event)
        fields = {name: value for name, value in event.fields.items() if name not in _ENVELOPE}
        self.asked: ResponsesRequest = read_responses(ENCODE(fields))
        if self.asked.ask.background:
            raise invalid("background", "Nothing is made in the background here.", "Use POST /v1/responses for that.")
        self._envelope = {name: event.fields[name] for name in _ENVELOPE if name in event.fields}

    def written(self, names: Names, output_tokens_max: int | None) -> bytes:
        """The event for an upstream: its own name of the model, and this maximum of the answer if there is one."""
        body = self.asked.written(names, output_tokens_max)
        return ENCODE(self._envelope)[:-1] + b"," + body[1:]


def lane_of(event: Event) -> str | None:
    """The lane that a client's event names. Raises Refusal for one that is no text."""
    given = event.fields.get("stream_id", ABSENT)
    lane = text_of(given)
    if lane is None and bytes(given) not in (b"", b"null"):
        raise invalid("stream_id", "`stream_id` is no text.", "Name a lane.")
    return lane


class LaneMeter(ResponsesMeter):
    """The meter of one response whose events come as messages of their own."""

    __slots__ = ("has_begun",)

    def __init__(self, *, wants_usage: bool, most: Any, secret: bytes | None = None) -> None:
        super().__init__(wants_usage=wants_usage, most=most, secret=secret)
        self.has_begun = False

    def see(self, message: bytes) -> None:
        """Count an event that was not one of the socket's own."""
        self.has_begun = True
        # Line breaks in JSON stand between its words only.
        self._seen(b"data: " + b" ".join(message.splitlines()) + b"\n\n")


def not_served(event: Event) -> Refusal:
    """The refusal of an event that is not `response.create`."""
    return invalid(
        "type",
        f"Events of type `{event.type[:64]}` are not served here.",
        f"Send `{CREATE}`; what continues a response without it cannot be reserved for.",
    )
