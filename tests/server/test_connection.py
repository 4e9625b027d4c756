"""One connection: requests in order, and patience that ends."""

import asyncio

import pytest

from given import FakeClock
from keyhouse.server.connection import GATHERED_BYTES_MAX, TAKING_SECONDS, Connection
from keyhouse.server.exchange import Message
from keyhouse.server.listening import LOOK_SECONDS, Listening, Receive, Send
from server.given_server import GET, a_client, a_server, answer, body_of, echo

pytestmark = pytest.mark.asyncio


def hurry(listening: Listening) -> None:
    """Whatever is waited for is too late now."""
    for connection in tuple(listening.connections):
        if connection.until != float("inf"):
            connection.until = 0.0


async def test_requests_behind_one_another_are_answered_in_order_one_at_a_time() -> None:
    running = 0

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        nonlocal running
        running += 1
        assert running == 1
        await asyncio.sleep(0.01)
        running -= 1
        await echo(scope, receive, send)

    asked = b"".join(b"POST /%d HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\n\r\nx" % number for number in range(20))
    async with a_server(app) as listening, a_client(listening) as client:
        client.writer.write(asked)
        assert [(await client.answer())[2] for _ in range(20)] == [b"POST /%d x" % number for number in range(20)]


async def test_what_came_before_rubbish_is_answered_and_nothing_after_it() -> None:
    async with a_server(echo) as listening, a_client(listening) as client:
        client.writer.write(GET + GET + b"rubbish\r\n\r\n" + GET)
        assert [(await client.answer())[0] for _ in range(2)] == [200, 200]
        assert await client.rest() == b""


async def test_a_body_that_turns_into_rubbish_is_one_whose_client_left() -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        with pytest.raises(ConnectionError):
            await body_of(receive)
        await answer(send, b"broken", 400)

    async with a_server(app) as listening, a_client(listening) as client:
        asked = b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\nzz\r\n"
        assert (await client.ask(asked))[::2] == (400, b"broken")
        assert await client.rest() == b""


async def test_the_application_hears_that_its_client_left() -> None:
    left = asyncio.Event()

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await body_of(receive)
        assert (await receive())["type"] == "http.disconnect"
        with pytest.raises(ConnectionResetError):
            await answer(send, b"to nobody")
        left.set()

    async with a_server(app) as listening:
        async with a_client(listening) as client:
            client.writer.write(GET)
            await asyncio.sleep(0.1)
        await asyncio.wait_for(left.wait(), 10)


async def test_who_refuses_a_body_is_heard_and_the_next_request_served() -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        if scope["method"] == "POST":
            await answer(send, b"no", 403)
        else:
            await echo(scope, receive, send)

    size = 1_000_000
    async with a_server(app) as listening, a_client(listening) as client:
        client.writer.write(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n" % size)
        assert (await client.answer())[0] == 403
        client.writer.write(b"x" * size)
        assert (await client.ask(GET))[0] == 200


async def test_but_it_is_not_read_for_ever() -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await answer(send, b"no", 403)

    async with a_server(app) as listening, a_client(listening) as client:
        assert (await client.ask(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nx"))[0] == 403
        hurry(listening)
        assert await client.rest() == b""


async def test_also_when_its_answer_was_long_and_taken_late() -> None:
    """What waits to be taken has its own patience, which must not be the end of the other."""

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await answer(send, b"x" * 20_000_000, 403)

    async with a_server(app) as listening, a_client(listening) as client:
        client.writer.write(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nx")
        (status, _, body) = await client.answer()
        assert (status, len(body)) == (403, 20_000_000)
        (connection,) = listening.connections
        await _until(lambda: connection.until < float("inf"))
        hurry(listening)
        assert await client.rest() == b""


@pytest.mark.parametrize("asked", [GET, b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nx"])
async def test_who_takes_a_whole_answer_slowly_is_not_cut_off(asked: bytes) -> None:
    """It has the time of who takes something, not of who asks nothing more or sends the rest of its body."""

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await answer(send, b"x" * 20_000_000)

    async with a_server(app) as listening, a_client(listening) as client:
        client.writer.write(asked)
        head = await client.reader.readuntil(b"\r\n\r\n")
        (connection,) = listening.connections
        await _until(lambda: connection.until < float("inf"))
        taken = 0
        for _ in range(3):
            hurry(listening)
            await asyncio.sleep(LOOK_SECONDS + 0.1)
            assert connection.until > listening.loop.time() + TAKING_SECONDS - 10
            for _ in range(50):
                taken += len(await client.reader.read(65_536))
        assert b" 200 " in head
        assert len(await client.reader.readexactly(20_000_000 - taken)) == 20_000_000 - taken


async def test_an_answer_that_breaks_off_ends_the_connection_without_an_end() -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})

    async with a_server(app) as listening, a_client(listening) as client:
        client.writer.write(GET)
        with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError, ValueError)):
            await client.answer()


async def test_a_slow_head_is_told_so_and_closed() -> None:
    async with a_server(echo) as listening, a_client(listening) as client:
        assert (await client.ask(GET))[0] == 200
        (connection,) = listening.connections
        idle = connection.until
        client.writer.write(b"GET / HTTP/1.1\r\n")
        await _until(lambda: connection.until < idle)
        ends = connection.until
        for _ in range(3):
            client.writer.write(b"a: b\r\n")
            await asyncio.sleep(0.05)
        assert connection.until == ends
        hurry(listening)
        assert (await client.answer())[0] == 408
        assert await client.rest() == b""


async def test_also_when_it_began_while_another_request_was_answered() -> None:
    is_enough = asyncio.Event()

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await is_enough.wait()
        await echo(scope, receive, send)

    async with a_server(app) as listening, a_client(listening) as client:
        client.writer.write(GET)
        await _until(lambda: any(not one.is_idle for one in listening.connections))
        (connection,) = listening.connections
        client.writer.write(b"GET / HTTP/1.1\r\n")
        await _until(lambda: connection._reader.is_in_head)
        is_enough.set()
        assert (await client.answer())[0] == 200
        assert connection.until <= listening.loop.time() + listening.head_seconds
        hurry(listening)
        assert (await client.answer())[0] == 408
        assert await client.rest() == b""


async def test_also_when_it_came_with_the_end_of_the_request_before() -> None:
    async with a_server(echo) as listening, a_client(listening) as client:
        assert (await client.ask(GET + b"GET / HT"))[0] == 200
        (connection,) = listening.connections
        assert connection.until <= listening.loop.time() + listening.head_seconds
        hurry(listening)
        assert (await client.answer())[0] == 408
        assert await client.rest() == b""


async def test_who_asks_nothing_is_closed_in_the_end() -> None:
    async with a_server(echo) as listening, a_client(listening) as client:
        await _until(lambda: len(listening.connections) == 1)
        hurry(listening)
        assert await client.rest() == b""
    async with a_server(echo) as listening, a_client(listening) as client:
        assert (await client.ask(GET))[0] == 200
        hurry(listening)
        assert await client.rest() == b""


async def test_who_takes_nothing_of_an_answer_is_cut_off() -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while True:
            await send({"type": "http.response.body", "body": b"x" * 100_000, "more_body": True})

    async with a_server(app) as listening, a_client(listening) as client:
        client.writer.write(GET)
        await asyncio.sleep(0.3)
        assert len(listening.connections) == 1
        hurry(listening)
        await _until(lambda: not listening.connections)


@pytest.mark.parametrize("cut", [1, 70, 1_000])
async def test_another_protocol_is_not_spoken_but_what_is_asked_is_answered(cut: int) -> None:
    """As Java's HttpClient asks, body and all, and asks on."""
    offer = b"connection: Upgrade, HTTP2-Settings\r\nhttp2-settings: AA\r\nupgrade: h2c\r\n"
    head = b"POST /a HTTP/1.1\r\nhost: a\r\n" + offer
    asked = (
        head + b"content-length: 2\r\n\r\n{}"
        b"GET /b HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket, h2c\r\n\r\n"
        + head + b"transfer-encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\n\r\n" + GET
    )  # fmt: skip
    async with a_server(echo) as listening, a_client(listening) as client:
        for place in range(0, len(asked), cut):
            client.writer.write(asked[place : place + cut])
            await asyncio.sleep(0)
        said = [await client.answer() for _ in range(4)]
        assert [(status, body) for status, _, body in said] == [
            (200, b"POST /a {}"),
            (200, b"GET /b "),
            (200, b"POST /a []"),
            (200, b"GET / "),
        ]
        assert not any("connection" in headers for _, headers, _ in said)


async def _until(holds: object) -> None:
    assert callable(holds)
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110  nothing tells when
            await asyncio.sleep(0.02)


class Sink(asyncio.Transport):
    """What a connection has sent, and whether it is still open. `waiting` bytes of it nobody has taken."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting = 0
        self.is_cut = False
        self.sent: list[bytes] = []
        self.is_closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.is_closed
        self.sent.append(bytes(data))

    def is_closing(self) -> bool:
        return self.is_closed

    def get_write_buffer_size(self) -> int:
        return self.waiting

    def close(self) -> None:
        self.is_closed = True

    def abort(self) -> None:
        self.is_closed = self.is_cut = True


async def a_connection() -> tuple[Connection, Sink]:
    connection, sink = Connection(Listening(echo, FakeClock(), connections_max=9, head_seconds=9)), Sink()
    connection.connection_made(sink)
    return connection, sink


async def test_little_is_sent_at_the_end_of_the_turn_in_one_and_much_at_once_behind_it() -> None:
    connection, sink = await a_connection()
    other, its = await a_connection()
    for part in (b"a", b"b"):
        connection.write(part)
        other.write(part)
    assert (sink.sent, its.sent) == ([], [])
    await asyncio.sleep(0)
    assert (sink.sent, its.sent) == ([b"ab"], [b"ab"])
    connection.write(b"c")
    connection.write(b"d" * GATHERED_BYTES_MAX)
    assert sink.sent[1:] == [b"c" + b"d" * GATHERED_BYTES_MAX]
    connection.write(b"e")
    await asyncio.sleep(0)
    assert sink.sent[2:] == [b"e"]


@pytest.mark.parametrize("is_cut", [False, True])
async def test_what_was_written_before_the_end_is_sent_before_it(is_cut: bool) -> None:
    connection, sink = await a_connection()
    connection.write(b"last words")
    (connection.abort if is_cut else connection.end)()
    assert (sink.sent, sink.is_closed) == ([b"last words"], True)
    connection.write(b"too late")
    await asyncio.sleep(0)
    assert sink.sent == [b"last words"]


async def test_who_takes_nothing_of_the_last_words_is_cut_off() -> None:
    connection, sink = await a_connection()
    sink.waiting = 3
    connection.end()
    for sink.waiting in (2, 1):
        connection.run_out()
        assert not sink.is_cut
    connection.run_out()
    assert sink.is_cut
