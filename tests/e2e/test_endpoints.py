"""OpenAI's own SDK, unchanged, on a real model: what comes through Keyhouse is what comes directly, and is charged."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from openai import OpenAI

from e2e.admin import Admin
from e2e.configuration import INPUT_NANO_USD, UPSTREAM_KEY, charge_nano_usd
from e2e.processes import House

SAME = {"seed": 7, "cache_prompt": False, "ignore_eos": True}
"""What makes llama.cpp say the same twice."""

HELLO = "Hello, what is the weather today?"
TOOL: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"enum": ["Oslo", "Rome"]}}, "required": ["city"]},
    },
}
SCHEMA: dict[str, Any] = {
    "type": "json_schema",
    "json_schema": {
        "name": "answer",
        "strict": True,
        "schema": {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]},
    },
}
CHATS: dict[str, dict[str, Any]] = {
    "tools": {"tools": [TOOL], "tool_choice": "required"},
    "schema": {"response_format": SCHEMA},
}
PROMPTS: dict[str, Any] = {"text": HELLO, "texts": ["Hello", "World"], "tokens": [5, 6, 7]}


@pytest.fixture
def direct(llama_url: str) -> Iterator[OpenAI]:
    """A client of llama.cpp itself."""
    with OpenAI(base_url=f"{llama_url}/v1", api_key=UPSTREAM_KEY, max_retries=0, timeout=30) as client:
        yield client


def plain(answer: Any) -> Any:
    """An answer or a piece of one, without what differs each time."""
    fields = answer.model_dump(warnings=False)
    for name in ("id", "created", "timings"):
        fields.pop(name, None)
    for choice in fields.get("choices") or ():
        for call in (choice.get("message") or choice.get("delta") or {}).get("tool_calls") or ():
            call.pop("id", None)
    return fields


@pytest.mark.parametrize("kind", CHATS)
def test_chat_with_tools_and_with_a_schema_comes_through_whole(
    kind: str, house: House, admin: Admin, sdk: Callable[[str], OpenAI], direct: OpenAI
) -> None:
    key = admin.create_key()
    asked: dict[str, Any] = {
        "model": "tiny-1",
        "messages": [{"role": "user", "content": HELLO}],
        "max_tokens": 200,
        "extra_body": SAME | {"ignore_eos": False},
        **CHATS[kind],
    }
    expected = direct.chat.completions.create(**asked)
    got = sdk(key["value"]).chat.completions.create(**asked)
    assert plain(got) == plain(expected)
    pieces = [plain(piece) for piece in direct.chat.completions.create(**asked, stream=True)]
    streamed = [plain(piece) for piece in sdk(key["value"]).chat.completions.create(**asked, stream=True)]
    assert streamed == pieces
    first, second = house.calls(key["id"])
    assert first["charged_nano_usd"] == second["charged_nano_usd"] == charge_nano_usd(expected.usage)


@pytest.mark.parametrize("kind", PROMPTS)
def test_completions_come_through_whole_and_are_charged_to_the_nano_dollar(
    kind: str, house: House, admin: Admin, sdk: Callable[[str], OpenAI], direct: OpenAI
) -> None:
    key = admin.create_key()
    asked: dict[str, Any] = {"model": "tiny-1", "prompt": PROMPTS[kind], "max_tokens": 12, "extra_body": SAME}
    expected = direct.completions.create(**asked)
    raw = sdk(key["value"]).completions.with_raw_response.create(**asked)
    got = raw.parse()
    assert plain(got) == plain(expected)
    assert len(got.choices) == (2 if kind == "texts" else 1)
    (row,) = house.calls(key["id"])
    assert row["id"] == raw.headers["x-keyhouse-call-id"]
    assert (row["endpoint"], row["state"], row["basis"], row["flags"]) == ("/v1/completions", "settled", "upstream", "")
    assert got.usage is not None
    assert (row["input_tokens"], row["output_tokens"]) == (got.usage.prompt_tokens, got.usage.completion_tokens)
    assert row["charged_nano_usd"] == charge_nano_usd(got.usage)


@pytest.mark.parametrize("options", [{}, {"stream_options": {"include_usage": True}}])
def test_a_stream_of_completions_is_the_one_that_comes_directly(
    options: dict[str, Any], house: House, admin: Admin, sdk: Callable[[str], OpenAI], direct: OpenAI
) -> None:
    key = admin.create_key()
    asked: dict[str, Any] = {"model": "tiny-1", "prompt": HELLO, "max_tokens": 12, "stream": True, **options}
    expected = [plain(piece) for piece in direct.completions.create(**asked, extra_body=SAME)]
    got = list(sdk(key["value"]).completions.create(**asked, extra_body=SAME))
    assert [plain(piece) for piece in got] == expected
    assert "".join(piece.choices[0].text for piece in got if piece.choices)
    (row,) = house.calls(key["id"])
    assert (row["basis"], row["output_tokens"], row["flags"]) == ("upstream", 12, "")
    used = got[-1].usage
    assert used is not None  # llama.cpp says so in the last piece whether or not it was asked
    assert row["charged_nano_usd"] == charge_nano_usd(used)


@pytest.mark.parametrize("given", [HELLO, ["Hello", "World"], [5, 6, 7], [[5, 6], [7]]])
@pytest.mark.parametrize("encoding", ["float", "base64"])
def test_embeddings_come_through_whole_and_are_charged_for_their_input_only(
    given: Any, encoding: Any, embedding_house: House, embedding_url: str
) -> None:
    asked: dict[str, Any] = {"model": "tiny-1", "input": given, "encoding_format": encoding}
    with Admin(embedding_house) as admin, OpenAI(base_url=f"{embedding_url}/v1", api_key=UPSTREAM_KEY) as direct:
        key = admin.create_key()
        expected = direct.embeddings.create(**asked)
        with OpenAI(base_url=f"{embedding_house.url}/v1", api_key=key["value"], max_retries=0) as client:
            got = client.embeddings.create(**asked)
    assert plain(got) == plain(expected)
    assert len(got.data) == (2 if isinstance(given, list) and not isinstance(given[0], int) else 1)
    (row,) = embedding_house.calls(key["id"])
    assert (row["endpoint"], row["basis"], row["flags"]) == ("/v1/embeddings", "upstream", "")
    assert (row["input_tokens"], row["output_tokens"]) == (got.usage.prompt_tokens, 0)
    assert row["charged_nano_usd"] == got.usage.prompt_tokens * INPUT_NANO_USD > 0
