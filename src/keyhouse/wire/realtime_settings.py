"""What a realtime session is set to, as far as it changes what a session costs: read out of a client's update. Pure.

What would make an upstream work without being asked goes up switched off, or is refused.
"""

from collections.abc import Callable
from typing import Final

import msgspec

from keyhouse.wire import body as bodies
from keyhouse.wire.body import ENCODE, OUTPUT_TOKENS_MAX, Object, is_given
from keyhouse.wire.events import UNREADABLE, Event, invalid, objects_of, text_of

_TOOLS: Final = msgspec.json.Decoder(list[dict[str, object]])
_FALSE: Final = msgspec.Raw(b"false")
_INFINITE: Final = (b'"inf"', b"null", b"")
MAXIMUM: Final = "max_output_tokens"
OLD_MAXIMUM: Final = "max_response_output_tokens"
MODALITIES: Final = "output_modalities"
OLD_MODALITIES: Final = "modalities"
READ: Final = frozenset(
    {
        *("audio", "input", "input_audio_transcription", MAXIMUM, OLD_MAXIMUM, OLD_MODALITIES, "model"),
        *(MODALITIES, "prompt", "tools", "turn_detection", "type"),
    }
)
"""What is read of a session and of a response."""

_DETECTION: Final = frozenset({"create_response", "idle_timeout_ms"})
_HEARD: Final = "session.audio.input"
_TRANSCRIPTION, _OLD_TRANSCRIPTION = "transcription", "input_audio_transcription"
REALTIME, TRANSCRIPTION = "realtime", "transcription"
"""The kinds of sessions: one that answers, and one that only transcribes."""

TRANSCRIBER_BYTES_MAX: Final = 8_192
"""What may be told to what transcribes: its prompt, each time that it does."""

_ALONE: Final = "Keyhouse pays for nothing that it was not asked for: leave it out."


class Transcriber(msgspec.Struct, frozen=True):
    """The model that writes down what is heard, and how many bytes of text it is told each time."""

    model: str
    text_bytes: int


class Settings(msgspec.Struct, frozen=True):
    """`answers_turns`: the client wants a response whenever somebody has spoken. `output_tokens_max` is the session's
    own maximum of a response, `is_text` whether only text is to be made. Without `transcriber` nobody writes down what
    is heard.
    """

    answers_turns: bool = True
    output_tokens_max: int | None = None
    is_text: bool = False
    has_tools: bool = False
    transcriber: Transcriber | None = None


class Update:
    """A client's `session.update` that was read. `settings` are those of the session once it has gone up."""

    __slots__ = ("_event", "_write", "settings")

    def __init__(self, event: Event, settings: Settings, write: Callable[[str], Object]) -> None:
        self._event = event
        self._write = write
        self.settings = settings

    def written(self, transcribing_model: str) -> bytes:
        """The event as it goes up, where what transcribes is called so."""
        return self._event.written(session=ENCODE(self._write(transcribing_model)))


def read_update(event: Event, before: Settings, kind: str, require_model: Callable[[Object], None]) -> Update:
    """What an update makes of a session of this kind, `realtime` or `transcription`.

    `require_model` sees to the model that it names. Raises Refusal for what is not served.
    """
    session = objects_of(event.fields.get("session"), "session")
    bodies.refuse_disguises(session, READ, MAXIMUM)
    if (given := text_of(session.get("type"))) not in (None, kind):
        raise invalid(
            "session.type",
            f"This is a session of type `{kind}`, and cannot become one of type `{str(given)[:64]}`.",
            "One that only transcribes is opened at /v1/realtime?intent=transcription.",
        )
    require_model(session)
    refuse_prompt(session, "session.prompt")
    audio = objects_of(session.get("audio"), "session.audio")
    bodies.refuse_disguises(audio, frozenset({"input", "output"}), MAXIMUM)
    heard = objects_of(audio.get("input"), _HEARD)
    bodies.refuse_disguises(heard, frozenset({"transcription", "turn_detection"}), MAXIMUM)
    settings = Settings(
        _quieted(session, heard, kind, before.answers_turns),
        maximum_in(session) if MAXIMUM in session or OLD_MAXIMUM in session else before.output_tokens_max,
        is_text(session, before.is_text),
        # Once told, they may stay: the upstream may refuse the update that takes them away.
        has_functions(session, "session.tools") or before.has_tools,
        _transcriber_in(session, heard, before.transcriber),
    )
    if kind == TRANSCRIPTION and settings.transcriber is None:
        raise invalid(f"{_HEARD}.transcription", "Nothing says what transcribes.", "Name its `model` there.")

    def write(transcribing_model: str) -> Object:
        for fields, name in ((session, _OLD_TRANSCRIPTION), (heard, _TRANSCRIPTION)):
            if is_given(fields.get(name)):
                said = objects_of(fields[name], name) | {"model": msgspec.Raw(ENCODE(transcribing_model))}
                fields[name] = msgspec.Raw(ENCODE(said))
        if heard:
            audio["input"] = msgspec.Raw(ENCODE(heard))
        if audio:
            session["audio"] = msgspec.Raw(ENCODE(audio))
        return session

    return Update(event, settings, write)


def maximum_in(fields: Object) -> int | None:
    """The maximum of a session or a response; None where it has none."""
    given = fields.get(MAXIMUM, fields.get(OLD_MAXIMUM))
    if given is None or bytes(given) in _INFINITE:
        return None
    try:
        maximum = msgspec.json.decode(given, type=int)
    except UNREADABLE:
        raise invalid(MAXIMUM, f"`{MAXIMUM}` is no number.", 'Send a whole number, or "inf".') from None
    bodies.refuse_outside(MAXIMUM, maximum, OUTPUT_TOKENS_MAX)
    return maximum


def has_functions(fields: Object, param: str) -> bool:
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


def refuse_prompt(fields: Object, param: str) -> None:
    """Refuse a prompt that is stored upstream."""
    if is_given(fields.get("prompt")):
        raise invalid(param, "A stored prompt is not served here: it may bring tools of its own.", _ALONE)


def is_text(fields: Object, default: bool) -> bool:
    """Whether only text is to be made, by the new or the old name of it."""
    given = fields.get(MODALITIES, fields.get(OLD_MODALITIES))
    if given is None or not is_given(given):
        return default
    try:
        return msgspec.json.decode(given, type=list[str]) == ["text"]
    except UNREADABLE:
        return False


def _quieted(session: Object, heard: Object, kind: str, answers_turns: bool) -> bool:
    """Have turn detection, wherever it stands, make no response by itself; whether the client wants one."""
    for fields, param in ((session, "session.turn_detection"), (heard, f"{_HEARD}.turn_detection")):
        if not is_given(fields.get("turn_detection")):
            continue
        detection = objects_of(fields["turn_detection"], param)
        bodies.refuse_disguises(detection, _DETECTION, MAXIMUM)
        if is_given(detection.get("idle_timeout_ms")):
            raise invalid(f"{param}.idle_timeout_ms", "A response to silence is not served.", _ALONE)
        if kind == TRANSCRIPTION and "create_response" not in detection:
            continue
        answers_turns = bytes(detection.get("create_response", b"true")) != b"false"
        detection["create_response"] = _FALSE
        fields["turn_detection"] = msgspec.Raw(ENCODE(detection))
    return answers_turns


def _transcriber_in(session: Object, heard: Object, before: Transcriber | None) -> Transcriber | None:
    """What an update says of transcription, by its new or its old name; what was before where it says nothing."""
    if _TRANSCRIPTION in heard and _OLD_TRANSCRIPTION in session:
        raise invalid(f"session.{_OLD_TRANSCRIPTION}", "What transcribes is said twice.", "Leave this one out.")
    if _TRANSCRIPTION in heard:
        given, param = heard[_TRANSCRIPTION], f"{_HEARD}.{_TRANSCRIPTION}"
    elif _OLD_TRANSCRIPTION in session:
        given, param = session[_OLD_TRANSCRIPTION], f"session.{_OLD_TRANSCRIPTION}"
    else:
        return before
    if not is_given(given):
        return None
    fields = objects_of(given, param)
    bodies.refuse_disguises(fields, frozenset({"model"}), None)
    model = text_of(fields.get("model"))
    if not model:
        raise invalid(f"{param}.model", "It is not said which model transcribes.", "Name one of GET /v1/models.")
    if len(bytes(given)) > TRANSCRIBER_BYTES_MAX:
        raise invalid(param, f"`{param}` is longer than {TRANSCRIBER_BYTES_MAX} bytes.", "Send a shorter prompt.")
    return Transcriber(model, len(bytes(given)))
