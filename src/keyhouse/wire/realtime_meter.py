"""What an upstream's events say of a realtime session: what is made, how much of it has come, what it used. Pure."""

from typing import Any, Final

import msgspec

from keyhouse.core.money import Counts
from keyhouse.wire.body import ABSENT
from keyhouse.wire.events import UNREADABLE
from keyhouse.wire.transcriptions import read_transcript_usage
from keyhouse.wire.usage import SINGULAR, TOKENS_MAX, Reading, counted, in_reason, output_tokens_in, read_usage

AUDIO_BYTES_PER_TOKEN: Final = 500
"""For counting sound without usage: OpenAI makes a token of 50 ms (Realtime, costs), which are 533 bytes of G.711 in
base64 and six times as many of PCM. This errs upwards."""

HEARD_TOKENS_PER_SECOND: Final = 20
"""For counting sound that was transcribed without usage, upwards as well."""

TRANSCRIPT: Final = "conversation.item.input_audio_transcription."
"""What every event about a transcript begins with; then comes `delta`, `segment`, `completed` or `failed`."""


class ServerEvent(msgspec.Struct, gc=False):
    """An upstream's event, as far as it is read."""

    type: str
    response: msgspec.Raw = ABSENT
    response_id: Any = None
    item_id: Any = None
    delta: Any = None
    usage: msgspec.Raw = ABSENT
    session: msgspec.Raw = ABSENT
    error: msgspec.Raw = ABSENT


class _Response(msgspec.Struct, gc=False):
    id: Any = None
    usage: msgspec.Raw = ABSENT


class _Error(msgspec.Struct, gc=False):
    event_id: Any = None


class _Cached(msgspec.Struct, gc=False):
    audio_tokens: Any = None
    image_tokens: Any = None


class _Details(msgspec.Struct, gc=False):
    audio_tokens: Any = None
    image_tokens: Any = None
    cached_tokens_details: _Cached | None = None


class _Usage(msgspec.Struct, gc=False):
    input_token_details: _Details | None = None


_EVENT: Final = msgspec.json.Decoder(ServerEvent)
_RESPONSE: Final = msgspec.json.Decoder(_Response)
_ERROR: Final = msgspec.json.Decoder(_Error)
_USAGE: Final = msgspec.json.Decoder(_Usage)


def read_server_event(message: bytes) -> ServerEvent | None:
    """An upstream's event; None if it is none."""
    try:
        return _EVENT.decode(message)
    except UNREADABLE:
        return None


def response_of(event: ServerEvent) -> tuple[str | None, msgspec.Raw]:
    """The id of the response that an event shows, and its usage."""
    try:
        response = _RESPONSE.decode(event.response)
    except UNREADABLE:
        return None, ABSENT
    return (response.id if isinstance(response.id, str) else None), response.usage


def cause_of(event: ServerEvent) -> str | None:
    """The id of the client's event that an `error` is about."""
    try:
        cause = _ERROR.decode(event.error).event_id
    except UNREADABLE:
        return None
    return cause if isinstance(cause, str) else None


def read_realtime_usage(usage: msgspec.Raw) -> Reading | None:
    """The usage of a response. Audio and images that were cached cost what is cached, so they count there alone."""
    reading = read_usage(usage, None, SINGULAR)
    if reading is None or reading.is_clamped:
        return reading
    try:
        details = _USAGE.decode(usage).input_token_details
    except UNREADABLE:
        return reading
    if details is None or details.cached_tokens_details is None:
        return reading
    counts, cached = reading.counts, details.cached_tokens_details
    fresh = counts.input - counts.cached_input - counts.cache_write
    heard = _fresh(details.audio_tokens, cached.audio_tokens, fresh)
    seen = _fresh(details.image_tokens, cached.image_tokens, fresh - heard)
    return Reading(msgspec.structs.replace(counts, audio_input=heard, image_input=seen), tier=reading.tier)


def _fresh(told: object, cached: object, most: int) -> int:
    """What of these tokens was not cached, at most so many."""
    every = in_reason(told, TOKENS_MAX)
    return min(most, every - in_reason(cached, every))


class SpokenMeter:
    """Counts what has come of one response, until its usage has. `most` is as in `StreamMeter`."""

    __slots__ = ("_audio_bytes", "_events", "_most", "_text_bytes", "reading")

    def __init__(self, most: Counts) -> None:
        self._most = most
        self._events = self._text_bytes = self._audio_bytes = 0
        self.reading: Reading | None = None

    def count(self, event: ServerEvent) -> None:
        """Count an event of this response."""
        if not isinstance(event.delta, str):
            return
        if event.type.endswith("audio.delta"):
            self._audio_bytes += len(event.delta)
        else:
            self._events += 1
            self._text_bytes += len(event.delta.encode())

    @property
    def counts(self) -> Counts:
        """The best knowledge so far of what was used."""
        spoken = -(-self._audio_bytes // AUDIO_BYTES_PER_TOKEN)
        output = output_tokens_in(self._text_bytes, self._events) + spoken
        counts = counted(self.reading, self._most, output)
        return msgspec.structs.replace(counts, audio_output=min(max(counts.audio_output, spoken), counts.output))


class HeardMeter:
    """Counts what waits to be transcribed, and its transcript, until its usage has come. `most` is as above; who
    transcribes is told so many bytes.
    """

    __slots__ = ("_events", "_most", "_sound_ms", "_text_bytes", "_told_bytes", "reading")

    def __init__(self, most: Counts, told_bytes: int) -> None:
        self._most = most
        self._told_bytes = told_bytes
        self._events = self._text_bytes = self._sound_ms = 0
        self.reading: Reading | None = None

    def has_room(self, sound_bytes: int, bytes_per_second: int) -> bool:
        """Whether so much more sound is still within what was reserved for, as far as that says how long it may be."""
        sound_ms = self._sound_ms + _ms(sound_bytes, bytes_per_second)
        most_ms = self._most.audio_seconds * 1_000, self._most.audio_input * 1_000 // HEARD_TOKENS_PER_SECOND
        return all(sound_ms <= one for one in most_ms if one)

    def hear(self, sound_bytes: int, bytes_per_second: int) -> None:
        """Count sound that has gone up."""
        self._sound_ms += _ms(sound_bytes, bytes_per_second)

    def forget(self) -> None:
        """What was heard is thrown away."""
        self._sound_ms = 0

    def count(self, event: ServerEvent) -> None:
        """Count an event of the transcript."""
        if isinstance(event.delta, str):
            self._events += 1
            self._text_bytes += len(event.delta.encode())
        if event.type == f"{TRANSCRIPT}completed":
            self.reading = read_transcript_usage(event.usage)

    @property
    def counts(self) -> Counts:
        """The best knowledge so far of what was used."""
        seconds, most = -(-self._sound_ms // 1_000), self._most
        heard = min(most.audio_input, seconds * HEARD_TOKENS_PER_SECOND)
        told = msgspec.structs.replace(
            most,
            input=min(most.input, self._told_bytes + heard),
            audio_input=heard,
            audio_seconds=min(most.audio_seconds, seconds),
        )
        return counted(self.reading, told, output_tokens_in(self._text_bytes, self._events))


def _ms(sound_bytes: int, bytes_per_second: int) -> int:
    return -(-sound_bytes * 1_000 // bytes_per_second)
