"""A gateway on a real socket, before an upstream that does what a test says, byte for byte, with the real ledger."""

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

import httpx
import msgspec
from sqlalchemy import Connection, insert, select, update

from given import FakeClock, a_database, a_limit, seeded_entropy, some_people
from keyhouse.control.children import Children
from keyhouse.control.leaks import Leaks
from keyhouse.core.bound import Ceilings
from keyhouse.core.leak_signatures import Signatures
from keyhouse.core.money import Price, Rate
from keyhouse.core.secret import Kind, digest, mint
from keyhouse.gateway import asgi, demo
from keyhouse.gateway.authenticate import Authenticator
from keyhouse.gateway.body_room import BodyRoom
from keyhouse.gateway.cool_down import CoolDowns
from keyhouse.gateway.house import House, SocketLimits
from keyhouse.gateway.objects import Objects
from keyhouse.gateway.report_throttle import ReportThrottle
from keyhouse.gateway.routing import Deployment, Model, Routing, Upstream
from keyhouse.gateway.upstream import UpstreamClient
from keyhouse.ledger.auditor import audit
from keyhouse.ledger.book import Ledger
from keyhouse.ledger.commit import GroupCommit
from keyhouse.server.listening import Listening
from keyhouse.store import schema
from keyhouse.store.books_sqlite import SqliteBooks
from keyhouse.store.sqlite import SqliteDatabase

PEPPER = b"p" * 32
SECRET = mint(Kind.USER, "key_0123456789", seeded_entropy(9)).value
UPSTREAM_KEY = "sk-upstream-canary-0123456789"
PRICE = Price(1, (Rate(1_000, 500, 1_000, 2_000),))
"""One nano-USD for an input token, two for an output token."""

DEARER: Final = Price(2, (Rate(10_000, 5_000, 10_000, 20_000),))
"""Ten times as much."""

BY_PIECE: Final = Price(3, (Rate(0, 0, 0, 0),), image=40_000, audio_second=1_000, character=15_000)
"""Tokens for nothing; forty nano-USD for an image, one for a second heard, fifteen for a character spoken."""

VOICE: Final = Price(4, (Rate(1_000, 500, 1_000, 2_000, 10_000, 20_000),))
"""As the first, and ten times as much for a token that is heard or spoken."""

ASKING = {"model": "tiny-1", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 50}
USAGE = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}

Script = Callable[["Wire"], Awaitable[None]]
Seed = Callable[[Connection], None]


class Log:
    """Keeps lines instead of writing them. A request's own line is its last word, after the ledger's."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []
        self.has_request = asyncio.Event()

    def bind(self) -> "Log":
        return self

    def is_enabled_for(self, level: int) -> bool:
        return level >= 20

    def info(self, event: str, **fields: Any) -> None:
        self.lines.append({"event": event, **fields})
        if event == "request":
            self.has_request.set()

    error = info

    def errors(self, message: str, error: BaseException) -> None:
        self.lines.append({"event": message, "error": repr(error)})


class Wire:
    """One request as the upstream got it, and the way to answer it."""

    def __init__(self, head: bytes, body: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.head = head
        self.body = body
        self._reader = reader
        self._writer = writer

    async def say(self, data: bytes | str) -> None:
        self._writer.write(data.encode() if isinstance(data, str) else data)
        await self._writer.drain()

    async def answer(
        self, content: bytes | str | dict[str, Any], status: int = 200, kind: str = "application/json", more: str = ""
    ) -> None:
        if isinstance(content, dict):
            content = json.dumps(content)
        data = content.encode() if isinstance(content, str) else content
        head = f"HTTP/1.1 {status} Said\r\ncontent-type: {kind}\r\ncontent-length: {len(data)}\r\n{more}\r\n"
        await self.say(head.encode("latin-1") + data)

    async def begin_stream(self, kind: str = "text/event-stream") -> None:
        await self.say(f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\n\r\n")

    async def piece(self, data: bytes | str) -> None:
        data = data.encode() if isinstance(data, str) else data
        await self.say(b"%x\r\n%s\r\n" % (len(data), data))

    async def end_stream(self) -> None:
        await self.say(b"0\r\n\r\n")

    def reset(self) -> None:
        self._writer.transport.abort()

    def close(self) -> None:
        self._writer.close()

    @property
    def port(self) -> int:
        """Where it was asked."""
        name: tuple[str, int] = self._writer.get_extra_info("sockname")
        return name[1]

    async def until_left(self) -> None:
        """Wait until the gateway has closed its connection."""
        with contextlib.suppress(ConnectionError):
            await self._reader.read(1)


@dataclass
class Street:
    """The gateway's address and everything behind it."""

    url: str
    http: httpx.AsyncClient
    database: SqliteDatabase
    commit: GroupCommit
    ledger: Ledger
    clock: FakeClock
    authenticator: Authenticator
    log: Log
    seen: list[Wire] = field(default_factory=list)
    seen_beside: list[list[Wire]] = field(default_factory=list)

    async def ask(self, secret: str = SECRET, **changes: Any) -> httpx.Response:
        return await self.http.post(
            "/v1/chat/completions", json=ASKING | changes, headers={"authorization": f"Bearer {secret}"}
        )

    async def stream(self, **changes: Any) -> list[str]:
        """The events of a streamed answer."""
        answer = await self.ask(stream=True, **changes)
        assert answer.status_code == 200, answer.text
        return [event for event in answer.text.split("\n\n") if event]

    async def broken_off(self, path: str = "/v1/chat/completions", body: Any = None, method: str = "POST") -> str:
        """What came of a stream that the gateway does not finish: its connection is closed in the middle."""
        asking = ASKING | {"stream": True} if body is None else body
        came = b""
        headers = {"authorization": f"Bearer {SECRET}"}
        async with self.http.stream(method, path, json=asking or None, headers=headers) as answer:
            assert answer.status_code == 200
            try:
                async for piece in answer.aiter_raw():
                    came += piece
            except httpx.RemoteProtocolError:
                return came.decode()
        raise AssertionError(f"this looks whole: {came!r}")

    async def calls(self) -> list[Any]:
        """The rows of the calls, once all that was said to the ledger is in the books."""
        await self.commit.settled()
        return list(await self.database.read(lambda connection: connection.execute(select(schema.calls)).all()))

    async def the_call(self) -> Any:
        rows = await self.calls()
        assert len(rows) == 1
        return rows[0]


def _at(name: str, listening: asyncio.Server) -> Upstream:
    port = listening.sockets[0].getsockname()[1]
    return Upstream(name, f"http://127.0.0.1:{port}/v1", UPSTREAM_KEY, allow_private=True)


async def _listen(script: Script, seen: list[Wire], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            sizes = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
            body = await reader.readexactly(int(sizes[0].split(b":")[1])) if sizes else b""
            wire = Wire(head, body, reader, writer)
            seen.append(wire)
            await script(wire)
    except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
        pass  # the gateway has left, or the test is over
    finally:
        writer.close()


def _seed(connection: Connection, seeds: tuple[Seed, ...]) -> None:
    some_people(connection)
    connection.execute(update(schema.key_secrets).values(digest=digest(SECRET, PEPPER)))
    for price, upstream in ((PRICE, "local"), (DEARER, "beside-2"), (BY_PIECE, "by-piece"), (VOICE, "voice")):
        values = {"figures": msgspec.json.encode(price).decode(), "source": "test", "created_at_ms": 0}
        connection.execute(insert(schema.prices).values(id=price.id, model="tiny-1", upstream=upstream, **values))
    for seed in seeds:
        seed(connection)


def _models(local: Upstream, beside: Sequence[asyncio.Server]) -> dict[str, Model]:
    tiny = Deployment(local, "tiny-1-upstream", PRICE, Ceilings(100))
    after = [
        Deployment(_at(f"beside-{rank}", server), f"tiny-{rank}-upstream", DEARER, Ceilings(100), rank)
        for rank, server in enumerate(beside, 2)
    ]
    long = msgspec.structs.replace(tiny, ceilings=Ceilings(100, input_tokens=4_096))
    deployments = {
        "tiny-1": (tiny, *after),
        "tiny-long": (long,),
        "tiny-media": (msgspec.structs.replace(tiny, ceilings=Ceilings(100, 20, 50, 600)),),
        "by-piece": (Deployment(local, "tiny-1-upstream", BY_PIECE, Ceilings(audio_seconds=600)),),
        "scribe-1": (Deployment(local, "scribe-1-upstream", VOICE, Ceilings(200, audio_tokens=1_000)),),
        "same-name": (msgspec.structs.replace(tiny, upstream_model="same-name"),),
        "by-piece-open": (Deployment(local, "tiny-1-upstream", BY_PIECE),),
        "unpriced": (Deployment(local, "unpriced"),),
        "voice-1": (Deployment(local, "voice-1-upstream", VOICE, Ceilings(100, input_tokens=4_096)),),
        demo.MODEL: (Deployment(demo.UPSTREAM, demo.MODEL, PRICE, Ceilings(512)),),
    }
    return {name: Model(name, those) for name, those in deployments.items()}


NO_AUTHORITIES: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Nothing here is asked by TLS; reading the authorities for each client would take longer than most tests."""


@asynccontextmanager
async def a_street(
    folder: Path,
    script: Script,
    *seeds: Seed,
    beside: Sequence[Script] = (),
    signatures: Signatures | None = None,
    sockets: SocketLimits = SocketLimits(tick_seconds=0.05),  # noqa: B008  it is frozen
    bodies: BodyRoom | None = None,
    **upstream: Any,
) -> AsyncIterator[Street]:
    """Everything up; at the end the auditor must agree with the books, and our own credential be nowhere.

    `beside` are the upstreams that tiny-1 falls back to, dearer ones; `upstream` changes the first.
    Reports of leaks must have one of `signatures`.
    """
    clock = FakeClock()
    database = a_database(folder, clock)
    await database.write(lambda connection: _seed(connection, seeds))
    log = Log()
    books = SqliteBooks(database, clock)
    await books.begin()
    commit = GroupCommit(books, log.errors)
    committing = asyncio.create_task(commit.run())
    seen: list[list[Wire]] = [[] for _ in (script, *beside)]
    listening = [
        await asyncio.start_server(partial(_listen, one, wires), "127.0.0.1", 0)
        for one, wires in zip((script, *beside), seen, strict=True)
    ]
    local = msgspec.structs.replace(_at("local", listening[0]), **upstream)
    authenticator = Authenticator(database, PEPPER, clock)
    client = UpstreamClient(clock)
    ledger = Ledger(commit, clock, {1: PRICE, 2: DEARER, 3: BY_PIECE, 4: VOICE})
    routing = Routing(_models(local, listening[1:]), CoolDowns(clock))
    house = House(
        authenticator, routing, ledger, client, clock, seeded_entropy(3),
        Objects(database, clock), database, Children(database, seeded_entropy(4), PEPPER, authenticator.forget),
        Leaks(database, PEPPER, "disable", authenticator.forget), ReportThrottle(clock), signatures,
        body_bytes_max=100_000, body_seconds_max=0.3, poll_seconds=0.02,
        upload_bytes_max=1_000_000, upload_seconds_max=0.5, sockets=sockets, bodies=bodies or BodyRoom(),
    )  # fmt: skip
    server = Listening(asgi.build(house, log), clock, connections_max=1_000, head_seconds=10.0)
    await server.start("127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.port}"
    try:
        async with httpx.AsyncClient(base_url=url, timeout=20, verify=NO_AUTHORITIES) as http:
            yield Street(url, http, database, commit, ledger, clock, authenticator, log, seen[0], seen[1:])
    finally:
        await server.stop(1.0)
        await client.close()
        for one in listening:
            one.close()
        commit.stop()
        await committing
        report = await database.read(audit)
        await database.close()
    assert report.passes
    assert UPSTREAM_KEY not in repr(log.lines)
    assert SECRET not in repr(log.lines)


def streaming(*pieces: str | bytes, ends: bool = True) -> Script:
    """An upstream that streams these pieces, and then ends well or resets the connection."""

    async def script(wire: Wire) -> None:
        await wire.begin_stream()
        for piece in pieces:
            await wire.piece(piece)
        if ends:
            await wire.end_stream()
        else:
            wire.reset()

    return script


def a_budget(nano_usd: int, **changes: Any) -> Seed:
    return lambda connection: a_limit(connection, nano_usd, **changes)


def the_key(**columns: Any) -> Seed:
    """The key with these columns."""

    def seed(connection: Connection) -> None:
        connection.execute(update(schema.keys).values(**columns))

    return seed


def chunk(text: str | None = None, **more: Any) -> str:
    """One event of a chat stream."""
    choices = [] if text is None else [{"index": 0, "delta": {"content": text}, "finish_reason": None}]
    data = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "choices": choices, **more}
    return f"data: {json.dumps(data, separators=(',', ':'))}\n\n"
