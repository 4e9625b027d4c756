"""OpenAI's own SDK, unchanged, against a real model: answers come through whole and are charged exactly."""

import asyncio
from collections.abc import Callable

from openai import AsyncOpenAI, OpenAI
from openai.types.chat import ChatCompletionChunk, ChatCompletionUserMessageParam

from e2e.admin import Admin
from e2e.configuration import charge_nano_usd
from e2e.processes import House

HELLO: list[ChatCompletionUserMessageParam] = [{"role": "user", "content": "Hello, what is the weather today?"}]


def text_of(chunks: list[ChatCompletionChunk]) -> str:
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def test_a_plain_answer_comes_through_whole_and_is_charged_to_the_nano_dollar(
    house: House, admin: Admin, sdk: Callable[[str], OpenAI]
) -> None:
    key = admin.create_key()
    raw = sdk(key["value"]).chat.completions.with_raw_response.create(
        model="tiny-1", messages=HELLO, max_tokens=20, extra_body={"ignore_eos": True}
    )
    answer = raw.parse()
    assert answer.choices[0].message.content
    assert answer.usage is not None
    assert 0 < answer.usage.completion_tokens <= 20
    (row,) = house.calls(key["id"])
    assert row["id"] == raw.headers["x-keyhouse-call-id"]
    assert (row["state"], row["basis"], row["status"], row["flags"]) == ("settled", "upstream", 200, "")
    assert (row["input_tokens"], row["output_tokens"]) == (answer.usage.prompt_tokens, answer.usage.completion_tokens)
    assert row["charged_nano_usd"] == charge_nano_usd(answer.usage)
    assert raw.headers["x-request-id"] == row["request_id"]
    assert float(raw.headers["x-keyhouse-cost-usd"]) * 1e9 == row["charged_nano_usd"]


def test_fields_that_keyhouse_does_not_know_pass_through_both_ways(admin: Admin, sdk: Callable[[str], OpenAI]) -> None:
    client = sdk(admin.create_key()["value"])
    answer = client.chat.completions.create(
        model="tiny-1", messages=HELLO, max_tokens=40, extra_body={"ignore_eos": True}
    )
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 40  # llama.cpp's own parameter reached it
    assert answer.model_extra is not None
    assert answer.model_extra["timings"]["predicted_n"] == 40  # and its own field came back


def test_a_stream_that_asks_for_usage_ends_with_the_usage_it_is_charged_by(
    house: House, admin: Admin, sdk: Callable[[str], OpenAI]
) -> None:
    key = admin.create_key()
    chunks = list(
        sdk(key["value"]).chat.completions.create(
            model="tiny-1",
            messages=HELLO,
            max_tokens=20,
            stream=True,
            stream_options={"include_usage": True},
            extra_body={"ignore_eos": True},
        )
    )
    assert len(text_of(chunks).split()) > 10
    assert chunks[-1].choices == []
    usage = chunks[-1].usage
    assert usage is not None
    assert usage.completion_tokens == 20
    (row,) = house.calls(key["id"])
    assert (row["input_tokens"], row["output_tokens"]) == (usage.prompt_tokens, usage.completion_tokens)
    assert (row["basis"], row["charged_nano_usd"]) == ("upstream", charge_nano_usd(usage))


def test_a_stream_that_did_not_ask_for_usage_shows_none_and_is_charged_all_the_same(
    house: House, admin: Admin, sdk: Callable[[str], OpenAI]
) -> None:
    key = admin.create_key()
    chunks = list(
        sdk(key["value"]).chat.completions.create(
            model="tiny-1", messages=HELLO, max_tokens=20, stream=True, extra_body={"ignore_eos": True}
        )
    )
    assert text_of(chunks)
    assert all(chunk.choices for chunk in chunks)
    assert all(chunk.usage is None for chunk in chunks)
    assert chunks[-1].choices[0].finish_reason == "length"
    (row,) = house.calls(key["id"])
    assert (row["state"], row["basis"], row["output_tokens"]) == ("settled", "upstream", 20)
    assert row["charged_nano_usd"] >= 20 * 2_000 + row["input_tokens"] * 500


def test_the_models_of_the_configuration_are_listed(admin: Admin, sdk: Callable[[str], OpenAI]) -> None:
    names = {model.id for model in sdk(admin.create_key()["value"]).models.list()}
    assert {"tiny-1", "tiny-long"} <= names


def test_thirty_two_calls_at_once_are_thirty_two_rows(house: House, admin: Admin) -> None:
    key = admin.create_key()

    async def together() -> list[int]:
        async with AsyncOpenAI(base_url=f"{house.url}/v1", api_key=key["value"], max_retries=0) as client:
            answers = await asyncio.gather(
                *(
                    client.chat.completions.create(model="tiny-1", messages=HELLO, max_tokens=8, seed=number)
                    for number in range(32)
                )
            )
        return sorted(charge_nano_usd(answer.usage) for answer in answers)

    charges = asyncio.run(together())
    assert sorted(row["charged_nano_usd"] for row in house.calls(key["id"])) == charges
