"""The Realtime API on a WebSocket: what a client's event asks for, and what an upstream shows of a session. Pure.

Everything that a model reads in a session has come over its socket, so the bytes that came bound its input, and so
does the model's longest prompt. Nothing may be made that the gateway did not ask for: voice activity detection never
makes a response by itself (`create_response` goes up as false, and the gateway asks for the response in its place), and
what would make an upstream work without being asked is refused: tools that run there, stored prompts, and answers to
silence. What transcribes is the one exception, and is reserved for ahead (`gateway/hearing.py`).
"""

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from keyhouse.core.bound import Ask
from keyhouse.wire import body as bodies
from keyhouse.wire.body import ENCODE, Object, is_given
from keyhouse.wire.events import Event, invalid, objects_of, text_of
from keyhouse.wire.realtime_settings import (
    MAXIMUM,
    MODALITIES,
    OLD_MAXIMUM,
    OLD_MODALITIES,
    READ,
    REALTIME,
    TRANSCRIPTION,
    Settings,
    Update,
    has_functions,
    is_text,
    maximum_in,
    read_update,
    refuse_prompt,
)

PCM_BYTES: Final = 48_000
G711_BYTES: Final = 8_000
"""What a second of sound is: 24,000 samples of 16 bits, or 8,000 of 8 (OpenAI, Realtime, audio formats)."""

CLIENT_EVENTS: Final = frozenset(
    {
        *("conversation.item.create", "conversation.item.delete", "conversation.item.retrieve"),
        *("conversation.item.truncate", "input_audio_buffer.append", "input_audio_buffer.clear"),
        *("input_audio_buffer.commit", "output_audio_buffer.clear", "response.cancel", "response.create"),
        "session.update",
    }
)
"""All that a client may send: what another event would set going is not known."""


class Session:
    """One session. `model` is its public name, and its `settings` are what the upstream was told last.

    `seen_bytes` have come over its socket to be read by the model. `is_old`: it has the form from before the API's
    general availability.
    """

    def __init__(self, model: str, upstream_model: str, kind: str = REALTIME) -> None:
        self.model = model
        self.kind = kind
        self.settings = Settings(answers_turns=kind == REALTIME)
        self.seen_bytes = 0
        self.is_old = False
        self._upstream_model = upstream_model
        self._images = 0

    def quieted(self, created: msgspec.Raw, event_id: str) -> bytes | None:
        """The update that keeps a session that was just made from working by itself; None if it does not."""
        session = objects_of(created, "session")
        self.is_old = "audio" not in session
        if self.kind != REALTIME:
            return None  # no sound goes up before the client has said what transcribes it
        update: dict[str, Any] = {}
        detection = _detection_of(session)
        if detection and bytes(detection.get("create_response", b"true")) != b"false":
            kept: dict[str, Any] = {name: value for name, value in detection.items() if is_given(value)}
            kept.pop("idle_timeout_ms", None)
            update["turn_detection"] = kept | {"create_response": False}
        if transcribes(created):
            update["input_audio_transcription" if self.is_old else "transcription"] = None
        if not update:
            return None
        if not self.is_old:
            update = {"type": REALTIME, "audio": {"input": update}}
        return ENCODE({"type": "session.update", "event_id": event_id, "session": update})

    def read_update(self, event: Event) -> Update:
        """What a client's `session.update` makes of the session. Raises Refusal for what is not served."""
        return read_update(event, self.settings, self.kind, self._require_model)

    def note(self, event: Event, message_bytes: int) -> None:
        """Note what a client's event gives the model to read."""
        self.seen_bytes += message_bytes
        for name in ("item", "response"):
            if is_given(event.fields.get(name)):
                self._images += sum(1 for _ in _objects_of_type(event.fields[name], "input_image"))

    def ask_of(self, event: Event, input_tokens_max: int | None) -> Ask:
        """What a `response.create` asks for. Raises Refusal for what is not served."""
        response = objects_of(event.fields.get("response"), "response")
        bodies.refuse_disguises(response, READ, MAXIMUM)
        has_tools = has_functions(response, "response.tools")
        refuse_prompt(response, "response.prompt")
        self._require_model(response)
        maximum = self.settings.output_tokens_max
        if MAXIMUM in response or OLD_MAXIMUM in response:
            maximum = maximum_in(response)
        seen = self.seen_bytes
        return Ask(
            model=self.model,
            input_bytes=seen if input_tokens_max is None else min(seen, input_tokens_max),
            stream=True,
            wants_usage=True,
            output_tokens_max=maximum,
            has_tools=self.settings.has_tools or has_tools,
            unseen_input=self._unseen(response),
            speaks=not is_text(response, self.settings.is_text),
        )

    def created(self, event: Event, event_id: str, output_tokens_max: int | None, *, is_text: bool) -> bytes:
        """A `response.create` as it goes up: under an id that an error can name, with this maximum, if any, and only
        text where nothing else is paid for. What the session was told is said again: the upstream may have refused it.
        """
        response = objects_of(event.fields.get("response"), "response")
        if output_tokens_max is not None:
            _set(response, (OLD_MAXIMUM, MAXIMUM), b"%d" % output_tokens_max, is_old=self.is_old)
        if is_text:
            _set(response, (OLD_MODALITIES, MODALITIES), b'["text"]', is_old=self.is_old)
        changes = {"event_id": ENCODE(event_id)}
        if response:
            changes["response"] = ENCODE(response)
        return event.written(**changes)

    def _unseen(self, response: Object) -> str | None:
        """What does not show in the bytes that came: how many tokens an image is, and an item that is named again and
        again. Then only the longest prompt is a bound.
        """
        if self._images:
            return "input_image"
        named = is_given(response.get("input")) and any(_objects_of_type(response["input"], "item_reference"))
        return "item_reference" if named else None

    def _require_model(self, fields: Object) -> None:
        if not is_given(fields.get("model")):
            return
        if text_of(fields["model"]) != self.model:
            raise invalid("session.model", "A session keeps the model that it began with.", "Open another socket.")
        fields["model"] = msgspec.Raw(ENCODE(self._upstream_model))


def greeting(event_id: str, session_id: str) -> bytes:
    """What a client is told of a session that only transcribes before it has said with what, and where that is."""
    session = {"type": TRANSCRIPTION, "object": "realtime.transcription_session", "id": session_id}
    return ENCODE({"type": "session.created", "event_id": event_id, "session": session})


def answers_by_itself(session: msgspec.Raw) -> bool:
    """Whether a session, as an upstream shows it, makes responses that nobody asks for."""
    detection = _detection_of(objects_of(session, "session"))
    return bool(detection) and bytes(detection.get("create_response", b"true")) != b"false"


def detects_turns(session: msgspec.Raw) -> bool:
    """Whether an upstream, as it shows a session, finds out by itself when somebody speaks."""
    return bool(_detection_of(objects_of(session, "session")))


def transcribes(session: msgspec.Raw) -> bool | None:
    """Whether a session, as an upstream shows it, writes down what it hears; None where it does not say."""
    shown = objects_of(session, "session")
    said = _heard_in(shown).get("transcription", shown.get("input_audio_transcription"))
    return None if said is None else is_given(said)


def sound_bytes_per_second(session: msgspec.Raw) -> int:
    """How many bytes a second of sound is in a session, as an upstream shows it; the fewest where it does not say."""
    shown = objects_of(session, "session")
    form = bytes(_heard_in(shown).get("format", shown.get("input_audio_format", b"")))
    return PCM_BYTES if b'"audio/pcm"' in form or form == b'"pcm16"' else G711_BYTES


def sound_bytes_in(event: Event) -> int:
    """How many bytes of sound an `input_audio_buffer.append` brings, in base64 and between quotes."""
    return max(0, len(bytes(event.fields.get("audio", b""))) - 2) * 3 // 4


def _set(fields: Object, names: tuple[str, str], value: bytes, *, is_old: bool) -> None:
    """Set a field that has an old and a new name."""
    for name in names:
        fields.pop(name, None)
    fields[names[0] if is_old else names[1]] = msgspec.Raw(value)


def _heard_in(session: Object) -> Object:
    return objects_of(objects_of(session.get("audio"), "audio").get("input"), "input")


def _detection_of(session: Object) -> Object:
    return objects_of(_heard_in(session).get("turn_detection", session.get("turn_detection")), "turn_detection")


def _objects_of_type(value: msgspec.Raw, kind: str) -> Iterator[dict[str, Any]]:
    """The objects of a type that are anywhere in a JSON value."""
    waiting = [msgspec.json.decode(value)]
    while waiting:
        one = waiting.pop()
        if isinstance(one, list):
            waiting += one
        elif isinstance(one, dict):
            if one.get("type") == kind:
                yield one
            waiting += [inner for inner in one.values() if isinstance(inner, dict | list)]
