"""The edge on real sockets: bombs, floods, slow readers, and our own credential in any pieces (docs/security.md)."""

import asyncio
import contextlib
import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import msgspec
import pytest
from sqlalchemy import Engine, event

from gateway.scripted import ASKING, NO_AUTHORITIES, SECRET, UPSTREAM_KEY, Street, Wire, a_street
from gateway.test_request import head, raw
from given import FakeClock
from keyhouse.core.errors import Code, Refusal
from keyhouse.gateway import children, leaks, verification
from keyhouse.gateway.counting import COUNTING
from keyhouse.gateway.metered import METERED
from keyhouse.gateway.passed import PASSED
from keyhouse.gateway.routing import Upstream
from keyhouse.gateway.upstream import UpstreamClient

BEARER = {"authorization": f"Bearer {SECRET}"}
READERS = sorted(
    {f"/v1{one.path}" for one in (*METERED, *COUNTING) if one.read is not None}
    | {f"/v1{one.path}" for one in PASSED if one.method == "POST" and not one.takes_form and "{" not in one.path}
    | {children.PATH, verification.PATH, leaks.PATH, "/v1/batches"}
)
"""Every address of the gateway that reads JSON."""

FIELDS = ("model", "messages", "input", "prompt", "tools", "system", "metadata", "permissions", "file_ids", "container")


async def silent(wire: Wire) -> None:
    raise AssertionError("nothing is forwarded")


async def unmoved(wire: Wire) -> None:
    await wire.answer({"error": {"message": "too much"}}, 400)


def bombs() -> list[bytes]:
    """Bodies within the size that is read, each more than it seems."""
    deep = [b"[" * 20_000 + b"]" * 20_000, b'{"a":' * 12_000 + b"1" + b"}" * 12_000]
    found = list(deep)
    for name in FIELDS:
        found += [b'{"model":"tiny-1","%b":%b}' % (name.encode(), one) for one in deep]
    found.append(b'{"model":"tiny-1","messages":[{"role":"user","content":%b}]}' % deep[0])
    found.append(b'{"model":"tiny-1","input":' + b"9" * 90_000 + b"}")
    found.append(b'{"model":1e%b}' % (b"9" * 90_000))
    return found


@pytest.mark.asyncio
@pytest.mark.parametrize("path", READERS)
async def test_no_reader_is_moved_by_a_body_that_is_deep_or_large(tmp_path: Path, path: str) -> None:
    async with a_street(tmp_path, unmoved) as street:
        statuses = set()
        for bomb in bombs():
            answer = await street.http.post(path, content=bomb, headers=BEARER)
            assert answer.json(), bomb[:60]
            statuses.add(answer.status_code)
        large = await street.http.post(path, content=b'{"model":"' + b"x" * 200_000 + b'"}', headers=BEARER)
        rows = await street.calls()
        mistakes = [line for line in street.log.lines if line["event"] == "request failed"]
    assert statuses <= {400, 401, 403, 404}, statuses
    assert large.status_code == 413
    assert mistakes == []
    assert [row.state for row in rows] == ["released"] * len(rows)


def deepest() -> int:
    """How deep JSON may be nested at most to be read, counted from here."""
    least, most = 1, 1_000_000
    while least < most:
        middle = (least + most) // 2
        try:
            msgspec.json.decode(b"[" * middle + b"]" * middle)
            least = middle + 1
        except RecursionError:
            most = middle
    return least


@pytest.mark.parametrize(("begin", "end"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_no_reader_is_moved_by_a_body_that_is_just_as_deep_as_can_be_read(begin: bytes, end: bytes) -> None:
    """What decodes a part of it anew may be a step deeper than what has decoded the whole."""
    most = deepest()
    read = 0
    for reader in filter(None, (one.read for one in (*METERED, *COUNTING))):
        for name in FIELDS:
            for depth in range(most - 60, most + 10):
                body = b'{"model":"tiny-1","%b":%b}' % (name.encode(), begin * depth + b"1" + end * depth)
                with contextlib.suppress(Refusal):
                    reader(body)
                    read += 1
    assert read


@pytest.mark.asyncio
async def test_a_compressed_body_is_read_as_it_came_and_is_no_json(tmp_path: Path) -> None:
    await unpacks_nothing(tmp_path, BOMB[:1_000], BOMB[1_000:])


@pytest.mark.asyncio
async def test_so_is_one_that_has_come_with_its_head(tmp_path: Path) -> None:
    await unpacks_nothing(tmp_path, BOMB)


BOMB = gzip.compress(b'{"model":"tiny-1","messages":[' + b" " * 50_000_000 + b"]}")


async def unpacks_nothing(folder: Path, first: bytes, *pieces: bytes) -> None:
    assert len(BOMB) < 100_000
    begin = head(len(BOMB)).removesuffix(b"\r\n") + b"content-encoding: gzip\r\n\r\n"
    async with a_street(folder, silent) as street:
        answer = await raw(street.url, begin + first, *pieces)
        reason = street.log.lines[-1]["reason"]
    assert answer.startswith(b"HTTP/1.1 400")
    assert reason == "body_not_json"


@pytest.mark.asyncio
async def test_a_reader_that_is_slow_slows_its_upstream_down_and_is_given_up(tmp_path: Path) -> None:
    sent = 0
    event = "data: " + json.dumps({"choices": [{"delta": {"content": "x" * 1_000_000}}]}) + "\n\n"

    async def endless(wire: Wire) -> None:
        nonlocal sent
        await wire.begin_stream()
        for _ in range(300):
            await wire.piece(event)
            sent += 1

    async with a_street(tmp_path, endless, idle_timeout_ms=2_000) as street:
        place = urlsplit(street.url)
        reader, writer = await asyncio.open_connection(place.hostname, place.port, limit=1_000)
        body = json.dumps(ASKING | {"stream": True}).encode()
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {SECRET}\r\n"
        writer.write(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
        await reader.readuntil(b"\r\n\r\n")
        async with asyncio.timeout(20):
            await street.log.has_request.wait()
        row = await street.the_call()
        writer.transport.abort()
    assert sent < 50, "the upstream was read on although nobody took it"
    assert (row.basis, row.flags) == ("counted", "client_left")


@pytest.mark.asyncio
async def test_our_credential_cut_in_two_within_sound_does_not_leave(tmp_path: Path) -> None:
    has_first = asyncio.Event()

    async def script(wire: Wire) -> None:
        await wire.begin_stream("audio/mpeg")
        await wire.piece(b"ID3" + UPSTREAM_KEY[:7].encode())
        await has_first.wait()  # else both pieces might come as one
        await wire.piece(UPSTREAM_KEY[7:].encode() + b"\x00\xff sk-ups")
        await wire.end_stream()

    async with a_street(tmp_path, script) as street:
        body = {"model": "by-piece", "input": "hello", "voice": "alloy"}
        content = b""
        async with street.http.stream("POST", "/v1/audio/speech", json=body, headers=BEARER) as answer:
            async for piece in answer.aiter_bytes():
                content += piece
                has_first.set()
    assert content == b"ID3" + b"*" * len(UPSTREAM_KEY) + b"\x00\xff sk-ups"


async def flood(street: Street, count: int, is_over: asyncio.Event) -> int:
    """As many bad credentials as one client can send; how many were refused."""
    refused = 0
    async with httpx.AsyncClient(base_url=street.url, timeout=20, verify=NO_AUTHORITIES) as http:
        for number in range(count):
            bad = SECRET[:-6] + f"{number:06d}"
            answer = await http.post("/v1/chat/completions", json=ASKING, headers={"authorization": f"Bearer {bad}"})
            refused += answer.status_code == 401
    is_over.set()
    return refused


@pytest.mark.asyncio
async def test_a_flood_of_bad_credentials_asks_the_database_nothing_and_others_are_served(tmp_path: Path) -> None:
    async def answer(wire: Wire) -> None:
        await wire.answer({"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}})

    async with a_street(tmp_path, answer) as street:
        assert (await street.ask()).status_code == 200
        is_over = asyncio.Event()
        with statements() as seen:
            floods = [asyncio.create_task(flood(street, 150, is_over)) for _ in range(4)]
            served = 0
            while not is_over.is_set():
                assert (await street.ask()).status_code == 200
                served += 1
            refused = [await one for one in floods]
    assert refused == [150] * 4
    assert served > 3
    assert seen == []


@contextlib.contextmanager
def statements() -> Iterator[list[str]]:
    """All that any database of this process is asked meanwhile; the ledger's batches, which go past SQLAlchemy, not."""
    seen: list[str] = []

    def note(_: object, __: object, statement: str, *___: object) -> None:
        seen.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", note)


@pytest.mark.asyncio
async def test_a_name_that_means_this_machine_the_second_time_opens_no_socket() -> None:
    meanings = [["93.184.216.34"], ["127.0.0.1"]]
    clock = FakeClock()

    async def resolve(_: str) -> list[str]:
        return meanings.pop(0)

    client = UpstreamClient(clock, resolve)
    upstream = Upstream("up", "https://models.example/v1", "k", connect_timeout_ms=1)
    for what in ("cannot be reached", "is not called"):
        with pytest.raises(Refusal, match=what) as found:
            await client.open_socket(upstream, "/realtime?model=x", ())
        assert found.value.code is Code.UPSTREAM_UNAVAILABLE
        clock.turn(minutes=1)
    await client.close()


@pytest.mark.asyncio
async def test_a_handshake_is_sent_to_what_is_allowed_only_and_follows_nothing() -> None:
    hits: list[bytes] = []

    async def elsewhere(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hits.append(await reader.readline())
        writer.close()

    async def redirecting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 302 Found\r\nlocation: ws://127.0.0.1:{port}/\r\ncontent-length: 0\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(elsewhere, "127.0.0.1", 0) as target:
        port = target.sockets[0].getsockname()[1]
        async with await asyncio.start_server(redirecting, "127.0.0.1", 0) as server:
            base = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
            client = UpstreamClient(FakeClock())
            with pytest.raises(Refusal, match="302") as found:
                await client.open_socket(Upstream("up", base, "k", allow_private=True), "/realtime", ())
            with pytest.raises(Refusal, match="is not called"):
                await client.open_socket(Upstream("up2", base, "k"), "/realtime", ())
            await client.close()
    assert found.value.code is Code.UPSTREAM_BROKEN
    assert hits == []
