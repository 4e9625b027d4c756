"""What a session's events ask for: what goes up, what it may cost, and what is not served."""

import json
from typing import Any

import msgspec
import pytest

from keyhouse.core.errors import Code, Refusal
from keyhouse.wire.events import Event, read_event
from keyhouse.wire.realtime import (
    Session,
    answers_by_itself,
    sound_bytes_in,
    sound_bytes_per_second,
    transcribes,
)
from keyhouse.wire.realtime_settings import TRANSCRIPTION


def event(kind: str, **fields: Any) -> Event:
    return read_event(json.dumps({"type": kind, **fields}).encode())


def sets(session: Session, **fields: Any) -> dict[str, Any]:
    """Have a client's update of a session go up; what is in it then."""
    update = session.read_update(event("session.update", session=fields))
    session.settings = update.settings
    found: dict[str, Any] = json.loads(update.written(""))["session"]
    return found


def test_the_model_of_a_session_is_its_own_and_goes_up_under_the_upstreams_name() -> None:
    session = Session("public", "own")
    assert sets(session, model="public")["model"] == "own"
    with pytest.raises(Refusal) as found:
        sets(session, model="own")
    assert found.value.param == "session.model"


def test_a_new_session_that_would_answer_is_told_not_to_in_its_own_form() -> None:
    session = Session("public", "own")
    detection = {"type": "server_vad", "idle_timeout_ms": None, "create_response": True}
    new = msgspec.Raw(json.dumps({"audio": {"input": {"turn_detection": detection}}}).encode())
    up = json.loads(session.quieted(new, "id") or b"")
    assert up["session"] == {
        "type": "realtime",
        "audio": {"input": {"turn_detection": {"type": "server_vad", "create_response": False}}},
    }
    old = msgspec.Raw(json.dumps({"turn_detection": {"type": "server_vad"}}).encode())
    up = json.loads(session.quieted(old, "id") or b"")
    assert up["session"] == {"turn_detection": {"type": "server_vad", "create_response": False}}
    assert session.is_old
    for quiet in (b"{}", b'{"turn_detection":null}', b'{"turn_detection":{"create_response":false}}'):
        assert session.quieted(msgspec.Raw(quiet), "id") is None
        assert not answers_by_itself(msgspec.Raw(quiet))
    assert answers_by_itself(new)


def test_a_new_session_that_would_transcribe_is_told_not_to_unless_that_is_all_it_does() -> None:
    new = msgspec.Raw(b'{"audio":{"input":{"transcription":{"model":"w"},"turn_detection":null}}}')
    old = msgspec.Raw(b'{"input_audio_transcription":{"model":"w"}}')
    assert json.loads(Session("public", "own").quieted(new, "id") or b"")["session"] == {
        "type": "realtime",
        "audio": {"input": {"transcription": None}},
    }
    up = json.loads(Session("public", "own").quieted(old, "id") or b"")
    assert up["session"] == {"input_audio_transcription": None}
    assert Session("", "", TRANSCRIPTION).quieted(new, "id") is None


@pytest.mark.parametrize(
    ("shown", "said"),
    [
        (b'{"audio":{"input":{"transcription":{"model":"w"}}}}', True),
        (b'{"input_audio_transcription":{"model":"w"}}', True),
        (b'{"audio":{"input":{"transcription":null}}}', False),
        (b'{"input_audio_transcription":null}', False),
        (b'{"audio":{"input":{}}}', None),
        (b"{}", None),
    ],
)
def test_a_session_shows_whether_it_transcribes_or_does_not_say(shown: bytes, said: bool | None) -> None:
    assert transcribes(msgspec.Raw(shown)) is said


@pytest.mark.parametrize(
    ("shown", "rate"),
    [
        (b'{"audio":{"input":{"format":{"type":"audio/pcm","rate":24000}}}}', 48_000),
        (b'{"input_audio_format":"pcm16"}', 48_000),
        (b'{"audio":{"input":{"format":{"type":"audio/pcmu"}}}}', 8_000),
        (b'{"input_audio_format":"g711_alaw"}', 8_000),
        (b'{"audio":{"input":{"format":7}}}', 8_000),
        (b"{}", 8_000),
    ],
)
def test_how_long_sound_is_depends_on_its_form_and_is_never_taken_for_less(shown: bytes, rate: int) -> None:
    assert sound_bytes_per_second(msgspec.Raw(shown)) == rate


def test_sound_is_as_many_bytes_as_its_base64_holds() -> None:
    assert sound_bytes_in(event("input_audio_buffer.append", audio="A" * 64_000)) == 48_000
    assert sound_bytes_in(event("input_audio_buffer.append")) == 0


def test_the_maximum_is_the_responses_own_or_the_sessions() -> None:
    session = Session("public", "own")
    assert session.ask_of(event("response.create"), None).output_tokens_max is None
    sets(session, max_output_tokens=70)
    assert session.ask_of(event("response.create"), None).output_tokens_max == 70
    ask = session.ask_of(event("response.create", response={"max_output_tokens": 20}), None)
    assert ask.output_tokens_max == 20
    assert (
        session.ask_of(event("response.create", response={"max_output_tokens": "inf"}), None).output_tokens_max is None
    )
    for bad in (0, -1, 1.5, "many", 10**9):
        with pytest.raises(Refusal):
            session.ask_of(event("response.create", response={"max_output_tokens": bad}), None)


@pytest.mark.parametrize(
    ("is_old", "maximum", "modalities"),
    [(False, "max_output_tokens", "output_modalities"), (True, "max_response_output_tokens", "modalities")],
)
def test_what_bounds_a_response_is_said_with_it_whatever_the_session_was_told(
    *, is_old: bool, maximum: str, modalities: str
) -> None:
    """The upstream may have refused the update that set it, or not know the client's name of it."""
    session = Session("public", "own")
    session.is_old = is_old
    given = {"max_output_tokens": 50, "max_response_output_tokens": 50, "modalities": ["text"], "x": 1}
    up = json.loads(session.created(event("response.create", response=given), "id", 16, is_text=True))
    bounds = {maximum: 16, modalities: ["text"]}
    assert up == {"type": "response.create", "event_id": "id", "response": {"x": 1, **bounds}}
    assert json.loads(session.created(event("response.create"), "id", 16, is_text=True))["response"] == bounds
    assert "response" not in json.loads(session.created(event("response.create"), "id", None, is_text=False))


def test_all_that_came_is_read_and_the_longest_prompt_bounds_it() -> None:
    session = Session("public", "own")
    for size in (100, 2_000):
        session.note(event("conversation.item.create", item={"content": []}), size)
    assert session.ask_of(event("response.create"), None).input_bytes == 2_100
    assert session.ask_of(event("response.create"), 1_000).input_bytes == 1_000


def test_neither_does_what_is_named_again_show_how_long_it_is() -> None:
    session = Session("public", "own")
    again = {"input": [{"type": "item_reference", "id": "item_1"}] * 20}
    assert session.ask_of(event("response.create", response=again), 1_000).unseen_input == "item_reference"
    assert session.ask_of(event("response.create", response={"input": []}), 1_000).unseen_input is None


def test_an_image_is_bounded_by_nothing_but_the_longest_prompt() -> None:
    session = Session("public", "own")
    item = {"type": "message", "content": [{"type": "input_image", "image_url": "data:,x"}]}
    session.note(event("conversation.item.create", item=item), 50)
    assert session.ask_of(event("response.create"), 1_000).unseen_input == "input_image"


def test_speech_is_expected_unless_only_text_is_asked_for() -> None:
    session = Session("public", "own")
    assert session.ask_of(event("response.create"), None).speaks
    assert not session.ask_of(event("response.create", response={"output_modalities": ["text"]}), None).speaks
    sets(session, modalities=["text"])
    assert not session.ask_of(event("response.create"), None).speaks
    assert session.ask_of(event("response.create", response={"modalities": ["audio", "text"]}), None).speaks


@pytest.mark.parametrize(
    "response",
    [{"tools": [{"type": "mcp"}]}, {"tools": 1}, {"prompt": {"id": "p"}}, {"model": "x"}, {"Max_Output_Tokens": 1}, []],
)
def test_a_response_that_nothing_bounds_is_refused(response: Any) -> None:
    with pytest.raises(Refusal) as found:
        Session("public", "own").ask_of(event("response.create", response=response), None)
    assert found.value.code in (Code.PARAMETER_INVALID, Code.PARAMETER_UNKNOWN)
