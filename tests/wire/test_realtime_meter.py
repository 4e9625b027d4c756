"""What a realtime session used: the upstream's word where it makes sense, and what was counted where not."""

import json
from typing import Any

import msgspec

from keyhouse.core.money import Counts
from keyhouse.wire.realtime_meter import (
    TRANSCRIPT,
    HeardMeter,
    SpokenMeter,
    cause_of,
    read_realtime_usage,
    read_server_event,
    response_of,
)


def usage(**changes: Any) -> msgspec.Raw:
    said = {"input_tokens": 100, "output_tokens": 60, "total_tokens": 160} | changes
    return msgspec.Raw(json.dumps(said).encode())


def test_cached_sound_counts_as_cached_and_not_as_sound() -> None:
    details = {"audio_tokens": 60, "cached_tokens": 50, "cached_tokens_details": {"audio_tokens": 40}}
    reading = read_realtime_usage(usage(input_token_details=details, output_token_details={"audio_tokens": 50}))
    assert reading is not None
    assert reading.counts == Counts(100, 50, 0, 60, 0, 20, 50)


def test_cached_images_count_as_cached_and_others_as_images() -> None:
    cached = {"audio_tokens": 30, "image_tokens": 5}
    details = {"audio_tokens": 40, "image_tokens": 45, "cached_tokens": 35, "cached_tokens_details": cached}
    reading = read_realtime_usage(usage(input_token_details=details))
    assert reading is not None
    assert reading.counts == Counts(100, 35, 0, 60, audio_input=10, image_input=40)


def test_without_its_details_sound_is_cached_last() -> None:
    for more in ({}, {"cached_tokens_details": None}, {"cached_tokens_details": {"audio_tokens": -4}}):
        reading = read_realtime_usage(usage(input_token_details={"audio_tokens": 60, "cached_tokens": 50} | more))
        assert reading is not None
        assert reading.counts.audio_input == 50


def test_usage_that_is_absent_or_absurd_is_not_believed() -> None:
    assert read_realtime_usage(msgspec.Raw(b"null")) is None
    for odd in (usage(input_tokens=-1), usage(output_tokens="many"), msgspec.Raw(b"7")):
        reading = read_realtime_usage(odd)
        assert reading is not None
        assert reading.is_clamped


def test_what_came_is_counted_as_text_and_as_sound() -> None:
    meter = SpokenMeter(Counts(input=9))
    for kind, delta in (
        ("response.output_text.delta", "hello"),
        ("response.output_audio.delta", "A" * 1_001),
        ("response.audio.delta", "A" * 499),
        ("response.output_text.done", None),
    ):
        event = read_server_event(json.dumps({"type": kind, "response_id": "r", "delta": delta}).encode())
        assert event is not None
        meter.count(event)
    assert (meter.counts.input, meter.counts.output, meter.counts.audio_output) == (9, 2 + 3, 3)


def test_events_that_cannot_be_read_name_nothing() -> None:
    assert read_server_event(b"{") is None
    assert read_server_event(b"[]") is None
    event = read_server_event(b'{"type":"error","error":{"event_id":7},"response":[]}')
    assert event is not None
    assert (cause_of(event), response_of(event)[0]) == (None, None)


def transcript(meter: HeardMeter, kind: str, **fields: Any) -> None:
    event = read_server_event(json.dumps({"type": f"{TRANSCRIPT}{kind}", "item_id": "i"} | fields).encode())
    assert event is not None
    meter.count(event)


def test_without_usage_a_transcript_counts_the_sound_that_came_and_its_text() -> None:
    meter = HeardMeter(Counts(input=9_000, audio_input=1_000, audio_seconds=600), 100)
    meter.hear(48_000, 48_000)
    meter.hear(4_000, 8_000)
    transcript(meter, "delta", delta="hello you")
    transcript(meter, "delta", delta="!")
    assert meter.counts == Counts(input=100 + 40, audio_input=40, output=4, audio_seconds=2)
    meter.hear(10**9, 8_000)
    assert (meter.counts.audio_input, meter.counts.audio_seconds) == (1_000, 600)
    meter.forget()
    assert (meter.counts.input, meter.counts.audio_seconds) == (100, 0)


def test_a_transcript_is_what_its_usage_says_in_tokens_or_in_seconds() -> None:
    tokens = {"type": "tokens", "input_tokens": 30, "output_tokens": 9, "input_token_details": {"audio_tokens": 26}}
    for told, counts in (
        (tokens, Counts(input=30, output=9, audio_input=26)),
        ({"type": "duration", "seconds": 7.2}, Counts(audio_seconds=8)),
    ):
        meter = HeardMeter(Counts(audio_seconds=600), 0)
        transcript(meter, "completed", transcript="x", usage=told)
        assert meter.reading is not None
        assert meter.reading.counts == counts
    meter = HeardMeter(Counts(), 0)
    transcript(meter, "completed", transcript="x")
    assert meter.reading is None


def test_sound_has_room_within_each_of_the_maxima_that_there_are() -> None:
    for most, seconds in ((Counts(audio_seconds=2), 2), (Counts(audio_input=60), 3), (Counts(60, audio_seconds=9), 9)):
        meter = HeardMeter(most, 0)
        meter.hear((seconds - 1) * 8_000, 8_000)
        assert meter.has_room(8_000, 8_000)
        assert not meter.has_room(8_001, 8_000)
        meter.forget()
        assert meter.has_room(8_001, 8_000)
    assert HeardMeter(Counts(), 0).has_room(10**12, 8_000)
