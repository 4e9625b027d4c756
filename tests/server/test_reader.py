"""What is read as a request, and what is not. The corpus of doubtful ones is in tests/e2e/test_smuggling.py."""

import pytest

from keyhouse.gateway import request
from keyhouse.server.exchange import WHOLE, Message
from keyhouse.server.listening import Receive, Send
from keyhouse.server.reader import AT_HAND, FOUND, HEAD_BYTES_MAX
from server.given_server import Client, a_client, a_server, answer, echo

pytestmark = pytest.mark.asyncio


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"rubbish\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\n\r\n", 400),
        (b"GET nowhere HTTP/1.1\r\nhost: a\r\n\r\n", 400),
        (b"CONNECT a:1 HTTP/1.1\r\nhost: a\r\n\r\n", 400),
        (b"POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost: a\r\n" + b"a: b\r\n" * 100 + b"\r\n", 431),
    ],
)
async def test_what_is_no_plain_request_is_refused_and_the_connection_closed(data: bytes, status: int) -> None:
    async with a_server(echo) as listening, a_client(listening) as client:
        assert (await client.ask(data + b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"))[0] == status
        assert await client.rest() == b""


async def test_the_application_calls_what_asgi_has_not_by_the_same_names() -> None:
    """Neither knows the other; under another name the quick ways would be left without a word."""
    assert (AT_HAND, FOUND, WHOLE) == (request.AT_HAND, request.FOUND, request.WHOLE)


@pytest.mark.parametrize("begin", [b"GET /", b"GET / HTTP/1.1\r\na: ", b"POST / HTTP/1.1\r\n"])
async def test_a_head_without_an_end_is_not_collected(begin: bytes) -> None:
    async with a_server(echo) as listening, a_client(listening) as client:
        client.writer.write(begin)
        for _ in range(40):
            client.writer.write(b"x" * (HEAD_BYTES_MAX // 4))
            try:
                await client.writer.drain()
            except ConnectionError:
                return
        assert (await client.answer())[0] in (400, 431)


async def test_neither_is_a_trailer_or_what_stands_beside_the_size_of_a_chunk() -> None:
    head = b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n"
    for more in (b"0\r\na: ", b"1;"):
        async with a_server(echo) as listening, a_client(listening) as client:
            client.writer.write(head + more)
            with pytest.raises((ConnectionError, EOFError)):
                await _endless(client)


async def _endless(client: Client) -> None:
    for _ in range(200):
        client.writer.write(b"x" * HEAD_BYTES_MAX)
        await client.writer.drain()
    await client.answer()
    raise AssertionError


@pytest.mark.parametrize(
    ("line", "path", "raw", "query"),
    [
        (b"/a%20b/%E2%82%AC?x=1?y", "/a b/€", b"/a%20b/%E2%82%AC", b"x=1?y"),
        (b"http://elsewhere/a?b", "/a", b"/a", b"b"),
        (b"http://elsewhere", "/", b"/", b""),
        (b"/a?", "/a", b"/a", b""),
    ],
)
async def test_the_target_is_told_as_asgi_has_it(line: bytes, path: str, raw: bytes, query: bytes) -> None:
    scopes: list[Message] = []

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        scopes.append(scope)
        await answer(send, b"")

    async with a_server(app) as listening, a_client(listening) as client:
        assert (await client.ask(b"GET " + line + b" HTTP/1.1\r\nHOST: a\r\nX-Y: Z\r\n\r\n"))[0] == 200
    (scope,) = scopes
    assert (scope["path"], scope["raw_path"], scope["query_string"]) == (path, raw, query)
    assert scope["headers"] == ((b"host", b"a"), (b"x-y", b"Z"))
    assert scope["client"][0] == "127.0.0.1"


async def test_a_request_cut_at_any_byte_is_the_same_request() -> None:
    whole = b"POST /a?b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    async with a_server(echo) as listening, a_client(listening) as client:
        for place in range(1, len(whole)):
            client.writer.write(whole[:place])
            await client.writer.drain()
            assert (await client.ask(whole[place:]))[2] == b"POST /a abcde"
