"""Reading bodies from clients that do not behave."""

import asyncio
from pathlib import Path

import pytest

from gateway.scripted import SECRET, Wire, a_street


async def silent(wire: Wire) -> None:
    raise AssertionError("nothing is forwarded")


async def raw(url: str, *pieces: bytes, ends: bool = True) -> bytes:
    """What a server says to these bytes, each piece sent on its own."""
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    for piece in pieces:
        writer.write(piece)
        await asyncio.sleep(0.05 if piece is not pieces[-1] else 0)
    if not ends:
        writer.close()
        await writer.wait_closed()
        return b""
    answer = await reader.readuntil(b"\r\n\r\n")
    writer.close()
    return answer


def head(length: int, key: str = SECRET) -> bytes:
    lines = [
        "POST /v1/chat/completions HTTP/1.1",
        "host: x",
        f"authorization: Bearer {key}",
        f"content-length: {length}",
    ]
    return "\r\n".join([*lines, "", ""]).encode()


@pytest.mark.asyncio
async def test_a_body_that_does_not_come_in_time_is_given_up(tmp_path: Path) -> None:
    async with a_street(tmp_path, silent) as street:
        answer = await raw(street.url, head(50) + b'{"model"')
        assert await street.calls() == []
        line = street.log.lines[-1]
    assert answer.startswith(b"HTTP/1.1 408")
    assert line["reason"] == "body_timeout"


@pytest.mark.asyncio
async def test_a_body_in_many_parts_is_one_body(tmp_path: Path) -> None:
    async def parts() -> object:
        for part in (b'{"model":"no', b'pe","messages":[', b'{"content":"a"}]}'):
            yield part

    async with a_street(tmp_path, silent) as street:
        got = await street.http.post(
            "/v1/chat/completions",
            content=parts(),  # type: ignore[arg-type]
            headers={"authorization": f"Bearer {SECRET}"},
        )
    assert got.json()["error"]["reason"] == "model_unknown"


@pytest.mark.asyncio
async def test_a_client_that_leaves_before_its_body_is_whole_costs_nothing(tmp_path: Path) -> None:
    async with a_street(tmp_path, silent) as street:
        await raw(street.url, head(50) + b'{"model"', ends=False)
        await asyncio.wait_for(street.log.has_request.wait(), 5)
        assert await street.calls() == []
        assert street.log.lines[-1]["reason"] == "body_broken"


@pytest.mark.asyncio
async def test_the_credential_is_checked_before_the_body_is_read(tmp_path: Path) -> None:
    async with a_street(tmp_path, silent) as street:
        answer = await raw(street.url, head(10**12, key="sk-wrong"))
    assert answer.startswith(b"HTTP/1.1 401")


@pytest.mark.asyncio
async def test_a_body_that_says_it_is_too_large_is_refused_before_it_comes(tmp_path: Path) -> None:
    async with a_street(tmp_path, silent) as street:
        answer = await raw(street.url, head(10**12))
    assert answer.startswith(b"HTTP/1.1 413")


CHUNKED = head(0).replace(b"content-length: 0", b"transfer-encoding: chunked")
PIECE = b"2710\r\n" + b"x" * 10_000 + b"\r\n"
END = b"0\r\n\r\n"


@pytest.mark.asyncio
async def test_a_body_that_grows_too_large_in_chunks_is_refused(tmp_path: Path) -> None:
    async with a_street(tmp_path, silent) as street:
        answer = await raw(street.url, CHUNKED + PIECE, PIECE * 10 + END)
    assert answer.startswith(b"HTTP/1.1 413")


@pytest.mark.asyncio
async def test_so_is_one_that_has_come_with_its_head(tmp_path: Path) -> None:
    async with a_street(tmp_path, silent) as street:
        answer = await raw(street.url, CHUNKED + PIECE * 11 + END)
    assert answer.startswith(b"HTTP/1.1 413")


@pytest.mark.asyncio
@pytest.mark.parametrize("chunks", [b"zz\r\nab\r\n0\r\n\r\n", b"-1\r\nab\r\n0\r\n\r\n", b"fffffffffffffffffffff\r\nab"])
async def test_a_body_in_chunks_that_are_none_is_refused(tmp_path: Path, chunks: bytes) -> None:
    async with a_street(tmp_path, silent) as street:
        answer = await raw(street.url, CHUNKED + chunks)
    assert answer.startswith(b"HTTP/1.1 400")
