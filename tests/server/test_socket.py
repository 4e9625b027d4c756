"""WebSockets, with the websockets library's own client at the other end."""

import asyncio

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedError, ConnectionClosedOK, InvalidStatus
from websockets.typing import Subprotocol

from keyhouse.server.exchange import UNREAD_BYTES_MAX, Message
from keyhouse.server.listening import ASGIApp, Listening, Receive, Send
from keyhouse.server.socket import MESSAGE_BYTES_MAX
from server.given_server import Client, a_client, a_server

pytestmark = pytest.mark.asyncio

HANDSHAKE = (
    b"GET /a?b=c HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n"
)


def url(listening: Listening) -> str:
    return f"ws://127.0.0.1:{listening.port}/a?b=c"


async def open_by_hand(client: Client) -> None:
    client.writer.write(HANDSHAKE + b"sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
    assert (await client.answer(has_body=False))[0] == 101


async def parrot(scope: Message, receive: Receive, send: Send) -> None:
    """Says again what it hears, until it hears `bye`."""
    assert (scope["type"], scope["path"], scope["query_string"]) == ("websocket", "/a", b"b=c")
    assert (await receive())["type"] == "websocket.connect"
    chosen = scope["subprotocols"][0] if scope["subprotocols"] else None
    await send({"type": "websocket.accept", "subprotocol": chosen, "headers": [(b"x-a", b"b")]})
    while (message := await receive())["type"] == "websocket.receive":
        if message.get("text") == "bye":
            await send({"type": "websocket.close", "code": 4000, "reason": "as you wish"})
            return
        await send({"type": "websocket.send", "text": message.get("text"), "bytes": message.get("bytes")})


async def test_messages_go_both_ways_whole_and_it_ends_with_a_code() -> None:
    async with (
        a_server(parrot) as listening,
        connect(url(listening), subprotocols=[Subprotocol("realtime")], max_size=None) as socket,
    ):
        assert socket.subprotocol == "realtime"
        assert socket.response is not None
        assert socket.response.headers["x-a"] == "b"
        for message in ("hällo", b"\0\1", "", "x" * 3_000_000):
            await socket.send(message)
            assert await socket.recv() == message
        await socket.send(iter(("in ", "three ", "parts")))
        assert await socket.recv() == "in three parts"
        await (await socket.ping())
        await socket.send("bye")
        with pytest.raises(ConnectionClosedError) as ended:
            await socket.recv()
    assert ended.value.rcvd is not None
    assert (ended.value.rcvd.code, ended.value.rcvd.reason) == (4000, "as you wish")


async def test_the_application_hears_how_the_client_ended_it() -> None:
    heard: list[Message] = []
    over = asyncio.Event()

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        heard.append(await receive())
        with pytest.raises(ConnectionResetError):
            await send({"type": "websocket.send", "text": "too late"})
        over.set()

    async with a_server(app) as listening:
        async with connect(url(listening)) as socket:
            await socket.close(1001, "leaving")
        await asyncio.wait_for(over.wait(), 10)
        over.clear()
        async with connect(url(listening)) as socket:
            socket.transport.abort()
        await asyncio.wait_for(over.wait(), 10)
    assert [message["code"] for message in heard] == [1001, 1006]


async def test_it_can_be_refused_with_any_answer() -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await receive()
        if scope["path"] == "/a":
            await send({"type": "websocket.http.response.start", "status": 401, "headers": [(b"content-length", b"2")]})
            await send({"type": "websocket.http.response.body", "body": b"no"})
        else:
            await send({"type": "websocket.close"})

    async with a_server(app) as listening:
        with pytest.raises(InvalidStatus) as refused:
            await connect(url(listening))
        assert (refused.value.response.status_code, refused.value.response.body) == (401, b"no")
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"ws://127.0.0.1:{listening.port}/b")
        assert refused.value.response.status_code == 403


async def test_a_refused_one_ends_its_connection() -> None:
    """A proxy would hand it the next client's request, which would be read as a socket's."""

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.http.response.start", "status": 401, "headers": [(b"content-length", b"2")]})
        await send({"type": "websocket.http.response.body", "body": b"no"})

    async with a_server(app) as listening, a_client(listening) as client:
        status, headers, _ = await client.ask(HANDSHAKE + b"\r\n")
        assert (status, headers["connection"]) == (401, "close")
        assert await client.rest() == b""


async def test_a_handshake_without_its_key_is_refused() -> None:
    async with a_server(parrot) as listening, a_client(listening) as client:
        client.writer.write(HANDSHAKE + b"\r\n")
        assert (await client.answer())[0] == 400
        assert await client.rest() == b""


async def test_behind_another_request_it_is_not_opened() -> None:
    async with a_server(parrot) as listening, a_client(listening) as client:
        client.writer.write(b"POST /a HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\n\r\n" + b"x" + HANDSHAKE + b"\r\n")
        assert b"101" not in await client.rest()


@pytest.mark.parametrize("frame", [b"\x81\x81\0\0\0\0\xff", b"\xff\x80\0\0\0\0", b"\x81\x01a"])
async def test_what_is_no_frame_ends_it(frame: bytes) -> None:
    """A text that is not UTF-8, bits that mean nothing, and a frame without a mask."""
    async with a_server(parrot) as listening, a_client(listening) as client:
        await open_by_hand(client)
        client.writer.write(frame)
        assert (await client.rest())[:1] == b"\x88"


async def test_a_message_too_large_ends_it() -> None:
    async with a_server(parrot) as listening, connect(url(listening)) as socket:
        with pytest.raises((ConnectionClosedError, ConnectionClosedOK)) as ended:
            await socket.send(b"x" * (MESSAGE_BYTES_MAX + 1))
            await socket.recv()
    assert ended.value.rcvd is not None
    assert ended.value.rcvd.code == 1009


async def test_who_does_not_listen_holds_back_who_talks() -> None:
    go = asyncio.Event()

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await go.wait()
        seen = 0
        while (message := await receive())["type"] == "websocket.receive":
            seen += len(message["bytes"])
            if seen == 40 * UNREAD_BYTES_MAX:
                await send({"type": "websocket.send", "text": str(seen)})

    async def talk() -> None:
        for _ in range(40):
            await socket.send(b"x" * UNREAD_BYTES_MAX)

    async with a_server(app) as listening, connect(url(listening)) as socket:
        talking = asyncio.create_task(talk())
        await asyncio.sleep(0.5)
        assert not talking.done()
        go.set()
        assert await asyncio.wait_for(socket.recv(), 20) == str(40 * UNREAD_BYTES_MAX)


async def test_a_silent_client_is_asked_and_one_that_is_gone_cut_off() -> None:
    async with a_server(parrot) as listening, connect(url(listening)) as socket:
        (connection,) = listening.connections
        for _ in range(2):
            connection.until = 0.0
            await asyncio.sleep(1.2)
        await socket.send("still here")
        assert await socket.recv() == "still here"
        socket.transport.pause_reading()
        async with asyncio.timeout(10):
            while listening.connections:
                connection.until = 0.0
                await asyncio.sleep(0.1)
        socket.transport.abort()


@pytest.mark.parametrize("frame", [b"\x81\x80\0\0\0\0", b"\x81\x81\0\0\0\0x"])
async def test_messages_without_weight_are_held_back_too(frame: bytes) -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await asyncio.sleep(60)

    await _is_held_back(app, frame * 100_000)


async def test_empty_parts_of_a_message_take_no_room() -> None:
    async with a_server(parrot) as listening, a_client(listening) as client:
        await open_by_hand(client)
        client.writer.write(b"\x01\x81\0\0\0\0a" + b"\x00\x80\0\0\0\0" * 100_000 + b"\x80\x81\0\0\0\0b")
        assert await client.reader.readexactly(4) == b"\x81\x02ab"


async def test_who_takes_no_pongs_is_not_listened_to_when_its_messages_are_taken() -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        while (await receive())["type"] == "websocket.receive":
            pass

    await _is_held_back(app, ((b"\x89\xfd\0\0\0\0" + b"x" * 125) * 50 + b"\x81\x81\0\0\0\0x") * 200)


async def _is_held_back(app: ASGIApp, data: bytes) -> None:
    """Whether a client that takes nothing cannot send this again and again."""
    async with a_server(app) as listening, a_client(listening) as client:
        await open_by_hand(client)
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        for _ in range(40):
            client.writer.write(data)
            try:
                await asyncio.wait_for(client.writer.drain(), 2)
            except TimeoutError:
                return
        raise AssertionError("it takes in whatever comes")


async def test_who_asks_for_pongs_without_taking_them_is_not_listened_to() -> None:
    await _is_held_back(parrot, (b"\x89\xfd\0\0\0\0" + b"x" * 125) * 10_000)
