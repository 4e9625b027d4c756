"""A bare HTTP client on sockets: exact bytes out, hundreds at once, and hanging up whenever a test wants to."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import urlsplit

SECONDS: Final = 60.0
CHAT: Final = "/v1/chat/completions"


class Reply:
    """A whole answer."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def error(self) -> Any:
        """The error in the body, in OpenAI's shape."""
        answer = self.json
        assert set(answer) == {"error"}, answer
        assert {"message", "type", "param", "code"} <= set(answer["error"]), answer
        return answer["error"]


class Call:
    """One request on a connection of its own."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def head(self) -> tuple[int, dict[str, str]]:
        """Read the status and the headers."""
        text = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in text[1:] if line)
        return int(text[0].split()[1]), {name.lower(): value.strip() for name, _, value in pairs}

    async def reply(self) -> Reply:
        """Read everything until the server closes the connection, as it was asked to."""
        status, headers = await self.head()
        body = await self.reader.read()
        return Reply(status, headers, _dechunked(body) if "chunked" in headers.get("transfer-encoding", "") else body)

    def hang_up(self) -> None:
        """Go away without a word."""
        self.writer.transport.abort()


async def call(
    url: str, body: bytes, credentials: Sequence[tuple[str, str]], *, path: str = CHAT, method: str = "POST"
) -> Call:
    """Send a request; `credentials` are header lines."""
    place = urlsplit(url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    lines = [
        f"{method} {path} HTTP/1.1",
        f"host: {place.netloc}",
        "connection: close",
        "content-type: application/json",
        f"content-length: {len(body)}",
        *(f"{name}: {value}" for name, value in credentials),
    ]
    writer.write("\r\n".join([*lines, "", ""]).encode("latin-1"))
    writer.write(body)
    return Call(reader, writer)


async def post(
    url: str, body: object, key: str | None = None, *, credentials: Sequence[tuple[str, str]] = (), path: str = CHAT
) -> Reply:
    """Send a body, JSON unless it is bytes, and read the whole answer."""
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [*credentials, *([("authorization", f"Bearer {key}")] if key else [])]
    async with asyncio.timeout(SECONDS):
        calling = await call(url, sent, lines, path=path)
        try:
            return await calling.reply()
        finally:
            calling.hang_up()


def chat(text: str = "Hello", **fields: object) -> dict[str, object]:
    """A chat request's body."""
    return {"model": "tiny-1", "messages": [{"role": "user", "content": text}], **fields}


def _dechunked(body: bytes) -> bytes:
    whole = b""
    while body:
        size, _, rest = body.partition(b"\r\n")
        length = int(size, 16)
        if length == 0:
            return whole
        whole, body = whole + rest[:length], rest[length + 2 :]
    raise AssertionError("the answer ends in the middle of a chunk")
