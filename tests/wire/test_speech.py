"""Speech is charged by its characters, or by tokens that only the upstream can tell."""

import json

import pytest

from keyhouse.core.bound import Ceilings, worst_case
from keyhouse.core.errors import Code, Refusal
from keyhouse.core.money import Counts, Price, Rate
from keyhouse.wire.speech import SoundMeter, SpeechMeter, read_speech, read_speech_answer

TOKENS = Price(1, (Rate(1_000, 500, 1_000, 2_000),))
CHARACTERS = Price(2, (Rate(0, 0, 0, 0),), character=15_000)
MOST = Counts(100, output=400, characters=5)
DONE = b'data: {"type":"speech.audio.done","usage":{"input_tokens":7,"output_tokens":50,"total_tokens":57}}\n\n'
DELTA = b'data: {"type":"speech.audio.delta","audio":"AAAA"}\n\n'


def body(**fields: object) -> bytes:
    return json.dumps({"model": "m", "input": "Größe", "voice": "alloy", **fields}).encode()


def test_characters_are_counted_as_characters() -> None:
    need = worst_case(read_speech(body()).ask, CHARACTERS)
    assert (need.unbounded, need.characters, need.nano_usd(0), need.most.output) == (None, 5, 75, 0)


def test_speech_by_tokens_needs_the_models_maximum() -> None:
    ask = read_speech(body()).ask
    assert worst_case(ask, TOKENS).unbounded == "output"
    need = worst_case(ask, TOKENS, Ceilings(400))
    assert (need.unbounded, need.most) == (None, Counts(len(body()) + 64, output=400, characters=5))


@pytest.mark.parametrize(("fields", "stream"), [({}, False), ({"stream_format": "sse"}, True)])
def test_events_are_asked_for_by_their_format(fields: dict[str, object], *, stream: bool) -> None:
    assert read_speech(body(**fields)).ask.stream is stream


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ({"input": ["a"]}, Code.PARAMETER_INVALID, "input"),
        ({"Input": "longer"}, Code.PARAMETER_UNKNOWN, "Input"),
        ({"model": ""}, Code.PARAMETER_INVALID, "model"),
    ],
)
def test_what_cannot_be_read_is_refused_by_its_name(fields: dict[str, object], code: Code, param: str) -> None:
    with pytest.raises(Refusal) as caught:
        read_speech(body(**fields))
    assert (caught.value.code, caught.value.param) == (code, param)


def test_the_last_event_has_the_usage_and_until_then_all_is_charged() -> None:
    meter = SpeechMeter(wants_usage=True, most=MOST)
    assert meter.feed(DELTA) == DELTA
    assert (meter.is_done, meter.counts) == (False, MOST)
    assert meter.feed(DONE) == DONE
    assert (meter.is_done, meter.counts) == (True, Counts(7, output=50, audio_output=50, characters=5))


def test_sound_passes_as_it_comes_and_is_charged_all_it_may_be() -> None:
    meter = SoundMeter(wants_usage=True, most=MOST)
    assert [meter.feed(b"\n\nID3\r\n"), meter.feed(b"\xff"), meter.end()] == [b"\n\nID3\r\n", b"\xff", b""]
    assert (meter.counts, meter.reading, read_speech_answer(b"ID3")) == (MOST, None, None)
    assert meter.broken_off(Refusal(Code.UPSTREAM_BROKEN, "x"), "req_1") is None
