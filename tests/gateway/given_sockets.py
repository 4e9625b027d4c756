"""An upstream that plays on its WebSockets what a test says, and the real gateway and ledger before it."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from openai import AsyncOpenAI
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from gateway.scripted import SECRET, Seed, Street, Wire, a_street
from keyhouse.wire.realtime_meter import TRANSCRIPT

USAGE: Final[dict[str, Any]] = {
    "total_tokens": 12,
    "input_tokens": 7,
    "output_tokens": 5,
    "input_token_details": {"text_tokens": 7, "audio_tokens": 0, "cached_tokens": 0},
    "output_token_details": {"text_tokens": 5, "audio_tokens": 0},
}
LASTING: Final[dict[str, Any]] = {"type": "duration", "seconds": 7.2}
LISTENING: Final = {"type": "server_vad", "threshold": 0.5, "idle_timeout_ms": None, "create_response": True}


@dataclass
class Line:
    """One socket as the upstream has it: what it was asked for, and what came."""

    socket: ServerConnection
    got: list[dict[str, Any]] = field(default_factory=list)
    close_code: int | None = None
    is_closed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def path(self) -> str:
        assert self.socket.request is not None
        return self.socket.request.path

    @property
    def headers(self) -> dict[str, str]:
        assert self.socket.request is not None
        return {name.lower(): value for name, value in self.socket.request.headers.raw_items()}

    async def say(self, kind: str, **fields: Any) -> None:
        await self.socket.send(json.dumps({"type": kind, **fields}, separators=(",", ":")))

    async def hear(self) -> dict[str, Any]:
        event: dict[str, Any] = json.loads(await self.socket.recv())
        self.got.append(event)
        return event

    def kinds(self) -> list[str]:
        return [event["type"] for event in self.got]


Play = Callable[[Line], Awaitable[None]]


@dataclass
class SocketStreet:
    """A street whose upstream takes WebSockets, too."""

    street: Street
    lines: list[Line]

    @property
    def client(self) -> AsyncOpenAI:
        return AsyncOpenAI(base_url=f"{self.street.url}/v1", api_key=SECRET, max_retries=0)

    def connect(self, path: str = "/v1/realtime?model=voice-1", secret: str = SECRET, **more: Any) -> connect:
        """A raw socket of a client."""
        headers = {"authorization": f"Bearer {secret}"} | more.pop("headers", {})
        return connect(
            self.street.url.replace("http", "ws") + path,
            additional_headers=headers,
            proxy=None,
            compression=None,
            **more,
        )

    async def settled(self, count: int) -> list[Any]:
        """The rows of so many calls, once all of them are closed."""
        async with asyncio.timeout(20):
            while True:
                rows = [row for row in await self.street.calls() if row.state != "held"]
                if len(rows) >= count:
                    return rows
                await asyncio.sleep(0.01)


async def hear(client: ClientConnection, kind: str) -> dict[str, Any]:
    """The client's next event of this type; what comes before it is left out."""
    async with asyncio.timeout(20):
        while True:
            event: dict[str, Any] = json.loads(await client.recv())
            if event["type"] == kind:
                return event


async def closed(client: ClientConnection) -> tuple[int, list[dict[str, Any]]]:
    """With which code the socket ends, and what comes before."""
    events = []
    async with asyncio.timeout(20):
        try:
            while True:
                events.append(json.loads(await client.recv()))
        except ConnectionClosed as error:
            return 1006 if error.rcvd is None else error.rcvd.code, events


async def _refuse(wire: Wire) -> None:
    await wire.answer({"error": {"message": "sockets only"}}, 404)


@asynccontextmanager
async def a_socket_street(folder: Path, play: Play, *seeds: Seed, **more: Any) -> AsyncIterator[SocketStreet]:
    """Everything up, with an upstream that plays this on each of its sockets."""
    lines: list[Line] = []

    async def handle(socket: ServerConnection) -> None:
        line = Line(socket)
        lines.append(line)
        with contextlib.suppress(ConnectionClosed):
            await play(line)
        await socket.wait_closed()
        line.close_code = socket.close_code
        line.is_closed.set()

    async with serve(handle, "127.0.0.1", 0, max_size=None, compression=None) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        async with a_street(folder, _refuse, *seeds, base_url=f"http://127.0.0.1:{port}/v1", **more) as street:
            yield SocketStreet(street, lines)


async def speaks_realtime(line: Line) -> None:
    """As much of OpenAI's Realtime as is asked for here."""
    session: dict[str, Any] = {"type": "realtime", "audio": {"input": {"turn_detection": dict(LISTENING)}}}
    await line.say("session.created", event_id="e0", session=session)
    count = 0
    while True:
        event = await line.hear()
        match event["type"]:
            case "session.update":
                given = event["session"].get("audio", {}).get("input", {})
                session["audio"]["input"].update(given)
                await line.say("session.updated", event_id="e1", session=session)
            case "input_audio_buffer.append" if event["audio"] == "ENDOFTURN":
                await line.say("input_audio_buffer.speech_stopped", event_id="e2", item_id="item_1")
                await line.say("input_audio_buffer.committed", event_id="e3", item_id="item_1")
                await transcribe(line, session, "item_1")
            case "input_audio_buffer.commit":
                await line.say("input_audio_buffer.committed", event_id="e3", item_id="item_2")
                await transcribe(line, session, "item_2")
            case "input_audio_buffer.clear":
                await line.say("input_audio_buffer.cleared", event_id="e5")
            case "response.create":
                count += 1
                await respond(line, f"resp_{count}")
            case _:
                await line.say("conversation.item.added", event_id="e4", item=event.get("item"))


async def transcribe(line: Line, session: dict[str, Any], item_id: str, usage: Any = LASTING) -> None:
    """A whole transcript, if the session wants any."""
    if session["audio"]["input"].get("transcription"):
        about: dict[str, Any] = {"item_id": item_id, "content_index": 0}
        await line.say(f"{TRANSCRIPT}delta", event_id="t0", delta="hello", **about)
        await line.say(f"{TRANSCRIPT}completed", event_id="t1", transcript="hello", usage=usage, **about)


async def respond(line: Line, response_id: str, usage: Any = USAGE, text: str = "hello") -> None:
    """A whole response."""
    await line.say("response.created", event_id="r0", response={"id": response_id, "object": "realtime.response"})
    await line.say("response.output_text.delta", event_id="r1", response_id=response_id, delta=text)
    done = {"id": response_id, "object": "realtime.response", "status": "completed", "output": [], "usage": usage}
    await line.say("response.done", event_id="r2", response=done)
