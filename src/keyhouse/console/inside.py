"""A client of the gateway within this process: what it asks goes through the very same door as everybody's calls.

Nothing is trusted because it comes from here: the request carries a key's secret in its `Authorization` header, and
is authenticated, limited, metered and paid like any other.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

Message = MutableMapping[str, Any]
Gateway = Callable[[Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]]


class Answer:
    """An answer whose head has come. `chunks` yields its body as it comes."""

    def __init__(self, status: int, headers: dict[str, str], parts: "asyncio.Queue[bytes | None]") -> None:
        self.status = status
        self.headers = headers
        self._parts = parts

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body, piece by piece."""
        while (part := await self._parts.get()) is not None:
            if part:
                yield part

    async def body(self) -> bytes:
        """The whole of it."""
        return b"".join([part async for part in self.chunks()])


@asynccontextmanager
async def post(
    gateway: Gateway, path: str, body: bytes, *, secret: str, agent: str, address: str
) -> AsyncIterator[Answer]:
    """Send a request and give its answer. Leaving the block before the end is a client that leaves."""
    head: asyncio.Future[tuple[int, dict[str, str]]] = asyncio.get_running_loop().create_future()
    parts: asyncio.Queue[bytes | None] = asyncio.Queue()
    left = asyncio.Event()
    requests = iter(({"type": "http.request", "body": body, "more_body": False},))

    async def receive() -> Message:
        for message in requests:
            return message
        await left.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in message["headers"]}
            head.set_result((message["status"], headers))
        elif message["type"] == "http.response.body":
            parts.put_nowait(message.get("body", b""))
            if not message.get("more_body", False):
                parts.put_nowait(None)

    call = asyncio.ensure_future(gateway(_scope(path, body, secret, agent, address), receive, send))

    def end(_: object) -> None:
        parts.put_nowait(None)
        if not head.done():
            head.set_exception(RuntimeError("the gateway did not answer"))

    call.add_done_callback(end)
    try:
        status, headers = await head
        yield Answer(status, headers, parts)
    finally:
        left.set()
        # Whatever becomes of this client, the gateway settles its call before it is done.
        await asyncio.shield(asyncio.wait({call}))


def _scope(path: str, body: bytes, secret: str, agent: str, address: str) -> Message:
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [
            (b"host", b"127.0.0.1"),
            (b"authorization", f"Bearer {secret}".encode()),
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"user-agent", agent.encode("latin-1", "replace")),
        ],
        "client": (address, 0) if address else None,
        "server": ("127.0.0.1", 80),
        "state": {},
    }
