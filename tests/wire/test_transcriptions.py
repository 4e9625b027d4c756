"""Transcriptions: before, the model's maximum counts; afterwards what the upstream says, in tokens or in seconds."""

import json
from typing import Any

import pytest

from keyhouse.core.bound import Ceilings, worst_case
from keyhouse.core.errors import Code, Refusal
from keyhouse.core.money import Counts, Price, Rate
from keyhouse.wire.form import FormReader
from keyhouse.wire.transcriptions import TranscriptionMeter, read_transcription, read_transcription_answer

TOKENS = Price(1, (Rate(1_000, 500, 1_000, 2_000, audio_input=6_000),))
SECONDS = Price(2, (Rate(0, 0, 0, 0),), audio_second=1_000)
FILE = ("file", "a.wav", "RIFF" + "x" * 10_000)
MODEL = ("model", None, "m")


def form(*fields: tuple[str, str | None, str]) -> FormReader:
    reader = FormReader("multipart/form-data; boundary=b", "ours")
    for name, filename, value in fields:
        file = "" if filename is None else f'; filename="{filename}"'
        reader.feed(f'--b\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n{value}\r\n'.encode())
    reader.feed(b"--b--\r\n")
    return reader


def test_by_seconds_it_needs_the_longest_audio_and_nothing_else() -> None:
    ask = read_transcription(form(FILE, MODEL).end()).ask
    assert worst_case(ask, SECONDS).unbounded == "audio"
    need = worst_case(ask, SECONDS, Ceilings(audio_seconds=600))
    assert (need.unbounded, need.audio_seconds, need.nano_usd(0)) == (None, 600, 600)


@pytest.mark.parametrize(
    ("ceilings", "part"),
    [
        (Ceilings(), "output"),
        (Ceilings(output_tokens=100), "input_audio"),
        (Ceilings(output_tokens=100, audio_tokens=50), None),
    ],
)
def test_by_tokens_it_needs_the_most_tokens_of_audio_and_of_text(ceilings: Ceilings, part: str | None) -> None:
    ask = read_transcription(form(FILE, MODEL).end()).ask
    need = worst_case(ask, TOKENS, ceilings)
    assert need.unbounded == part
    if part is None:
        assert need.most == Counts(50 + len("modelm") + 64, audio_input=50)
        assert need.nano_usd(0) == need.most.input * 6 + 100 * 2


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ([MODEL], Code.PARAMETER_MISSING, "file"),
        ([FILE], Code.PARAMETER_MISSING, "model"),
        ([MODEL, ("file", None, "x")], Code.PARAMETER_MISSING, "file"),
        ([MODEL, FILE, FILE], Code.PARAMETER_INVALID, "file"),
        ([MODEL, MODEL, FILE], Code.PARAMETER_INVALID, "model"),
        ([MODEL, FILE, ("Model", None, "x")], Code.PARAMETER_UNKNOWN, "Model"),
        ([MODEL, FILE, ("stream", None, "yes")], Code.PARAMETER_INVALID, "stream"),
    ],
)
def test_what_cannot_be_read_is_refused_by_its_name(fields: list[Any], code: Code, param: str) -> None:
    with pytest.raises(Refusal) as caught:
        read_transcription(form(*fields).end())
    assert (caught.value.code, caught.value.param) == (code, param)


def test_another_file_has_no_bound() -> None:
    assert read_transcription(form(FILE, MODEL, ("extra", "b.wav", "x")).end()).ask.unbounded == "extra"


@pytest.mark.parametrize(
    ("answer", "counts", "is_clamped"),
    [
        ({"usage": {"type": "duration", "seconds": 8.2}}, Counts(audio_seconds=9), False),
        ({"usage": {"type": "duration", "seconds": -1}}, Counts(), True),
        ({"duration": 8.0, "segments": []}, Counts(audio_seconds=8), False),
        ({"duration": "8.470000267028809"}, Counts(audio_seconds=9), False),
        ({"duration": 10**12}, Counts(audio_seconds=10_000_000), True),
        (
            {
                "usage": {
                    "type": "tokens",
                    "input_tokens": 14,
                    "input_token_details": {"text_tokens": 4, "audio_tokens": 10},
                    "output_tokens": 5,
                    "total_tokens": 19,
                }
            },
            Counts(14, output=5, audio_input=10),
            False,
        ),
    ],
)
def test_an_answer_says_what_it_used(answer: dict[str, Any], counts: Counts, *, is_clamped: bool) -> None:
    reading = read_transcription_answer(json.dumps({"text": "hi", **answer}).encode())
    assert reading is not None
    assert (reading.counts, reading.is_clamped) == (counts, is_clamped)


@pytest.mark.parametrize(
    "answer", [b"plain text", b'{"text":"hi"}', b"WEBVTT", b'{"duration":"nan"}', b'{"duration":"x"}']
)
def test_an_answer_that_says_nothing_is_not_guessed(answer: bytes) -> None:
    assert read_transcription_answer(answer) is None


def test_a_stream_is_counted_by_its_deltas_until_its_last_event_says_what_it_was() -> None:
    meter = TranscriptionMeter(wants_usage=True, most=Counts(120, audio_input=50))
    delta = b'data: {"type":"transcript.text.delta","delta":"hello"}\n\n'
    assert meter.feed(delta) == delta
    assert (meter.is_done, meter.counts) == (False, Counts(120, output=2, audio_input=50))
    meter.feed(
        b'data: {"type":"transcript.text.done","text":"hello","usage":{"input_tokens":14,"output_tokens":5}}\n\n'
    )
    assert (meter.is_done, meter.counts) == (True, Counts(14, output=5))
