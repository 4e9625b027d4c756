"""What an application asks and answers, and the bytes that come of it."""

import asyncio

import pytest

from keyhouse.server.exchange import UNREAD_BYTES_MAX, WHOLE, Message
from keyhouse.server.listening import Receive, Send
from keyhouse.server.reader import AT_HAND, FOUND
from server.given_server import GET, a_client, a_server, answer, body_of, echo

pytestmark = pytest.mark.asyncio


async def pieces(scope: Message, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for piece in (b"a", b"", b"bc"):
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body"})


async def test_an_answer_without_a_length_goes_out_in_chunks_and_the_next_request_is_served() -> None:
    async with a_server(pieces) as listening, a_client(listening) as client:
        for _ in range(2):
            status, headers, body = await client.ask(GET)
            assert (status, body, headers["transfer-encoding"]) == (200, b"abc", "chunked")
            assert headers["date"].endswith("GMT")


async def test_a_whole_answer_may_be_one_message_and_nothing_follows_it() -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        assert scope["extensions"].keys() == {AT_HAND, FOUND}
        whole = {"status": 201, "headers": [(b"content-length", b"3")], "body": b"abc"}
        await send({"type": WHOLE, **whole})
        for more in ({"type": WHOLE, **whole}, {"type": "http.response.body", "body": b"d"}):
            with pytest.raises(RuntimeError):
                await send(more)

    async with a_server(app) as listening, a_client(listening) as client:
        for _ in range(2):
            status, headers, body = await client.ask(GET)
            assert (status, body, headers["content-length"]) == (201, b"abc", "3")


async def test_to_http_1_0_it_goes_out_as_it_is_and_ends_with_the_connection() -> None:
    async with a_server(pieces) as listening, a_client(listening) as client:
        status, headers, _ = await client.ask(b"GET / HTTP/1.0\r\n\r\n")
        assert (status, headers["connection"], "transfer-encoding" in headers) == (200, "close", False)
        assert await client.rest() == b"abc"


@pytest.mark.parametrize(("method", "status"), [(b"HEAD", 200), (b"GET", 204), (b"GET", 304)])
async def test_an_answer_that_has_no_body_sends_none(method: bytes, status: int) -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b"unwanted"})

    async with a_server(app) as listening, a_client(listening) as client:
        client.writer.write(method + b" / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        assert (await client.answer(has_body=False))[0] == status
        assert await client.rest() == b""


@pytest.mark.parametrize("odd", [b"x\r\nset-cookie: a", b"x\ny", b"x\ry", b"x\0y"])
async def test_a_header_with_a_line_break_never_leaves(odd: bytes) -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        with pytest.raises(RuntimeError):
            await answer(send, b"", headers=[(b"a", odd)])

    async with a_server(app) as listening, a_client(listening) as client:
        client.writer.write(GET)
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await client.answer()


async def test_a_body_is_asked_for_only_when_it_is_read() -> None:
    async with a_server(echo) as listening, a_client(listening) as client:
        client.writer.write(b"POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\nexpect: 100-continue\r\n\r\n")
        assert (await client.answer())[0] == 100
        assert (await client.ask(b"hi"))[2] == b"POST /x hi"
    refuses = 417

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await answer(send, b"no", refuses)

    async with a_server(app) as listening, a_client(listening) as client:
        asked = b"POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\nexpect: 100-continue\r\n\r\n"
        assert (await client.ask(asked))[0] == refuses


async def test_a_body_that_nobody_reads_is_held_back_at_the_client() -> None:
    go = asyncio.Event()
    size = 40 * UNREAD_BYTES_MAX

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await go.wait()
        await answer(send, b"%d" % len(await body_of(receive)))

    async with a_server(app) as listening, a_client(listening) as client:
        client.writer.write(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n" % size + b"x" * size)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.writer.drain(), 0.5)
        go.set()
        assert (await client.answer())[2] == b"%d" % size


async def test_an_answer_that_nobody_takes_is_held_back_at_the_application() -> None:
    sent = 0

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        nonlocal sent
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(200):
            await send({"type": "http.response.body", "body": b"x" * 100_000, "more_body": True})
            sent += 1
        await send({"type": "http.response.body"})

    async with a_server(app) as listening, a_client(listening) as client:
        client.writer.write(GET)
        await asyncio.sleep(0.5)
        assert 0 < sent < 150
        assert len((await client.answer())[2]) == 20_000_000
