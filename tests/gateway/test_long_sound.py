"""Sound that is longer than what transcribes takes at once: none of it goes up beyond what is reserved for."""

from pathlib import Path
from typing import Any

import pytest

from gateway.given_hearing import COMMIT, SOUND, event, turned_on
from gateway.given_sockets import Line, a_socket_street, hear


async def hears_much(line: Line, detection: Any) -> None:
    heard: dict[str, Any] = {"turn_detection": detection}
    await line.say("session.created", session={"audio": {"input": heard}})
    while True:
        match (await line.hear())["type"]:
            case "session.update":
                heard["transcription"] = {"model": "x"}
                await line.say("session.updated", session={"audio": {"input": heard}})
            case "input_audio_buffer.commit":
                await line.say("input_audio_buffer.committed", item_id="item_1")
            case "input_audio_buffer.clear":
                await line.say("input_audio_buffer.cleared")
            case "conversation.item.delete":
                await line.say("input_audio_buffer.speech_started", item_id="item_1")
            case _:
                pass


@pytest.mark.asyncio
@pytest.mark.parametrize("is_speaking", [False, True])
async def test_no_more_sound_waits_than_is_reserved_for(tmp_path: Path, is_speaking: bool) -> None:
    """The model takes 600 seconds, and each piece here is six."""
    detection = {"type": "server_vad", "create_response": False} if is_speaking else None
    async with a_socket_street(tmp_path, lambda line: hears_much(line, detection)) as there, there.connect() as client:
        await turned_on(client)
        if is_speaking:
            await client.send(event("conversation.item.delete", item_id="x"))
            await hear(client, "input_audio_buffer.speech_started")
        for _ in range(101):
            await client.send(SOUND)
        assert (await hear(client, "error"))["error"]["param"] == "audio"
        assert there.lines[0].kinds().count("input_audio_buffer.append") == 100
        await client.send(COMMIT)
        await hear(client, "input_audio_buffer.committed")
        await client.send(SOUND)
        await client.send(COMMIT)
        await hear(client, "input_audio_buffer.committed")
        assert there.lines[0].kinds().count("input_audio_buffer.append") == 101


@pytest.mark.asyncio
async def test_silence_that_has_grown_too_long_is_thrown_away(tmp_path: Path) -> None:
    detection = {"type": "server_vad", "create_response": False}
    async with a_socket_street(tmp_path, lambda line: hears_much(line, detection)) as there, there.connect() as client:
        await turned_on(client)
        for _ in range(101):
            await client.send(SOUND)
        await hear(client, "input_audio_buffer.cleared")
        await client.send(COMMIT)
        await hear(client, "input_audio_buffer.committed")
        kinds = there.lines[0].kinds()
    assert (kinds.count("input_audio_buffer.append"), kinds.index("input_audio_buffer.clear")) == (101, 101)
