"""Responses over a WebSocket through OpenAI's own SDK and over raw sockets: each request on it is a call."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from gateway.given_responses import OTHER_PROJECT, others
from gateway.given_sockets import Line, a_socket_street, closed, hear
from gateway.scripted import a_budget
from keyhouse.store import schema

USAGE = {"input_tokens": 7, "output_tokens": 5, "total_tokens": 12}
PATH = "/v1/responses"


def create(**fields: Any) -> str:
    return json.dumps({"type": "response.create", "model": "tiny-1", "input": "hello"} | fields)


async def respond(line: Line, response_id: str, **more: Any) -> None:
    base = {"id": response_id, "object": "response", "model": "tiny-1-upstream", "output": []}
    await line.say("response.created", sequence_number=0, response=base | {"status": "in_progress"}, **more)
    await line.say("response.output_text.delta", sequence_number=1, delta="hi", item_id="msg_1", **more)
    done = base | {"status": "completed", "usage": USAGE}
    await line.say("response.completed", sequence_number=2, response=done, **more)


async def speaks_responses(line: Line) -> None:
    count = 0
    while True:
        event = await line.hear()
        count += 1
        lane = {"stream_id": event["stream_id"]} if "stream_id" in event else {}
        await respond(line, f"resp_{id(line)}_{count}", **lane)


@pytest.mark.asyncio
async def test_openais_sdk_creates_responses_on_a_socket_and_each_is_a_call(tmp_path: Path) -> None:
    async with a_socket_street(tmp_path, speaks_responses, a_budget(1_000_000)) as there:
        async with there.client as client, client.responses.connect() as connection:
            kinds = []
            for _ in range(2):
                await connection.response.create(model="tiny-1", input="hello", max_output_tokens=20)
                while True:
                    event = await connection.recv()
                    kinds.append(event.type)
                    if event.type == "response.completed":
                        break
        rows = await there.settled(2)
        line = there.lines[0]
    assert kinds == ["response.created", "response.output_text.delta", "response.completed"] * 2
    assert [(row.state, row.basis, row.charged_nano_usd, row.endpoint) for row in rows] == [
        ("settled", "upstream", 17, PATH)
    ] * 2
    assert line.path == PATH
    assert line.got[0] == {
        "type": "response.create",
        "model": "tiny-1-upstream",
        "input": "hello",
        "max_output_tokens": 20,
    }


@pytest.mark.asyncio
async def test_a_full_limit_an_unknown_model_and_a_bad_event_are_error_events_and_the_socket_stays(
    tmp_path: Path,
) -> None:
    async with a_socket_street(tmp_path, speaks_responses, a_budget(1_000)) as there:
        async with there.connect(PATH) as client:
            errors = []
            for bad in (
                create(model="nope"),
                create(input="x" * 2_000, stream_id="b"),
                create(background=True),
                create(type="response.steer"),
                "{",
            ):
                await client.send(bad)
                errors.append(await hear(client, "error"))
            assert [line.got for line in there.lines] == [[]]
            await client.send(create(max_output_tokens=16))
            await hear(client, "response.completed")
        rows = await there.settled(1)
    assert [error["status"] for error in errors] == [404, 429, 400, 400, 400]
    assert [error["error"]["code"] for error in errors][:2] == ["model_not_found", "insufficient_quota"]
    assert errors[1]["stream_id"] == "b"
    assert rows[0].charged_nano_usd == 17


@pytest.mark.asyncio
async def test_lanes_share_a_socket_and_each_response_is_settled_by_its_own_usage(tmp_path: Path) -> None:
    async def play(line: Line) -> None:
        lanes = [(await line.hear())["stream_id"] for _ in range(2)]
        for number, lane in enumerate(reversed(lanes), 1):
            base = {"id": f"resp_{lane}", "output": []}
            await line.say("response.created", response=base, stream_id=lane)
            usage = USAGE | {"output_tokens": number, "total_tokens": 7 + number}
            await line.say("response.completed", response=base | {"usage": usage}, stream_id=lane)

    async with a_socket_street(tmp_path, play) as there:
        async with there.connect(PATH) as client:
            for lane in ("a", "b"):
                await client.send(create(stream_id=lane))
            ended = [(await hear(client, "response.completed"))["stream_id"] for _ in range(2)]
        rows = await there.settled(2)
    assert ended == ["b", "a"]
    assert sorted(row.output_tokens for row in rows) == [1, 2]


@pytest.mark.asyncio
async def test_a_socket_goes_on_from_what_was_made_on_it_and_from_the_projects_own_and_from_nothing_else(
    tmp_path: Path,
) -> None:
    async with a_socket_street(tmp_path, speaks_responses, others) as there:
        async with there.connect(PATH) as mine, there.connect(PATH, secret=OTHER_PROJECT) as other:
            await mine.send(create(store=False))
            unkept = (await hear(mine, "response.completed"))["response"]["id"]
            await mine.send(create(previous_response_id=unkept, store=False))
            await hear(mine, "response.completed")
            await mine.send(create())
            kept = (await hear(mine, "response.completed"))["response"]["id"]
            await other.send(create(previous_response_id=unkept))
            missing = [await hear(other, "error")]
            await other.send(create(previous_response_id=kept))
            missing.append(await hear(other, "error"))
        async with there.connect(PATH) as again:
            await again.send(create(previous_response_id=unkept))
            missing.append(await hear(again, "error"))
            await again.send(create(previous_response_id=kept))
            await hear(again, "response.completed")
        objects = await there.street.database.read(
            lambda connection: set(connection.execute(select(schema.objects.c.id)).scalars())
        )
    assert [error["status"] for error in missing] == [404] * 3
    assert kept in objects
    assert unkept not in objects


@pytest.mark.asyncio
async def test_what_the_upstream_refuses_costs_nothing_and_what_it_makes_unasked_ends_the_socket(
    tmp_path: Path,
) -> None:
    async def play(line: Line) -> None:
        await line.hear()
        await line.say("error", status=400, error={"code": "x", "message": "no"})
        await line.say("keepalive")
        await asyncio.sleep(0)
        await respond(line, "resp_1")

    async with a_socket_street(tmp_path, play) as there:
        async with there.connect(PATH) as client:
            await client.send(create())
            code, events = await closed(client)
        rows = await there.settled(1)
    assert [event["type"] for event in events] == ["error", "keepalive", "error"]
    assert events[-1]["status"] == 502
    assert code == 1011
    assert (rows[0].state, rows[0].charged_nano_usd) == ("released", 0)


@pytest.mark.asyncio
async def test_a_model_that_another_upstream_serves_needs_another_socket(tmp_path: Path) -> None:
    async with a_socket_street(tmp_path, speaks_responses) as there, there.connect(PATH) as client:
        await client.send(create(model="keyhouse-demo"))
        demo = await hear(client, "error")
        await client.send(create())
        await hear(client, "response.completed")
        await client.send(create(model="keyhouse-demo"))
        elsewhere = await hear(client, "error")
    assert demo["status"] == 503
    assert (elsewhere["status"], elsewhere["error"]["param"]) == (400, "model")
