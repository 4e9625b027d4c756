"""What a client's update makes of a session: what goes up of it, and what is refused."""

import json
from typing import Any

import pytest

from keyhouse.core.errors import Code, Refusal
from keyhouse.wire.events import Event, read_event
from keyhouse.wire.realtime_settings import (
    REALTIME,
    TRANSCRIBER_BYTES_MAX,
    TRANSCRIPTION,
    Settings,
    Transcriber,
    Update,
    read_update,
)

SCRIBE = Transcriber("scribe", 20)


def event(**session: Any) -> Event:
    return read_event(json.dumps({"type": "session.update", "session": session}).encode())


def read(kind: str = REALTIME, before: Settings = Settings(), /, **session: Any) -> Update:  # noqa: B008  it is frozen
    return read_update(event(**session), before, kind, lambda _: None)


def up(update: Update, transcriber: str = "") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(update.written(transcriber))["session"]
    return found


def test_turn_detection_goes_up_without_a_response_of_its_own_wherever_it_stands() -> None:
    old = read(turn_detection={"type": "server_vad"})
    assert up(old)["turn_detection"] == {"type": "server_vad", "create_response": False}
    assert old.settings.answers_turns
    heard = {"input": {"turn_detection": {"type": "semantic_vad", "create_response": False}, "format": {"rate": 24000}}}
    new = read(audio=heard)
    assert up(new)["audio"] == heard
    assert not new.settings.answers_turns
    assert up(read(audio={"input": {"turn_detection": None}}))["audio"] == {"input": {"turn_detection": None}}


def test_a_name_given_twice_within_a_session_goes_up_once() -> None:
    raw = (
        b'{"type":"session.update","session":{"audio":{"input":{"turn_detection":{"create_response":true,'
        b'"create_response":true}},"input":{"turn_detection":{"create_response":true}}}}}'
    )
    gone_up = read_update(read_event(raw), Settings(), REALTIME, lambda _: None).written("")
    assert gone_up.count(b"turn_detection") == 1
    assert gone_up.count(b"create_response") == 1
    assert b'"create_response":false' in gone_up


@pytest.mark.parametrize("old", [False, True])
def test_what_transcribes_goes_up_under_the_upstreams_name(old: bool) -> None:
    said = {"model": "public", "prompt": "names", "language": "en"}
    session = {"input_audio_transcription": said} if old else {"audio": {"input": {"transcription": said}}}
    update = read(**session)
    assert update.settings.transcriber == Transcriber("public", len(json.dumps(said)))
    gone_up = up(update, "own")
    found = gone_up["input_audio_transcription"] if old else gone_up["audio"]["input"]["transcription"]
    assert found == said | {"model": "own"}


def test_what_an_update_does_not_name_stays_as_it_was() -> None:
    before = Settings(False, 70, True, True, SCRIBE)
    assert read(REALTIME, before, instructions="be brief").settings == before
    off = read(REALTIME, before, audio={"input": {"transcription": None}})
    assert off.settings.transcriber is None
    assert up(off)["audio"] == {"input": {"transcription": None}}
    changed = read(REALTIME, before, tools=[], max_output_tokens="inf", output_modalities=["audio"])
    assert changed.settings == Settings(False, None, False, True, SCRIBE), "tools may stay: it may be refused"


def test_reading_an_update_changes_nothing_until_it_is_written() -> None:
    one = event(audio={"input": {"transcription": {"model": "public"}}})
    before = one.fields["session"]
    read_update(one, Settings(), REALTIME, lambda _: None)
    assert one.fields["session"] is before


@pytest.mark.parametrize(
    ("session", "param"),
    [
        ({"audio": {"input": {"transcription": {}}}}, "session.audio.input.transcription.model"),
        ({"audio": {"input": {"transcription": {"model": 7}}}}, "session.audio.input.transcription.model"),
        ({"audio": {"input": {"transcription": {"model": "x", "Model": "y"}}}}, "Model"),
        ({"audio": {"input": {"Transcription": {"model": "x"}}}}, "Transcription"),
        ({"audio": {"input": {"transcription": "x"}}}, "session.audio.input.transcription"),
        ({"input_audio_transcription": {"language": "en"}}, "session.input_audio_transcription.model"),
        (
            {"audio": {"input": {"transcription": {"model": "x"}}}, "input_audio_transcription": {"model": "y"}},
            "session.input_audio_transcription",
        ),
        (
            {"audio": {"input": {"transcription": {"model": "x", "prompt": "p" * TRANSCRIBER_BYTES_MAX}}}},
            "session.audio.input.transcription",
        ),
        ({"type": "transcription"}, "session.type"),
        ({"type": "banter"}, "session.type"),
        ({"tools": [{"type": "mcp"}]}, "session.tools"),
        ({"prompt": {"id": "p"}}, "session.prompt"),
        (
            {"turn_detection": {"type": "server_vad", "idle_timeout_ms": 6_000}},
            "session.turn_detection.idle_timeout_ms",
        ),
    ],
)
def test_what_nothing_bounds_or_nobody_can_read_is_refused_by_its_name(session: dict[str, Any], param: str) -> None:
    with pytest.raises(Refusal) as found:
        read(**session)
    assert found.value.code in (Code.PARAMETER_INVALID, Code.PARAMETER_UNKNOWN)
    assert found.value.param == param


def test_a_session_that_only_transcribes_must_say_with_what_and_answers_nobody() -> None:
    before = Settings(answers_turns=False)
    said = {"input": {"transcription": {"model": "public"}, "turn_detection": {"type": "server_vad"}}}
    update = read(TRANSCRIPTION, before, type="transcription", audio=said)
    assert update.settings.transcriber is not None
    assert (update.settings.transcriber.model, update.settings.answers_turns) == ("public", False)
    assert up(update, "own")["audio"]["input"] == {
        "transcription": {"model": "own"},
        "turn_detection": {"type": "server_vad"},
    }
    loud = {"input": {"transcription": {"model": "public"}, "turn_detection": {"create_response": True}}}
    quieted = up(read(TRANSCRIPTION, before, audio=loud), "own")["audio"]["input"]["turn_detection"]
    assert quieted == {"create_response": False}
    for silent in ({}, {"audio": {"input": {"transcription": None}}}, {"type": "realtime"}):
        with pytest.raises(Refusal):
            read(TRANSCRIPTION, before, **silent)
