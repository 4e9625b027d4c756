"""Requests for messages are read for what they may cost; what nothing bounds is named."""

import json

import pytest

from keyhouse.core.bound import Ceilings, worst_case
from keyhouse.core.errors import Code, Refusal
from keyhouse.core.money import Price, Rate
from keyhouse.wire.body import Names
from keyhouse.wire.messages import read_count_tokens, read_messages
from keyhouse.wire.rewriting import ARGUMENTS_DEPTH, growth

HELLO = [{"role": "user", "content": "Hello"}]
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "A" * 900}}
TEXT = {"type": "text", "text": "What is this?"}
PRICE = Price(1, (Rate(1_000, 100, 1_250, 5_000),))


def body(**fields: object) -> bytes:
    return json.dumps({"model": "tiny-1", "messages": HELLO, "max_tokens": 50, **fields}).encode()


def said(*blocks: object) -> list[object]:
    return [{"role": "user", "content": list(blocks)}]


def test_what_bears_on_the_cost_is_read() -> None:
    raw = body(stream=True, tools=[{"name": "f", "input_schema": {}}], system="Be kind.", temperature=1, metadata={})
    ask = read_messages(raw).ask
    assert (ask.model, ask.stream, ask.output_tokens_max, ask.choices) == ("tiny-1", True, 50, 1)
    assert (ask.input_bytes, ask.has_tools, ask.unbounded, ask.long_cache) == (len(raw), True, None, False)
    need = worst_case(ask, PRICE)
    assert ask.rewritten_bytes == growth(b'[{"name": "f", "input_schema": {}}]')
    assert need.nano_usd(50) == -(-(len(raw) + ask.rewritten_bytes + 64 + 1_024) * 1_250 // 1_000) + 50 * 5


def test_what_a_tool_was_called_with_and_the_form_of_an_answer_may_be_written_anew() -> None:
    calls = said({"type": "tool_use", "id": "t", "name": "f", "input": {"a": [1, 2]}})
    form = {"type": "json_schema", "schema": {"enum": [1, 2]}}
    assert read_messages(body(messages=calls)).ask.rewritten_bytes == growth(b'{"a": [1, 2]}', ARGUMENTS_DEPTH)
    assert read_messages(body(output_format=form)).ask.rewritten_bytes == growth(json.dumps(form).encode())
    assert read_messages(body()).ask.rewritten_bytes == 0


@pytest.mark.parametrize(
    "fields",
    [
        {"messages": said(TEXT, {"type": "thinking", "thinking": "a", "signature": "b"})},
        {"messages": said({"type": "tool_use", "id": "t", "name": "f", "input": {"a": [1]}})},
        {"messages": said({"type": "tool_result", "tool_use_id": "t", "content": "done"})},
        {"messages": said({"type": "tool_result", "tool_use_id": "t", "content": [TEXT]})},
        {"messages": said({"type": "search_result", "source": "s", "title": "t", "content": [TEXT]})},
        {"system": [TEXT | {"cache_control": {"type": "ephemeral"}}]},
        {"thinking": {"type": "enabled", "budget_tokens": 1_024}},
        {"thinking": {"type": "adaptive"}, "speed": "standard", "inference_geo": "global", "container": None},
        {"tools": [{"type": "custom", "name": "f", "input_schema": {}}], "tool_choice": {"type": "any"}},
    ],
)
def test_text_thinking_and_the_clients_own_tools_are_bounded(fields: dict[str, object]) -> None:
    assert read_messages(body(**fields)).ask.unbounded is None


@pytest.mark.parametrize(
    ("fields", "part"),
    [
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "tools: web_search_20250305"),
        ({"tools": [{"type": "code_execution_20250825", "name": "x"}]}, "tools: code_execution_20250825"),
        ({"tools": [{"type": "computer_toolset_20260801", "name": "x"}]}, "tools: computer_toolset_20260801"),
        ({"tools": [{"type": "mcp_toolset"}]}, "tools: mcp_toolset"),
        ({"mcp_servers": [{"url": "https://x"}]}, "mcp_servers"),
        ({"container": "c"}, "container"),
        ({"fallbacks": [{"model": "big"}]}, "fallbacks"),
        ({"context_management": {"edits": []}}, "context_management"),
        ({"n": 3}, "n"),
        ({"speed": "ludicrous"}, "speed"),
        ({"inference_geo": "us"}, "inference_geo"),
        ({"messages": said({"type": "document", "source": {"type": "url", "url": "https://x/a.pdf"}})}, "document"),
        ({"messages": said({"type": "container_upload", "file_id": "f"})}, "container_upload"),
        ({"messages": said({"type": "web_search_tool_result", "content": []})}, "web_search_tool_result"),
        ({"messages": said({})}, "content"),
        ({"messages": said(TEXT | {"file": 1})}, "file"),
        ({"messages": said(IMAGE | {"images": []})}, "images"),
        ({"messages": said({"type": "tool_result", "content": [{"type": "document"}]})}, "document"),
        ({"messages": [{"role": "user", "content": "a", "images": []}]}, "messages: images"),
        ({"system": [{"type": "document"}]}, "document"),
    ],
)
def test_what_nothing_bounds_is_named(fields: dict[str, object], part: str) -> None:
    assert read_messages(body(**fields)).ask.unbounded == part


def test_results_within_results_within_results_are_not_followed_for_ever() -> None:
    block: dict[str, object] = {**TEXT}
    for _ in range(4):
        block = {"type": "tool_result", "tool_use_id": "t", "content": [block]}
    assert read_messages(body(messages=said(block))).ask.unbounded == "tool_result"


def test_images_count_by_the_models_maximum_wherever_they_are() -> None:
    raw = body(messages=said(TEXT, IMAGE, {"type": "tool_result", "tool_use_id": "t", "content": [IMAGE]}))
    ask = read_messages(raw).ask
    assert (ask.images_in, ask.media_bytes, ask.unbounded) == (2, 2 * len(json.dumps(IMAGE["source"])), None)
    assert worst_case(ask, PRICE).unbounded == "image_url"
    need = worst_case(ask, PRICE, Ceilings(image_tokens=100))
    assert (need.unbounded, need.input_tokens) == (None, len(raw) - ask.media_bytes + 200 + 64)


@pytest.mark.parametrize("kind", ["bash_20250124", "text_editor_20250728", "memory_20250818", "computer_20251124"])
def test_tools_of_anthropic_that_the_client_runs_count_with_what_they_add(kind: str) -> None:
    raw = body(tools=[{"type": kind, "name": "x"}])
    ask = read_messages(raw).ask
    assert (ask.unbounded, ask.input_bytes) == (None, len(raw) + 2_048)


@pytest.mark.parametrize(
    "fields",
    [
        {"cache_control": {"type": "ephemeral", "ttl": "1h"}},
        {"system": [TEXT | {"cache_control": {"type": "ephemeral", "ttl": "1h"}}]},
        {"tools": [{"name": "f", "input_schema": {}, "cache_control": {"type": "ephemeral", "ttl": "1h"}}]},
        {"messages": said(TEXT | {"cache_control": {"ttl": "1h"}})},
        {"messages": said({"type": "tool_result", "content": [TEXT | {"cache_control": {"ttl": "1h"}}]})},
    ],
)
def test_a_cache_of_an_hour_needs_a_price_of_twice_the_input(fields: dict[str, object]) -> None:
    ask = read_messages(body(**fields)).ask
    assert ask.long_cache
    assert worst_case(ask, PRICE).unbounded == "cache_control"
    assert worst_case(ask, Price(1, (Rate(1_000, 100, 2_000, 5_000),))).unbounded is None


def test_tiers_and_speed_are_read_as_tiers() -> None:
    assert read_messages(body()).ask.service_tier is None
    assert read_messages(body(service_tier="standard_only")).ask.service_tier == "default"
    assert read_messages(body(service_tier="auto")).ask.service_tier == "auto"
    fast = read_messages(body(speed="fast")).ask
    assert (fast.service_tier, fast.unbounded) == ("fast", None)
    assert worst_case(fast, PRICE).unbounded == "service_tier"


@pytest.mark.parametrize(
    ("raw", "code", "param"),
    [
        (b"{", Code.BODY_NOT_JSON, None),
        (b'{"model":"m","messages":[{}]}', Code.PARAMETER_MISSING, "max_tokens"),
        (body(model=""), Code.PARAMETER_INVALID, "model"),
        (body(messages=[]), Code.PARAMETER_INVALID, "messages"),
        (body(messages=[{"role": "user", "content": 7}]), Code.PARAMETER_INVALID, "messages.content"),
        (body(messages=said({"type": 7})), Code.PARAMETER_INVALID, None),
        (body(system={}), Code.PARAMETER_INVALID, "system"),
        (body(max_tokens=0), Code.PARAMETER_INVALID, "max_tokens"),
        (body(max_tokens=None), Code.PARAMETER_INVALID, "max_tokens"),
        (body(Max_Tokens=9), Code.PARAMETER_UNKNOWN, "Max_Tokens"),
        (body(n_predict=9), Code.PARAMETER_UNKNOWN, "n_predict"),
    ],
)
def test_what_cannot_be_read_is_refused_by_its_name(raw: bytes, code: Code, param: str | None) -> None:
    with pytest.raises(Refusal) as caught:
        read_messages(raw)
    assert (caught.value.code, caught.value.param) == (code, param)


@pytest.mark.parametrize(("maximum", "budget"), [(3_000, 2_000), (1_500, 1_499), (1_024, 2_000)])
def test_a_shorter_maximum_takes_the_budget_for_thinking_with_it(maximum: int, budget: int) -> None:
    asked = read_messages(body(max_tokens=4_000, thinking={"type": "enabled", "budget_tokens": 2_000}))
    written = json.loads(asked.written(Names("up"), maximum))
    assert written["max_tokens"] == maximum
    assert written["thinking"] == {"type": "enabled", "budget_tokens": budget}


def test_everything_else_reaches_the_upstream_as_it_came() -> None:
    raw = body(stream=True, system=[TEXT], thinking={"type": "adaptive"}, x_own={"a": 1.50})
    assert json.loads(read_messages(raw).written(Names("up"), 50)) == json.loads(raw) | {"model": "up"}
    assert json.loads(read_messages(raw).written(Names("up"), 40))["thinking"] == {"type": "adaptive"}


def test_to_count_tokens_only_the_model_is_read() -> None:
    asked = read_count_tokens(b'{"model":"tiny-1","messages":[{"role":"user","content":[{"type":"document"}]}]}')
    assert (asked.ask.model, asked.ask.output_tokens_max) == ("tiny-1", 0)
    assert json.loads(asked.written(Names("up"), None))["model"] == "up"
    with pytest.raises(Refusal):
        read_count_tokens(b'{"messages":[]}')
