"""Anthropic's Messages from end to end over real sockets: passed through as they are, metered and paid like chat."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, insert

from gateway.scripted import SECRET, UPSTREAM_KEY, Seed, Wire, a_budget, a_street, streaming, the_key
from given import NOON
from keyhouse.gateway.routing import Auth
from keyhouse.store import schema

AS_KEY = {"x-api-key": SECRET}
ASKING = {"model": "tiny-1", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 50}
USAGE = {"input_tokens": 2, "cache_read_input_tokens": 4, "cache_creation_input_tokens": 1, "output_tokens": 5}
ANSWER = {"id": "msg_1", "type": "message", "content": [{"type": "text", "text": "hi"}], "usage": USAGE}
CHARGE = 2 + 4 // 2 + 1 + 2 * 5


def weight(**more: Any) -> int:
    return len(json.dumps(ASKING | more, separators=(",", ":"))) + 64


def event(kind: str, **fields: Any) -> str:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n"


def said(text: str) -> str:
    return event("content_block_delta", index=0, delta={"type": "text_delta", "text": text})


BEGUN = event("message_start", message={"id": "msg_1", "usage": USAGE | {"output_tokens": 1}})
ENDED = event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 5}) + event("message_stop")


async def answer(wire: Wire) -> None:
    await wire.answer(ANSWER, more="request-id: req_up\r\nanthropic-organization-id: theirs\r\n")


async def silent(wire: Wire) -> None:
    raise AssertionError("nothing is forwarded")


@pytest.mark.asyncio
@pytest.mark.parametrize("headers", [AS_KEY, {"authorization": f"Bearer {SECRET}"}])
async def test_a_message_is_answered_and_settled_by_the_upstreams_usage(
    tmp_path: Path, headers: dict[str, str]
) -> None:
    async with a_street(tmp_path, answer, a_budget(1_000_000)) as street:
        got = await street.http.post("/v1/messages", json=ASKING, headers=headers)
        row = await street.the_call()
        (wire,) = street.seen
    assert (got.status_code, got.json()) == (200, ANSWER)
    assert wire.head.startswith(b"POST /v1/messages ")
    assert json.loads(wire.body) == ASKING | {"model": "tiny-1-upstream"}
    assert (row.endpoint, row.state, row.basis, row.flags) == ("/v1/messages", "settled", "upstream", "")
    assert (row.input_tokens, row.cached_input_tokens, row.cache_write_tokens, row.output_tokens) == (7, 4, 1, 5)
    assert row.charged_nano_usd == CHARGE
    assert got.headers["x-keyhouse-cost-usd"] == f"0.{CHARGE:09d}"
    assert got.headers["request-id"] == got.headers["x-request-id"] == row.request_id
    assert got.headers["x-keyhouse-upstream-request-id"] == "req_up"
    assert "anthropic-organization-id" not in got.headers


@pytest.mark.asyncio
async def test_of_the_clients_headers_only_the_version_and_betas_go_up(tmp_path: Path) -> None:
    own = {"anthropic-version": "2099-01-01", "anthropic-beta": "a,b", "anthropic-dangerous-direct-browser-access": "1"}
    async with a_street(tmp_path, answer, auth=Auth.X_API_KEY) as street:
        await street.http.post("/v1/messages", json=ASKING, headers=AS_KEY | own)
        await street.http.post("/v1/messages", json=ASKING, headers=AS_KEY)
        chat = {"authorization": f"Bearer {SECRET}"} | own
        await street.http.post("/v1/chat/completions", json=ASKING, headers=chat)
        first, second, third = (wire.head.decode().lower() for wire in street.seen)
    assert f"x-api-key: {UPSTREAM_KEY}" in first
    assert "authorization:" not in first
    assert SECRET.lower() not in first
    assert ("anthropic-version: 2099-01-01" in first, "anthropic-beta: a,b" in first) == (True, True)
    assert "browser" not in first
    assert first.count("anthropic-version") == 1
    assert ("anthropic-version: 2023-06-01" in second, "anthropic-beta" in second) == (True, False)
    assert ("2099" in third, "anthropic-beta" in third) == (False, False)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("headers", "status", "reason"),
    [
        ([], 401, "credential_missing"),
        ([("x-api-key", "sk-ant-other")], 401, "key_malformed"),
        ([("x-api-key", SECRET), ("authorization", f"Bearer {SECRET}")], 400, "credential_twice"),
        ([("x-api-key", SECRET), ("x-api-key", SECRET)], 400, "credential_twice"),
        ([("x-api-key", SECRET), ("api-key", SECRET)], 400, "credential_twice"),
        ([("api-key", SECRET)], 401, "credential_missing"),
    ],
)
@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens"])
async def test_exactly_one_credential_is_taken_and_refusals_have_anthropics_form(
    tmp_path: Path, path: str, headers: list[tuple[str, str]], status: int, reason: str
) -> None:
    async with a_street(tmp_path, silent) as street:
        got = await street.http.post(path, json=ASKING, headers=headers)
    said = got.json()
    assert (got.status_code, said["type"], said["error"]["reason"]) == (status, "error", reason)
    assert said["request_id"] == got.headers["request-id"]


@pytest.mark.asyncio
@pytest.mark.parametrize("value", [b"caf\xe9", b"\xc3\xa9", b"a" * 20_000, b""])
async def test_an_odd_header_neither_breaks_a_call_nor_reaches_the_upstream_broken(
    tmp_path: Path, value: bytes
) -> None:
    async with a_street(tmp_path, answer) as street:
        headers = [(b"x-api-key", SECRET.encode()), (b"anthropic-beta", value)]
        got = await street.http.post("/v1/messages", json=ASKING, headers=headers)
        row = await street.the_call()
        (wire,) = street.seen
    assert (got.status_code, row.state, row.flags) == (200, "settled", "")
    assert (b"\r\nanthropic-beta: " + value + b"\r\n" in wire.head.lower()) == value.isascii()


@pytest.mark.asyncio
async def test_x_api_key_is_not_read_on_openais_paths(tmp_path: Path) -> None:
    async with a_street(tmp_path, silent) as street:
        got = await street.http.post("/v1/chat/completions", json=ASKING, headers=AS_KEY)
    assert (got.status_code, got.json()["error"]["reason"]) == (401, "credential_missing")


@pytest.mark.asyncio
async def test_a_full_budget_and_what_nothing_bounds_are_refused_in_anthropics_form(tmp_path: Path) -> None:
    search = {"tools": [{"type": "web_search_20250305", "name": "web_search"}]}
    async with a_street(tmp_path, silent, a_budget(60)) as street:
        full = await street.http.post("/v1/messages", json=ASKING, headers=AS_KEY)
        unbounded = await street.http.post("/v1/messages", json=ASKING | search, headers=AS_KEY)
        method = await street.http.get("/v1/messages", headers=AS_KEY)
        assert not await street.calls()
    assert (full.status_code, full.json()["error"]["type"]) == (429, "billing_error")
    assert full.headers["x-should-retry"] == "false"
    assert (unbounded.status_code, unbounded.json()["error"]["reason"]) == (400, "price_unknown")
    assert (method.status_code, method.json()["error"]["reason"]) == (405, "method_not_allowed")


@pytest.mark.asyncio
async def test_a_message_is_shortened_to_what_the_budget_still_pays(tmp_path: Path) -> None:
    async with a_street(tmp_path, answer, a_budget(weight() + 60)) as street:
        got = await street.http.post("/v1/messages", json=ASKING, headers=AS_KEY)
        sent = json.loads(street.seen[0].body)
    assert (got.headers["x-keyhouse-max-tokens"], sent["max_tokens"]) == ("30", 30)


@pytest.mark.asyncio
@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens", "/v1/responses/input_tokens"])
async def test_a_model_that_the_key_may_not_use_neither_answers_nor_counts(tmp_path: Path, path: str) -> None:
    async with a_street(tmp_path, silent, the_key(models='["unpriced"]')) as street:
        body = ASKING if "messages" in path else {"model": "tiny-1", "input": "hello"}
        got = await street.http.post(path, json=body, headers={"authorization": f"Bearer {SECRET}"})
    assert (got.status_code, got.json()["error"]["reason"]) == (403, "model_not_allowed")


@pytest.mark.asyncio
async def test_messages_need_the_permission_of_chat(tmp_path: Path) -> None:
    async with a_street(tmp_path, answer, the_key(permissions='{"chat_completions":"write"}')) as street:
        allowed = await street.http.post("/v1/messages", json=ASKING, headers=AS_KEY)
        counted = await street.http.post("/v1/messages/count_tokens", json=ASKING, headers=AS_KEY)
    assert (allowed.status_code, counted.status_code) == (200, 200)
    folder = tmp_path / "other"
    folder.mkdir()
    async with a_street(folder, silent, the_key(permissions='{"responses":"write"}')) as street:
        got = await street.http.post("/v1/messages", json=ASKING, headers=AS_KEY)
        counted = await street.http.post("/v1/messages/count_tokens", json=ASKING, headers=AS_KEY)
    assert (got.status_code, got.json()["error"]["type"]) == (403, "permission_error")
    assert counted.status_code == 403


@pytest.mark.asyncio
async def test_an_answer_without_usage_is_counted(tmp_path: Path) -> None:
    async def script(wire: Wire) -> None:
        await wire.answer({"content": []})

    async with a_street(tmp_path, script, a_budget(1_000_000)) as street:
        await street.http.post("/v1/messages", json=ASKING, headers=AS_KEY)
        row = await street.the_call()
    assert (row.basis, row.flags, row.input_tokens) == ("counted", "no_usage", weight())


@pytest.mark.asyncio
async def test_nonsense_in_the_usage_is_clamped_and_never_more_than_was_reserved(tmp_path: Path) -> None:
    async def script(wire: Wire) -> None:
        await wire.answer(ANSWER | {"usage": USAGE | {"output_tokens": 10**30}})

    async with a_street(tmp_path, script, a_budget(1_000_000)) as street:
        await street.http.post("/v1/messages", json=ASKING, headers=AS_KEY)
        row = await street.the_call()
    assert (row.basis, row.flags) == ("counted", "usage_clamped")
    assert row.charged_nano_usd <= weight() + 2 * 50


@pytest.mark.asyncio
@pytest.mark.parametrize("status", [400, 404, 429, 529])
async def test_an_upstreams_error_is_passed_on_and_costs_nothing(tmp_path: Path, status: int) -> None:
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "no"}}

    async def script(wire: Wire) -> None:
        await wire.answer(error, status, more="retry-after: 7\r\n")

    async with a_street(tmp_path, script, a_budget(1_000_000)) as street:
        got = await street.http.post("/v1/messages", json=ASKING, headers=AS_KEY)
        row = await street.the_call()
    assert (got.status_code, got.json(), got.headers["retry-after"]) == (status, error, "7")
    assert (row.state, row.charged_nano_usd) == ("released", 0)


@pytest.mark.asyncio
async def test_a_stream_passes_byte_for_byte_and_is_settled_by_its_usage(tmp_path: Path) -> None:
    whole = BEGUN + event("ping") + said(" a") + said(" b") + ENDED
    async with a_street(tmp_path, streaming(whole[:99], whole[99:]), a_budget(1_000_000)) as street:
        got = await street.http.post("/v1/messages", json=ASKING | {"stream": True}, headers=AS_KEY)
        row = await street.the_call()
    assert got.text == whole
    assert (row.state, row.basis, row.flags, row.charged_nano_usd) == ("settled", "upstream", "", CHARGE)


@pytest.mark.asyncio
async def test_a_stream_that_breaks_off_ends_with_an_error_event_and_is_counted(tmp_path: Path) -> None:
    script = streaming(BEGUN + said(" a") + said(" b") + said(" c"), ends=False)
    async with a_street(tmp_path, script, a_budget(1_000_000)) as street:
        got = await street.broken_off("/v1/messages", ASKING | {"stream": True})
        row = await street.the_call()
    *_, last = [one for one in got.split("\n\n") if one]
    assert last.startswith("event: error\ndata: ")
    assert json.loads(last.split("data: ")[1])["error"]["reason"] == "upstream_broken"
    assert "message_stop" not in got
    assert (row.basis, row.flags, row.input_tokens, row.output_tokens) == ("counted", "upstream_cut", 7, 3)


@pytest.mark.asyncio
async def test_a_stream_that_just_ends_is_not_settled_by_what_it_began_with(tmp_path: Path) -> None:
    async with a_street(tmp_path, streaming(BEGUN + said(" a") * 4), a_budget(1_000_000)) as street:
        got = await street.http.post("/v1/messages", json=ASKING | {"stream": True}, headers=AS_KEY)
        row = await street.the_call()
    assert "message_stop" not in got.text
    assert (row.basis, row.flags, row.input_tokens, row.output_tokens) == ("counted", "no_usage", 7, 4)


@pytest.mark.asyncio
async def test_a_client_that_leaves_a_stream_ends_it_upstream_and_pays_for_what_was_made(tmp_path: Path) -> None:
    has_left = asyncio.Event()

    async def script(wire: Wire) -> None:
        await wire.begin_stream()
        await wire.piece(BEGUN + said(" a") + said(" b"))
        await wire.until_left()
        has_left.set()

    async with a_street(tmp_path, script, a_budget(1_000_000)) as street:
        asking = ASKING | {"stream": True}
        async with street.http.stream("POST", "/v1/messages", json=asking, headers=AS_KEY) as got:
            async for _ in got.aiter_bytes():
                break
        await has_left.wait()
        await street.log.has_request.wait()
        row = await street.the_call()
    assert (row.state, row.basis, row.flags) == ("settled", "counted", "client_left")
    assert (row.input_tokens, row.output_tokens) == (7, 2)


@pytest.mark.asyncio
async def test_counting_tokens_passes_through_and_costs_nothing(tmp_path: Path) -> None:
    async def script(wire: Wire) -> None:
        await wire.answer({"input_tokens": 14}, more="request-id: req_up\r\nset-cookie: a=b\r\n")

    async with a_street(tmp_path, script, a_budget(0), auth=Auth.X_API_KEY) as street:
        version = {"anthropic-version": "2023-06-01"}
        got = await street.http.post("/v1/messages/count_tokens", json=ASKING, headers=AS_KEY | version)
        (wire,) = street.seen
        assert not await street.calls()
    assert (got.status_code, got.json()) == (200, {"input_tokens": 14})
    assert json.loads(wire.body) == ASKING | {"model": "tiny-1-upstream"}
    assert wire.head.startswith(b"POST /v1/messages/count_tokens ")
    assert "set-cookie" not in got.headers
    assert got.headers["x-keyhouse-upstream-request-id"] == "req_up"


@pytest.mark.asyncio
@pytest.mark.parametrize(("status", "told"), [(401, 502), (404, 404), (302, 502)])
async def test_an_upstream_that_cannot_count_says_so(tmp_path: Path, status: int, told: int) -> None:
    async def script(wire: Wire) -> None:
        await wire.answer({"error": {"message": f"no {UPSTREAM_KEY}"}}, status)

    async with a_street(tmp_path, script) as street:
        got = await street.http.post("/v1/messages/count_tokens", json=ASKING, headers=AS_KEY)
    assert got.status_code == told
    assert UPSTREAM_KEY not in got.text


@pytest.mark.asyncio
async def test_the_demo_answers_chat_only_and_says_so(tmp_path: Path) -> None:
    demo = ASKING | {"model": "keyhouse-demo"}
    async with a_street(tmp_path, silent) as street:
        got = await street.http.post("/v1/messages", json=demo, headers=AS_KEY)
        counted = await street.http.post("/v1/messages/count_tokens", json=demo, headers=AS_KEY)
    assert (got.status_code, got.json()["error"]["type"]) == (400, "invalid_request_error")
    assert counted.status_code == 400


@pytest.mark.asyncio
async def test_models_are_listed_in_anthropics_form_for_its_clients(tmp_path: Path) -> None:
    headers = AS_KEY | {"anthropic-version": "2023-06-01"}
    async with a_street(tmp_path, silent, the_key(models='["tiny-1"]')) as street:
        got = await street.http.get("/v1/models?limit=20", headers=headers)
        one = await street.http.get("/v1/models/tiny-1", headers=headers)
        other = await street.http.get("/v1/models/unpriced", headers=headers)
        without = await street.http.get("/v1/models", headers=AS_KEY)
    shown = {"type": "model", "id": "tiny-1", "display_name": "tiny-1", "created_at": "1970-01-01T00:00:00Z"}
    assert got.json() == {"data": [shown], "has_more": False, "first_id": "tiny-1", "last_id": "tiny-1"}
    assert one.json() == shown
    assert (other.status_code, other.json()["error"]["type"]) == (403, "permission_error")
    assert (without.status_code, without.json()["error"]["reason"]) == (401, "credential_missing")


FILE = {"type": "file", "file_id": "file_theirs"}


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "changes",
    [
        {"messages": [{"role": "user", "content": [{"type": "document", "source": FILE}]}]},
        {"messages": [{"role": "user", "content": [{"type": "image", "source": FILE}]}]},
        {"messages": [{"role": "user", "content": [{"type": "container_upload", "file_id": "file_theirs"}]}]},
        {
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "image", "source": FILE}]}
                    ],
                }
            ]
        },
        {"container": "container_theirs"},
        {"container": {"id": "container_theirs", "skills": []}},
    ],
)
async def test_what_another_project_keeps_upstream_cannot_be_named(tmp_path: Path, changes: dict[str, Any]) -> None:
    async with a_street(tmp_path, silent) as street:
        paths = ["/v1/messages"] if "container" in changes else ["/v1/messages", "/v1/messages/count_tokens"]
        for path in paths:
            got = await street.http.post(path, json=ASKING | changes, headers=AS_KEY)
            assert got.status_code == 404
            assert "not found" in got.json()["error"]["message"]
        assert await street.calls() == []


@pytest.mark.asyncio
async def test_a_project_names_its_own_files_and_a_tools_input_may_say_what_it_likes(tmp_path: Path) -> None:
    content = [
        {"type": "document", "source": {"type": "file", "file_id": "file_mine"}},
        {"type": "text", "text": "read it"},
    ]
    used = [{"type": "tool_use", "id": "t", "name": "open", "input": {"file_id": "file_of_the_tools"}}]
    messages = [{"role": "assistant", "content": used}, {"role": "user", "content": content}]
    async with a_street(tmp_path, answer, owning("file_mine")) as street:
        got = await street.http.post("/v1/messages", json=ASKING | {"messages": messages}, headers=AS_KEY)
    assert got.status_code == 200


def owning(object_id: str) -> Seed:
    """The project keeps this file at its upstream."""
    row = {"upstream": "local", "kind": "file", "organization_id": "org-1", "project_id": "proj_1", "key_id": "key_1"}

    def seed(connection: Connection) -> None:
        connection.execute(insert(schema.objects).values(id=object_id, created_at_ms=NOON, **row))

    return seed


@pytest.mark.asyncio
async def test_a_count_is_asked_of_the_next_upstream_where_the_first_fails(tmp_path: Path) -> None:
    async def busy(wire: Wire) -> None:
        await wire.answer({"error": {"message": "later"}}, 529)

    async def counts(wire: Wire) -> None:
        await wire.answer({"input_tokens": 7})

    unreachable: dict[str, Any] = {"base_url": "http://127.0.0.1:1/v1"}
    for first in ({}, unreachable):
        folder = tmp_path / str(len(first))
        folder.mkdir()
        async with a_street(folder, busy, beside=[counts], **first) as street:
            got = await street.http.post("/v1/messages/count_tokens", json=ASKING, headers=AS_KEY)
            body = json.loads(street.seen_beside[0][0].body)
        assert (got.status_code, got.json()) == (200, {"input_tokens": 7})
        assert body["model"] == "tiny-2-upstream"
