"""A head that was read once, and what comes with the same one: never anything but what would be read of it anew."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyhouse.server.exchange import Exchange
from keyhouse.server.known_head import BYTES_MAX, KnownHead
from keyhouse.server.reader import FOUND, Reader, Refused, Switched
from server.given_server import a_client, a_server, answer

LINE = b"POST /v1/a?b=c HTTP/1.1\r\nhost: a\r\nauthorization: Bearer x\r\n"
FIRST = LINE + b"Content-Length: 4\r\naccept: */*\r\n\r\nbody"
HEAD = FIRST.removesuffix(b"body")
OFFER = b"connection: Upgrade\r\nupgrade: h2c"
SCOPE: dict[str, Any] = {
    "path": "/v1/a",
    "headers": ((b"host", b"a"), (b"authorization", b"Bearer x"), (b"content-length", b"4"), (b"accept", b"*/*")),
}


class Wire:
    """Takes what an exchange asks of its connection, which here is nothing."""

    is_lost = False
    date = b""

    def __getattr__(self, name: str) -> Any:
        return lambda *_: None


class Reading:
    """A reader, and what it read: each request's scope and body, and how it ended."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.begun: list[Exchange] = []
        self.ended: list[Exchange] = []
        self.end: object = None
        address = ("192.0.2.1", 1)
        self.reader = Reader(Wire(), self.loop, address, address, self.begun.append, self.ended.append)

    def feed(self, data: bytes) -> None:
        try:
            self.reader.feed(data)
        except Refused as refused:
            self.end = refused.answer
        except Switched as switched:
            self.end = switched.rest

    def said(self, skip: int = 0) -> object:
        """All that was read after the first `skip` requests."""
        requests = [
            ({**each.scope, "extensions": None}, b"".join(each._pieces), each.is_whole, each.is_kept_alive)
            for each in self.begun[skip:]
        ]
        self.loop.close()
        return requests, len(self.ended) - skip, self.end


def lengthened(digits: bytes, body: bytes) -> bytes:
    return HEAD.replace(b"Length: 4", b"Length: " + digits) + body


def test_the_next_request_with_the_same_head_is_not_parsed() -> None:
    reading = Reading()
    reading.feed(HEAD)
    reading.feed(b"body")
    for piece in (FIRST, lengthened(b"0", b""), lengthened(b"12", b"a lon"), b"ger one" + HEAD, b"bo", b"dy"):
        reading.feed(piece)
    assert [b"".join(each._pieces) for each in reading.begun] == [b"body", b"body", b"", b"a longer one", b"body"]
    assert [dict(each.scope["headers"])[b"content-length"] for each in reading.begun[1:]] == [b"4", b"0", b"12", b"4"]
    first, *others = reading.begun
    assert all(without(each.scope) == without(first.scope) for each in others)
    # The very same objects: what is parsed makes new ones.
    assert all(each.scope["headers"][0] is first.scope["headers"][0] for each in others)
    assert reading.ended == reading.begun
    reading.loop.close()


def without(scope: Mapping[str, Any]) -> dict[str, Any]:
    """A scope without what differs from one request to the next."""
    return {name: value for name, value in scope.items() if name not in ("headers", "extensions")}


@pytest.mark.parametrize(
    ("data", "is_known"),
    [
        (FIRST, True),
        (HEAD, True),
        (HEAD + b"bod", True),
        (FIRST + b"x", False),
        (FIRST + FIRST, False),
        (LINE + b"\r\n", False),
        (LINE, False),
        (LINE + b"x: content-length: 4\r\n\r\nbody", False),
        (LINE + b"content-length:  4\r\n\r\nbody", False),
        (LINE + b"transfer-encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n", False),
        (b"\r\n\r\n" + FIRST, False),
        (LINE + b"x: %b\r\n" % (b"a" * BYTES_MAX) + FIRST.removeprefix(LINE), False),
    ],
)
def test_only_the_head_of_a_body_whose_length_is_said_in_digits_is_known_again(data: bytes, *, is_known: bool) -> None:
    assert (KnownHead.of(data, SCOPE) is not None) is is_known
    assert KnownHead.of(data, {**SCOPE, "headers": (*SCOPE["headers"], (b"expect", b"100-continue"))}) is None


@pytest.mark.parametrize(
    "data",
    [
        *(lengthened(digits, b"body") for digits in (b"+4", b"4 ", b" 4", b"4,4", b"0x4", b"", b"4_0", b"-4", b"4.0")),
        lengthened(b"4\r\ncontent-length: 4", b"body"),
        lengthened(b"4\r\ntransfer-encoding: chunked", b"body"),
        lengthened(b"0" * 17 + b"4", b"body"),
        FIRST.replace(b"Bearer x", b"Bearer y"),
        FIRST.replace(b"*/*", b"*/+"),
        HEAD[:-1],
        b"",
    ],
)
def test_another_head_is_read_anew_and_so_is_a_part_of_one(data: bytes) -> None:
    known = KnownHead.of(FIRST, SCOPE)
    assert known is not None
    assert known.read(data) is None


bodies = st.binary(max_size=6)
lengths = st.one_of(
    st.integers(0, 20).map(lambda length: b"%d" % length),
    st.text("0123456789+- \t,_\r\nx:", max_size=6).map(str.encode),
)
bent = st.builds(
    lambda place, byte: FIRST[:place] + byte + FIRST[place + 1 :],
    st.integers(0, len(FIRST) - 1),
    st.binary(max_size=2),
)
seconds = st.one_of(
    st.builds(lambda body: lengthened(b"%d" % len(body), body), bodies),
    st.builds(lengthened, lengths, bodies),
    st.builds(lambda begin, end: FIRST[begin:end], st.integers(0, len(FIRST)), st.integers(0, len(FIRST))),
    st.builds(lambda data, more: data + more, st.just(FIRST), bodies),
    st.builds(
        lambda more: FIRST.replace(b"accept: */*", more), st.sampled_from((OFFER, OFFER.replace(b"h2c", b"websocket")))
    ),
    bent,
)


@given(st.lists(seconds, min_size=1, max_size=4), st.sampled_from((1, 7, 40, 1_000)))
def test_what_is_read_after_a_known_head_is_what_would_be_read_anew(data: list[bytes], cut: int) -> None:
    knowing, anew = Reading(), Reading()
    knowing.feed(FIRST)
    assert knowing.reader._known is not None
    for piece in (each[place : place + cut] for each in data for place in range(0, len(each), cut)):
        for reading in (knowing, anew):
            if reading.end is None:
                reading.feed(piece)
    assert knowing.said(1) == anew.said()


@pytest.mark.asyncio
async def test_what_was_found_in_a_head_is_there_again_with_the_same_one_and_with_no_other() -> None:
    async def app(scope: Any, _: Any, send: Any) -> None:
        found = scope["extensions"][FOUND]
        found["times"] = found.get("times", 0) + 1
        await answer(send, b"%d" % found["times"])

    async with a_server(app) as listening, a_client(listening) as client, a_client(listening) as other:
        assert [(await client.ask(FIRST))[2] for _ in range(3)] == [b"1", b"2", b"3"]
        assert (await other.ask(FIRST))[2] == b"1"
        assert (await client.ask(FIRST.replace(b"Bearer x", b"Bearer y")))[2] == b"1"
        assert (await client.ask(FIRST))[2] == b"1"


@pytest.mark.asyncio
async def test_after_a_head_that_ends_its_connection_nothing_is_read() -> None:
    async def app(_: Any, __: Any, send: Any) -> None:
        await answer(send, b"")

    last = FIRST.replace(b"accept: */*", b"connection: close")
    async with a_server(app) as listening, a_client(listening) as client:
        assert (await client.ask(last + last))[1]["connection"] == "close"
        assert await client.rest() == b""
