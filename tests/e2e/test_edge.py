"""The edge of the real command: clients that are slow on purpose, floods of bad credentials, and who is served then."""

import asyncio
import contextlib
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import pytest

from e2e.admin import Admin
from e2e.configuration import a_house
from e2e.hurried import ASKED
from e2e.processes import House, fake_upstream
from e2e.wire import chat, post
from keyhouse.admin.policy import POLICY

HURRIED: Final = (sys.executable, str(Path(__file__).with_name("hurried.py")))
SLOW: Final = 40
"""How many slow clients there are at once."""


@pytest.fixture(scope="module")
def hurried(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[House, str]]:
    """A Keyhouse whose deadlines are two seconds, and a key."""
    folder = tmp_path_factory.mktemp("hurried")
    upstream, url = fake_upstream(folder / "record.txt")
    house = a_house(folder, url, serve=HURRIED)
    try:
        with Admin(house) as admin:
            key = admin.create_key()["value"]
        yield house, key
        house.stop()
        house.verify()
    finally:
        house.kill()
        upstream.stop()


async def serve_others(house: House, key: str, is_over: Callable[[], bool]) -> int:
    """Ask well until it is over: every time there is an answer, and a row in the books. How many times."""
    before, served = len(house.rows("SELECT id FROM calls")), 0
    while not is_over():
        assert (await post(house.url, chat(max_tokens=5), key)).status == 200
        served += 1
    assert len(house.rows("SELECT id FROM calls")) == before + served
    return served


async def drip(house: House, begin: bytes, drop: bytes) -> bytes:
    """Send a beginning, and then this again and again, until the server has enough; what it says.

    A drop that meets a closed connection ends it with an error. What was said before is kept, piece by piece.
    """
    place = urlsplit(house.url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    said = bytearray()

    async def listen() -> None:
        with contextlib.suppress(ConnectionError):
            while piece := await reader.read(65_536):
                said.extend(piece)

    writer.write(begin)
    listening = asyncio.create_task(listen())
    try:
        async with asyncio.timeout(20):
            while not listening.done():
                writer.write(drop)
                await asyncio.wait({listening}, timeout=0.1)
        return bytes(said)
    finally:
        listening.cancel()
        writer.transport.abort()


@pytest.mark.asyncio
async def test_clients_that_send_drop_by_drop_are_let_go_and_others_are_served_meanwhile(
    hurried: tuple[House, str],
) -> None:
    house, key = hurried
    begun = f"POST /v1/chat/completions HTTP/1.1\r\nhost: {urlsplit(house.url).netloc}\r\n"
    with_key = f"{begun}authorization: Bearer {key}\r\ncontent-length: 100000\r\n\r\n"
    behind = f"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n{begun}"
    kinds = ((begun, b"x-a: b\r\n"), (behind, b"x-a: b\r\n"), ("", b""))  # a head, one behind another, and silence
    heads = [asyncio.create_task(drip(house, begin.encode(), drop)) for begin, drop in kinds * (SLOW // 3)]
    bodies = [asyncio.create_task(drip(house, with_key.encode(), b"x")) for _ in range(SLOW)]
    served = await serve_others(house, key, lambda: all(one.done() for one in (*heads, *bodies)))
    said = [await one for one in heads]
    assert [one.count(b"HTTP/1.1 200") for one in said] == [0, 1, 0] * (SLOW // 3)
    told = {(await one)[:12] for one in bodies}
    assert b"HTTP/1.1 408" in told
    assert told <= {b"HTTP/1.1 408", b""}
    assert served > 3


@pytest.mark.asyncio
async def test_a_flood_of_bad_credentials_keeps_nobody_else_from_being_served(hurried: tuple[House, str]) -> None:
    house, key = hurried
    place = urlsplit(house.url)
    begun = f"POST /v1/chat/completions HTTP/1.1\r\nhost: {place.netloc}\r\n"
    bad = f"{begun}authorization: Bearer {key[:-3]}xxx\r\ncontent-length: 2\r\n\r\n{{}}".encode()

    is_enough = asyncio.Event()

    async def flood() -> tuple[int, int]:
        """How many were sent, and how many refused."""
        reader, writer = await asyncio.open_connection(place.hostname, place.port)
        sent = refused = 0
        while not is_enough.is_set():
            writer.write(bad * 50)
            sent += 50
            for _ in range(50):
                head = await reader.readuntil(b"\r\n\r\n")
                refused += head.startswith(b"HTTP/1.1 401")
                length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
                await reader.readexactly(int(length.split(b":")[1]))
        writer.close()
        return sent, refused

    floods = [asyncio.create_task(flood()) for _ in range(4)]
    assert house.child is not None
    asked_before = house.child.said.count(ASKED)
    calls = iter(range(10))
    served = await serve_others(house, key, lambda: next(calls, None) is None)
    is_enough.set()
    for sent, refused in [await one for one in floods]:
        assert sent == refused > 0
    assert served >= 10
    assert house.child.said.count(ASKED) - asked_before < 10, "only the good key is looked up, once in ten seconds"


@pytest.mark.asyncio
async def test_no_route_of_the_admin_api_is_moved_by_a_body_that_is_deep_or_large(hurried: tuple[House, str]) -> None:
    house, _ = hurried
    bombs = (b"[" * 50_000 + b"]" * 50_000, b'{"name":' + b'{"a":' * 20_000 + b"1" + b"}" * 20_000 + b"}")
    statuses = {}
    for method, path in POLICY:
        if method == "POST":
            for bomb in bombs:
                reply = await post(house.url, bomb, house.established["admin_key"], path=re.sub(r"\{.*?\}", "x", path))
                statuses[path, bomb[:1]] = reply.status
    assert len(statuses) > 80
    assert {key: status for key, status in statuses.items() if status >= 500 or status < 400} == {}
