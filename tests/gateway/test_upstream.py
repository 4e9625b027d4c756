"""Only administrators choose hosts, and a host that is not public is not called unless they say so."""

import asyncio
import socket
import ssl
import subprocess
from pathlib import Path

import pytest

from given import FakeClock
from keyhouse.core.errors import Code
from keyhouse.gateway.answer import Unsent
from keyhouse.gateway.routing import Auth, Upstream
from keyhouse.gateway.upstream import UpstreamClient


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("base_url", "addresses"),
    [
        ("https://127.0.0.1/v1", []),
        ("https://[::1]/v1", []),
        ("https://internal.example/v1", ["10.0.0.1"]),
        ("https://half.example/v1", ["8.8.8.8", "127.0.0.1"]),
        ("http://plain.example/v1", ["8.8.8.8"]),
    ],
)
async def test_nothing_is_sent_to_what_is_not_public(base_url: str, addresses: list[str]) -> None:
    async def resolve(_: str) -> list[str]:
        return addresses

    client = UpstreamClient(FakeClock(), resolve)
    with pytest.raises(Unsent) as caught:
        async with client.forward(Upstream("u", base_url), "/chat/completions", b"{}", "call_1"):
            pass
    # Not that nobody listens there: it was not even tried.
    assert (caught.value.code, caught.value.message) == (Code.UPSTREAM_UNAVAILABLE, "The upstream u is not called.")
    await client.close()


@pytest.mark.asyncio
async def test_a_name_that_means_something_else_the_second_time_is_refused() -> None:
    answers = [["8.8.8.8"], ["127.0.0.1"]]
    clock = FakeClock()

    async def resolve(_: str) -> list[str]:
        return answers.pop(0)

    client = UpstreamClient(clock, resolve)
    upstream = Upstream("u", "https://rebinding.example:1/v1", connect_timeout_ms=1)
    whys = []
    for _ in range(2):
        with pytest.raises(Unsent) as caught:
            async with client.forward(upstream, "/x", b"{}", "call_1"):
                pass
        whys.append(caught.value.internal)
        clock.turn(minutes=1)
    assert answers == []
    assert "not public" not in whys[0]
    assert whys[1] == "its address 127.0.0.1 is not public"
    await client.close()


@pytest.mark.asyncio
async def test_the_connection_goes_to_the_address_that_was_vetted_and_to_the_next_if_that_is_dead() -> None:
    """No resolver but ours knows this name, so an answer proves where the connection went."""
    hosts = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hosts.append(await reader.readuntil(b"{}"))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]

    async def resolve(_: str) -> list[str]:
        return ["127.0.0.2", "127.0.0.1"]

    client = UpstreamClient(FakeClock(), resolve)
    upstream = Upstream("u", f"http://model.invalid:{port}/v1", allow_private=True)
    async with client.forward(upstream, "/x", b"{}", "call_1") as got:
        assert (got.status, await got.chunk()) == (200, b"ok")
    assert f"model.invalid:{port}".encode() in hosts[0]
    await client.close()
    server.close()


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("auth", "headers", "expected"),
    [
        (Auth.BEARER, [], {"authorization": ["Bearer sk-u"]}),
        (Auth.BEARER, [("anthropic-beta", "a,b")], {"authorization": ["Bearer sk-u"], "anthropic-beta": ["a,b"]}),
        (Auth.API_KEY, [], {"api-key": ["sk-u"]}),
        (Auth.X_API_KEY, [], {"x-api-key": ["sk-u"], "anthropic-version": ["2023-06-01"]}),
        (
            Auth.X_API_KEY,
            [("anthropic-version", "2099-01-01")],
            {"x-api-key": ["sk-u"], "anthropic-version": ["2099-01-01"]},
        ),
    ],
)
async def test_the_credential_goes_up_as_the_upstream_wants_it(
    auth: Auth, headers: list[tuple[str, str]], expected: dict[str, list[str]]
) -> None:
    heads = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append((await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    client = UpstreamClient(FakeClock())
    upstream = Upstream("u", f"http://127.0.0.1:{port}/v1", "sk-u", auth, allow_private=True)
    async with client.forward(upstream, "/x", b"{}", "call_1", headers) as got:
        assert await got.chunk() == b"ok"
    sent: dict[str, list[str]] = {}
    for line in heads[0][1:]:
        name, _, value = line.partition(": ")
        sent.setdefault(name.lower(), []).append(value)
    names = ("authorization", "api-key", "x-api-key", "anthropic-version", "anthropic-beta")
    assert {name: sent[name] for name in names if name in sent} == expected
    await client.close()
    server.close()


@pytest.mark.asyncio
async def test_a_credential_that_would_begin_another_header_is_not_sent() -> None:
    client = UpstreamClient(FakeClock())
    upstream = Upstream("u", "http://127.0.0.1:1/v1", "sk-u\r\nx-evil: 1", allow_private=True)
    with pytest.raises(Unsent) as caught:
        async with client.forward(upstream, "/x", b"{}", "call_1"):
            pass
    assert caught.value.internal == "its header authorization has a character that cannot stand in one"


@pytest.fixture
def unvouched(tmp_path: Path) -> ssl.SSLContext:
    """A server's own certificate, signed by itself."""
    made = ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "9")
    kind = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256")
    files = ("-keyout", str(tmp_path / "key"), "-out", str(tmp_path / "certificate"))
    subprocess.run(["openssl", "req", "-x509", "-nodes", *kind, *made, *files], check=True, capture_output=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "certificate", tmp_path / "key")
    return context


@pytest.mark.asyncio
async def test_nothing_is_sent_to_a_server_whose_certificate_nobody_vouches_for(unvouched: ssl.SSLContext) -> None:
    heard: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read())
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=unvouched)

    async def resolve(_: str) -> list[str]:
        return ["127.0.0.1"]

    client = UpstreamClient(FakeClock(), resolve)
    url = f"https://localhost:{server.sockets[0].getsockname()[1]}/v1"
    with pytest.raises(Unsent) as caught:
        async with client.forward(Upstream("u", url, "sk-u", allow_private=True), "/x", b"{}", "call_1"):
            pass
    assert "certificate verify failed" in (caught.value.internal or "")
    assert heard == []
    server.close()


@pytest.mark.asyncio
async def test_a_connection_is_used_again_and_a_new_one_made_where_it_was_closed() -> None:
    connections = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        for _ in range(2):
            await reader.readuntil(b"{}")
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    client = UpstreamClient(FakeClock())
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    for number in range(4):
        async with client.forward(Upstream("u", url, allow_private=True), "/x", b"{}", "call_1") as got:
            assert (await got.chunk(), await got.chunk()) == (b"ok", None)
        # What has been closed must be known before the next one: it is on its way through this very loop.
        await asyncio.sleep(0.05)
        assert connections == number // 2 + 1
    await client.close()
    server.close()


@pytest.mark.asyncio
async def test_a_connection_that_is_not_taken_in_time_was_never_made() -> None:
    """A listener whose queue is full lets the next connection wait."""
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        waiting = []
        for _ in range(4):
            one = socket.socket()
            one.setblocking(False)
            waiting.append((one, asyncio.ensure_future(loop.sock_connect(one, full.getsockname()))))
        await asyncio.wait([done for _, done in waiting], return_when=asyncio.FIRST_COMPLETED)
        client = UpstreamClient(FakeClock())
        upstream = Upstream(
            "u", f"http://127.0.0.1:{full.getsockname()[1]}/v1", allow_private=True, connect_timeout_ms=100
        )
        with pytest.raises(Unsent) as caught:
            async with client.forward(upstream, "/x", b"{}", "call_1"):
                pass
        for one, done in waiting:
            done.cancel()
            one.close()
    assert caught.value.code is Code.UPSTREAM_UNAVAILABLE
    await client.close()


def test_a_credential_is_not_in_an_upstreams_text() -> None:
    assert "sk-hidden" not in repr(Upstream("u", "https://a.example/v1", "sk-hidden"))


@pytest.mark.asyncio
async def test_a_proxy_in_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok")
        await writer.drain()
        writer.close()

    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    for name in ("NO_PROXY", "no_proxy", "REQUEST_METHOD"):
        monkeypatch.delenv(name, raising=False)
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    client = UpstreamClient(FakeClock())
    upstream = Upstream("u", f"http://127.0.0.1:{port}/v1", allow_private=True)
    async with client.forward(upstream, "/x", b"{}", "call_1") as got:
        assert await got.chunk() == b"ok"
    await client.close()
    server.close()
