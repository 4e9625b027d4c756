"""What a client says to have what it says written down, and what the books then hold."""

import asyncio
import json
from typing import Any, Final

from websockets.asyncio.client import ClientConnection

from gateway.given_sockets import Line, SocketStreet, hear
from keyhouse.wire.realtime_meter import TRANSCRIPT

WRITTEN: Final = f"{TRANSCRIPT}completed"
SECOND: Final = "A" * 64_000
"""A second of PCM in base64."""


def event(kind: str, **fields: Any) -> str:
    return json.dumps({"type": kind, **fields})


def wanting(transcription: Any, **fields: Any) -> str:
    return event("session.update", session={"audio": {"input": {"transcription": transcription}}}, **fields)


ON: Final = wanting({"model": "by-piece"})
OFF: Final = wanting(None)
SOUND: Final = event("input_audio_buffer.append", audio=SECOND)
TURN: Final = event("input_audio_buffer.append", audio="ENDOFTURN")
COMMIT: Final = event("input_audio_buffer.commit")


async def rows_of(there: SocketStreet, count: int, model: str = "by-piece") -> list[tuple[Any, ...]]:
    """State, basis, seconds, charge and flags of what was transcribed, once so many are closed."""
    async with asyncio.timeout(20):
        while True:
            rows = [row for row in await there.street.calls() if row.model == model]
            if len(rows) == count and all(row.state != "held" for row in rows):
                assert {row.endpoint for row in rows} == {"/v1/audio/transcriptions"}
                found = [(row.state, row.basis, row.audio_seconds, row.charged_nano_usd, row.flags) for row in rows]
                return sorted(found, key=repr)
            await asyncio.sleep(0.01)


READ = ("settled", "upstream", 8, 8, "")
UNUSED = ("released", None, 0, 0, "unused")


async def commits(line: Line, model: str = "tiny-1-upstream") -> None:
    """A session that is told to transcribe, and commits the first sound that comes."""
    await line.say("session.created", session={"audio": {"input": {}}})
    await line.hear()
    await line.say("session.updated", session={"audio": {"input": {"transcription": {"model": model}}}})
    await line.hear()
    await line.say("input_audio_buffer.committed", item_id="item_1")


async def turned_on(client: ClientConnection) -> None:
    """Have the session transcribe."""
    await hear(client, "session.created")
    await client.send(ON)
    await hear(client, "session.updated")
