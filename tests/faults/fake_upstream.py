"""A scripted OpenAI-compatible upstream that writes down every call id before it answers.

Each line of the record is `seen <call id>` or, when whoever asked hung up before the end, `left <call id>`, or
`open <number> <group>` whenever more calls of a group were open at once than ever before: a call is open until the
last piece of its answer is sent. It is written with one O_APPEND write before the first byte of an answer, so that it
survives kill -9 of anyone. A request scripts its own answer by the field `script` in its body (see `Script`): unknown
fields pass through Keyhouse unchanged.

    python fake_upstream.py record.txt          prints READY <url>
"""

import asyncio
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

HEAD_MAX: Final = 64 * 1024


class Script(msgspec.Struct, frozen=True):
    """How to answer. Times are milliseconds; `chunks` are the pieces of a stream. `cut` closes the connection
    after that many pieces; `silent_usage` leaves the usage out although it was asked for. `group` is counted apart.
    """

    status: int = 200
    delay_ms: int = 0
    chunks: int = 3
    chunk_delay_ms: int = 0
    prompt_tokens: int = 10
    completion_tokens: int = 5
    cut: int | None = None
    silent_usage: bool = False
    group: str = "all"


class StreamOptions(msgspec.Struct, frozen=True):
    """What a client wants of a stream."""

    include_usage: bool = False


class Request(msgspec.Struct, frozen=True):
    """The part of a body that is looked at."""

    model: str = ""
    stream: bool = False
    stream_options: StreamOptions | None = None
    script: Script = Script()


class Record:
    """The file of what was seen."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._open: Counter[str] = Counter()
        self._most: Counter[str] = Counter()

    def begin(self, call_id: str, group: str) -> None:
        """A call has come."""
        self.write("seen", call_id)
        self._open[group] += 1
        if self._open[group] > self._most[group]:
            self._most[group] = self._open[group]
            self.write("open", f"{self._most[group]} {group}")

    def end(self, group: str) -> None:
        """What is left of a call's answer is about to be sent, or nobody waits for it any more."""
        self._open[group] -= 1

    def write(self, event: str, what: str) -> None:
        """Append one line, in one write."""
        os.write(self._file, f"{event} {what}\n".encode())


async def main(record: Record) -> None:
    """Serve on a free port until told to end."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await answer_one(reader, writer, record):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0, limit=HEAD_MAX, backlog=2048)
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    print(f"READY http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)  # noqa: T201  who started it reads this
    await ended.wait()


async def answer_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, record: Record) -> bool:
    """Answer one request; returns whether the connection lives on."""
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    request = msgspec.json.decode(body, type=Request)
    script = request.script
    call_id = headers.get("x-request-id", "-")
    is_open = True

    def end() -> None:
        nonlocal is_open
        if is_open:
            is_open = False
            record.end(script.group)

    record.begin(call_id, script.group)
    left = asyncio.ensure_future(_until_left(reader))
    answering = asyncio.ensure_future(_answer(writer, request, script, end))
    try:
        await asyncio.wait([left, answering], return_when=asyncio.FIRST_COMPLETED)
        if not answering.done():
            record.write("left", call_id)
            return False
        answering.result()
    finally:
        end()
        for task in (left, answering):
            task.cancel()
        await asyncio.gather(left, answering, return_exceptions=True)
    return script.cut is None


async def _until_left(reader: asyncio.StreamReader) -> None:
    """Wait until the other side has hung up. Nothing is read: a next request stays where it is."""
    while not reader.at_eof():  # noqa: ASYNC110  a stream reader tells of its end only when it is read
        await asyncio.sleep(0.01)


async def _answer(writer: asyncio.StreamWriter, request: Request, script: Script, end: Callable[[], None]) -> None:
    await asyncio.sleep(script.delay_ms / 1000)
    if request.stream and script.status == 200:
        await _stream(writer, request, script, end)
        return
    end()
    if script.status != 200:
        await _send(writer, script.status, {"error": {"message": "scripted", "type": "server_error", "code": None}})
    else:
        message = {"role": "assistant", "content": "word " * script.completion_tokens}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        await _send(writer, 200, _object(request, "chat.completion") | {"choices": [choice], "usage": _usage(script)})


async def _send(writer: asyncio.StreamWriter, status: int, answer: object) -> None:
    body = msgspec.json.encode(answer)
    head = f"HTTP/1.1 {status} Scripted\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    await writer.drain()


async def _stream(writer: asyncio.StreamWriter, request: Request, script: Script, end: Callable[[], None]) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
    for place in range(script.chunks):
        if place == script.cut:
            writer.transport.abort()
            return
        finish = "stop" if place == script.chunks - 1 else None
        choice = {"index": 0, "delta": {"content": f"word{place} "}, "finish_reason": finish}
        await _event(writer, _object(request, "chat.completion.chunk") | {"choices": [choice]})
        await asyncio.sleep(script.chunk_delay_ms / 1000)
    wants_usage = request.stream_options is not None and request.stream_options.include_usage
    if wants_usage and not script.silent_usage:
        chunk = _object(request, "chat.completion.chunk") | {"choices": [], "usage": _usage(script)}
        await _event(writer, chunk)
    end()
    writer.write(b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n")
    await writer.drain()


async def _event(writer: asyncio.StreamWriter, chunk: object) -> None:
    event = b"data: " + msgspec.json.encode(chunk) + b"\n\n"
    writer.write(b"%x\r\n%b\r\n" % (len(event), event))
    await writer.drain()


def _object(request: Request, kind: str) -> dict[str, object]:
    return {"id": "chatcmpl-scripted", "object": kind, "created": 1_795_521_600, "model": request.model}


def _usage(script: Script) -> dict[str, int]:
    return {
        "prompt_tokens": script.prompt_tokens,
        "completion_tokens": script.completion_tokens,
        "total_tokens": script.prompt_tokens + script.completion_tokens,
    }


if __name__ == "__main__":
    asyncio.run(main(Record(Path(sys.argv[1]))))
