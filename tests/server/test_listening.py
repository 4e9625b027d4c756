"""Listening, and its end."""

import asyncio

import pytest

from keyhouse.server.exchange import Message
from keyhouse.server.listening import Receive, Send
from server.given_server import GET, a_client, a_server, answer, echo

pytestmark = pytest.mark.asyncio


async def test_a_client_too_many_is_told_to_come_again() -> None:
    async with a_server(echo, connections_max=1) as listening, a_client(listening) as first:
        assert (await first.ask(GET))[0] == 200
        async with a_client(listening) as second:
            assert (await second.answer())[0] == 503
        assert (await first.ask(GET))[0] == 200


async def test_at_the_end_idle_clients_go_and_what_runs_is_finished() -> None:
    go = asyncio.Event()

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        if scope["path"] == "/slow":
            await go.wait()
        await answer(send, b"done")

    async with a_server(app) as listening, a_client(listening) as idle, a_client(listening) as busy:
        assert (await idle.ask(GET))[0] == 200
        busy.writer.write(b"GET /slow HTTP/1.1\r\nhost: a\r\n\r\n")
        await asyncio.sleep(0.1)
        stopping = asyncio.create_task(listening.stop(10))
        assert await idle.rest() == b""
        go.set()
        assert (await busy.answer())[2] == b"done"
        assert await busy.rest() == b""
        await stopping


async def test_what_does_not_end_is_ended() -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await asyncio.Event().wait()

    async with a_server(app) as listening, a_client(listening) as client:
        client.writer.write(GET)
        await asyncio.sleep(0.1)
        await listening.stop(0.1)
        with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
            await client.answer()


async def test_a_fault_of_the_application_ends_that_request_alone(caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        if scope["path"] == "/fault":
            raise ValueError("no answer")
        await echo(scope, receive, send)

    async with a_server(app) as listening, a_client(listening) as bad, a_client(listening) as good:
        bad.writer.write(b"GET /fault HTTP/1.1\r\nhost: a\r\n\r\n")
        with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
            await bad.answer()
        assert (await good.ask(GET))[0] == 200
    assert "ValueError" in caplog.text
