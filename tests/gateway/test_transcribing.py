"""Sessions of Realtime that only transcribe, through OpenAI's own SDK and over raw sockets."""

import json
from pathlib import Path
from typing import Any, Final

import pytest

from gateway.given_hearing import COMMIT, OFF, ON, READ, SECOND, SOUND, UNUSED, WRITTEN, event, rows_of, wanting
from gateway.given_sockets import LASTING, Line, a_socket_street, closed, hear, respond
from gateway.scripted import a_budget

ALONE: Final = "/v1/realtime?intent=transcription"


async def transcribes_alone(line: Line) -> None:
    session: dict[str, Any] = {"type": "transcription", "audio": {"input": {"turn_detection": {"type": "server_vad"}}}}
    await line.say("session.created", event_id="e0", session=session)
    while True:
        one = await line.hear()
        match one["type"]:
            case "session.update":
                session["audio"]["input"] |= one["session"]["audio"]["input"]
                await line.say("session.updated", event_id="e1", session=session)
            case "input_audio_buffer.commit":
                await line.say("input_audio_buffer.committed", event_id="e2", item_id="item_1")
                await line.say(
                    WRITTEN, event_id="e3", item_id="item_1", content_index=0, transcript="hello", usage=LASTING
                )
            case _:
                pass


@pytest.mark.asyncio
async def test_openais_sdk_has_a_session_that_only_transcribes(tmp_path: Path) -> None:
    async with a_socket_street(tmp_path, transcribes_alone, a_budget(10**9)) as there:
        async with (
            there.client as client,
            client.realtime.connect(extra_query={"intent": "transcription"}) as session,
        ):
            heard: Any = {"input": {"transcription": {"model": "by-piece"}, "turn_detection": None}}
            await session.session.update(session={"type": "transcription", "audio": heard})
            await session.input_audio_buffer.append(audio=SECOND)
            await session.input_audio_buffer.commit()
            kinds = []
            async for one in session:
                kinds.append(one.type)
                if one.type == WRITTEN:
                    break
        assert await rows_of(there, 2) == [UNUSED, READ]
        (line,) = there.lines
    assert kinds == ["session.created", "session.updated", "input_audio_buffer.committed", WRITTEN]
    assert line.path == "/v1/realtime?intent=transcription"
    assert line.got[0]["session"]["audio"]["input"]["transcription"] == {"model": "tiny-1-upstream"}


@pytest.mark.asyncio
async def test_a_client_that_waits_for_the_session_hears_of_it_once_and_before_it_names_a_model(tmp_path: Path) -> None:
    async with a_socket_street(tmp_path, transcribes_alone) as there, there.connect(ALONE) as client:
        first = await hear(client, "session.created")
        assert there.lines == []
        await client.send(ON)
        kinds = [json.loads(await client.recv())["type"]]
        await client.send(COMMIT)
        await hear(client, WRITTEN)
    assert first["session"]["type"] == "transcription"
    assert kinds == ["session.updated"]


@pytest.mark.asyncio
async def test_a_session_that_only_transcribes_takes_no_sound_before_it_is_said_what_does_and_never_answers(
    tmp_path: Path,
) -> None:
    async with a_socket_street(tmp_path, transcribes_alone) as there:
        async with there.connect(ALONE) as client:
            for one in (SOUND, COMMIT, event("response.create"), OFF, wanting({"model": "nobody"})):
                await client.send(one)
                await hear(client, "error")
            assert there.lines == []
            await client.send(ON)
            await hear(client, "session.updated")
            await client.send(event("response.create"))
            assert "makes no responses" in (await hear(client, "error"))["error"]["message"]
            await client.send(OFF)
            assert (await hear(client, "error"))["error"]["param"] == "session.audio.input.transcription"
        assert there.lines[0].kinds() == ["session.update"]


@pytest.mark.asyncio
async def test_a_session_that_names_what_transcribes_in_its_address_is_opened_at_once(tmp_path: Path) -> None:
    async with a_socket_street(tmp_path, transcribes_alone) as there:
        async with there.connect(f"{ALONE}&model=by-piece") as client:
            await hear(client, "session.created")
            await client.send(SOUND)
            assert "what transcribes" in (await hear(client, "error"))["error"]["message"]
            await client.send(ON)
            await client.send(COMMIT)
            await hear(client, WRITTEN)
        assert await rows_of(there, 2) == [UNUSED, READ]
        assert there.lines[0].kinds() == ["session.update", "input_audio_buffer.commit"]


@pytest.mark.asyncio
async def test_an_upstream_that_answers_in_a_session_that_only_transcribes_is_cut_off(tmp_path: Path) -> None:
    async def play(line: Line) -> None:
        await line.say("session.created", session={"type": "transcription", "audio": {}})
        await respond(line, "resp_1")

    async with a_socket_street(tmp_path, play) as there, there.connect(f"{ALONE}&model=by-piece") as client:
        code, events = await closed(client)
    assert (code, "made a response" in events[-1]["error"]["message"]) == (1011, True)
