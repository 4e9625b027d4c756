"""The reader of `POST /v1/audio/speech`: text in, sound out; and the meters of its two kinds of streams.

Speech is charged by the characters of its text, or by the tokens that the upstream reports. It reports them in events
only (`stream_format: "sse"`): of plain sound nobody knows how many tokens it is, so it is charged all it may be.
"""

from typing import Any, Final

import msgspec

from keyhouse.core.bound import Ask
from keyhouse.core.errors import Refusal
from keyhouse.core.money import Counts
from keyhouse.wire import body as bodies
from keyhouse.wire.body import ABSENT, Asked, Object
from keyhouse.wire.meter import StreamMeter
from keyhouse.wire.scrubbing import Scrubber
from keyhouse.wire.usage import SUMS, Reading, counted, read_usage


class _Speech(msgspec.Struct, gc=False):
    model: str
    input: str
    stream_format: str | None = None


class _Event(msgspec.Struct, gc=False):
    type: Any = None
    usage: msgspec.Raw = ABSENT


_SPEECH: Final = msgspec.json.Decoder(_Speech)
_EVENT: Final = msgspec.json.Decoder(_Event)
_READ: Final = frozenset(_Speech.__struct_fields__)
_DONE: Final = "speech.audio.done"


def read_speech(body: bytes) -> Asked:
    """Read a request's body. Raises Refusal that names the parameter at fault."""
    return Asked(*bodies.read(body, _SPEECH, _ask))


def read_speech_answer(body: bytes) -> Reading | None:  # noqa: ARG001  sound says nothing of itself
    """A whole answer is sound, which has no usage."""
    return None


class SpeechMeter(StreamMeter):
    """Events of speech; the last one has the usage."""

    __slots__ = ()

    @property
    def output_tokens(self) -> int:
        """Nothing: what sound is in tokens shows nowhere."""
        return 0

    @property
    def counts(self) -> Counts:
        """All that was asked for, unless the upstream has said what it was."""
        return self.reading.counts if self.is_done and self.reading is not None else counted(None, self._most, 0)

    def _look(self, event: bytes, data: bytes) -> bytes:
        if data == b"[DONE]":
            return event
        seen = _EVENT.decode(data)
        if seen.type == _DONE:
            self.is_done = True
            reading = read_usage(seen.usage, spelling=SUMS)
            if reading is not None:
                said = reading.counts
                heard = Counts(
                    said.input, output=said.output, audio_output=said.output, characters=self._most.characters
                )
                self._take(msgspec.structs.replace(reading, counts=heard))
        return event


class SoundMeter(SpeechMeter):
    """Plain sound: it passes as it comes, in whatever pieces."""

    __slots__ = ("_scrubber",)

    def __init__(self, *, wants_usage: bool, most: Counts, secret: bytes | None = None) -> None:
        super().__init__(wants_usage=wants_usage, most=most, secret=secret)
        self._scrubber = Scrubber(secret)

    def feed(self, data: bytes) -> bytes:
        """All of it, but for what may be our credential."""
        return self._scrubber.feed(data)

    def end(self) -> bytes:
        """What was kept back."""
        return self._scrubber.rest()

    def broken_off(self, refusal: Refusal, request_id: str) -> bytes | None:  # noqa: ARG002  nothing is said
        """Nothing can be said in it."""
        return None


def _ask(asked: _Speech, fields: Object, body_bytes: int) -> Ask:
    bodies.refuse_disguises(fields, _READ, None)
    bodies.require_model(asked.model)
    return Ask(
        model=asked.model,
        input_bytes=body_bytes,
        characters=len(asked.input),
        stream=asked.stream_format == "sse",
        wants_usage=True,
        has_maximum=False,
        writes=False,
    )
