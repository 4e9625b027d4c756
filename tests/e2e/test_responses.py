"""OpenAI's own SDK, unchanged, and its Responses API on a real llama.cpp: what comes through is what comes directly."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from openai import NotFoundError, OpenAI
from openai.types.responses import ResponseStreamEvent

from e2e.admin import Admin
from e2e.configuration import CACHED_NANO_USD, INPUT_NANO_USD, OUTPUT_NANO_USD, UPSTREAM_KEY
from e2e.processes import House

HELLO = "Hello, what is the weather today?"
SAME = {"seed": 7, "cache_prompt": False, "ignore_eos": True}
"""What makes llama.cpp say the same twice."""

TOOL: dict[str, Any] = {
    "type": "function",
    "name": "get_weather",
    "parameters": {"type": "object", "properties": {"city": {"enum": ["Oslo", "Rome"]}}, "required": ["city"]},
    "strict": True,
}
SCHEMA: dict[str, Any] = {
    "format": {
        "type": "json_schema",
        "name": "answer",
        "schema": {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]},
        "strict": True,
    }
}
ASKED: dict[str, dict[str, Any]] = {
    "text": {"input": HELLO, "max_output_tokens": 20, "extra_body": SAME},
    "items": {
        "input": [{"role": "user", "content": [{"type": "input_text", "text": HELLO}]}],
        "instructions": "Be brief.",
        "max_output_tokens": 20,
        "extra_body": SAME,
    },
    "tools": {
        "input": HELLO,
        "tools": [TOOL],
        "tool_choice": "required",
        "max_output_tokens": 200,
        "extra_body": SAME | {"ignore_eos": False},
    },
    "schema": {
        "input": HELLO,
        "text": SCHEMA,
        "max_output_tokens": 200,
        "extra_body": SAME | {"ignore_eos": False},
    },
    "tool results": {
        "input": [
            {"role": "user", "content": HELLO},
            {"type": "function_call", "call_id": "c1", "name": "get_weather", "arguments": '{"city":"Oslo"}'},
            {"type": "function_call_output", "call_id": "c1", "output": "rain"},
        ],
        "tools": [TOOL],
        "max_output_tokens": 20,
        "extra_body": SAME,
    },
}
THEIR_OWN = {"id", "item_id", "call_id", "created_at", "completed_at", "timings"}
"""What differs from one answer to the next: ids and times."""


@pytest.fixture
def direct(llama_url: str) -> Iterator[OpenAI]:
    """The SDK without Keyhouse in between."""
    with OpenAI(base_url=f"{llama_url}/v1", api_key=UPSTREAM_KEY, max_retries=0, timeout=30) as client:
        yield client


def comparable(value: Any) -> Any:
    """All of an answer or an event but what is its own."""
    if isinstance(value, dict):
        return {name: comparable(one) for name, one in value.items() if name not in THEIR_OWN}
    return [comparable(one) for one in value] if isinstance(value, list) else value


def charge_nano_usd(usage: Any) -> int:
    cached = usage.input_tokens_details.cached_tokens
    charge: int = (usage.input_tokens - cached) * INPUT_NANO_USD + cached * CACHED_NANO_USD
    charge += usage.output_tokens * OUTPUT_NANO_USD
    return charge


def dumped(events: list[ResponseStreamEvent]) -> Any:
    return comparable([event.model_dump(warnings=False) for event in events])


@pytest.mark.parametrize("asked", ASKED.values(), ids=ASKED.keys())
def test_a_whole_answer_is_the_upstreams_field_by_field_and_charged_exactly(
    house: House, admin: Admin, sdk: Callable[[str], OpenAI], direct: OpenAI, asked: dict[str, Any]
) -> None:
    key = admin.create_key()
    raw = sdk(key["value"]).responses.with_raw_response.create(model="tiny-1", **asked)
    through = raw.parse()
    expected = direct.responses.create(model="tiny-1", **asked)
    assert comparable(through.model_dump(warnings=False)) == comparable(expected.model_dump(warnings=False))
    assert through.usage is not None
    (row,) = house.calls(key["id"])
    assert (row["endpoint"], row["state"], row["basis"], row["flags"]) == ("/v1/responses", "settled", "upstream", "")
    assert (row["input_tokens"], row["output_tokens"]) == (through.usage.input_tokens, through.usage.output_tokens)
    assert row["charged_nano_usd"] == charge_nano_usd(through.usage)
    assert float(raw.headers["x-keyhouse-cost-usd"]) * 1e9 == row["charged_nano_usd"]


@pytest.mark.parametrize("asked", ASKED.values(), ids=ASKED.keys())
def test_a_stream_is_the_upstreams_event_by_event_and_charged_exactly(
    house: House, admin: Admin, sdk: Callable[[str], OpenAI], direct: OpenAI, asked: dict[str, Any]
) -> None:
    key = admin.create_key()
    through = list(sdk(key["value"]).responses.create(model="tiny-1", stream=True, **asked))
    expected = list(direct.responses.create(model="tiny-1", stream=True, **asked))
    assert dumped(through) == dumped(expected)
    last = through[-1]
    assert last.type == "response.completed"
    assert last.response.usage is not None
    (row,) = house.calls(key["id"])
    assert (row["state"], row["basis"], row["flags"]) == ("settled", "upstream", "")
    assert row["charged_nano_usd"] == charge_nano_usd(last.response.usage)


def test_the_tokens_of_an_input_are_counted_for_free(
    house: House, admin: Admin, sdk: Callable[[str], OpenAI], direct: OpenAI
) -> None:
    key = admin.create_key(limits=[{"unit": "usd", "window": "month", "amount": "0"}])
    counted = sdk(key["value"]).responses.input_tokens.count(model="tiny-1", input=HELLO)
    assert counted == direct.responses.input_tokens.count(model="tiny-1", input=HELLO)
    assert counted.input_tokens > 5
    assert house.calls(key["id"]) == []


def test_a_response_of_nobody_is_not_found(admin: Admin, sdk: Callable[[str], OpenAI]) -> None:
    client = sdk(admin.create_key()["value"])
    with pytest.raises(NotFoundError, match="Response with id 'resp_1' not found"):
        client.responses.retrieve("resp_1")
    with pytest.raises(NotFoundError, match="Previous response with id 'resp_1' not found"):
        client.responses.create(model="tiny-1", input=HELLO, previous_response_id="resp_1")


def test_what_a_response_keeps_is_noted_in_the_books(house: House, admin: Admin, sdk: Callable[[str], OpenAI]) -> None:
    answer = sdk(admin.create_key()["value"]).responses.create(model="tiny-1", input=HELLO, max_output_tokens=20)
    kinds = house.rows("SELECT kind FROM objects WHERE id IN (?, ?) ORDER BY kind", answer.id, answer.output[0].id)
    assert [row["kind"] for row in kinds] == ["item", "response"]
