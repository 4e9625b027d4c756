"""What an upstream may do, what the client hears, and what the call costs: one row each, over real sockets.

After every row the auditor agrees with the books, and our credential is in no line of the log. The rows are
documented in docs/reliability.md.
"""

import json
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import httpx
import pytest

from gateway.scripted import ASKING, SECRET, UPSTREAM_KEY, USAGE, Script, Wire, a_budget, a_street, chunk, streaming

ANSWER: Final = json.dumps({"choices": [], "usage": USAGE})
WHOLE: Final = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(ANSWER)}\r\n\r\n{ANSWER}"
STREAM: Final = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
METADATA: Final = "http://169.254.169.254/latest/meta-data/"
DONE: Final = "data: [DONE]\n\n"
QUICK: Final[dict[str, Any]] = {"first_byte_timeout_ms": 250, "idle_timeout_ms": 250}
BOMB: Final = zlib.compress(bytes(10_000_000), wbits=31)

TIMEOUT: Final = "upstream_timeout"
BROKEN: Final = "upstream_broken"
GZIP: Final = "content-encoding: gzip\r\n"
FILTERED: Final = '{"error": {"innererror": {"code":"ResponsibleAIPolicyViolation"}}}'
TWICE: Final = f'{{"usage": {json.dumps(USAGE)}, "usage": {json.dumps(USAGE)}}}'
LONG_HEADER: Final = b"HTTP/1.1 200 OK\r\nx: " + b"a" * 10_000_000 + b"\r\n\r\n"
EARLY: Final = "HTTP/1.1 103 Early Hints\r\n\r\n" * 100
SWITCH: Final = "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"
TWO_LENGTHS: Final = WHOLE.replace("\r\n\r\n", "\r\ncontent-length: 3\r\n\r\n")

FREE: Final = "nothing"
COUNTED: Final = "as counted"
REPORTED: Final = "as reported"
RESERVED: Final = "all that was reserved"


def raw(*parts: bytes | str, ends: str = "reset") -> Script:
    """An upstream that says these bytes, and then resets, closes or stalls."""

    async def script(wire: Wire) -> None:
        for part in parts:
            await wire.say(part)
        if ends == "stall":
            await wire.until_left()
        elif ends == "reset":
            wire.reset()
        else:
            wire.close()

    return script


def saying(content: bytes | str, status: int = 200, more: str = "", kind: str = "application/json") -> Script:
    async def script(wire: Wire) -> None:
        await wire.answer(content, status, kind, more)

    return script


async def interim_for_ever(wire: Wire) -> None:
    while True:
        await wire.say("HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" * 100)


async def a_second_answer(wire: Wire) -> None:
    """Nobody asked for it; who calls next must not be given it."""
    await wire.say(WHOLE + WHOLE.replace("choices", "stolen!"))


def used(prompt: object, completion: object) -> str:
    return json.dumps({"choices": [], "usage": {"prompt_tokens": prompt, "completion_tokens": completion}})


class Plain(NamedTuple):
    """A fault in an answer that is not streamed. `reason` None: the client is given what the upstream said."""

    name: str
    script: Script
    status: int
    reason: str | None
    charge: str


PLAIN: Final = [
    Plain("stalls before its answer", raw(ends="stall"), 504, TIMEOUT, COUNTED),
    Plain("stalls in its headers", raw(WHOLE[:40], ends="stall"), 504, TIMEOUT, COUNTED),
    Plain("stalls in its body", raw(WHOLE[:-5], ends="stall"), 504, TIMEOUT, COUNTED),
    Plain("resets before its answer", raw(), 502, BROKEN, COUNTED),
    Plain("closes before its answer", raw(ends="close"), 502, BROKEN, COUNTED),
    Plain("resets in its headers", raw(WHOLE[:40]), 502, BROKEN, COUNTED),
    Plain("resets in its body", raw(WHOLE[:-5]), 502, BROKEN, COUNTED),
    Plain("closes before its length is reached", raw(WHOLE[:-5], ends="close"), 502, BROKEN, COUNTED),
    Plain("says garbage", raw(b"\x00\x01\xff garbage\r\n\r\n", ends="stall"), 502, BROKEN, COUNTED),
    Plain("speaks TLS where none is", raw(b"\x16\x03\x01\x02\x00\x01\x00", ends="stall"), 502, BROKEN, COUNTED),
    Plain("says two lengths", raw(TWO_LENGTHS, ends="stall"), 502, BROKEN, COUNTED),
    Plain("sends a header of 10 MB", raw(LONG_HEADER, ends="stall"), 502, BROKEN, COUNTED),
    Plain("answers 103 for ever", interim_for_ever, 502, BROKEN, COUNTED),
    Plain("answers 103 and then", raw(EARLY + WHOLE, ends="stall"), 200, None, REPORTED),
    Plain("switches protocols", raw(SWITCH, ends="stall"), 502, BROKEN, COUNTED),
    Plain("redirects", saying("", 302, f"location: {METADATA}\r\n"), 502, BROKEN, FREE),
    Plain("redirects with the method kept", saying("", 307, f"location: {METADATA}\r\n"), 502, BROKEN, FREE),
    Plain("compresses 10 MB into 10 KB", saying(BOMB, more=GZIP), 502, BROKEN, RESERVED),
    Plain("compresses an error", saying(BOMB, 500, GZIP), 502, BROKEN, FREE),
    Plain("sends HTML with 200", saying("<html>" + "x" * 90, kind="text/html"), 200, None, COUNTED),
    Plain("sends nothing with 200", saying(""), 200, None, COUNTED),
    Plain("sends invalid UTF-8", saying(b'{"usage": "\xff\xfe"}'), 200, None, COUNTED),
    Plain("sends a line of 10 MB", saying(b"x" * 10_000_000), 200, None, COUNTED),
    Plain("reports no usage", saying('{"choices": []}'), 200, None, COUNTED),
    Plain("reports negative usage", saying(used(-7, 5)), 200, None, COUNTED),
    Plain("reports fractions", saying(used(7.5, 5.5)), 200, None, COUNTED),
    Plain("reports text", saying(used("7", "5")), 200, None, COUNTED),
    Plain("reports more than a model can make", saying(used(7, 10**30)), 200, None, COUNTED),
    Plain("reports usage twice", saying(TWICE), 200, None, REPORTED),
    Plain("answers 429", saying('{"error": {}}', 429, "retry-after: 7\r\n"), 429, None, FREE),
    Plain("answers 400", saying('{"error": {"code": "invalid_value"}}', 400), 400, None, FREE),
    Plain("filters the prompt", saying('{"error": {"code": "content_filter"}}', 400), 400, None, COUNTED),
    Plain("filters the prompt by an older name", saying(FILTERED, 400), 400, None, COUNTED),
    Plain("answers 408", saying('{"error": {}}', 408), 408, None, COUNTED),
    Plain("answers 500", saying('{"error": {}}', 500, "retry-after: 7\r\n"), 500, None, FREE),
    Plain("answers 503", saying('{"error": {}}', 503, "retry-after: 7\r\n"), 503, None, FREE),
    Plain("refuses our credential", saying(UPSTREAM_KEY, 401), 502, BROKEN, FREE),
    Plain("shows our credential in an error", saying(f'{{"error": "{UPSTREAM_KEY}"}}', 400), 400, None, FREE),
    Plain("shows our credential in its answer", saying(used(7, 5) + UPSTREAM_KEY), 200, None, COUNTED),
    Plain("sends an answer nobody asked for", a_second_answer, 200, None, REPORTED),
]  # fmt: skip


@pytest.mark.asyncio
@pytest.mark.parametrize("fault", PLAIN, ids=[fault.name for fault in PLAIN])
async def test_a_fault_in_a_whole_answer_has_its_answer_and_its_charge(tmp_path: Path, fault: Plain) -> None:
    async with a_street(tmp_path, fault.script, a_budget(1_000_000), **QUICK) as street:
        got = await street.ask()
        row = await street.the_call()
    assert got.status_code == fault.status
    if fault.reason is not None:
        assert got.json()["error"]["reason"] == fault.reason
    else:
        assert got.headers.get("retry-after") == ("7" if fault.status >= 429 else None)
    assert row.status == fault.status
    assert charge_of(row) == fault.charge
    assert_nothing_of_theirs(got.content, got.headers)


def charge_of(row: Any) -> str:
    """What a call was charged, in a word. Of what is known only by counting, all of its input at least."""
    if row.state == "released":
        assert row.charged_nano_usd == 0
        return FREE
    assert row.state == "settled"
    if row.basis == "upstream":
        assert (row.input_tokens, row.output_tokens) == (7, 5)
        return REPORTED
    if row.flags == "usage_unknown":
        assert row.charged_nano_usd == row.reserved_nano_usd
        return RESERVED
    assert row.charged_nano_usd >= row.input_tokens >= 7
    return COUNTED


def assert_nothing_of_theirs(content: bytes, headers: httpx.Headers) -> None:
    """Neither our credential nor what it might point at has come through, in whatever case."""
    came = content.lower() + repr(headers).encode().lower()
    assert UPSTREAM_KEY.encode() not in came
    assert b"169.254" not in came
    assert b"set-cookie" not in came


class Streamed(NamedTuple):
    """A fault in a stream. `reason` None: the stream passes to its end as it came."""

    name: str
    script: Script
    reason: str | None
    charge: str


LESS: Final = chunk(usage={"prompt_tokens": 1, "completion_tokens": 1})
ECHO: Final = f'data: {{"error": "{UPSTREAM_KEY}"}}\n\n'
STREAMED: Final = [
    Streamed("stalls", raw(STREAM, "b\r\ndata: {}\n\n\n\r\n", ends="stall"), TIMEOUT, COUNTED),
    Streamed("stalls in an event", raw(STREAM, "6\r\ndata: \r\n", ends="stall"), TIMEOUT, COUNTED),
    Streamed("stalls before its first event", raw(STREAM, ends="stall"), TIMEOUT, COUNTED),
    Streamed("resets", streaming(chunk("a"), ends=False), BROKEN, COUNTED),
    Streamed("resets in an event", streaming(chunk("a"), chunk("b")[:9], ends=False), BROKEN, COUNTED),
    Streamed("closes in a chunk", raw(STREAM, "ff\r\ndata: half", ends="close"), BROKEN, COUNTED),
    Streamed("closes without a last chunk", raw(STREAM, "6\r\ndata: \r\n", ends="close"), BROKEN, COUNTED),
    Streamed("sends chunks that are none", raw(STREAM, "zz\r\nhello\r\n", ends="stall"), BROKEN, COUNTED),
    Streamed("compresses", raw(STREAM[:-2] + GZIP + "\r\n"), "502", RESERVED),
    Streamed("says it is done and resets", streaming(chunk("a"), DONE, ends=False), BROKEN, COUNTED),
    Streamed("sends invalid UTF-8", streaming(b"data: \xff\xfe\n\n", DONE), None, COUNTED),
    Streamed("sends what is no JSON", streaming("data: {nothing\n\n", "<html>", DONE), None, COUNTED),
    Streamed("sends a line of 10 MB", streaming("data: ", *["x" * 1_000_000] * 10, "\n\n", DONE), None, COUNTED),
    Streamed("sends nothing", streaming(), None, COUNTED),
    Streamed("reports no usage", streaming(chunk("a"), DONE), None, COUNTED),
    Streamed("reports usage that cannot be", streaming(chunk(usage={"prompt_tokens": -1}), DONE), None, COUNTED),
    Streamed("reports usage twice", streaming(LESS, chunk(usage=USAGE), LESS, DONE), None, REPORTED),
    Streamed("ends with an error of its own", streaming(chunk("a"), 'data: {"error": {}}\n\n'), None, COUNTED),
    Streamed("shows our credential", streaming(chunk(UPSTREAM_KEY), DONE), None, COUNTED),
    Streamed("shows our credential in an error, cut up", streaming(*ECHO), None, COUNTED),
]  # fmt: skip


@pytest.mark.asyncio
@pytest.mark.parametrize("fault", STREAMED, ids=[fault.name for fault in STREAMED])
async def test_a_fault_in_a_stream_has_its_end_and_its_charge(tmp_path: Path, fault: Streamed) -> None:
    async with a_street(tmp_path, fault.script, a_budget(1_000_000), **QUICK) as street:
        if fault.reason in (None, "502"):
            got = await street.ask(stream=True, stream_options={"include_usage": True})
            assert got.status_code == (502 if fault.reason else 200)
            assert_nothing_of_theirs(got.content, got.headers)
        else:
            last = (await street.broken_off()).removesuffix("\n\n").rpartition("\n\n")[2]
            assert json.loads(last.removeprefix("data: "))["error"]["reason"] == fault.reason
        row = await street.the_call()
    assert charge_of(row) == fault.charge


DIALECTS: Final[Sequence[tuple[str, dict[str, Any], str, str]]] = [
    ("/v1/chat/completions", ASKING, "data: ", "[DONE]"),
    ("/v1/completions", {"model": "tiny-1", "prompt": "a", "max_tokens": 5}, "data: ", "[DONE]"),
    ("/v1/responses", {"model": "tiny-1", "input": "a", "max_output_tokens": 50}, "event: error\n", "completed"),
    ("/v1/messages", ASKING, "event: error\n", "message_stop"),
]


@pytest.mark.asyncio
@pytest.mark.parametrize(("path", "asking", "begins", "finished"), DIALECTS, ids=[row[0] for row in DIALECTS])
async def test_a_stream_that_breaks_off_says_so_in_its_endpoints_own_words_and_never_that_it_is_done(
    tmp_path: Path, path: str, asking: dict[str, Any], begins: str, finished: str
) -> None:
    async with a_street(tmp_path, streaming('data: {"half": 1', ends=False), a_budget(1_000_000)) as street:
        came = await street.broken_off(path, asking | {"stream": True})
        row = await street.the_call()
    assert came.startswith(begins)
    assert "upstream_" in came
    assert finished not in came
    assert charge_of(row) == COUNTED


HEADERS: Final = {
    "content-type": f"application/json; {UPSTREAM_KEY}",
    "x-request-id": UPSTREAM_KEY,
    "retry-after": f"Bearer {UPSTREAM_KEY}",
    "x-should-retry": "x" * 5_000,
    "set-cookie": "upstream=1",
    "server": "upstream",
    "location": METADATA,
    "x-ratelimit-remaining-requests": "99",
    "www-authenticate": "Basic",
    "connection": "x-nominated",
    "x-nominated": "1",
    "keep-alive": "timeout=99",
}


@pytest.mark.asyncio
@pytest.mark.parametrize("status", [200, 429])
async def test_of_an_upstreams_headers_only_those_on_the_list_pass_and_none_with_our_credential(
    tmp_path: Path, status: int
) -> None:
    more = "".join(
        f"{name}: {value}\r\n" for name, value in HEADERS.items() if name not in ("content-type", "transfer-encoding")
    )
    async with a_street(tmp_path, saying(ANSWER, status, more, HEADERS["content-type"])) as street:
        got = await street.ask()
    assert got.status_code == status
    assert_nothing_of_theirs(got.content, got.headers)
    assert got.headers["content-type"] == "application/json"
    never = {*HEADERS, "x-keyhouse-upstream-request-id"} - {"content-type", "x-request-id"}
    assert not never & set(got.headers)


@pytest.mark.asyncio
async def test_an_answer_nobody_asked_for_is_given_to_nobody(tmp_path: Path) -> None:
    async with a_street(tmp_path, a_second_answer) as street:
        answers = [(await street.ask()).text for _ in range(5)]
    assert answers == [ANSWER] * 5


SENT: Final = {
    "authorization": f"Bearer {SECRET}",
    "host": "evil.example",
    "x-forwarded-host": "evil.example",
    "forwarded": "host=evil.example",
    "x-upstream-url": "http://169.254.169.254/",
    "x-litellm-api-base": "http://169.254.169.254/",
    "x-portkey-custom-host": "http://169.254.169.254/",
    "openai-organization": "org-evil",
    "cookie": "session=1",
    "connection": "x-nominated",
    "x-nominated": "1",
    "te": "trailers",
    "proxy-authorization": "Basic x",
    "x-http-method-override": "GET",
}
CHOOSING: Final = {
    "api_base": "http://169.254.169.254/",
    "base_url": "http://169.254.169.254/",
    "api_key": "sk-evil",
    "upstream": "evil",
    "extra_headers": {"authorization": "Bearer sk-evil"},
}


@pytest.mark.asyncio
async def test_neither_body_nor_headers_nor_query_choose_a_host_and_none_of_a_clients_headers_goes_up(
    tmp_path: Path,
) -> None:
    """CVE-2024-6587: a client chose `api_base`, and the credential of the upstream went there."""
    async with a_street(tmp_path, saying(ANSWER)) as street:
        target = "/v1/chat/completions?api_base=http://169.254.169.254/&api-version=1"
        got = await street.http.post(target, json=ASKING | CHOOSING, headers=SENT)
        (wire,) = street.seen
    assert got.json() == json.loads(ANSWER)
    first, *lines = wire.head.decode().strip().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    assert first == "POST /v1/chat/completions HTTP/1.1"
    assert set(headers) == {
        *("accept", "accept-encoding", "authorization", "content-length", "content-type", "host"),
        *("user-agent", "x-request-id"),
    }
    assert headers["authorization"] == f"Bearer {UPSTREAM_KEY}"
    assert headers["host"] == f"127.0.0.1:{wire.port}"
    assert SECRET not in wire.head.decode() + wire.body.decode()
