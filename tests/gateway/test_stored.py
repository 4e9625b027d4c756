"""Responses read back, deleted and cancelled: by the project that made them, and at no cost."""

import asyncio
import json
from pathlib import Path

import pytest

from gateway.given_responses import (
    ANSWER,
    OTHER_ORGANIZATION,
    OTHER_PROJECT,
    ask,
    completed,
    create,
    created,
    others,
    said,
)
from gateway.scripted import SECRET, UPSTREAM_KEY, Wire, a_budget, a_street, the_key

VERBS = [
    ("GET", "/v1/responses/resp_1", b"GET /v1/responses/resp_1 "),
    ("DELETE", "/v1/responses/resp_1", b"DELETE /v1/responses/resp_1 "),
    ("POST", "/v1/responses/resp_1/cancel", b"POST /v1/responses/resp_1/cancel "),
    ("GET", "/v1/responses/resp_1/input_items", b"GET /v1/responses/resp_1/input_items "),
]


async def answer(wire: Wire) -> None:
    await wire.answer(ANSWER, more="x-request-id: up-1\r\nset-cookie: a=b\r\n")


@pytest.mark.asyncio
@pytest.mark.parametrize(("method", "path", "head"), VERBS)
async def test_its_project_reaches_it_at_the_upstream_and_pays_nothing(
    tmp_path: Path, method: str, path: str, head: bytes
) -> None:
    async with a_street(tmp_path, answer, a_budget(1_000_000)) as street:
        await create(street)
        street.log.lines.clear()
        got = await ask(street, method, path)
        assert len(await street.calls()) == 1
        seen = street.seen[1]
        (line,) = street.log.lines
    assert (got.status_code, got.json()) == (200, ANSWER)
    assert seen.head.startswith(head)
    assert (seen.body, b"bearer " + UPSTREAM_KEY.encode() in seen.head.lower()) == (b"", True)
    assert got.headers["x-request-id"].startswith("req_")
    assert got.headers["x-keyhouse-upstream-request-id"] == "up-1"
    assert got.headers["openai-organization"] == "org-1"
    assert not {"set-cookie", "x-keyhouse-call-id", "x-keyhouse-cost-usd"} & set(got.headers)
    assert (line["path"], line["status"], line["upstream"], line["project_id"]) == (path, 200, "local", "proj_1")
    assert line["cost_nano_usd"] is None


@pytest.mark.asyncio
@pytest.mark.parametrize(("method", "path", "head"), VERBS)
@pytest.mark.parametrize("stranger", [OTHER_ORGANIZATION, OTHER_PROJECT])
async def test_for_every_other_project_it_is_missing_as_one_that_never_was(
    tmp_path: Path, method: str, path: str, head: bytes, stranger: str
) -> None:
    async with a_street(tmp_path, answer, others) as street:
        await create(street)
        got = await ask(street, method, path, stranger)
        never = await ask(street, method, path.replace("resp_1", "resp_9"), stranger)
        assert len(street.seen) == 1
    assert (got.status_code, got.json()["error"]["message"]) == (
        404,
        never.json()["error"]["message"].replace("resp_9", "resp_1"),
    )
    assert got.json()["error"]["message"].startswith("Response with id 'resp_1' not found.")


@pytest.mark.asyncio
async def test_an_item_is_not_a_response(tmp_path: Path) -> None:
    async with a_street(tmp_path, answer) as street:
        await create(street)
        assert (await ask(street, "GET", "/v1/responses/msg_1")).status_code == 404


@pytest.mark.asyncio
async def test_what_was_deleted_is_missing(tmp_path: Path) -> None:
    async with a_street(tmp_path, answer) as street:
        await create(street)
        assert (await ask(street, "DELETE", "/v1/responses/resp_1")).status_code == 200
        assert (await ask(street, "GET", "/v1/responses/resp_1")).status_code == 404
        assert (await create(street, previous_response_id="resp_1")).status_code == 404


@pytest.mark.asyncio
async def test_only_parameters_on_the_list_go_up(tmp_path: Path) -> None:
    async with a_street(tmp_path, answer) as street:
        await create(street)
        query = "?include[]=a&include[]=b%26c&starting_after=3&api_key=x&upstream=http://evil/&Stream=1"
        await ask(street, "GET", f"/v1/responses/resp_1{query}")
        await ask(street, "GET", "/v1/responses/resp_1/input_items?limit=2&order=asc&after=msg_1&stream=true")
        await ask(street, "DELETE", "/v1/responses/resp_1?stream=true")
        targets = [wire.head.split(b" ")[1].decode() for wire in street.seen[1:]]
    assert targets == [
        "/v1/responses/resp_1?include%5B%5D=a&include%5B%5D=b%26c&starting_after=3",
        "/v1/responses/resp_1/input_items?limit=2&order=asc&after=msg_1",
        "/v1/responses/resp_1",
    ]


@pytest.mark.asyncio
async def test_a_query_without_end_is_refused(tmp_path: Path) -> None:
    async with a_street(tmp_path, answer) as street:
        await create(street)
        got = await ask(street, "GET", "/v1/responses/resp_1?" + "a=1&" * 60)
    assert (got.status_code, got.json()["error"]["reason"]) == (400, "parameter_invalid")


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "path", ["..", "%2e%2e", "resp_1%2F..%2Fmodels", "resp_1%3Fa=b", "resp_1%00", "r\u00e9sp", "a" * 200]
)
async def test_what_is_no_id_never_reaches_an_upstream(tmp_path: Path, path: str) -> None:
    async with a_street(tmp_path, answer) as street:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(street.url.rpartition(":")[2]))
        head = f"GET /v1/responses/{path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {SECRET}\r\nconnection: close"
        writer.write(head.encode() + b"\r\n\r\n")
        got = await reader.read()
        writer.close()
        assert street.seen == []
    assert got.startswith((b"HTTP/1.1 404", b"HTTP/1.1 400"))


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("PUT", "/v1/responses/resp_1", 405, "GET, DELETE"),
        ("GET", "/v1/responses/resp_1/cancel", 405, "POST"),
        ("POST", "/v1/responses/resp_1/input_items", 405, "GET"),
        ("GET", "/v1/responses", 405, "POST"),
        ("GET", "/v1/responses/compact", 405, "POST"),
        ("GET", "/v1/responses/", 404, None),
        ("GET", "/v1/responses/resp_1/", 404, None),
        ("GET", "/v1/responses/resp_1/files", 404, None),
        ("GET", "/v1/responses/resp_1/cancel/x", 404, None),
    ],
)
async def test_other_addresses_and_methods_are_said_to_be_wrong(
    tmp_path: Path, method: str, path: str, status: int, allow: str | None
) -> None:
    async with a_street(tmp_path, answer) as street:
        got = await ask(street, method, path)
    assert (got.status_code, got.headers.get("allow")) == (status, allow)


@pytest.mark.asyncio
async def test_a_key_that_was_revoked_reads_nothing_more(tmp_path: Path) -> None:
    async with a_street(tmp_path, answer) as street:
        await create(street)
        await street.database.write(the_key(revoked_at_ms=1))
        got = await ask(street, "GET", "/v1/responses/resp_1")
        assert len(street.seen) == 1
    assert (got.status_code, got.json()["error"]["reason"]) == (401, "key_revoked")


@pytest.mark.asyncio
async def test_reading_needs_read_access_and_the_rest_write_access(tmp_path: Path) -> None:
    async with a_street(tmp_path, answer) as street:
        await create(street)
        await street.database.write(the_key(permissions='{"responses":"read"}'))
        statuses = [(await ask(street, method, path)).status_code for method, path, _ in VERBS]
        counted = await create(street, path="/v1/responses/input_tokens", max_output_tokens=None)
        await street.database.write(the_key(permissions='{"chat_completions":"write"}'))
        nothing = [(await ask(street, method, path)).status_code for method, path, _ in VERBS]
    assert statuses == [200, 403, 403, 200]
    assert (counted.status_code, nothing) == (403, [403] * 4)


@pytest.mark.asyncio
async def test_a_stream_is_read_back_byte_for_byte_and_without_our_credential(tmp_path: Path) -> None:
    events = [created(), said(f"key {UPSTREAM_KEY}"), completed()]

    async def script(wire: Wire) -> None:
        if wire.head.startswith(b"POST"):
            await wire.answer(ANSWER)
            return
        await wire.begin_stream()
        for piece in events:
            await wire.piece(piece)
        await wire.end_stream()

    async with a_street(tmp_path, script) as street:
        await create(street)
        got = await ask(street, "GET", "/v1/responses/resp_1?stream=true&starting_after=0")
        assert len(await street.calls()) == 1
    assert got.headers["content-type"] == "text/event-stream"
    assert got.text == "".join(events).replace(UPSTREAM_KEY, "[removed]")


@pytest.mark.asyncio
async def test_a_stream_read_back_that_breaks_off_ends_with_an_error_event(tmp_path: Path) -> None:
    async def script(wire: Wire) -> None:
        if wire.head.startswith(b"POST"):
            await wire.answer(ANSWER)
            return
        await wire.begin_stream()
        await wire.piece(created())
        wire.reset()

    async with a_street(tmp_path, script) as street:
        await create(street)
        got = await street.broken_off("/v1/responses/resp_1?stream=true", {}, "GET")
    assert got.startswith(created() + "event: error\n")
    assert json.loads(got.rstrip().rpartition("data: ")[2])["code"] == "upstream_error"


@pytest.mark.asyncio
@pytest.mark.parametrize(("status", "seen"), [(404, 404), (500, 500), (401, 502), (302, 502)])
async def test_an_upstreams_error_is_passed_on_unless_it_is_about_ourselves(
    tmp_path: Path, status: int, seen: int
) -> None:
    async def script(wire: Wire) -> None:
        if wire.head.startswith(b"POST"):
            await wire.answer(ANSWER)
            return
        await wire.answer({"error": {"message": f"no {UPSTREAM_KEY}"}}, status, more="location: http://x/\r\n")

    async with a_street(tmp_path, script) as street:
        await create(street)
        got = await ask(street, "GET", "/v1/responses/resp_1")
    assert got.status_code == seen
    assert UPSTREAM_KEY not in got.text
    assert "location" not in got.headers


@pytest.mark.asyncio
async def test_counting_an_input_is_passed_through_and_free(tmp_path: Path) -> None:
    async def script(wire: Wire) -> None:
        await wire.answer({"object": "response.input_tokens", "input_tokens": 11})

    async with a_street(tmp_path, script, a_budget(0)) as street:
        got = await create(street, path="/v1/responses/input_tokens", max_output_tokens=None)
        unknown = await create(street, path="/v1/responses/input_tokens", max_output_tokens=None, model="none")
        assert await street.calls() == []
        (seen,) = street.seen
    assert got.json()["input_tokens"] == 11
    assert unknown.status_code == 404
    assert seen.head.startswith(b"POST /v1/responses/input_tokens ")
    assert json.loads(seen.body) == {"model": "tiny-1-upstream", "input": "hello"}
