"""The client within the process, against plain ASGI applications."""

import asyncio
from typing import Any

import pytest

from keyhouse.console.inside import Message, post

pytestmark = pytest.mark.asyncio


def asking(app: Any) -> Any:
    return post(app, "/v1/chat/completions", b'{"a":1}', secret="sk-test", agent="Tests", address="192.0.2.1")


async def test_a_request_is_one_like_everybodys_and_its_answer_comes_in_pieces() -> None:
    seen: list[Message] = []

    async def app(scope: Message, receive: Any, send: Any) -> None:
        seen.extend((scope, await receive()))
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x-keyhouse-call-id", b"call_1")]})
        for part in (b"one ", b"", b"two"):
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body"})

    async with asking(app) as answer:
        parts = [part async for part in answer.chunks()]
    assert (answer.status, answer.headers["x-keyhouse-call-id"], parts) == (200, "call_1", [b"one ", b"two"])
    scope, request = seen
    assert request == {"type": "http.request", "body": b'{"a":1}', "more_body": False}
    assert (b"authorization", b"Bearer sk-test") in scope["headers"]
    assert not any(name == b"cookie" for name, _ in scope["headers"])
    assert (scope["method"], scope["path"], scope["client"]) == ("POST", "/v1/chat/completions", ("192.0.2.1", 0))


async def test_leaving_early_is_a_client_that_leaves_and_the_call_is_finished() -> None:
    finished: list[str] = []

    async def app(scope: Message, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"one", "more_body": True})
        finished.append((await receive())["type"])

    async with asking(app) as answer:
        async for _ in answer.chunks():
            break
    assert finished == ["http.disconnect"]


async def test_a_door_that_fails_or_says_nothing_is_no_answer() -> None:
    async def silent(scope: Message, receive: Any, send: Any) -> None:
        await asyncio.sleep(0)

    with pytest.raises(RuntimeError, match="did not answer"):
        async with asking(silent):
            pass
