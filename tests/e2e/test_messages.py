"""Anthropic's own SDK, unchanged, on a real llama.cpp: what comes through is what comes directly, and is charged."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from e2e.admin import Admin
from e2e.configuration import CACHED_NANO_USD, INPUT_NANO_USD, OUTPUT_NANO_USD, UPSTREAM_KEY
from e2e.processes import House

if TYPE_CHECKING:
    import anthropic

HELLO: list[Any] = [{"role": "user", "content": "Hello, what is the weather today?"}]
TOOL = {
    "name": "get_weather",
    "input_schema": {"type": "object", "properties": {"city": {"enum": ["Oslo", "Rome"]}}, "required": ["city"]},
}
ASKED: dict[str, dict[str, Any]] = {
    "text": {"messages": HELLO, "max_tokens": 12},
    "blocks": {
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Hello"}]}],
        "system": [{"type": "text", "text": "Be brief."}],
        "max_tokens": 12,
    },
    "tools": {"messages": HELLO, "max_tokens": 200, "tools": [TOOL], "tool_choice": {"type": "any"}},
    "results": {
        "messages": [
            *HELLO,
            {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "get_weather", "input": {}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "rain"}]},
        ],
        "max_tokens": 12,
        "tools": [TOOL],
    },
}


def client_of(url: str, key: str) -> "anthropic.Anthropic":
    import anthropic  # who only collects tests needs no second of loading it

    return anthropic.Anthropic(base_url=url, api_key=key, max_retries=0, timeout=30)


@pytest.fixture
def direct(llama_url: str) -> "Iterator[anthropic.Anthropic]":
    """A client of llama.cpp itself."""
    with client_of(llama_url, UPSTREAM_KEY) as client:
        yield client


def plain(answer: Any) -> Any:
    """A message or an event of one, without the ids, which differ each time."""
    fields = answer.model_dump(warnings=False)
    for one in (fields, fields.get("message") or {}, fields.get("content_block") or {}, *(fields.get("content") or ())):
        one.pop("id", None)
    return fields


def charge(usage: Any) -> int:
    cached = usage.cache_read_input_tokens or 0
    charged: int = (
        usage.input_tokens * INPUT_NANO_USD + cached * CACHED_NANO_USD + usage.output_tokens * OUTPUT_NANO_USD
    )
    return charged


@pytest.mark.parametrize("kind", ASKED)
def test_a_message_comes_through_whole_and_is_charged_to_the_nano_dollar(
    kind: str, house: House, admin: Admin, direct: "anthropic.Anthropic"
) -> None:
    key = admin.create_key()
    asked: dict[str, Any] = {"model": "tiny-1", "extra_body": {"temperature": 0}, **ASKED[kind]}
    direct.messages.create(**asked)  # from here on the prompt is in llama.cpp's cache, for everybody
    expected = direct.messages.create(**asked)
    with client_of(house.url, key["value"]) as client:
        raw = client.messages.with_raw_response.create(**asked)
        got = raw.parse()
    assert plain(got) == plain(expected)
    assert got._request_id == raw.headers["x-request-id"]
    (row,) = house.calls(key["id"])
    assert row["id"] == raw.headers["x-keyhouse-call-id"]
    assert (row["endpoint"], row["state"], row["basis"], row["flags"]) == ("/v1/messages", "settled", "upstream", "")
    cached = got.usage.cache_read_input_tokens or 0
    assert (row["input_tokens"], row["cached_input_tokens"]) == (got.usage.input_tokens + cached, cached)
    assert row["output_tokens"] == got.usage.output_tokens
    assert row["charged_nano_usd"] == charge(got.usage) > 0


@pytest.mark.parametrize("kind", ASKED)
def test_a_streamed_message_is_the_one_that_comes_directly_event_by_event(
    kind: str, house: House, admin: Admin, direct: "anthropic.Anthropic"
) -> None:
    key = admin.create_key()
    asked: dict[str, Any] = {"model": "tiny-1", "extra_body": {"temperature": 0}, **ASKED[kind]}
    direct.messages.create(**asked)
    expected = [plain(event) for event in direct.messages.create(**asked, stream=True)]
    with client_of(house.url, key["value"]) as client:
        got = [plain(event) for event in client.messages.create(**asked, stream=True)]
        with client.messages.stream(**asked) as stream:
            whole = stream.get_final_message()
    assert got == expected
    assert (got[0]["type"], got[-1]["type"]) == ("message_start", "message_stop")
    first, second = house.calls(key["id"])
    assert (first["basis"], first["flags"]) == ("upstream", "")
    assert first["charged_nano_usd"] == second["charged_nano_usd"] == charge(whole.usage)


def test_tokens_are_counted_for_nothing(house: House, admin: Admin, direct: "anthropic.Anthropic") -> None:
    key = admin.create_key()
    expected = direct.messages.count_tokens(model="tiny-1", messages=HELLO)
    with client_of(house.url, key["value"]) as client:
        got = client.messages.count_tokens(model="tiny-1", messages=HELLO)
    assert got.input_tokens == expected.input_tokens > 0
    assert house.calls(key["id"]) == []


def test_refusals_are_the_sdks_own_exceptions(house: House, admin: Admin) -> None:
    import anthropic

    key = admin.create_key(limits=[{"unit": "usd", "window": "month", "amount": "0"}])
    with client_of(house.url, key["value"]) as client, pytest.raises(anthropic.RateLimitError) as full:
        client.messages.create(model="tiny-1", max_tokens=8, messages=HELLO)
    assert full.value.body["error"]["type"] == "billing_error"  # type: ignore[index]
    with client_of(house.url, key["value"]) as client, pytest.raises(anthropic.NotFoundError):
        client.messages.create(model="nothing", max_tokens=8, messages=HELLO)
    with client_of(house.url, "sk-ant-wrong") as client, pytest.raises(anthropic.AuthenticationError) as wrong:
        client.messages.create(model="tiny-1", max_tokens=8, messages=HELLO)
    assert str(wrong.value.request_id).startswith("req_")


def test_the_models_are_listed_for_anthropics_sdk(house: House, admin: Admin) -> None:
    with client_of(house.url, admin.create_key()["value"]) as client:
        names = [model.id for model in client.models.list()]
        assert "tiny-1" in names
        assert client.models.retrieve("tiny-1").created_at.year > 2000
