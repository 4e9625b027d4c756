"""The memory that bodies fill together has an end, and comes back."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from gateway.scripted import SECRET, USAGE, Wire, a_street
from keyhouse.gateway.body_room import BODIES_BYTES_MAX, BodyRoom
from keyhouse.gateway.request import UPLOAD_BYTES_MAX


@pytest.mark.asyncio
async def test_bodies_that_fill_the_room_for_all_of_them_are_refused_until_others_are_done(tmp_path: Path) -> None:
    """One that waits holds its room and no more, and all of it is given back, whatever became of it."""

    async def fine(wire: Wire) -> None:
        await wire.answer({"id": "chatcmpl-1", "choices": [{"message": {"content": "hi"}}], "usage": USAGE})

    async def parts(length: int, goes_on: asyncio.Event) -> AsyncIterator[bytes]:
        yield b'{"model":"tiny-1","max_tokens":1,"messages":[{"role":"user","content":"' + b"a" * length
        await goes_on.wait()
        yield b'"}]}'

    room = BodyRoom(60_000)
    async with a_street(tmp_path, fine, bodies=room) as street:

        async def post(length: int, goes_on: asyncio.Event) -> httpx.Response:
            headers = {"authorization": f"Bearer {SECRET}"}
            return await street.http.post("/v1/chat/completions", content=parts(length, goes_on), headers=headers)

        at_once, later = asyncio.Event(), asyncio.Event()
        at_once.set()
        first = asyncio.create_task(post(40_000, later))
        await asyncio.sleep(0.1)
        second = await post(30_000, at_once)
        later.set()
        assert (await first).status_code == 200
        third = await post(30_000, at_once)
    assert (second.status_code, second.json()["error"]["code"]) == (503, "bodies_full")
    assert second.headers["retry-after-ms"] == "1000"
    assert third.status_code == 200
    room.take(60_000)


def test_the_room_holds_some_of_the_largest_bodies() -> None:
    assert BODIES_BYTES_MAX >= 4 * UPLOAD_BYTES_MAX
