"""The connection to an upstream, on both event loops: what it makes of what the other side does."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Any

import pytest
import uvloop

from keyhouse.gateway.http1 import HEAD_BYTES_MAX, UNREAD_BYTES_MAX, Broken, Connection, Silent

HEAD = b"POST / HTTP/1.1\r\nhost: u\r\ncontent-length: 2\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"

Scenario = Callable[[Connection], Awaitable[None]]
Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture(params=[asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def play(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Runs a scenario on a connection whose other side plays a script."""

    async def both(script: Script, scenario: Scenario, patience: float) -> None:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await script(reader, writer)
            except ConnectionError:
                return
            finally:
                writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        loop = asyncio.get_running_loop()
        make = partial(Connection, loop, "127.0.0.1", patience)
        _, connection = await loop.create_connection(make, "127.0.0.1", server.sockets[0].getsockname()[1])
        try:
            await asyncio.wait_for(scenario(connection), 20)
        finally:
            connection.abort()
            server.close()

    def run(script: Script, scenario: Scenario, patience: float = 20.0) -> None:
        request.param(both(script, scenario, patience))

    return run


def says(*pieces: bytes, stays: bool = False) -> Script:
    """A script that hears one request, says these pieces, and closes the connection unless it `stays`."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"{}")
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        if stays:
            await reader.read()

    return script


async def until(happened: Callable[[], bool]) -> None:
    while not happened():  # noqa: ASYNC110  a connection tells its caller nothing that it is not asked
        await asyncio.sleep(0.001)


async def whole(connection: Connection) -> bytes:
    body = bytearray()
    while (chunk := await connection.chunk()) is not None:
        body += chunk
    return bytes(body)


@pytest.mark.parametrize(
    "answer",
    [
        OK,
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\no\r\n1;x=y\r\nk\r\n0\r\ntrailer: 1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nok",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + OK,
    ],
    ids=["length", "chunked", "until the end", "announced"],
)
def test_an_answer_is_the_same_however_it_is_framed_and_cut(play: Callable[..., None], answer: bytes) -> None:
    async def scenario(connection: Connection) -> None:
        await connection.ask(HEAD, [b"{}"])
        assert connection.status == 200
        assert b"link" not in connection.headers
        assert await whole(connection) == b"ok"

    play(says(answer), scenario)
    play(says(*(bytes([byte]) for byte in answer)), scenario)


def test_a_connection_serves_one_request_after_the_other(play: Callable[..., None]) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for body in (b"{}", b"x" * 300_000):
            await reader.readuntil(b"\r\n\r\n")
            assert await reader.readexactly(len(body)) == body
            writer.write(OK)
        await reader.read()

    async def scenario(connection: Connection) -> None:
        for body in (b"{}", b"x" * 300_000):
            await connection.ask(HEAD, [body])
            assert await whole(connection) == b"ok"
            assert connection.is_reusable
            connection.rest()
            assert connection.is_quiet

    play(script, scenario)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nokxx",
    ],
)
def test_what_came_before_a_cut_is_given_and_then_the_cut_is_told(play: Callable[..., None], answer: bytes) -> None:
    async def scenario(connection: Connection) -> None:
        await connection.ask(HEAD, [b"{}"])
        assert await connection.chunk() == b"ok"
        with pytest.raises(Broken):
            await connection.chunk()
        assert not connection.is_reusable

    play(says(answer), scenario)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-x\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * 2 * HEAD_BYTES_MAX,
        b"HTTP/1.1 102 Processing\r\n\r\n" * HEAD_BYTES_MAX,
    ],
    ids=["nothing", "ssh", "upgrade", "two framings", "two lengths", "endless header", "announced without end"],
)
def test_what_is_no_answer_is_told_as_broken(play: Callable[..., None], answer: bytes) -> None:
    async def scenario(connection: Connection) -> None:
        with pytest.raises(Broken):
            await connection.ask(HEAD, [b"{}"])
        assert not connection.is_open

    play(says(answer), scenario)


def test_trailers_without_end_are_told_as_broken(play: Callable[..., None]) -> None:
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n"

    async def scenario(connection: Connection) -> None:
        await connection.ask(HEAD, [b"{}"])
        with pytest.raises(Broken):
            await whole(connection)

    play(says(head, b"x: y\r\n" * HEAD_BYTES_MAX), scenario)


def test_silence_ends_the_wait_before_an_answer_and_in_the_middle_of_one(play: Callable[..., None]) -> None:
    async def unanswered(connection: Connection) -> None:
        with pytest.raises(Silent):
            await connection.ask(HEAD, [b"{}"])

    async def unfinished(connection: Connection) -> None:
        await connection.ask(HEAD, [b"{}"])
        assert await connection.chunk() == b"o"
        with pytest.raises(Silent):
            await connection.chunk()

    play(says(stays=True), unanswered, 0.05)
    play(says(OK[:-1], stays=True), unfinished, 0.5)


def test_what_nobody_asked_for_is_never_taken_for_the_next_answer(play: Callable[..., None]) -> None:
    async def scenario(connection: Connection) -> None:
        await connection.ask(HEAD, [b"{}"])
        assert await whole(connection) == b"ok"
        assert not connection.is_reusable

    async def later(connection: Connection) -> None:
        await connection.ask(HEAD, [b"{}"])
        assert await whole(connection) == b"ok"
        connection.rest()
        await until(lambda: not connection.is_open)

    play(says(OK + OK, stays=True), scenario)
    play(says(OK, b"", OK, stays=True), later)


def test_a_connection_that_was_closed_meanwhile_is_seen_before_the_loop_says_so(play: Callable[..., None]) -> None:
    closed = asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await says(OK)(reader, writer)
        await closed.wait()

    async def scenario(connection: Connection) -> None:
        await connection.ask(HEAD, [b"{}"])
        await whole(connection)
        connection.rest()
        assert connection.is_quiet
        closed.set()
        await until(lambda: not connection.is_open or not connection.is_quiet)
        with pytest.raises(Broken):
            await connection.ask(HEAD, [b"{}"])

    play(script, scenario)


def test_what_is_not_taken_is_not_read_without_bound(play: Callable[..., None]) -> None:
    sent = 0
    size = 40 * UNREAD_BYTES_MAX

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.readuntil(b"{}")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size)
        while sent < size:
            writer.write(b"x" * 65_536)
            sent += 65_536
            await writer.drain()
        await reader.read()

    async def scenario(connection: Connection) -> None:
        await connection.ask(HEAD, [b"{}"])
        seen: Any = None
        while seen != sent:
            seen = sent
            await asyncio.sleep(0.1)
        assert sent < size
        assert len(await whole(connection)) == size

    play(script, scenario)


def test_a_body_in_pieces_goes_out_no_faster_than_it_is_taken(play: Callable[..., None]) -> None:
    pieces = [bytes([number]) * 100_000 for number in range(100)]
    sent = 0

    class Counted(list[bytes]):
        def __iter__(self) -> Iterator[bytes]:
            nonlocal sent
            for sent, piece in enumerate(super().__iter__(), 1):  # noqa: B007  how far it has come
                yield piece

    may_read = asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await may_read.wait()
        await reader.readuntil(b"\r\n\r\n")
        assert await reader.readexactly(10_000_000) == b"".join(pieces)
        writer.write(OK)

    async def scenario(connection: Connection) -> None:
        asking = asyncio.ensure_future(connection.ask(HEAD, Counted(pieces)))
        await until(lambda: connection._is_full)
        assert sent < 100
        may_read.set()
        await asking
        assert (await whole(connection), sent) == (b"ok", 100)
        assert connection.is_reusable

    play(script, scenario)


def test_a_body_is_not_sent_on_once_it_has_been_answered(play: Callable[..., None]) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Large\r\ncontent-length: 2\r\n\r\nno")
        await writer.drain()
        while await reader.read(1_000_000):
            pass

    async def scenario(connection: Connection) -> None:
        await connection.ask(HEAD, [b"x" * 1_000_000] * 100)
        assert (connection.status, await whole(connection)) == (413, b"no")
        assert not connection.is_reusable

    play(script, scenario)
