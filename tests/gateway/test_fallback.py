"""Where one upstream fails a call that cannot have cost anything, the next one serves it: a call of its own."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.given_responses import ANSWER as KEPT
from gateway.given_responses import create
from gateway.scripted import UPSTREAM_KEY, USAGE, Script, Street, Wire, a_budget, a_street, chunk, streaming
from keyhouse.core.limit import Unit, Window
from keyhouse.gateway.routing import Auth

ANSWER = {"id": "chatcmpl-1", "choices": [{"message": {"content": "hi"}}], "usage": USAGE}
REFUSED = "http://127.0.0.1:1/v1"
"""Nobody listens there."""


async def answer(wire: Wire) -> None:
    await wire.answer(ANSWER)


def saying(status: int, more: str = "") -> Script:
    async def script(wire: Wire) -> None:
        await wire.answer({"error": {"message": "not now", "type": "server_error"}}, status, more=more)

    return script


def story(rows: list[Any]) -> list[tuple[Any, ...]]:
    """What became of each attempt, in order."""
    return [
        (row.attempt, row.upstream, row.state, row.status, row.flags, row.charged_nano_usd)
        for row in sorted(rows, key=lambda row: row.attempt)
    ]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("status", "why"),
    [
        (429, "rate_limited"),
        (500, "upstream_error"),
        (502, "upstream_error"),
        (503, "upstream_error"),
        (529, "upstream_error"),
    ],
)
async def test_what_one_upstream_will_not_do_the_next_one_does_at_its_own_price(
    tmp_path: Path, status: int, why: str
) -> None:
    async with a_street(tmp_path, saying(status), a_budget(1_000_000), beside=[answer]) as street:
        got = await street.ask()
        rows = await street.calls()
        sent = [json.loads(wire.body)["model"] for wire in (street.seen[0], street.seen_beside[0][0])]
        ids = [wire.head.lower().split(b"x-request-id: ")[1].split(b"\r\n")[0] for wire in street.seen_beside[0]]
        (line,) = [line for line in street.log.lines if line["event"] == "request"]
    assert (got.status_code, got.json()) == (200, ANSWER)
    assert story(rows) == [
        (1, "local", "released", 0, f"fell_back {why}", 0),
        (2, "beside-2", "settled", 200, "", 170),
    ]
    assert {row.request_id for row in rows} == {got.headers["x-request-id"]}
    assert len({row.id for row in rows}) == 2
    answered = max(rows, key=lambda row: row.attempt)
    assert got.headers["x-keyhouse-call-id"] == answered.id == line["call_id"]
    assert ids == [answered.id.lower().encode()]
    assert line["upstream"] == "beside-2"
    assert sent == ["tiny-1-upstream", "tiny-2-upstream"]


@pytest.mark.asyncio
async def test_an_upstream_that_cannot_be_reached_is_passed_over_and_the_stream_comes_from_the_next(
    tmp_path: Path,
) -> None:
    events = [chunk("a"), chunk(usage=USAGE), "data: [DONE]\n\n"]
    async with a_street(tmp_path, answer, beside=[streaming(*events)], base_url=REFUSED) as street:
        got = await street.ask(stream=True, stream_options={"include_usage": True})
        rows = await street.calls()
    assert got.text == "".join(events)
    assert story(rows) == [
        (1, "local", "released", 0, "fell_back unreachable", 0),
        (2, "beside-2", "settled", 200, "", 170),
    ]


@pytest.mark.asyncio
@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 408, 409, 413, 422])
async def test_an_answer_about_the_request_or_the_credential_is_not_asked_for_elsewhere(
    tmp_path: Path, status: int
) -> None:
    async with a_street(tmp_path, saying(status), beside=[answer]) as street:
        got = await street.ask()
        rows = await street.calls()
        assert street.seen_beside == [[]]
    assert got.status_code >= 400
    # Who says that time ran out may have worked until then.
    assert [(row.attempt, row.state) for row in rows] == [(1, "settled" if status == 408 else "released")]


async def reset(wire: Wire) -> None:
    wire.reset()


async def stall(wire: Wire) -> None:
    await wire.until_left()


@pytest.mark.asyncio
@pytest.mark.parametrize(("script", "status"), [(reset, 502), (stall, 504)])
async def test_what_may_have_been_charged_is_not_asked_for_twice(tmp_path: Path, script: Script, status: int) -> None:
    async with a_street(tmp_path, script, beside=[answer], first_byte_timeout_ms=150) as street:
        got = await street.ask()
        rows = await street.calls()
        assert street.seen_beside == [[]]
    assert got.status_code == status
    assert [(row.attempt, row.state, row.flags) for row in rows] == [(1, "settled", "no_answer")]


@pytest.mark.asyncio
@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_that_has_begun_is_not_begun_again(tmp_path: Path, stream: bool) -> None:
    async def script(wire: Wire) -> None:
        await wire.begin_stream("text/event-stream" if stream else "application/json")
        await wire.piece(chunk("half"))
        wire.reset()

    async with a_street(tmp_path, script, beside=[answer]) as street:
        # A stream that breaks off is not ended well.
        with suppress(httpx.RemoteProtocolError):
            assert "upstream_error" in (await street.ask(stream=stream)).text
        rows = await street.calls()
        assert street.seen_beside == [[]]
    assert [(row.attempt, row.state, row.flags) for row in rows] == [(1, "settled", "upstream_cut")]


@pytest.mark.asyncio
async def test_where_all_fail_the_client_gets_the_last_ones_word(tmp_path: Path) -> None:
    last = saying(429, "retry-after: 7\r\n")
    async with a_street(tmp_path, saying(503), beside=[saying(500), last]) as street:
        got = await street.ask(model="tiny-1")
        rows = await street.calls()
    assert (got.status_code, got.headers["retry-after"]) == (429, "7")
    assert got.json()["error"]["message"] == "not now"
    assert [(row.attempt, row.state, row.status) for row in sorted(rows, key=lambda row: row.attempt)] == [
        (1, "released", 0),
        (2, "released", 0),
        (3, "released", 429),
    ]
    assert got.headers["x-keyhouse-call-id"] == max(rows, key=lambda row: row.attempt).id


@pytest.mark.asyncio
async def test_a_later_attempt_that_may_have_been_charged_is_the_last(tmp_path: Path) -> None:
    async with a_street(tmp_path, answer, beside=[reset, answer], base_url=REFUSED) as street:
        got = await street.ask()
        rows = await street.calls()
        assert street.seen_beside[1] == []
    assert got.json()["error"]["reason"] == "upstream_broken"
    assert [(attempt, state) for attempt, _, state, *_ in story(rows)] == [(1, "released"), (2, "settled")]


@pytest.mark.asyncio
async def test_the_next_attempt_is_reserved_by_the_price_of_its_own_upstream(tmp_path: Path) -> None:
    """What fits the first one's price does not fit ten times as much: refused, and the first costs nothing."""
    async with a_street(tmp_path, saying(503), a_budget(240), beside=[answer]) as street:
        got = await street.ask()
        rows = await street.calls()
        assert street.seen_beside == [[]]
    assert (got.status_code, got.json()["error"]["reason"]) == (429, "limit_quota")
    assert story(rows) == [(1, "local", "released", 0, "fell_back upstream_error", 0)]


@pytest.mark.asyncio
async def test_each_upstream_is_told_the_maximum_that_its_own_price_allows(tmp_path: Path) -> None:
    async with a_street(tmp_path, saying(503), a_budget(2_300), beside=[answer]) as street:
        got = await street.ask(max_tokens=None)
        bodies = [json.loads(wire.body) for wire in (street.seen[0], street.seen_beside[0][0])]
    assert got.status_code == 200
    assert [body["max_completion_tokens"] for body in bodies] == [100, int(got.headers["x-keyhouse-max-tokens"])]
    assert bodies[1]["max_completion_tokens"] < 100


@pytest.mark.asyncio
async def test_all_attempts_are_one_request_of_a_limit(tmp_path: Path) -> None:
    limit = a_budget(1, unit=Unit.REQUESTS, window=Window.MINUTE)
    async with a_street(tmp_path, saying(503), limit, beside=[saying(500), answer]) as street:
        assert (await street.ask()).status_code == 200
        assert (await street.ask()).status_code == 429


async def kept(wire: Wire) -> None:
    await wire.answer(KEPT)


@pytest.mark.asyncio
async def test_what_an_upstream_keeps_is_gone_on_from_there_and_nowhere_else(tmp_path: Path) -> None:
    is_down = [True]

    async def sometimes(wire: Wire) -> None:
        await (saying(503) if is_down[0] else kept)(wire)

    async with a_street(tmp_path, sometimes, beside=[kept]) as street:
        assert (await create(street)).status_code == 200, "the second one keeps it"
        is_down[0] = False
        assert (await create(street, previous_response_id="resp_1")).status_code == 200
        assert (len(street.seen), len(street.seen_beside[0])) == (1, 2)
        counted = await create(
            street, path="/v1/responses/input_tokens", max_output_tokens=None, previous_response_id="resp_1"
        )
        assert counted.status_code == 200
        assert (len(street.seen), len(street.seen_beside[0])) == (1, 3)


@pytest.mark.asyncio
async def test_what_the_failing_upstream_keeps_is_not_asked_of_another(tmp_path: Path) -> None:
    is_down = [False]

    async def sometimes(wire: Wire) -> None:
        await (saying(503) if is_down[0] else kept)(wire)

    async with a_street(tmp_path, sometimes, beside=[kept]) as street:
        assert (await create(street)).status_code == 200
        is_down[0] = True
        got = await create(street, previous_response_id="resp_1")
        assert street.seen_beside == [[]]
    assert got.status_code == 503


async def served_by(street: Street) -> str:
    """Which upstream serves a call now."""
    await street.ask()
    upstream = street.log.lines[-1]["upstream"]
    assert isinstance(upstream, str)
    return upstream


@pytest.mark.asyncio
async def test_a_failing_upstream_cools_down_as_long_as_it_asks_for_and_is_then_tried_again(tmp_path: Path) -> None:
    is_down = [True]

    async def sometimes(wire: Wire) -> None:
        await (saying(429, "retry-after: 30\r\n") if is_down[0] else answer)(wire)

    async with a_street(tmp_path, sometimes, beside=[answer]) as street:
        assert [await served_by(street) for _ in range(3)] == ["beside-2"] * 3
        assert len(street.seen) == 1, "not asked again while it cools down"
        street.clock.turn(seconds=29)
        assert await served_by(street) == "beside-2"
        street.clock.turn(seconds=1)
        is_down[0] = False
        assert [await served_by(street) for _ in range(2)] == ["local", "local"]


@pytest.mark.asyncio
async def test_an_upstream_that_answers_nobody_is_no_longer_asked_first(tmp_path: Path) -> None:
    async with a_street(tmp_path, reset, beside=[answer]) as street:
        assert [await served_by(street) for _ in range(4)] == ["local", "local", "local", "beside-2"]


@pytest.mark.asyncio
async def test_azures_deployments_are_asked_by_their_own_address_and_header(tmp_path: Path) -> None:
    azure: dict[str, Any] = {"auth": Auth.API_KEY, "api_version": "2024-10-21"}
    async with a_street(tmp_path, answer, **azure) as street:
        assert (await street.ask()).status_code == 200
        head = street.seen[0].head.decode()
    assert head.startswith("POST /v1/deployments/tiny-1-upstream/chat/completions?api-version=2024-10-21 HTTP/1.1")
    assert f"api-key: {UPSTREAM_KEY}" in head
    assert "authorization" not in head.lower()
