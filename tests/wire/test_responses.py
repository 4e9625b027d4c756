"""Requests for responses are read for what they may cost and whose objects they name."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyhouse.core.errors import Code, Refusal
from keyhouse.wire.body import Names
from keyhouse.wire.responses import read_input, read_responses
from keyhouse.wire.rewriting import ARGUMENTS_DEPTH, growth

HELLO = {"role": "user", "content": "Hello"}
CALL = {"type": "function_call", "id": "fc_1", "call_id": "c", "name": "f", "arguments": "{}"}
THOUGHT = {"type": "reasoning", "id": "rs_1", "summary": []}


def body(**fields: object) -> bytes:
    return json.dumps({"model": "tiny-1", "input": "Hello", **fields}).encode()


def items(*given_items: object) -> bytes:
    return body(input=given_items)


def content(*parts: object) -> bytes:
    return items({"role": "user", "content": parts})


def test_what_bears_on_the_cost_is_read() -> None:
    tools = [{"type": "function", "name": "f", "parameters": {}}, {"type": "custom", "name": "g"}]
    raw = body(stream=True, max_output_tokens=70, tools=tools, service_tier="flex", store=False)
    ask = read_responses(raw).ask
    assert (ask.model, ask.stream, ask.output_tokens_max, ask.has_tools, ask.service_tier, ask.is_kept) == (
        "tiny-1",
        True,
        70,
        True,
        "flex",
        False,
    )
    assert (ask.input_bytes, ask.unbounded, ask.unseen_input, ask.references) == (len(raw), None, None, ())
    assert read_responses(body()).ask.is_kept, "it is kept unless the client says otherwise"


def test_what_a_template_may_write_anew_is_counted() -> None:
    tools = [{"type": "function", "name": "f", "parameters": {"enum": [1] * 50}}]
    form = {"format": {"type": "json_schema", "schema": {"enum": [1] * 50}}}
    arguments = json.dumps({"a": [1] * 50})
    call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": arguments}
    for fields, value in ({"tools": tools}, tools), ({"text": form}, form):
        assert read_responses(body(**fields)).ask.rewritten_bytes == growth(json.dumps(value).encode()) > 500
    assert read_responses(body(input=[call])).ask.rewritten_bytes >= growth(arguments.encode(), ARGUMENTS_DEPTH) > 500
    assert read_responses(body()).ask.rewritten_bytes == 0


def test_a_cache_of_an_hour_is_noticed() -> None:
    part = {"type": "input_text", "text": "a", "cache_control": {"type": "ephemeral", "ttl": "1h"}}
    assert read_responses(body(input=[{"role": "user", "content": [part]}])).ask.long_cache
    assert not read_responses(body()).ask.long_cache


@pytest.mark.parametrize(
    "raw",
    [
        body(),
        b'{"model":"tiny-1"}',
        body(input=None, instructions="Be brief."),
        body(text={"format": {"type": "json_schema", "name": "a", "schema": {}}}, truncation="auto", top_logprobs=2),
        body(include=["reasoning.encrypted_content"], metadata={"a": "b"}, reasoning={"effort": "high"}, user="u"),
        body(prompt_cache_options={"ttl": "30m"}, moderation={"model": "omni-moderation-latest"}, prompt=None),
        items(HELLO, {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": "Hi"}),
        items(CALL, {"type": "function_call_output", "call_id": "c", "output": "4"}),
        items({"type": "custom_tool_call", "id": "c", "name": "g", "input": "x"}),
        items({"type": "custom_tool_call_output", "output": [{"type": "input_text", "text": "y"}]}),
        items(THOUGHT | {"content": [{"type": "reasoning_text", "text": "hm"}]}),
        items({"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]}),
        content({"type": "input_text", "text": "a", "prompt_cache_breakpoint": {"mode": "explicit"}}),
        content({"type": "output_text", "text": "a", "annotations": [], "logprobs": []}, {"type": "refusal"}),
    ],
)
def test_text_is_bounded_by_the_length_of_the_body(raw: bytes) -> None:
    ask = read_responses(raw).ask
    assert (ask.unbounded, ask.unseen_input, ask.references, ask.media_bytes) == (None, None, (), 0)


@pytest.mark.parametrize(
    ("raw", "part"),
    [
        *(
            (body(tools=[{"type": kind}]), f"tools: {kind}")
            for kind in ("apply_patch", "code_interpreter", "computer", "computer_use_preview", "file_search")
        ),
        *(
            (body(tools=[{"type": kind}]), f"tools: {kind}")
            for kind in ("image_generation", "local_shell", "mcp", "namespace", "programmatic_tool_calling", "shell")
        ),
        *((body(tools=[{"type": kind}]), f"tools: {kind}") for kind in ("tool_search", "web_search", "anything")),
        (body(prompt={"id": "pmpt_1"}), "prompt"),
        (body(context_management=[{"type": "compaction"}]), "context_management"),
        (body(reasoning={"mode": "pro"}), "reasoning: mode"),
        (body(moderation={"model": "dear"}), "moderation"),
        (body(prompt_cache_options={"ttl": "12h"}), "prompt_cache_options: ttl"),
        *((body(**{name: 2}), name) for name in ("audio", "best_of", "chat_template", "messages", "modalities", "n")),
        *((body(**{name: 2}), name) for name in ("mm_processor_kwargs", "n_cmpl", "plugins", "use_beam_search")),
        (content({"type": "input_file", "file_id": "file-1"}), "input: input_file"),
        (content({"type": "video"}), "input: video"),
        (content({}), "input: "),
        (content({"type": "input_text", "text": "a", "file": 1}), "input: file"),
        (content({"type": "input_image", "image_url": "x", "url": 1}), "input: url"),
        (content({"type": "input_image", "image_url": "x", "detail": "original"}), "input: input_image detail"),
        (
            content({"type": "input_text", "prompt_cache_breakpoint": {"ttl": "12h"}}),
            "input: prompt_cache_breakpoint",
        ),
        (items(HELLO | {"files": [1]}), "input: files"),
        (items({"type": "function_call_output", "output": [{"type": "input_file"}]}), "input: input_file"),
        (items({"type": "web_search_call", "id": "ws_1"}), "input: web_search_call"),
        (items({"type": "additional_tools", "tools": []}), "input: additional_tools"),
    ],
)
def test_what_the_length_does_not_bound_is_named(raw: bytes, part: str) -> None:
    assert read_responses(raw).ask.unbounded == part


@pytest.mark.parametrize(
    ("raw", "param", "references"),
    [
        (body(previous_response_id="resp_1"), "previous_response_id", ["resp_1"]),
        (body(conversation="conv_1"), "conversation", ["conv_1"]),
        (body(conversation={"id": "conv_1"}), "conversation", ["conv_1"]),
        (items(HELLO, {"type": "item_reference", "id": "msg_1"}), "input: item_reference", ["msg_1"]),
        (items({"id": "msg_1"}, {"type": None, "id": "msg_2"}), "input: item_reference", ["msg_1", "msg_2"]),
        (items({"type": "item_reference", "id": "msg_1", "": 1}), "input: item_reference", ["msg_1"]),
        (items({"type": "message", "id": "msg_1", "role": "assistant"}), "input: message", ["msg_1"]),
        (items({"type": "function_call", "id": "fc_1"}), "input: function_call", ["fc_1"]),
        (items(THOUGHT), "input: reasoning", ["rs_1"]),
        (items(THOUGHT | {"content": []}), "input: reasoning", ["rs_1"]),
        (items(THOUGHT | {"encrypted_content": "gAAA"}), "input: reasoning", []),
        (items({"type": "compaction", "id": "cmp_1", "encrypted_content": "gAAA"}), "input: compaction", []),
        (items({"type": "compaction", "id": "cmp_1"}), "input: compaction", ["cmp_1"]),
        (b'{"model":"m","input":[{"type":"item_ref\\u0065rence","id":"msg_1"}]}', "input: item_reference", ["msg_1"]),
    ],
)
def test_what_is_read_beside_the_body_is_named_with_the_objects_it_stands_for(
    raw: bytes, param: str, references: list[str]
) -> None:
    ask = read_responses(raw).ask
    assert (ask.unseen_input, [reference for _, reference in ask.references]) == (param, references)
    assert ask.unbounded is None


def test_images_and_audio_are_counted_and_their_bytes_set_apart_from_the_text() -> None:
    image = {"type": "input_image", "image_url": "data:image/png;base64," + "A" * 1_000, "detail": "high"}
    audio = {"type": "input_audio", "input_audio": {"data": "B" * 500, "format": "mp3"}}
    raw = content({"type": "input_text", "text": "What?"}, image, image, {"type": "input_image", "file_id": "f"}, audio)
    ask = read_responses(raw).ask
    assert (ask.images_in, ask.audio_in, ask.unbounded) == (3, 1, None)
    media = 2 * len(json.dumps(image["image_url"])) + len(json.dumps(audio["input_audio"]))
    assert (ask.input_bytes, ask.media_bytes) == (len(raw), media)


@pytest.mark.parametrize(
    ("raw", "code", "param"),
    [
        (b"", Code.BODY_NOT_JSON, None),
        (b"[]", Code.BODY_NOT_JSON, None),
        (b"[" * 100_000, Code.BODY_NOT_JSON, None),
        (b'{"input": "a"}', Code.PARAMETER_MISSING, "model"),
        (body(model=""), Code.PARAMETER_INVALID, "model"),
        (body(input=7), Code.PARAMETER_INVALID, "input"),
        (items("a"), Code.PARAMETER_INVALID, "input"),
        (items({"role": "user", "content": 7}), Code.PARAMETER_INVALID, "input.content"),
        (items({"type": "item_reference"}), Code.PARAMETER_INVALID, "input.id"),
        (body(conversation=7), Code.PARAMETER_INVALID, "conversation"),
        (body(conversation={}), Code.PARAMETER_INVALID, "conversation"),
        (body(previous_response_id=7), Code.PARAMETER_INVALID, "previous_response_id"),
        (body(max_output_tokens=0), Code.PARAMETER_INVALID, "max_output_tokens"),
        (body(max_output_tokens=10**9), Code.PARAMETER_INVALID, "max_output_tokens"),
        (body(background=True, store=False), Code.PARAMETER_INVALID, "background"),
        (body(max_tokens=9), Code.PARAMETER_UNKNOWN, "max_tokens"),
        (body(Max_Output_Tokens=9), Code.PARAMETER_UNKNOWN, "Max_Output_Tokens"),
        (body(request_id="resp_of_another"), Code.PARAMETER_UNKNOWN, "request_id"),
    ],
)
def test_what_cannot_be_read_is_refused_by_its_name(raw: bytes, code: Code, param: str | None) -> None:
    with pytest.raises(Refusal) as caught:
        read_responses(raw)
    assert (caught.value.code, caught.value.param) == (code, param)


def test_the_model_and_a_shorter_maximum_are_written_and_nothing_else_changes() -> None:
    asked = read_responses(body(max_output_tokens=90, x_own={"b": 1.50}))
    written = json.loads(asked.written(Names("upstream"), 20))
    assert written == {"model": "upstream", "input": "Hello", "max_output_tokens": 20, "x_own": {"b": 1.5}}


@pytest.mark.parametrize("name", ["max_output_tokens", "stream", "background"])
def test_an_endpoint_that_only_takes_an_input_knows_no_parameter_of_an_answer(name: str) -> None:
    with pytest.raises(Refusal) as caught:
        read_input(body(**{name: 20 if name == "max_output_tokens" else True}))
    assert (caught.value.code, caught.value.param) == (Code.PARAMETER_UNKNOWN, name)


def test_an_endpoint_that_only_takes_an_input_writes_no_maximum() -> None:
    asked = read_input(body(previous_response_id="resp_1"))
    assert (asked.ask.has_maximum, asked.ask.is_kept, asked.ask.unseen_input) == (False, False, "previous_response_id")
    assert "max_output_tokens" not in json.loads(asked.written(Names("tiny-1"), 20))


JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "id", "content", "role", "output", "encrypted_content", "text"]), inner, max_size=4
        )
    ),
    max_leaves=10,
)


@given(JSON)
def test_any_input_is_read_or_refused(value: object) -> None:
    with suppress(Refusal):
        ask = read_responses(body(input=value)).ask
        assert ask.references == () or ask.unseen_input is not None
