"""The endpoints beside chat, from end to end over real sockets: each is read, bounded, forwarded and settled."""

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.scripted import SECRET, Wire, a_budget, a_street, the_key

AS_KEY = {"authorization": f"Bearer {SECRET}"}
EMBEDDING = {"object": "list", "data": [{"index": 0, "embedding": [0.5] * 40}], "model": "tiny-1-upstream"}
MODERATION = {"id": "modr-1", "model": "tiny-1-upstream", "results": [{"flagged": False}]}
COMPLETION = {"id": "cmpl-1", "object": "text_completion", "choices": [{"index": 0, "text": " World"}]}
ASKING: dict[str, dict[str, Any]] = {
    "/v1/embeddings": {"model": "tiny-1", "input": ["Hello", "World"], "encoding_format": "base64"},
    "/v1/completions": {"model": "tiny-1", "prompt": "Hello", "max_tokens": 20},
    "/v1/moderations": {"model": "tiny-1", "input": "Hello"},
}
ANSWERS: dict[str, dict[str, Any]] = {
    "/v1/embeddings": EMBEDDING,
    "/v1/completions": COMPLETION,
    "/v1/moderations": MODERATION,
}


def weight(asking: dict[str, Any]) -> int:
    return len(json.dumps(asking, separators=(",", ":"), ensure_ascii=False))


def text(said: str | None, **more: Any) -> str:
    """One event of a stream of completions."""
    choices = [] if said is None else [{"index": 0, "text": said}]
    return f"data: {json.dumps({'id': 'cmpl-1', 'choices': choices, **more}, separators=(',', ':'))}\n\n"


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("path", "usage", "charged"),
    [
        ("/v1/embeddings", {"prompt_tokens": 7, "total_tokens": 7}, 7),
        ("/v1/completions", {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}, 17),
        ("/v1/moderations", {"prompt_tokens": 7, "total_tokens": 7}, 7),
    ],
)
async def test_a_call_is_forwarded_and_settled_by_the_upstreams_usage(
    tmp_path: Path, path: str, usage: dict[str, int], charged: int
) -> None:
    answer = ANSWERS[path] | {"usage": usage}

    async def script(wire: Wire) -> None:
        await wire.answer(answer)

    async with a_street(tmp_path, script, a_budget(1_000_000)) as street:
        got = await street.http.post(path, json=ASKING[path], headers=AS_KEY)
        row = await street.the_call()
        (wire,) = street.seen
    assert (got.status_code, got.json()) == (200, answer)
    assert wire.head.startswith(f"POST {path} ".encode())
    assert json.loads(wire.body) == ASKING[path] | {"model": "tiny-1-upstream"}
    assert (row.endpoint, row.state, row.basis, row.flags) == (path, "settled", "upstream", "")
    assert (row.input_tokens, row.charged_nano_usd) == (7, charged)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("path", "input_tokens", "output_tokens", "flags"),
    [
        ("/v1/embeddings", weight(ASKING["/v1/embeddings"]) + 64, 0, "no_usage"),
        ("/v1/completions", weight(ASKING["/v1/completions"]) + 64, 20, "no_usage"),
        ("/v1/moderations", -(-weight(ASKING["/v1/moderations"]) // 4), 0, ""),
    ],
)
async def test_an_answer_without_usage_is_counted(
    tmp_path: Path, path: str, input_tokens: int, output_tokens: int, flags: str
) -> None:
    async def script(wire: Wire) -> None:
        await wire.answer(ANSWERS[path])

    async with a_street(tmp_path, script, a_budget(1_000_000)) as street:
        got = await street.http.post(path, json=ASKING[path], headers=AS_KEY)
        row = await street.the_call()
    assert got.status_code == 200
    assert (row.state, row.basis, row.flags) == ("settled", "counted", flags)
    assert (row.input_tokens, row.output_tokens) == (input_tokens, output_tokens)
    assert row.charged_nano_usd == input_tokens + 2 * output_tokens


@pytest.mark.asyncio
async def test_nonsense_in_the_usage_of_embeddings_never_costs_output(tmp_path: Path) -> None:
    async def script(wire: Wire) -> None:
        await wire.answer(EMBEDDING | {"usage": {"prompt_tokens": 7, "completion_tokens": 10**9}})

    async with a_street(tmp_path, script, a_budget(1_000_000)) as street:
        await street.http.post("/v1/embeddings", json=ASKING["/v1/embeddings"], headers=AS_KEY)
        row = await street.the_call()
    assert (row.basis, row.flags, row.input_tokens, row.output_tokens) == ("counted", "usage_clamped", 7, 0)


@pytest.mark.asyncio
@pytest.mark.parametrize("path", ANSWERS)
async def test_what_does_not_fit_a_budget_is_refused_and_never_forwarded(tmp_path: Path, path: str) -> None:
    async def script(wire: Wire) -> None:
        raise AssertionError("nothing is forwarded")

    async with a_street(tmp_path, script, a_budget(60)) as street:
        got = await street.http.post(path, json=ASKING[path], headers=AS_KEY)
        unpriced = await street.http.post(path, json=ASKING[path] | {"model": "unpriced"}, headers=AS_KEY)
        assert not await street.calls()
    assert (got.status_code, got.json()["error"]["code"]) == (429, "insufficient_quota")
    assert (unpriced.status_code, unpriced.json()["error"]["code"]) == (400, "price_unknown")


@pytest.mark.asyncio
@pytest.mark.parametrize("path", ANSWERS)
async def test_a_model_without_a_price_is_served_where_no_budget_applies(tmp_path: Path, path: str) -> None:
    async def script(wire: Wire) -> None:
        await wire.answer(ANSWERS[path])

    async with a_street(tmp_path, script) as street:
        got = await street.http.post(path, json=ASKING[path] | {"model": "unpriced"}, headers=AS_KEY)
        row = await street.the_call()
    assert (got.status_code, row.state, row.charged_nano_usd) == (200, "settled", None)
    assert "x-keyhouse-cost-usd" not in got.headers


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("path", "resource"),
    [("/v1/embeddings", "embeddings"), ("/v1/completions", "completions"), ("/v1/moderations", "moderations")],
)
async def test_each_needs_its_own_permission(tmp_path: Path, path: str, resource: str) -> None:
    async def script(wire: Wire) -> None:
        await wire.answer(ANSWERS[path])

    others = dict.fromkeys(("chat_completions", "embeddings", "completions", "moderations"), "write")
    del others[resource]
    async with a_street(tmp_path, script, the_key(permissions=json.dumps(others))) as street:
        got = await street.http.post(path, json=ASKING[path], headers=AS_KEY)
    assert (got.status_code, got.json()["error"]["reason"]) == (403, "permission_missing")
    assert f"`{resource}: write`" in got.json()["error"]["message"]


@pytest.mark.asyncio
@pytest.mark.parametrize("path", ANSWERS)
async def test_an_upstreams_error_is_passed_on_and_costs_nothing(tmp_path: Path, path: str) -> None:
    async def script(wire: Wire) -> None:
        await wire.answer({"error": {"message": "no"}}, 501)

    async with a_street(tmp_path, script, a_budget(1_000_000)) as street:
        got = await street.http.post(path, json=ASKING[path], headers=AS_KEY)
        row = await street.the_call()
    assert (got.status_code, got.json()) == (501, {"error": {"message": "no"}})
    assert (row.state, row.charged_nano_usd) == ("released", 0)


@pytest.mark.asyncio
@pytest.mark.parametrize("path", ["/v1/embeddings", "/v1/moderations"])
async def test_an_answer_cut_off_is_an_error_and_costs_no_output(tmp_path: Path, path: str) -> None:
    async def script(wire: Wire) -> None:
        await wire.say('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 900\r\n\r\n{"data":[')
        wire.reset()

    async with a_street(tmp_path, script, a_budget(1_000_000)) as street:
        got = await street.http.post(path, json=ASKING[path], headers=AS_KEY)
        row = await street.the_call()
    assert (got.status_code, got.json()["error"]["reason"]) == (502, "upstream_broken")
    assert (row.basis, row.flags, row.output_tokens) == ("counted", "upstream_cut", 0)


@pytest.mark.asyncio
async def test_a_stream_of_completions_is_settled_by_usage_that_its_client_did_not_ask_for(tmp_path: Path) -> None:
    usage = {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}

    async def script(wire: Wire) -> None:
        await wire.begin_stream()
        await wire.piece(text(" a", usage=None) + text(" b", usage=None) + text(None, usage=usage) + "data: [DONE]\n\n")
        await wire.end_stream()

    async with a_street(tmp_path, script, a_budget(1_000_000)) as street:
        got = await street.http.post(
            "/v1/completions", json=ASKING["/v1/completions"] | {"stream": True}, headers=AS_KEY
        )
        row = await street.the_call()
        sent = json.loads(street.seen[0].body)
    assert got.text == text(" a") + text(" b") + "data: [DONE]\n\n"
    assert sent["stream_options"] == {"include_usage": True}
    assert (row.basis, row.input_tokens, row.output_tokens, row.charged_nano_usd) == ("upstream", 7, 2, 11)


@pytest.mark.asyncio
async def test_a_stream_of_completions_that_breaks_off_ends_with_an_error_and_is_counted(tmp_path: Path) -> None:
    async def script(wire: Wire) -> None:
        await wire.begin_stream()
        await wire.piece(text(" a") + text(" b"))
        wire.reset()

    async with a_street(tmp_path, script, a_budget(1_000_000)) as street:
        asking = ASKING["/v1/completions"] | {"stream": True}
        got = await street.broken_off("/v1/completions", asking)
        row = await street.the_call()
    *_, last = [event for event in got.split("\n\n") if event]
    assert json.loads(last.removeprefix("data: "))["error"]["reason"] == "upstream_broken"
    assert "[DONE]" not in got
    assert (row.basis, row.flags, row.output_tokens) == ("counted", "upstream_cut", 2)


@pytest.mark.asyncio
async def test_an_answer_to_many_prompts_is_shortened_to_what_the_budget_still_pays(tmp_path: Path) -> None:
    async def script(wire: Wire) -> None:
        await wire.answer(COMPLETION)

    asking = {"model": "tiny-1", "prompt": ["Hello", "World"], "max_tokens": 100, "n": 2}
    async with a_street(tmp_path, script, a_budget(weight(asking) + 64 + 2 * 4 * 30)) as street:
        got = await street.http.post("/v1/completions", json=asking, headers=AS_KEY)
        sent = json.loads(street.seen[0].body)
    assert (got.headers["x-keyhouse-max-tokens"], sent["max_tokens"]) == ("30", 30)
