"""Work that goes on after the answer stays reserved, and is paid when it is done."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.given_responses import ANSWER, ASKING, ask, create, created, said
from gateway.scripted import SECRET, Street, Wire, a_budget, a_street
from keyhouse.core.limit import Unit, Window

QUEUED: dict[str, Any] = {"id": "resp_1", "status": "queued", "output": [], "usage": None}


class Upstream:
    """Answers at once that it is queued, and when it is asked again one after the other of what it was given."""

    def __init__(self, *later: dict[str, Any] | int, first: dict[str, Any] = QUEUED) -> None:
        self._first = first
        self._later = list(later)
        self.may_finish = asyncio.Event()
        self.was_asked = asyncio.Event()

    async def __call__(self, wire: Wire) -> None:
        if wire.head.startswith(b"POST"):
            await wire.answer(self._first)
            return
        assert wire.head.startswith(b"GET /v1/responses/resp_1 ")
        self.was_asked.set()
        if not self.may_finish.is_set():
            await wire.answer(QUEUED | {"status": "in_progress"})
            return
        now = self._later.pop(0) if len(self._later) > 1 else self._later[0]
        await (wire.answer({"error": {}}, now) if isinstance(now, int) else wire.answer(now))


async def settled(street: Street) -> Any:
    """The call's row once it is closed."""
    await asyncio.wait_for(street.log.has_request.wait(), 10)
    return await street.the_call()


@pytest.mark.asyncio
async def test_it_stays_reserved_while_it_runs_and_is_settled_by_its_usage(tmp_path: Path) -> None:
    upstream = Upstream(503, ANSWER)
    one = a_budget(1, unit=Unit.CONCURRENCY, window=Window.TOTAL, limit_id="limit_2")
    async with a_street(tmp_path, upstream, a_budget(1_000_000), one) as street:
        got = await create(street, background=True)
        assert (got.status_code, got.json()) == (200, QUEUED)
        assert "x-keyhouse-cost-usd" not in got.headers
        assert (await street.the_call()).state == "held"
        assert (await create(street)).status_code == 429, "it is still running"
        await asyncio.wait_for(upstream.was_asked.wait(), 10)
        assert (await street.the_call()).state == "held"
        street.log.has_request.clear()
        upstream.may_finish.set()
        row = await settled(street)
        assert (await create(street, input=[{"type": "item_reference", "id": "msg_1"}], model="tiny-long")).is_success
    assert (row.state, row.basis, row.status, row.flags) == ("settled", "upstream", 200, "")
    assert (row.input_tokens, row.output_tokens, row.charged_nano_usd) == (7, 5, 17)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "end", [404, ANSWER | {"status": "cancelled", "usage": None}, ANSWER | {"usage": {"input_tokens": -1}}]
)
async def test_what_can_never_be_known_is_charged_as_it_was_reserved(tmp_path: Path, end: dict[str, Any] | int) -> None:
    upstream = Upstream(end)
    upstream.may_finish.set()
    async with a_street(tmp_path, upstream, a_budget(1_000_000)) as street:
        await create(street, background=True)
        row = await settled(street)
    assert (row.state, row.basis, row.flags) == ("settled", "reserved", "usage_unknown")
    assert row.input_tokens + row.output_tokens == row.reserved_tokens
    assert row.charged_nano_usd == row.reserved_nano_usd > 0


@pytest.mark.asyncio
async def test_an_answer_that_is_whole_at_once_is_settled_at_once(tmp_path: Path) -> None:
    upstream = Upstream(500, first=ANSWER)
    async with a_street(tmp_path, upstream) as street:
        got = await create(street, background=True)
        row = await settled(street)
    assert (row.basis, row.charged_nano_usd, upstream.was_asked.is_set()) == ("upstream", 17, False)
    assert got.headers["x-keyhouse-cost-usd"] == "0.000000017"


@pytest.mark.asyncio
async def test_a_stream_that_the_client_leaves_is_followed_to_its_end(tmp_path: Path) -> None:
    async def script(wire: Wire) -> None:
        if wire.head.startswith(b"GET"):
            await wire.answer(ANSWER)
            return
        await wire.begin_stream()
        await wire.piece(created("queued"))
        await wire.piece(said("a"))
        await wire.until_left()

    async with a_street(tmp_path, script, a_budget(1_000_000)) as street:
        asked = ASKING | {"stream": True, "background": True}
        headers = {"authorization": f"Bearer {SECRET}"}
        async with street.http.stream("POST", "/v1/responses", json=asked, headers=headers) as got:
            async for text in got.aiter_text():
                if "delta" in text:
                    break
        row = await settled(street)
    assert (row.state, row.basis, row.charged_nano_usd) == ("settled", "upstream", 17)


@pytest.mark.asyncio
async def test_what_still_runs_when_keyhouse_stops_is_charged_as_it_was_reserved(tmp_path: Path) -> None:
    upstream = Upstream(ANSWER)
    async with a_street(tmp_path, upstream, a_budget(1_000_000)) as street:
        await create(street, background=True)
        await street.ledger.drain(0.05)
        row = await settled(street)
        assert (await ask(street, "GET", "/v1/responses/resp_1")).is_success
    assert (row.state, row.charged_nano_usd) == ("settled", row.reserved_nano_usd)
    assert row.charged_nano_usd > 0


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "begins",
    [
        lambda wire: wire.answer({"status": "queued"}),
        lambda wire: wire.answer(b"{", more="content-length: 99\r\n"),
        lambda wire: asyncio.sleep(0, wire.reset()),
    ],
    ids=["nameless", "cut", "unanswered"],
)
async def test_work_that_began_and_cannot_be_followed_is_charged_as_it_was_reserved(
    tmp_path: Path, begins: Callable[[Wire], Awaitable[object]]
) -> None:
    async def script(wire: Wire) -> None:
        await begins(wire)

    async with a_street(tmp_path, script, a_budget(1_000_000)) as street:
        await create(street, background=True)
        row = await settled(street)
    assert (row.state, row.basis) == ("settled", "reserved")
    assert row.charged_nano_usd == row.reserved_nano_usd > 0
