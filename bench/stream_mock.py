"""A mock upstream that streams: PIECES events, each its own write, and a usage event, as fast as it can.

With a pace it sends so many pieces, one each so many seconds, and each says when it was sent, in nanoseconds of the
machine's monotonic clock.

python stream_mock.py PORT [PIECES SECONDS]
"""

import asyncio
import sys
import time
from typing import Final, cast

import uvloop

PIECES: Final = 20
_CHUNK: Final = (
    b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"bench-1","choices":'
    b'[{"index":0,"delta":{"content":" word"},"finish_reason":null}]}\n\n'
)
_USAGE: Final = (
    b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"bench-1","choices":[],'
    b'"usage":{"prompt_tokens":12,"completion_tokens":20,"total_tokens":32}}\n\n'
)
_HEAD: Final = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def framed(event: bytes) -> bytes:
    """An event as one HTTP chunk."""
    return b"%x\r\n%b\r\n" % (len(event), event)


_PIECE: Final = framed(_CHUNK)
_END: Final = framed(_USAGE) + framed(b"data: [DONE]\n\n") + b"0\r\n\r\n"


class Mock(asyncio.Protocol):
    """One connection; requests come one after the other on it. `seconds` is the pace of `pieces`, 0 for none."""

    def __init__(self, pieces: int, seconds: float) -> None:
        self._pieces = pieces
        self._seconds = seconds
        self._next = 0.0
        self._received = b""
        self._left = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is there."""
        self._transport = cast("asyncio.Transport", transport)
        self._loop = asyncio.get_running_loop()

    def data_received(self, data: bytes) -> None:
        """Answer as soon as a whole request is there."""
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        if not end:
            return
        length = 0
        for line in head.split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        if len(body) < length:
            return
        self._received = body[length:]
        self._left = self._pieces
        self._next = self._loop.time()
        self._transport.write(_HEAD)
        self._loop.call_soon(self._write)

    def _write(self) -> None:
        if self._transport.is_closing():
            return
        if self._left:
            self._left -= 1
            if self._seconds:
                self._transport.write(framed(_CHUNK.replace(b" word", b"%d" % time.monotonic_ns())))
                self._next += self._seconds
                self._loop.call_at(self._next, self._write)
            else:
                self._transport.write(_PIECE)
                self._loop.call_soon(self._write)
        else:
            self._transport.write(_END)


async def main(port: int, pieces: int = PIECES, seconds: float = 0.0) -> None:
    """Serve until killed."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Mock(pieces, seconds), "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(
            main(int(sys.argv[1]), *(kind(given) for kind, given in zip((int, float), sys.argv[2:], strict=False)))
        )
