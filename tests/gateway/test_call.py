"""One call from end to end over real sockets: who, what, may it, does it fit."""

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from gateway.scripted import ASKING, SECRET, USAGE, Wire, a_budget, a_street, chunk, the_key
from given import NOON, seeded_entropy
from keyhouse.core.limit import Unit, Window
from keyhouse.core.secret import Kind, mint
from keyhouse.store import schema

ANSWER = {"id": "chatcmpl-1", "choices": [{"message": {"content": "hi"}}], "usage": USAGE}


async def answer(wire: Wire) -> None:
    await wire.answer(
        ANSWER, more="x-request-id: up-1\r\nset-cookie: a=b\r\nserver: x\r\nx-ratelimit-limit-requests: 9\r\n"
    )


@pytest.mark.asyncio
async def test_a_call_is_forwarded_answered_and_settled_by_the_upstreams_usage(tmp_path: Path) -> None:
    async with a_street(tmp_path, answer, a_budget(1_000_000)) as street:
        got = await street.ask()
        row = await street.the_call()
    assert (got.status_code, got.json()) == (200, ANSWER)
    assert (row.state, row.basis, row.status) == ("settled", "upstream", 200)
    assert (row.input_tokens, row.output_tokens, row.charged_nano_usd) == (7, 5, 17)
    assert got.headers["x-keyhouse-cost-usd"] == "0.000000017"
    assert got.headers["x-keyhouse-call-id"] == row.id
    assert got.headers["x-request-id"] == row.request_id
    assert got.headers["x-keyhouse-upstream-request-id"] == "up-1"
    assert got.headers["openai-organization"] == "org-1"
    assert not {"set-cookie", "x-ratelimit-limit-requests"} & set(got.headers)
    assert got.headers.get("server") != "x"


@pytest.mark.asyncio
async def test_nothing_of_the_clients_headers_goes_up_but_our_own_credential(tmp_path: Path) -> None:
    async with a_street(tmp_path, answer) as street:
        headers = {"authorization": f"Bearer {SECRET}", "cookie": "c=1", "x-forwarded-for": "6.6.6.6", "x-own": "1"}
        await street.http.post("/v1/chat/completions", json=ASKING, headers=headers)
        row = await street.the_call()
        head = street.seen[0].head.decode().lower()
    assert SECRET.lower() not in head
    assert "bearer sk-upstream-canary" in head
    assert "accept-encoding: identity" in head
    assert f"x-request-id: {row.id}".lower() in head
    assert not [name for name in ("cookie", "x-forwarded-for", "x-own", "python-httpx") if name in head]


@pytest.mark.asyncio
async def test_the_upstream_gets_its_own_name_of_the_model_and_every_other_value_as_it_came(tmp_path: Path) -> None:
    raw = b'{"model":"tiny-1","messages":[{"role":"user","content":"a\\u00e9"}],"x_own":{"b": 1.50,"a":[ 1 ]}}'
    async with a_street(tmp_path, answer) as street:
        await street.http.post("/v1/chat/completions", content=raw, headers={"authorization": f"Bearer {SECRET}"})
        body = street.seen[0].body
    assert body == raw.replace(b'"tiny-1"', b'"tiny-1-upstream"')


@pytest.mark.asyncio
async def test_an_answer_is_shortened_to_what_the_budget_still_pays_and_the_client_is_told(tmp_path: Path) -> None:
    async with a_street(tmp_path, answer, a_budget(230)) as street:
        got = await street.ask()
        sent = json.loads(street.seen[0].body)
    assert got.status_code == 200
    assert 16 <= sent["max_tokens"] < 50
    assert got.headers["x-keyhouse-max-tokens"] == str(sent["max_tokens"])


@pytest.mark.asyncio
async def test_a_maximum_is_written_where_a_budget_needs_one_and_the_client_set_none(tmp_path: Path) -> None:
    async with a_street(tmp_path, answer, a_budget(1_000_000)) as street:
        got = await street.ask(max_tokens=None)
        sent = json.loads(street.seen[0].body)
    assert got.status_code == 200
    assert sent["max_completion_tokens"] == 100


@pytest.mark.asyncio
async def test_an_upstream_that_knows_max_tokens_alone_is_told_the_maximum_by_that_name(tmp_path: Path) -> None:
    async with a_street(tmp_path, answer, a_budget(10**9), max_tokens_only=True) as street:
        for given in (None, 20):
            assert (await street.ask(max_tokens=None, max_completion_tokens=given)).status_code == 200
        first, second = (json.loads(wire.body) for wire in street.seen)
    assert (first["max_tokens"], second["max_tokens"]) == (100, 20)
    assert "max_completion_tokens" not in first.keys() | second.keys()


@pytest.mark.asyncio
async def test_a_full_budget_refuses_and_tells_the_sdk_not_to_try_again(tmp_path: Path) -> None:
    async with a_street(tmp_path, answer, a_budget(10)) as street:
        got = await street.ask()
        assert (await street.calls(), street.seen) == ([], [])
    error = got.json()["error"]
    assert (got.status_code, error["type"], error["code"]) == (429, "insufficient_quota", "insufficient_quota")
    assert error["reason"] == "limit_quota"
    assert got.headers["x-should-retry"] == "false"
    assert int(got.headers["retry-after"]) > 3_600
    assert error["details"]["limit_id"] == "limit_1"


@pytest.mark.asyncio
async def test_a_full_rate_limit_says_when_to_try_again(tmp_path: Path) -> None:
    limit = a_budget(1, unit=Unit.REQUESTS, window=Window.MINUTE)
    async with a_street(tmp_path, answer, limit) as street:
        first, second = await street.ask(), await street.ask()
        await street.calls()
    assert first.headers["x-ratelimit-remaining-requests"] == "0"
    error = second.json()["error"]
    assert (second.status_code, error["type"], error["code"]) == (429, "requests", "rate_limit_exceeded")
    assert error["reason"] == "limit_rate"
    assert 0 < int(second.headers["retry-after-ms"]) <= 60_000
    assert second.headers["x-ratelimit-limit-requests"] == "1"
    assert second.headers["x-ratelimit-reset-requests"] == "1m0s"
    assert "x-should-retry" not in second.headers


@pytest.mark.asyncio
async def test_a_request_that_can_never_fit_a_rate_limit_is_not_to_be_tried_again(tmp_path: Path) -> None:
    limit = a_budget(20, unit=Unit.TOKENS, window=Window.MINUTE)
    async with a_street(tmp_path, answer, limit) as street:
        got = await street.ask()
    error = got.json()["error"]
    assert (got.status_code, error["type"], error["reason"]) == (429, "tokens", "limit_rate_too_large")
    assert got.headers["x-should-retry"] == "false"
    assert "retry-after" not in got.headers


@pytest.mark.asyncio
async def test_without_a_price_a_budget_refuses_and_no_budget_lets_pass(tmp_path: Path) -> None:
    async with a_street(tmp_path / "", answer, a_budget(1_000_000)) as street:
        refused = await street.ask(model="unpriced")
    assert (refused.status_code, refused.json()["error"]["reason"]) == (400, "price_unknown")


@pytest.mark.asyncio
async def test_a_call_of_unknown_cost_has_no_cost_in_its_answer(tmp_path: Path) -> None:
    async with a_street(tmp_path, answer) as street:
        got = await street.ask(model="unpriced")
        row = await street.the_call()
    assert "x-keyhouse-cost-usd" not in got.headers
    assert (row.charged_nano_usd, row.output_tokens) == (None, 5)


@pytest.mark.asyncio
async def test_an_image_is_refused_where_a_budget_applies_because_its_cost_has_no_bound(tmp_path: Path) -> None:
    parts = [{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}]
    async with a_street(tmp_path, answer, a_budget(1_000_000)) as street:
        got = await street.ask(messages=[{"role": "user", "content": parts}])
    assert got.json()["error"]["reason"] == "price_unknown"


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("columns", "reason", "status"),
    [
        ({"revoked_at_ms": NOON}, "key_revoked", 401),
        ({"disabled_at_ms": NOON}, "key_disabled", 401),
        ({"expires_at_ms": NOON}, "key_expired", 401),
        ({"permissions": '"read_only"'}, "permission_missing", 403),
        ({"models": '["other"]'}, "model_not_allowed", 403),
        ({"ip_allowlist": '["10.0.0.0/8"]'}, "address_not_allowed", 401),
    ],
)
async def test_a_key_that_may_not_is_told_why_and_nothing_is_reserved(
    tmp_path: Path, columns: dict[str, Any], reason: str, status: int
) -> None:
    async with a_street(tmp_path, answer, the_key(**columns)) as street:
        got = await street.ask()
        assert await street.calls() == []
        assert street.seen == []
    assert (got.status_code, got.json()["error"]["reason"]) == (status, reason)
    assert got.headers["x-request-id"].startswith("req_")


@pytest.mark.asyncio
async def test_a_key_that_dies_in_the_books_is_refused_although_it_is_remembered(tmp_path: Path) -> None:
    """The reserving transaction reads the key again: what this process remembers does not matter."""
    async with a_street(tmp_path, answer) as street:
        assert (await street.ask()).status_code == 200
        revoke = update(schema.keys).values(revoked_at_ms=NOON)
        await street.database.write(lambda connection: connection.execute(revoke).rowcount)
        got = await street.ask()
        assert len(street.seen) == 1
    assert got.json()["error"]["reason"] == "key_revoked"


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("headers", "status", "reason"),
    [
        ([], 401, "credential_missing"),
        ([("api-key", SECRET)], 401, "credential_missing"),
        ([("cookie", f"session={SECRET}")], 401, "credential_missing"),
        ([("authorization", "Basic eDp5")], 401, "credential_missing"),
        ([("authorization", f"Bearer {SECRET}"), ("authorization", f"Bearer {SECRET}")], 400, "credential_twice"),
        ([("authorization", f"Bearer {SECRET}"), ("x-api-key", "x")], 400, "credential_twice"),
        ([("authorization", f"Bearer {SECRET[:-1]}")], 401, "key_malformed"),
        (
            [("authorization", f"Bearer {mint(Kind.USER, 'key_0123456789', seeded_entropy(8)).value}")],
            401,
            "key_unknown",
        ),
        (
            [("authorization", f"Bearer {mint(Kind.ADMIN, 'key_0123456789', seeded_entropy(8)).value}")],
            401,
            "key_wrong_kind",
        ),
    ],
)
async def test_a_request_without_exactly_one_good_credential_is_refused(
    tmp_path: Path, headers: list[tuple[str, str]], status: int, reason: str
) -> None:
    async with a_street(tmp_path, answer) as street:
        got = await street.http.post("/v1/chat/completions", json=ASKING, headers=headers)
        assert await street.calls() == []
    assert (got.status_code, got.json()["error"]["reason"]) == (status, reason)
    assert SECRET not in got.text


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("body", "status", "reason", "param"),
    [
        (b"", 400, "body_not_json", None),
        (b"{", 400, "body_not_json", None),
        (b"[]", 400, "body_not_json", None),
        (b'{"model":"tiny-1","messages":[{"content":"\xff"}]}', 400, "body_not_json", None),
        (b'{"x":' + b"[" * 40_000 + b"}", 400, "body_not_json", None),
        (b'{"messages":[{"content":"a"}]}', 400, "parameter_missing", "model"),
        (b'{"model":5,"messages":[{"content":"a"}]}', 400, "parameter_invalid", "model"),
        (b'{"model":"tiny-1","messages":[]}', 400, "parameter_invalid", "messages"),
        (b'{"model":"tiny-1","messages":[{"content":"a"}],"n":0}', 400, "parameter_invalid", "n"),
        (b'{"model":"tiny-1","messages":[{"content":"a"}],"max_tokens":-1}', 400, "parameter_invalid", "max_tokens"),
        (b'{"model":"tiny-1","messages":[{"content":"a"}],"n_predict":9}', 400, "parameter_unknown", "n_predict"),
        (b'{"model":"nope","messages":[{"content":"a"}]}', 404, "model_unknown", "model"),
        (b'"' + b"x" * 100_001 + b'"', 413, "body_too_large", None),
    ],
)
async def test_a_bad_request_is_refused_in_openais_form_and_reserves_nothing(
    tmp_path: Path, body: bytes, status: int, reason: str, param: str | None
) -> None:
    async with a_street(tmp_path, answer) as street:
        got = await street.http.post(
            "/v1/chat/completions", content=body, headers={"authorization": f"Bearer {SECRET}"}
        )
        assert await street.calls() == []
        assert street.seen == []
    error = got.json()["error"]
    assert (got.status_code, error["reason"], error["param"]) == (status, reason, param)
    assert set(error) >= {"message", "type", "param", "code"}


@pytest.mark.asyncio
async def test_the_ledger_out_of_order_forwards_nothing(tmp_path: Path) -> None:
    async with a_street(tmp_path, answer) as street:
        await street.ask()
        rename = "ALTER TABLE calls RENAME TO calls_away"
        back = "ALTER TABLE calls_away RENAME TO calls"
        await street.database.write(lambda connection: connection.exec_driver_sql(rename).rowcount)
        got = await street.ask()
        await street.database.write(lambda connection: connection.exec_driver_sql(back).rowcount)
        assert len(street.seen) == 1
        await street.calls()
    assert (got.status_code, got.json()["error"]["reason"]) == (503, "ledger_unavailable")
    assert got.headers["retry-after"] == "1"


@pytest.mark.asyncio
async def test_of_names_that_come_twice_the_upstream_sees_the_one_that_was_read(tmp_path: Path) -> None:
    raw = b'{"model":"nope","messages":[{"content":"a"}],"max_tokens":90000,"m\\u0061x_tokens":20,"model":"tiny-1"}'
    async with a_street(tmp_path, answer, a_budget(1_000_000)) as street:
        await street.http.post("/v1/chat/completions", content=raw, headers={"authorization": f"Bearer {SECRET}"})
        body = street.seen[0].body
        row = await street.the_call()
    assert body.count(b"max_tokens") == 1
    assert json.loads(body)["max_tokens"] == 20
    assert body.count(b'"model"') == 1
    assert row.model == "tiny-1"


@pytest.mark.asyncio
async def test_the_access_log_has_one_line_with_what_is_on_its_list(tmp_path: Path) -> None:
    async with a_street(tmp_path, answer) as street:
        await street.ask(model="tiny-1")
        await street.http.get("/v1/nothing%0d%0aforged")
        lines = [line for line in street.log.lines if line["event"] == "request"]
    assert len(lines) == 2
    assert (lines[0]["status"], lines[0]["key_id"], lines[0]["output_tokens"]) == (200, "key_1", 5)
    assert lines[0]["cost_nano_usd"] == 17
    assert "hello" not in repr(lines)
    assert lines[1]["reason"] == "endpoint_unknown"


@pytest.mark.asyncio
async def test_a_key_in_a_path_or_a_models_name_is_not_logged(tmp_path: Path) -> None:
    """The street itself asserts that no line holds the secret."""
    async with a_street(tmp_path, answer) as street:
        await street.ask(model=SECRET)
        await street.http.get(f"/v1/models/{SECRET}")
        lines = [line for line in street.log.lines if line["event"] == "request"]
    assert [lines[0]["model"], lines[1]["path"]] == ["[removed]", "[removed]"]


@pytest.mark.asyncio
async def test_a_stream_passes_every_byte_of_a_client_that_asked_for_usage(tmp_path: Path) -> None:
    events = [chunk("a", usage=None), chunk("b", usage=None), chunk(usage=USAGE), "data: [DONE]\n\n"]

    async def streaming(wire: Wire) -> None:
        await wire.begin_stream()
        for event in events:
            await wire.piece(event)
        await wire.end_stream()

    async with a_street(tmp_path, streaming) as street:
        got = await street.ask(stream=True, stream_options={"include_usage": True})
        row = await street.the_call()
    assert got.text == "".join(events)
    assert got.headers["content-type"] == "text/event-stream"
    assert (row.basis, row.input_tokens, row.output_tokens) == ("upstream", 7, 5)
