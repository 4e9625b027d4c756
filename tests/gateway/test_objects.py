"""What an upstream keeps for a project is nobody else's, in whatever way it is named."""

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest

from gateway.given_responses import (
    ANSWER,
    ASKING,
    OTHER_ORGANIZATION,
    OTHER_PROJECT,
    ask,
    completed,
    create,
    created,
    others,
    said,
)
from gateway.scripted import SECRET, Wire, a_street
from given import FakeClock
from keyhouse.core.key import Credential
from keyhouse.gateway.objects import Objects, is_object_id
from keyhouse.store.engine import Database, Unavailable

REFERENCES: list[tuple[dict[str, Any], str]] = [
    ({"previous_response_id": "resp_1"}, "previous_response_id"),
    ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input"),
    ({"input": [{"id": "msg_1"}]}, "input"),
    ({"input": [{"type": "reasoning", "id": "msg_1", "summary": []}]}, "input"),
]


async def answer(wire: Wire) -> None:
    await wire.answer(ANSWER)


@pytest.mark.asyncio
@pytest.mark.parametrize(("fields", "param"), REFERENCES)
@pytest.mark.parametrize("stranger", [OTHER_ORGANIZATION, OTHER_PROJECT])
async def test_only_the_project_that_made_it_can_go_on_from_it(
    tmp_path: Path, fields: dict[str, Any], param: str, stranger: str
) -> None:
    async with a_street(tmp_path, answer, others) as street:
        assert (await create(street, **fields)).status_code == 404, "nobody has it yet"
        assert (await create(street)).status_code == 200
        refused = await create(street, stranger, **fields)
        counted = await create(street, stranger, path="/v1/responses/input_tokens", max_output_tokens=None, **fields)
        compacted = await create(street, stranger, path="/v1/responses/compact", max_output_tokens=None, **fields)
        assert len(street.seen) == 1
        assert (await create(street, **fields)).status_code == 200
    error = refused.json()["error"]
    assert (refused.status_code, error["type"], error["code"], error["param"]) == (
        404,
        "invalid_request_error",
        None,
        param,
    )
    assert (counted.status_code, compacted.status_code) == (404, 404)


@pytest.mark.asyncio
async def test_a_conversation_that_was_not_made_here_is_missing(tmp_path: Path) -> None:
    async with a_street(tmp_path, answer) as street:
        got = await create(street, conversation="conv_1")
        assert street.seen == []
    assert (got.status_code, got.json()["error"]["param"]) == (404, "conversation")


@pytest.mark.asyncio
async def test_an_id_that_comes_again_does_not_change_hands(tmp_path: Path) -> None:
    async with a_street(tmp_path, answer, others) as street:
        await create(street)
        assert (await create(street, OTHER_PROJECT)).json()["id"] == "resp_1"
        assert (await ask(street, "GET", "/v1/responses/resp_1", OTHER_PROJECT)).status_code == 404
        assert (await ask(street, "GET", "/v1/responses/resp_1")).status_code == 200


@pytest.mark.asyncio
async def test_what_is_not_to_be_stored_is_not_noted(tmp_path: Path) -> None:
    async with a_street(tmp_path, answer) as street:
        await create(street, store=False)
        assert (await ask(street, "GET", "/v1/responses/resp_1")).status_code == 404


@pytest.mark.asyncio
async def test_a_stream_is_noted_before_the_client_learns_its_id(tmp_path: Path) -> None:
    asked = asyncio.Event()

    async def script(wire: Wire) -> None:
        if wire.head.startswith(b"GET"):
            await wire.answer(ANSWER)
            asked.set()
            return
        await wire.begin_stream()
        await wire.piece(created())
        await asked.wait()
        await wire.piece(said("a"))
        await wire.piece(completed())
        await wire.end_stream()

    async with a_street(tmp_path, script) as street:
        headers = {"authorization": f"Bearer {SECRET}"}
        async with street.http.stream("POST", "/v1/responses", json=ASKING | {"stream": True}, headers=headers) as got:
            seen = ""
            async for text in got.aiter_text():
                seen += text
                if seen == created():
                    assert (await ask(street, "GET", "/v1/responses/resp_1")).status_code == 200
        assert seen.endswith(completed())
        again = await create(street, input=[{"type": "item_reference", "id": "msg_1"}], stream=True)
        assert again.status_code == 200


@pytest.mark.parametrize("text", ["resp_1", "a-B_9", "x" * 128])
def test_an_id_is_letters_digits_and_dashes(text: str) -> None:
    assert is_object_id(text)


@pytest.mark.parametrize("text", ["", ".", "..", "a/b", "a%2Fb", "a?b", "a#b", "é", "x" * 129, "a\n", "a b", "\u0660"])
def test_what_means_something_in_a_path_is_no_id(text: str) -> None:
    assert not is_object_id(text)


@pytest.mark.asyncio
async def test_an_answer_is_not_withheld_because_it_could_not_be_noted() -> None:
    class Down:
        async def write(self, _: object) -> None:
            raise Unavailable("full")

    class Somebody:
        organization_id = project_id = key_id = "1"

    objects = Objects(cast("Database", Down()), FakeClock())
    somebody = cast("Credential", cast("Any", Somebody()))
    assert await objects.keep(somebody, "local", [("response", "resp_1")]) is False
    assert await objects.keep(somebody, "local", [("response", "../x")]) is True, "nothing to be noted"
