"""A batch is read line by line, reserved whole before it starts, and settled by its usage when it is over."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Connection

from gateway.given_responses import OTHER_PROJECT, others
from gateway.scripted import SECRET, Street, Wire, a_budget, a_street, the_key
from keyhouse.store.objects import Object, insert_objects

MODEL = "same-name"
BODY = {"model": MODEL, "messages": [{"role": "user", "content": "hello"}], "max_tokens": 50}
USAGE = {"input_tokens": 70, "output_tokens": 50, "total_tokens": 120}
ENDPOINT = "/v1/chat/completions"


def a_line(number: int = 1, url: str = ENDPOINT, **changes: Any) -> str:
    return json.dumps({"custom_id": f"r{number}", "method": "POST", "url": url, "body": BODY | changes})


class Batches:
    """An upstream with one file and one batch, which is over once it `may_end`."""

    def __init__(self, *lines: str, **end: Any) -> None:
        self.content = "\n".join(lines)
        self.end = {"id": "batch_1", "status": "completed", "usage": USAGE, "output_file_id": "file-out"} | end
        self.may_end = asyncio.Event()

    async def __call__(self, wire: Wire) -> None:
        if b"/content " in wire.head:
            await wire.answer(self.content, kind="application/octet-stream")
        elif wire.head.startswith(b"POST /v1/batches ") or not self.may_end.is_set():
            await wire.answer({"id": "batch_1", "object": "batch", "status": "in_progress"})
        else:
            await wire.answer(self.end)


def the_file(connection: Connection) -> None:
    insert_objects(connection, [Object("file-1", "local", "file", "org-1", "proj_1", "key_1", 0)])


async def create(street: Street, secret: str = SECRET, **changes: Any) -> httpx.Response:
    asking = {"input_file_id": "file-1", "endpoint": ENDPOINT, "completion_window": "24h"} | changes
    return await street.http.post("/v1/batches", json=asking, headers={"authorization": f"Bearer {secret}"})


async def settled(street: Street) -> Any:
    while (row := await street.the_call()).state == "held":  # noqa: ASYNC110  a row tells nobody that it changes
        await asyncio.sleep(0.01)
    return row


@pytest.mark.asyncio
async def test_a_batch_is_reserved_whole_and_settled_by_its_usage(tmp_path: Path) -> None:
    upstream = Batches(a_line(1), a_line(2), "")
    async with a_street(tmp_path, upstream, the_file, others, a_budget(1_000_000)) as street:
        got = await create(street)
        held = await street.the_call()
        strange = await create(street, OTHER_PROJECT)
        upstream.may_end.set()
        row = await settled(street)
        result = await street.http.get("/v1/files/file-out/content", headers={"authorization": f"Bearer {SECRET}"})
    one = len(json.dumps(BODY)) + 64 + 2 * 50
    assert (got.status_code, got.json()["id"], strange.status_code) == (200, "batch_1", 404)
    assert (held.state, held.endpoint, held.model, held.reserved_nano_usd) == ("held", "/v1/batches", MODEL, 2 * one)
    assert (row.state, row.basis, row.input_tokens, row.output_tokens) == ("settled", "upstream", 70, 50)
    assert (row.charged_nano_usd, result.status_code) == (170, 200)


@pytest.mark.asyncio
async def test_a_batch_that_does_not_fit_its_budget_is_never_started(tmp_path: Path) -> None:
    upstream = Batches(*[a_line(number) for number in range(20)])
    async with a_street(tmp_path, upstream, the_file, a_budget(1_000)) as street:
        got = await create(street)
        assert [wire.head.split()[0] for wire in street.seen] == [b"GET"]
        assert await street.calls() == []
    assert (got.status_code, got.json()["error"]["code"]) == (429, "insufficient_quota")


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("end", "state", "charged"),
    [
        ({"status": "failed", "usage": None, "request_counts": {"completed": 0}}, "released", 0),
        ({"status": "expired", "usage": None, "request_counts": {"completed": 1}}, "settled", None),
        ({"usage": {"input_tokens": -1}}, "settled", None),
    ],
)
async def test_what_a_batch_does_not_say_is_charged_as_it_was_reserved(
    tmp_path: Path, end: dict[str, Any], state: str, charged: int | None
) -> None:
    upstream = Batches(a_line(), **end)
    upstream.may_end.set()
    async with a_street(tmp_path, upstream, the_file, a_budget(1_000_000)) as street:
        await create(street)
        row = await settled(street)
    assert row.state == state
    assert row.charged_nano_usd == (row.reserved_nano_usd if charged is None else charged)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ([a_line(), "{"], "Line 2"),
        ([a_line(url="/v1/embeddings")], "Line 1"),
        ([a_line(), a_line(model="tiny-long")], "another model"),
        ([a_line(model="tiny-long")], "calls `tiny-long` itself"),
        ([a_line(n=1_000)], "`n` is 1000"),
        ([""], "there is none"),
    ],
)
async def test_a_line_that_may_not_be_is_named_and_nothing_is_started(
    tmp_path: Path, lines: list[str], why: str
) -> None:
    async with a_street(tmp_path, Batches(*lines), the_file) as street:
        got = await create(street)
        assert len(street.seen) == 1
        assert await street.calls() == []
    assert got.status_code == 400
    assert why in got.json()["error"]["message"]


@pytest.mark.asyncio
async def test_a_batch_asks_nothing_that_its_key_may_not_ask_by_itself(tmp_path: Path) -> None:
    parts = [{"type": "file", "file": {"file_id": "file-404"}}]
    lines = [a_line(messages=[{"role": "user", "content": parts}])]
    async with a_street(tmp_path, Batches(*lines), the_file) as street:
        file = await create(street)
        await street.database.write(the_key(permissions='{"batches":"write"}'))
        street.authenticator.forget_all()
        endpoint = await create(street)
        await street.database.write(the_key(permissions='"all"', models='["tiny-long"]'))
        street.authenticator.forget_all()
        model = await create(street)
        other = await create(street, endpoint="/v1/videos")
        assert all(wire.head.startswith(b"GET") for wire in street.seen)
    assert [got.status_code for got in (file, endpoint, model, other)] == [404, 403, 403, 400]
