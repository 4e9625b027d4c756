"""A socket is opened at the first upstream that opens one: nothing was asked for by then."""

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect

from gateway.given_sockets import hear
from gateway.scripted import SECRET, Wire, a_street

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
CREATED = json.dumps({"type": "session.created", "session": {"audio": {}}}).encode()


async def busy(wire: Wire) -> None:
    await wire.answer({"error": {"message": "later"}}, 503)


async def says_no(wire: Wire) -> None:
    await wire.answer({"error": {"message": "not here"}}, 404)


async def opens(wire: Wire) -> None:
    """A session, in the fewest bytes of RFC 6455."""
    key = next(line[18:].strip() for line in wire.head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key:"))
    accepted = base64.b64encode(hashlib.sha1(key + _GUID).digest()).decode()  # noqa: S324  it is the protocol's
    head = "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n"
    await wire.say(f"{head}sec-websocket-accept: {accepted}\r\n\r\n")
    await wire.say(bytes([0x81, len(CREATED)]) + CREATED)
    await wire.until_left()


@pytest.mark.asyncio
@pytest.mark.parametrize("first", [{"base_url": "http://127.0.0.1:1/v1"}, {}], ids=["unreachable", "busy"])
async def test_the_next_upstream_opens_the_socket_where_the_first_does_not(
    tmp_path: Path, first: dict[str, Any]
) -> None:
    async with a_street(tmp_path, busy, beside=[opens], **first) as street:
        async with connect(
            f"{street.url.replace('http', 'ws')}/v1/realtime?model=tiny-1",
            additional_headers={"authorization": f"Bearer {SECRET}"},
            proxy=None,
        ) as client:
            await hear(client, "session.created")
        (wire,) = street.seen_beside[0]
    assert wire.head.startswith(b"GET /v1/realtime?model=tiny-2-upstream HTTP/1.1\r\n")


@pytest.mark.asyncio
async def test_a_plain_no_is_the_answer_and_no_other_upstream_is_asked(tmp_path: Path) -> None:
    async with a_street(tmp_path, says_no, beside=[opens]) as street:
        headers = {"authorization": f"Bearer {SECRET}", "connection": "upgrade", "upgrade": "websocket"}
        headers |= {"sec-websocket-version": "13", "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA=="}
        answer = await street.http.get("/v1/realtime?model=tiny-1", headers=headers)
        assert street.seen_beside == [[]]
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "upstream_error")
    assert "404" in answer.json()["error"]["message"]
