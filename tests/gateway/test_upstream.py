"""Only administrators choose hosts, and a host that is not public is not called unless they say so."""

import asyncio

import pytest

from given import FakeClock
from keyhouse.core.errors import Code
from keyhouse.gateway.routing import Auth, Upstream
from keyhouse.gateway.upstream import Unsent, UpstreamClient, is_public


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700:4700::1111", "64:ff9b::808:808"])
def test_public_addresses_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.0.1",
        "169.254.169.254",
        "0.0.0.0",  # noqa: S104  it is refused
        "100.64.0.1",
        "224.0.0.1",
        "::1",
        "::",
        "fe80::1%eth0",
        "fc00::1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
    ],
)
def test_private_and_disguised_addresses_are_not(address: str) -> None:
    assert not is_public(address)


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
    assert caught.value.code is Code.UPSTREAM_UNAVAILABLE
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
    names = ("authorization", "x-api-key", "anthropic-version", "anthropic-beta")
    assert {name: sent[name] for name in names if name in sent} == expected
    await client.close()
    server.close()


def test_a_credential_is_not_in_an_upstreams_text() -> None:
    assert "sk-hidden" not in repr(Upstream("u", "https://a.example/v1", "sk-hidden"))
