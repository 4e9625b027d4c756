"""A server of a small application, and a client that writes bytes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from given import FakeClock
from keyhouse.server.exchange import Message
from keyhouse.server.listening import ASGIApp, Listening, Receive, Send

GET = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"
SECONDS = 20.0


@asynccontextmanager
async def a_server(app: ASGIApp, *, connections_max: int = 100, head_seconds: float = 10.0) -> AsyncIterator[Listening]:
    """It listens on loopback until the block ends."""
    listening = Listening(app, FakeClock(), connections_max=connections_max, head_seconds=head_seconds)
    await listening.start("127.0.0.1", 0)
    try:
        yield listening
    finally:
        await listening.stop(0.1)


class Client:
    """One connection, in bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def ask(self, data: bytes) -> tuple[int, dict[str, str], bytes]:
        """Send bytes, and take the next answer."""
        self.writer.write(data)
        return await self.answer()

    async def answer(self, *, has_body: bool = True) -> tuple[int, dict[str, str], bytes]:
        """The next answer: status, headers, body."""
        async with asyncio.timeout(SECONDS):
            head = await self.reader.readuntil(b"\r\n\r\n")
            first, *lines = head.decode().removesuffix("\r\n\r\n").split("\r\n")
            headers = dict(line.split(": ", 1) for line in lines)
            body = await self._body(headers) if has_body else b""
        return int(first.split()[1]), headers, body

    async def _body(self, headers: dict[str, str]) -> bytes:
        if "content-length" in headers:
            return await self.reader.readexactly(int(headers["content-length"]))
        if headers.get("transfer-encoding") != "chunked":
            return b""
        pieces = []
        while size := int(await self.reader.readline(), 16):
            pieces.append(await self.reader.readexactly(size))
            await self.reader.readexactly(2)
        await self.reader.readexactly(2)
        return b"".join(pieces)

    async def rest(self) -> bytes:
        """All that still comes until the server closes the connection."""
        async with asyncio.timeout(SECONDS):
            return await self.reader.read()


@asynccontextmanager
async def a_client(listening: Listening) -> AsyncIterator[Client]:
    """A client that is connected."""
    reader, writer = await asyncio.open_connection("127.0.0.1", listening.port)
    try:
        yield Client(reader, writer)
    finally:
        writer.close()


async def body_of(receive: Receive) -> bytes:
    """The whole body of a request. Raises ConnectionError if its client leaves before."""
    body = b""
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise ConnectionError
        body += bytes(message["body"])
        if not message["more_body"]:
            return body


async def answer(send: Send, body: bytes, status: int = 200, headers: list[tuple[bytes, bytes]] | None = None) -> None:
    """Answer with this body, whose length is said."""
    length = (b"content-length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": status, "headers": [length, *(headers or [])]})
    await send({"type": "http.response.body", "body": body})


async def echo(scope: Message, receive: Receive, send: Send) -> None:
    """Answers with the method, the path and the body of what was asked."""
    body = await body_of(receive)
    await answer(send, b"%b %b %b" % (scope["method"].encode(), scope["raw_path"], body))
