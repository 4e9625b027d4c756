"""The Realtime API on a WebSocket: what a client's event asks for, and what an upstream's says. Pure.

Everything that a model reads in a session has come over its socket, so the bytes that came bound its input, and so
does the model's longest prompt. Nothing may be made that the gateway did not ask for: voice activity detection never
makes a response by itself (`create_response` goes up as false, and the gateway asks for the response in its place), and
what would make an upstream work without being asked is refused: transcription of what is heard, tools that run there,
stored prompts, and answers to silence.
"""

from typing import Any, Final

import msgspec

from keyhouse.core.bound import Ask
from keyhouse.wire import body as bodies
from keyhouse.wire.body import ENCODE, OUTPUT_TOKENS_MAX, Object, is_given
from keyhouse.wire.events import UNREADABLE, Event, invalid, objects_of, text_of

CLIENT_EVENTS: Final = frozenset(
    {
        *("conversation.item.create", "conversation.item.delete", "conversation.item.retrieve"),
        *("conversation.item.truncate", "input_audio_buffer.append", "input_audio_buffer.clear"),
        *("input_audio_buffer.commit", "output_audio_buffer.clear", "response.cancel", "response.create"),
        "session.update",
    }
)
"""All that a client may send: what another event would set going is not known."""

_TOOLS: Final = msgspec.json.Decoder(list[dict[str, Any]])
_FALSE: Final = msgspec.Raw(b"false")
_INFINITE: Final = (b'"inf"', b"null", b"")
_MAXIMUM, _OLD_MAXIMUM = "max_output_tokens", "max_response_output_tokens"
_READ: Final = frozenset(
    {
        *("audio", "input", "input_audio_transcription", _MAXIMUM, _OLD_MAXIMUM, "modalities", "model"),
        *("output_modalities", "prompt", "tools", "turn_detection", "type"),
    }
)
"""What is read of a session and of a response."""

_DETECTION: Final = frozenset({"create_response", "idle_timeout_ms"})
_ALONE: Final = "Keyhouse pays for nothing that it was not asked for: leave it out."


class Session:
    """What a session is set to, as far as its cost depends on it. `model` is its public name.

    `seen_bytes` have come over its socket to be read by the model. `answers_turns`: the client wants a response
    whenever somebody has spoken. `is_old`: it has the form from before the API's general availability.
    """

    def __init__(self, model: str, upstream_model: str) -> None:
        self.model = model
        self.seen_bytes = 0
        self.answers_turns = True
        self.is_old = False
        self._upstream_model = upstream_model
        self._output_tokens_max: int | None = None
        self._is_text = False
        self._images = 0
        self._has_tools = False

    def quieted(self, created: msgspec.Raw, event_id: str) -> bytes | None:
        """The update that keeps a session that was just made from answering by itself; None if it does not."""
        session = objects_of(created, "session")
        self.is_old = "audio" not in session
        detection = _detection_of(session)
        if not detection or bytes(detection.get("create_response", b"true")) == b"false":
            return None
        kept: dict[str, Any] = {name: value for name, value in detection.items() if is_given(value)}
        kept.pop("idle_timeout_ms", None)
        kept["create_response"] = False
        update: dict[str, Any] = {"turn_detection": kept}
        if not self.is_old:
            update = {"type": "realtime", "audio": {"input": update}}
        return ENCODE({"type": "session.update", "event_id": event_id, "session": update})

    def updated(self, event: Event) -> bytes:
        """A client's `session.update` as it goes up. Raises Refusal for what is not served."""
        session = objects_of(event.fields.get("session"), "session")
        bodies.refuse_disguises(session, _READ, _MAXIMUM)
        if (kind := text_of(session.get("type"))) not in (None, "realtime"):
            raise invalid("session.type", f"Sessions of type `{kind}` are not served.", "Use `realtime`.")
        self._require_model(session)
        has_tools = _has_tools(session, "session.tools")
        _refuse_prompt(session, "session.prompt")
        if is_given(session.get("input_audio_transcription")):
            raise _transcribes("session.input_audio_transcription")
        maximum = self._maximum(session)
        if is_given(session.get("turn_detection")):
            session["turn_detection"] = self._quiet(session["turn_detection"], "session.turn_detection")
        if is_given(session.get("audio")):
            session["audio"] = self._quiet_audio(session["audio"])
        if _MAXIMUM in session or _OLD_MAXIMUM in session:
            self._output_tokens_max = maximum
        if "tools" in session:
            self._has_tools = has_tools
        self._is_text = _is_text(session, self._is_text)
        return event.written(session=ENCODE(session))

    def note(self, event: Event, message_bytes: int) -> None:
        """Note what a client's event gives the model to read."""
        self.seen_bytes += message_bytes
        for name in ("item", "response"):
            if is_given(event.fields.get(name)):
                self._images += _images_in(event.fields[name])

    def ask_of(self, event: Event, input_tokens_max: int | None) -> Ask:
        """What a `response.create` asks for. Raises Refusal for what is not served."""
        response = objects_of(event.fields.get("response"), "response")
        bodies.refuse_disguises(response, _READ, _MAXIMUM)
        has_tools = _has_tools(response, "response.tools")
        _refuse_prompt(response, "response.prompt")
        self._require_model(response)
        maximum = self._output_tokens_max
        if _MAXIMUM in response or _OLD_MAXIMUM in response:
            maximum = self._maximum(response)
        seen = self.seen_bytes
        return Ask(
            model=self.model,
            input_bytes=seen if input_tokens_max is None else min(seen, input_tokens_max),
            stream=True,
            wants_usage=True,
            output_tokens_max=maximum,
            has_tools=self._has_tools or has_tools,
            # How many tokens an image is does not show in its bytes: then only the longest prompt is a bound.
            unseen_input="input_image" if self._images else None,
            speaks=not _is_text(response, self._is_text),
        )

    def created(self, event: Event, event_id: str, output_tokens_max: int | None) -> bytes:
        """A `response.create` as it goes up: under an id that an error can name, and with this maximum, if any."""
        response = objects_of(event.fields.get("response"), "response")
        if output_tokens_max is not None:
            response.pop(_MAXIMUM, None)
            response.pop(_OLD_MAXIMUM, None)
            response[_OLD_MAXIMUM if self.is_old else _MAXIMUM] = msgspec.Raw(b"%d" % output_tokens_max)
        changes = {"event_id": ENCODE(event_id)}
        if response:
            changes["response"] = ENCODE(response)
        return event.written(**changes)

    def _require_model(self, fields: Object) -> None:
        if not is_given(fields.get("model")):
            return
        if text_of(fields["model"]) != self.model:
            raise invalid("session.model", "A session keeps the model that it began with.", "Open another socket.")
        fields["model"] = msgspec.Raw(ENCODE(self._upstream_model))

    def _maximum(self, fields: Object) -> int | None:
        given = fields.get(_MAXIMUM, fields.get(_OLD_MAXIMUM))
        if given is None or bytes(given) in _INFINITE:
            return None
        try:
            maximum = msgspec.json.decode(given, type=int)
        except UNREADABLE:
            raise invalid(_MAXIMUM, f"`{_MAXIMUM}` is no number.", 'Send a whole number, or "inf".') from None
        bodies.refuse_outside(_MAXIMUM, maximum, OUTPUT_TOKENS_MAX)
        return maximum

    def _quiet_audio(self, given: msgspec.Raw) -> msgspec.Raw:
        audio = objects_of(given, "session.audio")
        bodies.refuse_disguises(audio, frozenset({"input", "output"}), _MAXIMUM)
        heard = objects_of(audio.get("input"), "session.audio.input")
        bodies.refuse_disguises(heard, frozenset({"transcription", "turn_detection"}), _MAXIMUM)
        if is_given(heard.get("transcription")):
            raise _transcribes("session.audio.input.transcription")
        if is_given(heard.get("turn_detection")):
            heard["turn_detection"] = self._quiet(heard["turn_detection"], "session.audio.input.turn_detection")
        if heard:
            audio["input"] = msgspec.Raw(ENCODE(heard))
        return msgspec.Raw(ENCODE(audio))

    def _quiet(self, given: msgspec.Raw, param: str) -> msgspec.Raw:
        """A turn detection that makes no response by itself, whatever the client wants."""
        detection = objects_of(given, param)
        bodies.refuse_disguises(detection, _DETECTION, _MAXIMUM)
        if is_given(detection.get("idle_timeout_ms")):
            raise invalid(f"{param}.idle_timeout_ms", "A response to silence is not served.", _ALONE)
        self.answers_turns = bytes(detection.get("create_response", b"true")) != b"false"
        detection["create_response"] = _FALSE
        return msgspec.Raw(ENCODE(detection))


def answers_by_itself(session: msgspec.Raw) -> bool:
    """Whether a session, as an upstream shows it, makes responses that nobody asks for, or transcribes."""
    shown = objects_of(session, "session")
    detection = _detection_of(shown)
    heard = objects_of(objects_of(shown.get("audio"), "audio").get("input"), "input")
    transcribes = is_given(heard.get("transcription")) or is_given(shown.get("input_audio_transcription"))
    return transcribes or (bool(detection) and bytes(detection.get("create_response", b"true")) != b"false")


def _detection_of(session: Object) -> Object:
    heard = objects_of(objects_of(session.get("audio"), "audio").get("input"), "input")
    return objects_of(heard.get("turn_detection", session.get("turn_detection")), "turn_detection")


def _has_tools(fields: Object, param: str) -> bool:
    """Whether there are tools. Raises Refusal unless the client runs all of them itself."""
    if not is_given(fields.get("tools")):
        return False
    try:
        tools = _TOOLS.decode(fields["tools"])
    except UNREADABLE:
        raise invalid(param, f"`{param}` is no list of tools.", "Send a list of functions.") from None
    for tool in tools:
        if tool.get("type", "function") != "function":
            raise invalid(param, f"Tools of type `{str(tool['type'])[:64]}` are not served here.", _ALONE)
    return bool(tools)


def _refuse_prompt(fields: Object, param: str) -> None:
    if is_given(fields.get("prompt")):
        raise invalid(param, "A stored prompt is not served here: it may bring tools of its own.", _ALONE)


def _transcribes(param: str) -> Exception:
    return invalid(
        param,
        "What is heard is not transcribed on the side.",
        "Leave it out, and send what should be transcribed to /v1/audio/transcriptions.",
    )


def _is_text(fields: Object, default: bool) -> bool:
    """Whether only text is to be made, by the new or the old name of it."""
    given = fields.get("output_modalities", fields.get("modalities"))
    if given is None or not is_given(given):
        return default
    try:
        return msgspec.json.decode(given, type=list[str]) == ["text"]
    except UNREADABLE:
        return False


def _images_in(value: msgspec.Raw) -> int:
    """How many images are anywhere in a JSON value."""
    found, waiting = 0, [msgspec.json.decode(value)]
    while waiting:
        one = waiting.pop()
        if isinstance(one, list):
            waiting += one
        elif isinstance(one, dict):
            found += one.get("type") == "input_image"
            waiting += [inner for inner in one.values() if isinstance(inner, dict | list)]
    return found
