"""A response through the gateway: forwarded, metered and paid, whatever the upstream does to it."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from gateway.given_responses import ANSWER, ASKING, USAGE, ask, completed, create, created, event, said
from gateway.scripted import SECRET, Wire, a_budget, a_street, streaming, the_key
from keyhouse.core.limit import Unit, Window

BOUND = len(json.dumps(ASKING | {"stream": True}, separators=(",", ":"))) + 64
PLAIN_BOUND = len(json.dumps(ASKING, separators=(",", ":"))) + 64


async def answer(wire: Wire) -> None:
    await wire.answer(ANSWER)


@pytest.mark.asyncio
async def test_a_plain_response_is_settled_by_the_upstreams_usage(tmp_path: Path) -> None:
    async with a_street(tmp_path, answer, a_budget(1_000_000)) as street:
        got = await create(street)
        row = await street.the_call()
        sent = json.loads(street.seen[0].body)
        assert street.seen[0].head.startswith(b"POST /v1/responses ")
    assert (got.status_code, got.json()) == (200, ANSWER)
    assert sent == ASKING | {"model": "tiny-1-upstream"}
    assert (row.endpoint, row.state, row.basis) == ("/v1/responses", "settled", "upstream")
    assert (row.input_tokens, row.output_tokens, row.charged_nano_usd) == (7, 5, 17)
    assert got.headers["x-keyhouse-cost-usd"] == "0.000000017"


@pytest.mark.asyncio
async def test_every_byte_of_a_stream_passes_and_its_last_event_settles_it(tmp_path: Path) -> None:
    events = [created(), said("a"), ": ping\n\n", said("b", 2), completed()]
    async with a_street(tmp_path, streaming(*events), a_budget(1_000_000)) as street:
        got = await create(street, stream=True)
        row = await street.the_call()
    assert got.text == "".join(events)
    assert got.headers["content-type"] == "text/event-stream"
    assert (row.state, row.basis, row.flags, row.charged_nano_usd) == ("settled", "upstream", "", 17)


@pytest.mark.asyncio
async def test_an_incomplete_answer_is_an_answer(tmp_path: Path) -> None:
    events = [created(), said("a"), event("response.incomplete", response={"id": "resp_1", "usage": USAGE})]
    async with a_street(tmp_path, streaming(*events)) as street:
        await create(street, stream=True)
        row = await street.the_call()
    assert (row.basis, row.output_tokens) == ("upstream", 5)


@pytest.mark.asyncio
async def test_a_stream_that_breaks_off_ends_with_an_error_event_and_never_as_completed(tmp_path: Path) -> None:
    async with a_street(tmp_path, streaming(created(), said("abc"), completed()[:40], ends=False)) as street:
        got = await street.broken_off("/v1/responses", ASKING | {"stream": True})
        row = await street.the_call()
    assert got.startswith(created() + said("abc") + "event: error\ndata: ")
    assert "response.completed" not in got
    error = json.loads(got.rstrip().rpartition("data: ")[2])
    assert (error["type"], error["code"], error["sequence_number"]) == ("error", "upstream_error", 2)
    assert (row.state, row.basis, row.flags, row.input_tokens) == ("settled", "counted", "upstream_cut", BOUND)


@pytest.mark.asyncio
async def test_a_stream_that_stalls_ends_with_an_error_event(tmp_path: Path) -> None:
    async def script(wire: Wire) -> None:
        await wire.begin_stream()
        await wire.piece(created())
        await wire.until_left()

    async with a_street(tmp_path, script, idle_timeout_ms=150) as street:
        got = await street.broken_off("/v1/responses", ASKING | {"stream": True})
        row = await street.the_call()
    assert json.loads(got.rstrip().rpartition("data: ")[2])["code"] == "upstream_timeout"
    assert (row.state, row.basis) == ("settled", "counted")


@pytest.mark.asyncio
async def test_a_client_that_leaves_pays_what_was_made(tmp_path: Path) -> None:
    left = asyncio.Event()

    async def script(wire: Wire) -> None:
        await wire.begin_stream()
        for piece in (created(), said("a"), said("b"), said("c")):
            await wire.piece(piece)
        await wire.until_left()
        left.set()

    async with a_street(tmp_path, script, a_budget(1_000_000)) as street:
        headers = {"authorization": f"Bearer {SECRET}"}
        asked = ASKING | {"stream": True}
        async with street.http.stream("POST", "/v1/responses", json=asked, headers=headers) as got:
            seen = ""
            async for text in got.aiter_text():
                seen += text
                if seen.count("delta") == 9:
                    break
        await asyncio.wait_for(left.wait(), 5)
        await asyncio.wait_for(street.log.has_request.wait(), 5)
        row = await street.the_call()
    assert (row.basis, row.flags, row.input_tokens, row.output_tokens) == ("counted", "client_left", BOUND, 3)


@pytest.mark.asyncio
@pytest.mark.parametrize("status", [400, 429, 500])
async def test_an_upstreams_error_is_passed_on_and_costs_nothing(tmp_path: Path, status: int) -> None:
    async def script(wire: Wire) -> None:
        await wire.answer({"error": {"message": "no"}}, status)

    async with a_street(tmp_path, script, a_budget(1_000_000)) as street:
        got = await create(street)
        row = await street.the_call()
    assert (got.status_code, got.json()) == (status, {"error": {"message": "no"}})
    assert (row.state, row.charged_nano_usd) == ("released", 0)


@pytest.mark.asyncio
@pytest.mark.parametrize("usage", [None, {"input_tokens": -1}, {"input_tokens": "7"}, "lots"])
async def test_usage_that_cannot_be_true_is_counted_instead(tmp_path: Path, usage: object) -> None:
    async def script(wire: Wire) -> None:
        await wire.answer(ANSWER | {"usage": usage})

    async with a_street(tmp_path, script, a_budget(1_000_000)) as street:
        await create(street)
        row = await street.the_call()
    assert (row.basis, row.flags) == ("counted", "no_usage" if usage is None else "usage_clamped")
    assert row.input_tokens == PLAIN_BOUND


@pytest.mark.asyncio
async def test_a_budget_shortens_the_answer(tmp_path: Path) -> None:
    async with a_street(tmp_path, answer, a_budget(200)) as street:
        got = await create(street)
        sent = json.loads(street.seen[0].body)
    assert 16 <= sent["max_output_tokens"] < 50
    assert got.headers["x-keyhouse-max-tokens"] == str(sent["max_output_tokens"])


@pytest.mark.asyncio
@pytest.mark.parametrize("fields", [{"tools": [{"type": "web_search"}]}, {"prompt": {"id": "pmpt_1"}}])
async def test_what_cannot_be_bounded_is_refused_under_a_budget_and_passes_without(
    tmp_path: Path, fields: dict[str, Any]
) -> None:
    async with a_street(tmp_path, answer, a_budget(1_000_000)) as street:
        refused = await create(street, **fields)
    assert (refused.status_code, refused.json()["error"]["reason"]) == (400, "price_unknown")
    (tmp_path / "free").mkdir()
    async with a_street(tmp_path / "free", answer) as street:
        assert (await create(street, **fields)).status_code == 200


@pytest.mark.asyncio
async def test_an_earlier_answer_needs_the_models_longest_prompt_under_a_budget(tmp_path: Path) -> None:
    async with a_street(tmp_path, answer, a_budget(1_000_000)) as street:
        await create(street)
        refused = await create(street, previous_response_id="resp_1")
        reserved = await create(street, previous_response_id="resp_1", model="tiny-long")
        rows = await street.calls()
    assert (refused.status_code, refused.json()["error"]["reason"]) == (400, "price_unknown")
    assert reserved.status_code == 200
    assert max(row.reserved_tokens for row in rows) == 4_096 + 50


@pytest.mark.asyncio
async def test_responses_alone_is_enough(tmp_path: Path) -> None:
    async with a_street(tmp_path, answer, the_key(permissions='{"responses":"write"}')) as street:
        assert (await create(street)).status_code == 200
        assert (await street.ask()).status_code == 403


@pytest.mark.asyncio
async def test_read_access_reads_and_makes_nothing(tmp_path: Path) -> None:
    async with a_street(tmp_path, answer, the_key(permissions='{"responses":"read"}')) as street:
        assert (await create(street)).status_code == 403
        assert (await ask(street, "DELETE", "/v1/responses/resp_1")).status_code == 403
        assert (await ask(street, "GET", "/v1/responses/resp_1")).status_code == 404
        assert street.seen == []


@pytest.mark.asyncio
async def test_compacting_is_metered_and_reserved_at_the_models_longest_answer(tmp_path: Path) -> None:
    async with a_street(tmp_path, answer, a_budget(100_000, unit=Unit.TOKENS, window=Window.DAY)) as street:
        got = await create(street, path="/v1/responses/compact", max_output_tokens=None)
        row = await street.the_call()
        sent = json.loads(street.seen[0].body)
    asked = {"model": "tiny-1", "input": "hello"}
    assert sent == asked | {"model": "tiny-1-upstream"}
    assert (got.status_code, row.endpoint, row.charged_nano_usd) == (200, "/v1/responses/compact", 17)
    assert row.reserved_tokens == len(json.dumps(asked, separators=(",", ":"))) + 64 + 100
