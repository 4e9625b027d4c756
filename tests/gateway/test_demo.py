"""The built-in upstream says what it is, and goes the same way through the books as every other."""

import asyncio
import json
from pathlib import Path

import pytest

from gateway.scripted import Wire, a_budget, a_street
from keyhouse.gateway import demo


async def silent(wire: Wire) -> None:
    raise AssertionError("nothing is forwarded")


@pytest.mark.asyncio
async def test_the_demo_answers_says_what_it_is_and_is_settled(tmp_path: Path) -> None:
    async with a_street(tmp_path, silent, a_budget(1_000_000)) as street:
        got = await street.ask(model=demo.MODEL, max_tokens=None)
        row = await street.the_call()
    assert got.json()["choices"][0]["message"]["content"] == demo.TEXT
    assert "OPENAI_API_KEY" in demo.TEXT
    usage = got.json()["usage"]
    assert (row.basis, row.output_tokens) == ("upstream", usage["completion_tokens"])
    assert row.output_tokens == len(demo.TEXT.split())
    assert row.charged_nano_usd == row.input_tokens + 2 * row.output_tokens


@pytest.mark.asyncio
@pytest.mark.parametrize("wants_usage", [True, False])
async def test_the_demo_streams_the_same_text(tmp_path: Path, wants_usage: bool) -> None:
    async with a_street(tmp_path, silent) as street:
        options = {"include_usage": wants_usage}
        events = await street.stream(model=demo.MODEL, max_tokens=None, n=2, stream_options=options)
        row = await street.the_call()
    assert events[-1] == "data: [DONE]"
    chunks = [json.loads(event.removeprefix("data: ")) for event in events[:-1]]
    text = [
        "".join(c["delta"].get("content", "") for k in chunks for c in k["choices"] if c["index"] == index)
        for index in (0, 1)
    ]
    assert text == [demo.TEXT, demo.TEXT]
    assert any("usage" in chunk for chunk in chunks) is wants_usage
    assert (row.basis, row.output_tokens) == ("upstream", 2 * len(demo.TEXT.split()))


@pytest.mark.asyncio
async def test_the_demo_keeps_to_a_maximum(tmp_path: Path) -> None:
    async with a_street(tmp_path, silent) as street:
        got = await street.ask(model=demo.MODEL, max_tokens=3)
    assert got.json()["choices"][0]["finish_reason"] == "length"
    assert got.json()["usage"]["completion_tokens"] == 3


@pytest.mark.asyncio
async def test_the_demo_streams_as_slowly_as_it_is_asked_to(tmp_path: Path) -> None:
    async with a_street(tmp_path, silent) as street:
        loop = asyncio.get_running_loop()
        began = loop.time()
        events = await street.stream(model=demo.MODEL, max_tokens=3, metadata={"pace_ms": "20"})
        assert loop.time() - began >= 0.02 * len(events)
        for odd in ("-1", "x", "", "\u0663"):
            assert await street.stream(model=demo.MODEL, max_tokens=3, metadata={"pace_ms": odd})
