"""Requests are read for what they may cost, and upstreams see exactly what was read."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyhouse.core.errors import Code, Refusal
from keyhouse.wire.body import Names
from keyhouse.wire.chat import read_chat
from keyhouse.wire.rewriting import growth, growth_of_calls

TEXT = {"type": "text", "text": "a"}
TEMPLATE = "chat_template_kwargs: chat_template"
HELLO = [{"role": "user", "content": "Hello"}]


def body(**fields: object) -> bytes:
    return json.dumps({"model": "tiny-1", "messages": HELLO, **fields}).encode()


def test_what_bears_on_the_cost_is_read() -> None:
    raw = body(stream=True, max_tokens=7, n=3, tools=[{"type": "function", "function": {"name": "f"}}])
    ask = read_chat(raw).ask
    assert (ask.model, ask.stream, ask.wants_usage, ask.output_tokens_max, ask.choices, ask.has_tools) == (
        "tiny-1",
        True,
        False,
        7,
        3,
        True,
    )
    assert (ask.input_bytes, ask.unbounded) == (len(raw), None)


@pytest.mark.parametrize(
    ("fields", "part"),
    [
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": "a", "file": 1}]}]}, "file"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": "x", "y": 1}]}]}, "y"),
        ({"messages": [{"role": "user", "content": [{"type": "file"}]}]}, "file"),
        ({"modalities": ["text", "video"]}, "modalities"),
        ({"web_search_options": {}}, "web_search_options"),
        ({"tools": [{"type": "mcp"}]}, "tools: mcp"),
        ({"best_of": 3}, "best_of"),
        ({"models": ["a", "b"]}, "models"),
        ({"search_parameters": {"mode": "on"}}, "search_parameters"),
        ({"chat_template_kwargs": {"chat_template": "{% for i in range(99999) %}a{% endfor %}"}}, TEMPLATE),
        ({"chat_template_kwargs": {"thinking": True, "tools": [{}]}}, "chat_template_kwargs: tools"),
        ({"prompt_cache_options": {"ttl": "12h"}}, "prompt_cache_options: ttl"),
        ({"moderation": {"model": "another"}}, "moderation"),
        (
            {"messages": [{"role": "user", "content": [TEXT | {"prompt_cache_breakpoint": {"ttl": "12h"}}]}]},
            "prompt_cache_breakpoint",
        ),
    ],
)
def test_what_the_length_does_not_bound_is_named(fields: dict[str, object], part: str) -> None:
    assert read_chat(body(**fields)).ask.unbounded == part


@pytest.mark.parametrize(
    "fields",
    [
        {"chat_template_kwargs": {"enable_thinking": False, "reasoning_effort": "low", "budget": 5, "other": None}},
        {"prompt_cache_options": {"ttl": "30m"}, "moderation": {"model": "omni-moderation-latest"}},
        {"messages": [{"role": "user", "content": [TEXT | {"prompt_cache_breakpoint": {}}]}]},
    ],
)
def test_flags_of_a_template_and_what_costs_nothing_more_pass(fields: dict[str, object]) -> None:
    ask = read_chat(body(**fields)).ask
    assert (ask.unbounded, ask.long_cache) == (None, False)


def test_a_cache_of_an_hour_is_noticed() -> None:
    for ttl, is_long in (("1h", True), ("5m", False), (None, False)):
        marked = [{"role": "user", "content": [TEXT | {"cache_control": {"type": "ephemeral", "ttl": ttl}}]}]
        assert read_chat(body(messages=marked)).ask.long_cache is is_long


@pytest.mark.parametrize("name", ["tools", "functions", "response_format", "documents"])
def test_what_a_template_may_write_anew_is_counted(name: str) -> None:
    listed = [{"type": "function", "name": "f", "parameters": {"enum": [1] * 50}}]
    value = listed if name != "response_format" else {"type": "json_schema", "json_schema": {"enum": [1] * 50}}
    assert read_chat(body(**{name: value})).ask.rewritten_bytes == growth(json.dumps(value).encode()) > 500


def test_arguments_of_calls_in_messages_are_counted() -> None:
    calls = [{"id": "c", "type": "function", "function": {"name": "f", "arguments": json.dumps({"a": [1] * 50})}}]
    ask = read_chat(body(messages=[*HELLO, {"role": "assistant", "content": None, "tool_calls": calls}])).ask
    assert ask.rewritten_bytes == growth_of_calls(msgspec.Raw(json.dumps(calls).encode())) > 500
    assert read_chat(body()).ask.rewritten_bytes == 0


def test_images_and_audio_are_counted_and_their_bytes_set_apart_from_the_text() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 1_000}}
    audio = {"type": "input_audio", "input_audio": {"data": "B" * 500, "format": "mp3"}}
    text = {"type": "text", "text": "What is this?"}
    raw = body(messages=[{"role": "user", "content": [text, image, image, audio]}], modalities=["text", "audio"])
    ask = read_chat(raw).ask
    assert (ask.images_in, ask.audio_in, ask.unbounded, ask.speaks) == (2, 1, None, True)
    media = 2 * len(json.dumps(image["image_url"])) + len(json.dumps(audio["input_audio"]))
    assert (ask.input_bytes, ask.media_bytes) == (len(raw), media)


def test_the_service_tier_is_read() -> None:
    assert read_chat(body(service_tier="priority")).ask.service_tier == "priority"
    assert read_chat(body()).ask.service_tier is None


@pytest.mark.parametrize(
    ("raw", "code", "param"),
    [
        (b"", Code.BODY_NOT_JSON, None),
        (b"{", Code.BODY_NOT_JSON, None),
        (b"[]", Code.BODY_NOT_JSON, None),
        (b'{"model": "\xff"}', Code.BODY_NOT_JSON, None),
        (b"[" * 100_000, Code.BODY_NOT_JSON, None),
        (b'{"messages": []}', Code.PARAMETER_MISSING, "model"),
        (body(model=1), Code.PARAMETER_INVALID, "model"),
        (body(model=""), Code.PARAMETER_INVALID, "model"),
        (body(messages=[]), Code.PARAMETER_INVALID, "messages"),
        (body(messages="hi"), Code.PARAMETER_INVALID, "messages"),
        (body(max_tokens=0), Code.PARAMETER_INVALID, "max_tokens"),
        (body(max_tokens=-1), Code.PARAMETER_INVALID, "max_tokens"),
        (body(max_completion_tokens=10**9), Code.PARAMETER_INVALID, "max_completion_tokens"),
        (body(n=0), Code.PARAMETER_INVALID, "n"),
        (body(n=1000), Code.PARAMETER_INVALID, "n"),
        (body(max_tokens=1, max_completion_tokens=1), Code.PARAMETER_INVALID, "max_tokens"),
        (body(Max_Tokens=9), Code.PARAMETER_UNKNOWN, "Max_Tokens"),
        (body(num_predict=9), Code.PARAMETER_UNKNOWN, "num_predict"),
    ],
)
def test_what_cannot_be_read_is_refused_by_its_name(raw: bytes, code: Code, param: str | None) -> None:
    with pytest.raises(Refusal) as caught:
        read_chat(raw)
    assert (caught.value.code, caught.value.param) == (code, param)


def test_names_given_twice_reach_the_upstream_once_with_the_value_that_was_read() -> None:
    raw = b'{"model":"a","max_tokens":1,"messages":[{"role":"user","content":"x"}],"max_tokens":9}'
    chat = read_chat(raw)
    written = chat.written(Names("a"), None)
    assert written.count(b"max_tokens") == 1
    assert json.loads(written)["max_tokens"] == chat.ask.output_tokens_max


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({}, "max_completion_tokens"),
        ({"max_tokens": 90}, "max_tokens"),
        ({"max_completion_tokens": 90}, "max_completion_tokens"),
    ],
)
def test_a_shorter_maximum_is_written_where_the_client_wrote_its_own(fields: dict[str, object], name: str) -> None:
    written = json.loads(read_chat(body(**fields)).written(Names("tiny-1"), 20))
    assert written[name] == 20
    assert len([key for key in written if key.startswith("max_")]) == 1


def test_usage_is_asked_for_where_a_stream_did_not_and_other_options_stay() -> None:
    written = json.loads(
        read_chat(body(stream=True, stream_options={"include_obfuscation": False})).written(Names("t"), None)
    )
    assert written["stream_options"] == {"include_obfuscation": False, "include_usage": True}
    assert written["model"] == "t"
    assert "stream_options" not in json.loads(read_chat(body()).written(Names("tiny-1"), None))


@given(
    st.dictionaries(
        st.text(min_size=1).map(lambda key: "x_" + key),
        st.recursive(st.none() | st.integers() | st.text(), st.lists, max_leaves=4),
        max_size=4,
    )
)
def test_unknown_fields_reach_the_upstream_unchanged(extra: dict[str, object]) -> None:
    sent = {"model": "tiny-1", "messages": HELLO, **extra}
    assert json.loads(read_chat(json.dumps(sent).encode()).written(Names("tiny-1"), None)) == sent


@pytest.mark.parametrize(
    ("fields", "maximum", "sent"),
    [
        ({}, None, {}),
        ({}, 50, {"max_tokens": 50}),
        ({"max_completion_tokens": 7}, None, {"max_tokens": 7}),
        ({"max_completion_tokens": 70}, 50, {"max_tokens": 50}),
        ({"max_completion_tokens": None, "max_tokens": 7}, 7, {"max_tokens": 7}),
        ({"max_tokens": 7}, None, {"max_tokens": 7}),
    ],
)
def test_where_only_max_tokens_is_known_the_maximum_goes_up_as_that(
    fields: dict[str, object], maximum: int | None, sent: dict[str, int]
) -> None:
    up = json.loads(read_chat(body(**fields)).written(Names("tiny-1", max_tokens_only=True), maximum))
    assert {name: value for name, value in up.items() if "max" in name} == sent
