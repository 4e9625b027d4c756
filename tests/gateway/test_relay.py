"""What an upstream may do to an answer, and what becomes of the call, byte for byte over real sockets."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from gateway.scripted import ASKING, SECRET, UPSTREAM_KEY, USAGE, Script, Wire, a_budget, a_street, chunk, streaming

BOUND = len(json.dumps(ASKING | {"stream": True}, separators=(",", ":"))) + 64
PLAIN_BOUND = len(json.dumps(ASKING, separators=(",", ":"))) + 64


def saying(
    content: bytes | str | dict[str, Any], status: int = 200, kind: str = "application/json", more: str = ""
) -> Script:
    async def script(wire: Wire) -> None:
        await wire.answer(content, status, kind, more)

    return script


@pytest.mark.asyncio
@pytest.mark.parametrize("status", [400, 404, 422, 429, 500, 503])
async def test_an_upstreams_error_is_passed_on_and_costs_nothing(tmp_path: Path, status: int) -> None:
    script = saying({"error": {"message": "no"}}, status, more="retry-after: 7\r\nlocation: http://x/\r\n")
    async with a_street(tmp_path, script, a_budget(1_000_000)) as street:
        got = await street.ask(stream=status == 429)
        row = await street.the_call()
    assert (got.status_code, got.json()) == (status, {"error": {"message": "no"}})
    assert got.headers["retry-after"] == "7"
    assert "location" not in got.headers
    assert (row.state, row.status, row.charged_nano_usd) == ("released", status, 0)


@pytest.mark.asyncio
@pytest.mark.parametrize("status", [401, 403, 407])
async def test_our_own_credential_refused_is_not_the_clients_fault(tmp_path: Path, status: int) -> None:
    script = saying({"error": {"message": f"bad key {UPSTREAM_KEY}"}}, status)
    async with a_street(tmp_path, script) as street:
        got = await street.ask()
        row = await street.the_call()
    assert (got.status_code, got.json()["error"].get("reason")) == (502, "upstream_broken")
    assert "Your API key is fine" in got.text
    assert UPSTREAM_KEY not in got.text
    assert (row.state, row.status) == ("released", 502)


@pytest.mark.asyncio
async def test_our_own_credential_is_cut_out_of_whatever_an_upstream_says(tmp_path: Path) -> None:
    async with a_street(tmp_path, saying({"error": {"message": f"key {UPSTREAM_KEY} of you"}}, 500)) as street:
        got = await street.ask()
    assert (got.status_code, got.json()["error"]["message"]) == (500, "key [removed] of you")


@pytest.mark.asyncio
async def test_our_own_credential_is_cut_out_of_a_stream_wherever_it_is_cut(tmp_path: Path) -> None:
    event = chunk(f"it is {UPSTREAM_KEY}")
    middle = event.index(UPSTREAM_KEY) + 8
    async with a_street(tmp_path, streaming(event[:middle], event[middle:], "data: [DONE]\n\n")) as street:
        events = await street.stream()
    assert json.loads(events[0][6:])["choices"][0]["delta"]["content"] == "it is [removed]"


@pytest.mark.asyncio
@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_is_not_followed(tmp_path: Path, status: int) -> None:
    """It points at the upstream itself, which would see whoever follows."""
    async with a_street(tmp_path, saying("", status, more="location: /v1/secret-place\r\n")) as street:
        got = await street.ask()
        row = await street.the_call()
        assert len(street.seen) == 1
    assert (got.status_code, got.json()["error"]["reason"]) == (502, "upstream_broken")
    assert "secret-place" not in got.text + str(got.headers)
    assert row.state == "released"


@pytest.mark.asyncio
async def test_an_upstream_that_cannot_be_reached_costs_nothing(tmp_path: Path) -> None:
    async with a_street(tmp_path, saying(""), base_url="http://127.0.0.1:1/v1") as street:
        got = await street.ask()
        row = await street.the_call()
    assert (got.status_code, got.json()["error"]["reason"]) == (503, "upstream_unavailable")
    assert (row.state, row.status, row.charged_nano_usd) == ("released", 503, 0)


@pytest.mark.asyncio
async def test_a_connection_reset_before_an_answer_is_counted_because_it_may_have_cost_something(
    tmp_path: Path,
) -> None:
    async def script(wire: Wire) -> None:
        wire.reset()

    async with a_street(tmp_path, script) as street:
        got = await street.ask()
        row = await street.the_call()
    assert (got.status_code, got.json()["error"]["reason"]) == (502, "upstream_broken")
    assert (row.state, row.basis, row.status, row.flags) == ("settled", "counted", 502, "no_answer")
    assert (row.input_tokens, row.charged_nano_usd) == (PLAIN_BOUND, PLAIN_BOUND)


@pytest.mark.asyncio
async def test_an_upstream_that_never_answers_times_out_and_is_counted(tmp_path: Path) -> None:
    async def script(wire: Wire) -> None:
        await wire.until_left()

    async with a_street(tmp_path, script, first_byte_timeout_ms=150) as street:
        got = await street.ask()
        row = await street.the_call()
    assert (got.status_code, got.json()["error"]["reason"]) == (504, "upstream_timeout")
    assert (row.state, row.basis, row.status) == ("settled", "counted", 504)


@pytest.mark.asyncio
async def test_a_plain_answer_cut_off_is_an_error_and_counted(tmp_path: Path) -> None:
    async def script(wire: Wire) -> None:
        await wire.say('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 900\r\n\r\n{"id":"half')
        wire.reset()

    async with a_street(tmp_path, script) as street:
        got = await street.ask()
        row = await street.the_call()
    assert (got.status_code, got.json()["error"]["reason"]) == (502, "upstream_broken")
    assert (row.basis, row.status, row.flags) == ("counted", 502, "upstream_cut")


@pytest.mark.asyncio
async def test_what_is_not_http_is_a_broken_upstream(tmp_path: Path) -> None:
    async def script(wire: Wire) -> None:
        await wire.say(b"\x00\x01\x02 not http\r\n\r\n")
        wire.reset()

    async with a_street(tmp_path, script) as street:
        got = await street.ask()
        row = await street.the_call()
    assert (got.status_code, row.basis) == (502, "counted")


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "content", ["<html>" + "x" * 90 + "</html>", "", b"\xff\xfe\x00", '{"choices":[]}', '{"usage":null}', "[1,2]"]
)
async def test_an_answer_without_usage_is_passed_on_and_counted(tmp_path: Path, content: str | bytes) -> None:
    data = content if isinstance(content, bytes) else content.encode()
    async with a_street(tmp_path, saying(content, kind="text/html"), a_budget(1_000_000)) as street:
        got = await street.ask()
        row = await street.the_call()
    assert (got.status_code, got.content, got.headers["content-type"]) == (200, data, "text/html")
    assert (row.state, row.basis, row.flags) == ("settled", "counted", "no_usage")
    assert (row.input_tokens, row.output_tokens) == (PLAIN_BOUND, -(-len(data) // 3))


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("usage", "counts"),
    [
        ({"prompt_tokens": -5, "completion_tokens": 5}, (PLAIN_BOUND, 38)),
        ({"prompt_tokens": 7.2, "completion_tokens": 40.0}, (8, 40)),
        ({"prompt_tokens": "7", "completion_tokens": "5"}, (PLAIN_BOUND, 38)),
        ({"prompt_tokens": 7, "completion_tokens": 10**30}, (7, PLAIN_BOUND + 50 - 7)),
        ({"prompt_tokens": 7, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 99}}, (7, 38)),
        ("lots", (PLAIN_BOUND, 38)),
    ],
)
async def test_usage_that_cannot_be_true_is_brought_into_reason_flagged_and_counted(
    tmp_path: Path, usage: object, counts: tuple[int, int]
) -> None:
    content = json.dumps({"usage": usage}).ljust(112)
    async with a_street(tmp_path, saying(content), a_budget(1_000_000)) as street:
        await street.ask()
        row = await street.the_call()
    assert (row.basis, row.flags) == ("counted", "usage_clamped")
    assert (row.input_tokens, row.output_tokens) == counts
    assert row.charged_nano_usd <= row.reserved_nano_usd


@pytest.mark.asyncio
async def test_more_than_was_reserved_is_charged_where_the_upstream_says_so_and_shown_as_overrun(
    tmp_path: Path,
) -> None:
    content = {"usage": {"prompt_tokens": 7, "completion_tokens": 5_000}}
    async with a_street(tmp_path, saying(content), a_budget(1_000_000)) as street:
        await street.ask()
        row = await street.the_call()
    assert (row.basis, row.flags, row.charged_nano_usd) == ("upstream", "overrun", 10_007)


@pytest.mark.asyncio
async def test_usage_that_only_the_gateway_asked_for_is_taken_out_of_a_stream_again(tmp_path: Path) -> None:
    events = [chunk("a", usage=None), chunk("b"), chunk(usage=USAGE), ": ping\n\n", "data: [DONE]\n\n"]
    async with a_street(tmp_path, streaming(*events)) as street:
        got = await street.ask(stream=True)
        row = await street.the_call()
        sent = json.loads(street.seen[0].body)
    assert sent["stream_options"] == {"include_usage": True}
    assert got.text == "".join([chunk("a"), chunk("b"), ": ping\n\n", "data: [DONE]\n\n"])
    assert (row.basis, row.input_tokens, row.output_tokens, row.charged_nano_usd) == ("upstream", 7, 5, 17)


@pytest.mark.asyncio
async def test_a_stream_without_usage_is_counted_by_its_pieces_and_text(tmp_path: Path) -> None:
    events = [chunk("a"), chunk("b"), chunk("four words of text here"), "data: [DONE]\n\n"]
    async with a_street(tmp_path, streaming(*events)) as street:
        got = await street.ask(stream=True)
        row = await street.the_call()
    assert got.text == "".join(events)
    assert (row.basis, row.flags, row.input_tokens, row.output_tokens) == ("counted", "no_usage", BOUND, 9)


@pytest.mark.asyncio
async def test_a_stream_that_breaks_off_ends_with_an_error_and_without_done(tmp_path: Path) -> None:
    async with a_street(tmp_path, streaming(chunk("a"), chunk("b")[:20], ends=False)) as street:
        events = (await street.broken_off()).removesuffix("\n\n").split("\n\n")
        row = await street.the_call()
    assert events[0] + "\n\n" == chunk("a")
    assert len(events) == 2
    assert json.loads(events[1].removeprefix("data: "))["error"]["reason"] == "upstream_broken"
    assert (row.state, row.basis, row.flags) == ("settled", "counted", "upstream_cut")
    assert (row.input_tokens, row.output_tokens) == (BOUND, 5), "the half event counts by its size"


@pytest.mark.asyncio
async def test_a_stream_that_stalls_ends_with_an_error_and_the_upstream_is_left(tmp_path: Path) -> None:
    left = asyncio.Event()

    async def script(wire: Wire) -> None:
        await wire.begin_stream()
        await wire.piece(chunk("a"))
        await wire.until_left()
        left.set()

    async with a_street(tmp_path, script, idle_timeout_ms=150) as street:
        events = (await street.broken_off()).removesuffix("\n\n").split("\n\n")
        row = await street.the_call()
        await asyncio.wait_for(left.wait(), 5)
    assert json.loads(events[-1].removeprefix("data: "))["error"]["code"] == "upstream_timeout"
    assert (row.state, row.basis) == ("settled", "counted")


@pytest.mark.asyncio
async def test_a_client_that_leaves_ends_the_stream_upstream_and_pays_what_was_made(tmp_path: Path) -> None:
    left = asyncio.Event()

    async def script(wire: Wire) -> None:
        await wire.begin_stream()
        for word in ("a", "b", "c"):
            await wire.piece(chunk(word))
        await wire.until_left()
        left.set()

    headers = {"authorization": f"Bearer {SECRET}"}
    async with a_street(tmp_path, script, a_budget(1_000_000)) as street:
        body = ASKING | {"stream": True}
        async with street.http.stream("POST", "/v1/chat/completions", json=body, headers=headers) as got:
            seen = ""
            async for text in got.aiter_text():
                seen += text
                if seen.count("data:") == 3:
                    break
        await asyncio.wait_for(left.wait(), 5)
        await asyncio.wait_for(street.log.has_request.wait(), 5)
        row = await street.the_call()
    assert (row.state, row.basis, row.flags) == ("settled", "counted", "client_left")
    assert (row.input_tokens, row.output_tokens) == (BOUND, 3)


@pytest.mark.asyncio
async def test_a_client_that_asks_for_a_stream_may_get_a_whole_answer(tmp_path: Path) -> None:
    content = {"choices": [], "usage": USAGE}
    async with a_street(tmp_path, saying(content)) as street:
        got = await street.ask(stream=True)
        row = await street.the_call()
    assert (got.json(), row.basis, row.output_tokens) == (content, "upstream", 5)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "junk", ["data: {not json}\n\n", b"data: \xff\xfe\n\n", "<html></html>\n\n", "event: x\r\n\r\n"]
)
async def test_junk_in_a_stream_is_passed_on_unchanged(tmp_path: Path, junk: str | bytes) -> None:
    async with a_street(tmp_path, streaming(junk, chunk(usage=USAGE), "data: [DONE]\n\n")) as street:
        got = await street.ask(stream=True)
        row = await street.the_call()
    junk = junk.encode() if isinstance(junk, str) else junk
    assert got.content == junk + b"data: [DONE]\n\n"
    assert row.basis == "upstream"


@pytest.mark.asyncio
async def test_an_error_event_of_the_upstream_is_passed_on(tmp_path: Path) -> None:
    event = 'data: {"error":{"message":"overloaded"}}\n\n'
    async with a_street(tmp_path, streaming(chunk("a"), event)) as street:
        got = await street.ask(stream=True)
        row = await street.the_call()
    assert got.text == chunk("a") + event
    assert (row.state, row.basis) == ("settled", "counted")


@pytest.mark.asyncio
async def test_a_stream_that_flows_may_take_longer_than_the_longest_silence_in_it(tmp_path: Path) -> None:
    async def script(wire: Wire) -> None:
        await wire.begin_stream()
        for _ in range(25):
            await wire.piece(chunk("a"))
            await asyncio.sleep(0.03)
        await wire.end_stream()

    async with a_street(tmp_path, script, idle_timeout_ms=450) as street:
        events = await street.stream()
    assert len(events) == 25


@pytest.mark.asyncio
async def test_a_first_token_is_what_a_stream_has_and_a_whole_answer_has_not(tmp_path: Path) -> None:
    """The one would be as long as the whole of the other, and what is left of that no time to have written it in."""
    (tmp_path / "streamed").mkdir()
    async with a_street(tmp_path, saying({"choices": [], "usage": USAGE})) as street:
        await street.ask()
        (plain,) = await street.calls()
    async with a_street(tmp_path / "streamed", streaming(chunk("a"), chunk(usage=USAGE), "data: [DONE]\n\n")) as street:
        await street.ask(stream=True)
        (streamed,) = await street.calls()
    assert (plain.first_byte_ms, streamed.first_byte_ms is None) == (None, False)
