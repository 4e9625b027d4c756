"""WebSockets end to end: OpenAI's SDK, the real command behind both servers, kill -9, and a polite stop."""

import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from openai import AsyncOpenAI
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from e2e.admin import Admin
from e2e.by_nginx import nginx
from e2e.configuration import UPSTREAM_KEY
from e2e.processes import KEYHOUSE, House, eventually
from e2e.wire import chat, post
from gateway.given_sockets import Line, closed, hear, speaks_realtime
from gateway.test_responses_socket import speaks_responses

BY_UVICORN: Final = (sys.executable, str(Path(__file__).with_name("by_uvicorn.py")))
CONFIGURATION: Final = """
[[upstreams]]
name = "local"
base_url = "{url}/v1"
api_key_file = "{key_file}"
allow_private = true

[[models]]
name = "voice-1"
upstreams = ["local"]
input_usd_per_million = "1.00"
output_usd_per_million = "2.00"
audio_input_usd_per_million = "10.00"
audio_output_usd_per_million = "20.00"
max_output_tokens = 100
max_input_tokens = 4096
"""


async def speaks(line: Line) -> None:
    """Both APIs, by the path that was asked for."""
    if line.path.startswith("/v1/realtime"):
        await speaks_realtime(line)
    else:
        await speaks_responses(line)


async def never_ends(line: Line) -> None:
    """A session whose responses begin and do not end."""
    await line.say("session.created", session={"audio": {"input": {"turn_detection": None}}})
    while True:
        await line.hear()
        await line.say("response.created", response={"id": f"resp_{len(line.got)}"})


@asynccontextmanager
async def an_upstream(play: Any) -> AsyncIterator[str]:
    """The address of an upstream that plays this on each socket."""

    async def handle(socket: ServerConnection) -> None:
        assert socket.request is not None
        assert socket.request.headers["authorization"] == f"Bearer {UPSTREAM_KEY}"
        with contextlib.suppress(ConnectionClosed):
            await play(Line(socket))

    async with serve(handle, "127.0.0.1", 0, max_size=None, compression=None) as server:
        yield f"http://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"


@asynccontextmanager
async def a_house(folder: Path, play: Any, command: Sequence[str] = KEYHOUSE) -> AsyncIterator[tuple[House, Any]]:
    """A Keyhouse before such an upstream, and a key with a budget."""
    async with an_upstream(play) as url:
        key_file = folder / "upstream.key"
        key_file.write_text(UPSTREAM_KEY, encoding="utf-8")
        house = House(folder, CONFIGURATION.format(url=url, key_file=key_file), serve=command)
        await asyncio.to_thread(house.init)
        await asyncio.to_thread(house.start)
        try:
            with Admin(house) as admin:
                key = admin.create_key()
                yield house, key
        finally:
            house.kill()


def opened(url: str, key: Any, path: str = "/v1/realtime?model=voice-1") -> connect:
    headers = {"authorization": f"Bearer {key['value']}"}
    return connect(url.replace("http", "ws") + path, additional_headers=headers, proxy=None, compression=None)


@pytest.mark.asyncio
@pytest.mark.parametrize("command", [KEYHOUSE, BY_UVICORN], ids=["own", "uvicorn"])
async def test_openais_sdk_speaks_realtime_and_responses_through_either_server(
    tmp_path: Path, command: Sequence[str]
) -> None:
    async with a_house(tmp_path, speaks, command) as (house, key):
        async with AsyncOpenAI(base_url=f"{house.url}/v1", api_key=key["value"], max_retries=0) as client:
            async with client.realtime.connect(model="voice-1") as session:
                assert (await session.recv()).type == "session.created"
                await session.input_audio_buffer.append(audio="ENDOFTURN")
                await session.response.create(response={"output_modalities": ["text"]})
                ended = 0
                while ended < 2:
                    ended += (await session.recv()).type == "response.done"
            async with client.responses.connect() as connection:
                await connection.response.create(model="voice-1", input="hello")
                while (await connection.recv()).type != "response.completed":
                    pass
        async with opened(house.url, key, "/v1/responses") as client:
            await client.send(json.dumps({"type": "response.create", "model": "nope"}))
            assert (await hear(client, "error"))["status"] == 404
        await asyncio.to_thread(eventually, lambda: not house.rows("SELECT id FROM calls WHERE state = 'held'"), "held")
        rows = house.rows("SELECT endpoint, state, basis, charged_nano_usd FROM calls ORDER BY id")
        assert [tuple(row.values()) for row in rows] == [
            ("/v1/realtime", "settled", "upstream", 17_000),
            ("/v1/realtime", "settled", "upstream", 17_000),
            ("/v1/responses", "settled", "upstream", 17_000),
        ]
        house.verify()


@pytest.mark.asyncio
async def test_behind_nginx_as_the_documentation_has_it_a_socket_is_a_socket(tmp_path: Path) -> None:
    async with a_house(tmp_path, speaks) as (house, key):
        proxy, url = await asyncio.to_thread(nginx, tmp_path, house.port)
        try:
            async with opened(url, key) as client:
                await client.send(json.dumps({"type": "response.create"}))
                await hear(client, "response.done")
            assert (await post(url, chat(model="nope"), key["value"])).status == 404
        finally:
            proxy.stop()


@pytest.mark.asyncio
async def test_after_a_kill_the_calls_of_open_sockets_are_charged_what_they_reserved(tmp_path: Path) -> None:
    async with a_house(tmp_path, never_ends) as (house, key):
        async with opened(house.url, key) as client:
            for _ in range(3):
                await client.send(json.dumps({"type": "response.create"}))
                await hear(client, "response.created")
            house.kill()
            code, _ = await closed(client)
            assert code == 1006
        await asyncio.to_thread(house.start)
        rows = house.rows("SELECT state, basis, charged_nano_usd, reserved_nano_usd FROM calls")
        assert [(row["state"], row["basis"]) for row in rows] == [("orphaned", "reserved")] * 3
        assert all(row["charged_nano_usd"] == row["reserved_nano_usd"] > 0 for row in rows)
        house.verify()


@pytest.mark.asyncio
async def test_a_keyhouse_that_stops_says_so_on_its_sockets_and_settles_what_runs(tmp_path: Path) -> None:
    impatient = (sys.executable, str(Path(__file__).with_name("impatient.py")))
    async with a_house(tmp_path, never_ends, impatient) as (house, key):
        async with opened(house.url, key) as busy, opened(house.url, key) as idle:
            await hear(idle, "session.created")
            await busy.send(json.dumps({"type": "response.create"}))
            await hear(busy, "response.created")
            assert house.child is not None
            house.child.process.send_signal(signal.SIGTERM)
            ends = [await closed(idle), await closed(busy)]
        assert await asyncio.to_thread(house.child.process.wait, 20) == 0
        for code, events in ends:
            assert (code, events[-1]["error"]["reason"]) == (1012, "stopping")
        (row,) = house.rows("SELECT state, basis FROM calls")
        assert (row["state"], row["basis"]) == ("settled", "counted")
        house.child = None
        house.verify()
