"""The reader of `POST /v1/audio/transcriptions` and `/translations`: sound in, text out; and the meter of its stream.

How long the sound is only the upstream knows: before, the model's maximum counts, in seconds where it is charged by
them and in tokens where by those; afterwards what the upstream says, as usage or as the `duration` of a verbose answer.
"""

from typing import Any, Final

import msgspec

from keyhouse.core.bound import Ask
from keyhouse.core.errors import Code, Refusal
from keyhouse.core.money import Counts
from keyhouse.wire.body import ABSENT
from keyhouse.wire.form import Form, FormRequest
from keyhouse.wire.meter import StreamMeter
from keyhouse.wire.usage import SINGULAR, Reading, in_reason, read_usage

SECONDS_MAX: Final = 10_000_000
"""More than any piece of audio lasts: a larger figure is a mistake."""

_FIELDS: Final = frozenset({"model", "stream"})
_FILE: Final = "file"


class _Answer(msgspec.Struct, gc=False):
    usage: msgspec.Raw = ABSENT
    duration: Any = None


class _Duration(msgspec.Struct, gc=False):
    type: Any = None
    seconds: Any = None


class _Event(msgspec.Struct, gc=False):
    type: Any = None
    delta: Any = None
    usage: msgspec.Raw = ABSENT


_ANSWER: Final = msgspec.json.Decoder(_Answer)
_DURATION: Final = msgspec.json.Decoder(_Duration)
_EVENT: Final = msgspec.json.Decoder(_Event)
_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def read_transcription(form: Form) -> FormRequest:
    """Read a request's form. Raises Refusal that names the field at fault."""
    form.refuse_disguises(_FIELDS)
    model, stream = form.required("model"), form.flag("stream")
    if not form.files(_FILE):
        raise Refusal(Code.PARAMETER_MISSING, "Missing required parameter: `file`.", hint="Add it.", param=_FILE)
    others = [part.name for part in form.parts if part.filename is not None and part.name != _FILE]
    if len(form.files(_FILE)) > 1:
        raise Refusal(Code.PARAMETER_INVALID, "`file` is there twice.", hint="Send one file.", param=_FILE)
    ask = ask_to_transcribe(model, form.text_bytes, stream=stream is True, unbounded=next(iter(others), None))
    return FormRequest(ask, form, {"stream": "true" if stream else "false"})


def ask_to_transcribe(model: str, text_bytes: int, *, stream: bool, unbounded: str | None = None) -> Ask:
    """A piece of sound to be written down by this model, which is told so many bytes of text with it."""
    return Ask(
        model=model,
        input_bytes=text_bytes,
        stream=stream,
        wants_usage=True,
        audio_in=1,
        audio_seconds=None,
        has_maximum=False,
        unbounded=unbounded,
    )


def read_transcription_answer(body: bytes) -> Reading | None:
    """What a whole answer says of its tokens or seconds; None if it says nothing, as plain text does."""
    try:
        answer = _ANSWER.decode(body)
    except _UNREADABLE:
        return None
    return read_transcript_usage(answer.usage) or _lasting(answer.duration)


class TranscriptionMeter(StreamMeter):
    """Events of a transcript; the last one has the usage."""

    __slots__ = ()

    def _look(self, event: bytes, data: bytes) -> bytes:
        if data == b"[DONE]":
            return event
        seen = _EVENT.decode(data)
        if isinstance(seen.delta, str):
            self._count(seen.delta)
        elif seen.type == "transcript.text.done":
            self.is_done = True
            self._take(read_transcript_usage(seen.usage))
        return event


def read_transcript_usage(usage: msgspec.Raw) -> Reading | None:
    """The usage of a transcript, in tokens or in seconds; None if there is none."""
    try:
        duration = _DURATION.decode(usage) if bytes(usage) else _Duration()
    except _UNREADABLE:
        duration = _Duration()
    if duration.type == "duration":
        return _lasting(duration.seconds)
    return read_usage(usage, spelling=SINGULAR)


def _lasting(seconds: object) -> Reading | None:
    """Seconds as an upstream writes them, as a number or, in verbose answers of some, as text; rounded upwards."""
    if isinstance(seconds, str):
        try:
            seconds = float(seconds)
        except ValueError:
            return None
    if seconds is None or seconds != seconds:  # noqa: PLR0124  not a number is not itself
        return None
    lasting = in_reason(seconds, SECONDS_MAX)
    is_clamped = not isinstance(seconds, int | float) or not 0 < seconds <= SECONDS_MAX
    return Reading(Counts(audio_seconds=lasting), is_clamped)
