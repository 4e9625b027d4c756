"""Realtime through OpenAI's own SDK and over raw sockets: what is asked for is reserved, what is not is not made."""

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.given_sockets import (
    Line,
    a_socket_street,
    closed,
    hear,
    respond,
    speaks_realtime,
)
from gateway.scripted import SECRET, UPSTREAM_KEY, a_budget
from keyhouse.core.limit import Unit
from keyhouse.gateway.sockets import SOCKETS

TEXT: dict[str, Any] = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}


def event(kind: str, **fields: Any) -> str:
    return json.dumps({"type": kind, **fields})


@pytest.mark.asyncio
async def test_openais_sdk_has_a_conversation_and_each_response_is_a_call_with_its_price(tmp_path: Path) -> None:
    async with a_socket_street(tmp_path, speaks_realtime, a_budget(1_000_000_000)) as there:
        async with there.client as client, client.realtime.connect(model="voice-1") as session:
            kinds = [(await session.recv()).type]
            await session.session.update(session={"type": "realtime", "output_modalities": ["text"]})
            await session.conversation.item.create(item=TEXT)  # type: ignore[arg-type]
            for _ in range(2):
                await session.response.create()
                while True:
                    one = await session.recv()
                    kinds.append(one.type)
                    if one.type == "response.done":
                        assert one.response.usage is not None
                        assert one.response.usage.total_tokens == 12
                        break
        rows = await there.settled(2)
        line = there.lines[0]
    assert kinds[:3] == ["session.created", "session.updated", "conversation.item.added"]
    assert kinds[3:6] == ["response.created", "response.output_text.delta", "response.done"]
    assert [(row.state, row.basis, row.charged_nano_usd) for row in rows] == [("settled", "upstream", 17)] * 2
    assert {(row.endpoint, row.model, row.upstream) for row in rows} == {("/v1/realtime", "voice-1", "local")}
    assert line.path == "/v1/realtime?model=voice-1-upstream"
    assert line.close_code == 1000


@pytest.mark.asyncio
async def test_the_upstream_gets_its_own_credential_and_nothing_else_of_the_client(tmp_path: Path) -> None:
    headers = {"cookie": "c=1", "x-own": "1", "openai-beta": "realtime=v1", "openai-organization": "org-x"}
    async with a_socket_street(tmp_path, speaks_realtime) as there:
        async with there.connect("/v1/realtime?model=voice-1&foo=1", headers=headers) as client:
            await hear(client, "session.created")
        seen = there.lines[0].headers
    assert seen["authorization"] == f"Bearer {UPSTREAM_KEY}"
    assert seen["openai-beta"] == "realtime=v1"
    assert SECRET not in repr(seen)
    assert not {"cookie", "x-own", "openai-organization"} & set(seen)
    assert there.lines[0].path == "/v1/realtime?model=voice-1-upstream"


@pytest.mark.asyncio
async def test_a_client_that_names_the_subprotocol_of_browsers_is_answered_with_it(tmp_path: Path) -> None:
    async with (
        a_socket_street(tmp_path, speaks_realtime) as there,
        there.connect(subprotocols=["other", "realtime"]) as client,
    ):
        await hear(client, "session.created")
        assert client.subprotocol == "realtime"
        assert "sec-websocket-protocol" not in there.lines[0].headers


@pytest.mark.asyncio
async def test_a_full_limit_is_an_error_event_the_socket_stays_and_nothing_was_asked_for(tmp_path: Path) -> None:
    async with a_socket_street(tmp_path, speaks_realtime, a_budget(10)) as there:
        async with there.connect() as client:
            await hear(client, "session.created")
            await client.send(event("response.create", event_id="mine"))
            error = await hear(client, "error")
            await client.send(event("conversation.item.create", item=TEXT))
            await hear(client, "conversation.item.added")
        rows, line = await there.street.calls(), there.lines[0]
    assert error["error"]["code"] == "insufficient_quota"
    assert error["error"]["event_id"] == "mine"
    assert error["error"]["reason"] == "limit_quota"
    assert error["event_id"]
    assert rows == []
    assert "response.create" not in line.kinds()


@pytest.mark.asyncio
async def test_a_response_is_shortened_to_what_the_budget_still_pays(tmp_path: Path) -> None:
    async with a_socket_street(tmp_path, speaks_realtime, a_budget(20_000_000)) as there:
        async with there.connect() as client:
            await hear(client, "session.created")
            await client.send(event("response.create", response={"instructions": "x", "max_output_tokens": 60}))
            await hear(client, "response.done")
        asked = there.lines[0].got[-1]
    assert asked["response"]["instructions"] == "x"
    assert 16 <= asked["response"]["max_output_tokens"] <= 60
    assert asked["event_id"].startswith("call_")


@pytest.mark.asyncio
async def test_voice_activity_never_makes_a_response_by_itself_keyhouse_asks_in_its_place(tmp_path: Path) -> None:
    async with a_socket_street(tmp_path, speaks_realtime) as there:
        async with there.connect() as client:
            first = await hear(client, "session.created")
            await client.send(event("input_audio_buffer.append", audio="ENDOFTURN"))
            await hear(client, "response.done")
        rows, line = await there.settled(1), there.lines[0]
    assert first["session"]["audio"]["input"]["turn_detection"]["create_response"] is True
    quiet = line.got[0]["session"]["audio"]["input"]["turn_detection"]
    assert quiet == {"type": "server_vad", "threshold": 0.5, "create_response": False}
    assert line.kinds() == ["session.update", "input_audio_buffer.append", "response.create"]
    assert rows[0].charged_nano_usd == 17


@pytest.mark.asyncio
async def test_a_turn_that_does_not_fit_is_not_answered_and_the_client_is_told(tmp_path: Path) -> None:
    async with a_socket_street(tmp_path, speaks_realtime, a_budget(10)) as there:
        async with there.connect() as client:
            await client.send(event("input_audio_buffer.append", audio="ENDOFTURN"))
            error = await hear(client, "error")
        line = there.lines[0]
    assert error["error"]["code"] == "insufficient_quota"
    assert "response.create" not in line.kinds()


@pytest.mark.asyncio
async def test_a_turn_is_not_answered_where_the_client_wants_none_or_has_committed_it_itself(tmp_path: Path) -> None:
    silent = {
        "type": "realtime",
        "audio": {"input": {"turn_detection": {"type": "server_vad", "create_response": False}}},
    }
    async with a_socket_street(tmp_path, speaks_realtime) as there:
        async with there.connect() as client:
            await client.send(event("input_audio_buffer.commit"))
            await hear(client, "input_audio_buffer.committed")
            await client.send(event("session.update", session=silent))
            await client.send(event("input_audio_buffer.append", audio="ENDOFTURN"))
            await hear(client, "input_audio_buffer.committed")
            await client.send(event("conversation.item.create", item=TEXT))
            await hear(client, "conversation.item.added")
        line = there.lines[0]
    assert "response.create" not in line.kinds()


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("session", "param"),
    [
        ({"type": "transcription"}, "session.type"),
        ({"tools": [{"type": "mcp", "server_label": "x", "server_url": "https://x"}]}, "session.tools"),
        ({"prompt": {"id": "pmpt_1"}}, "session.prompt"),
        ({"model": "gpt-realtime"}, "session.model"),
        (
            {"audio": {"input": {"turn_detection": {"type": "server_vad", "idle_timeout_ms": 6_000}}}},
            "session.audio.input.turn_detection.idle_timeout_ms",
        ),
        ({"Turn_Detection": {"type": "server_vad", "create_response": True}}, "Turn_Detection"),
    ],
)
async def test_what_would_make_the_upstream_work_unasked_does_not_go_up(
    tmp_path: Path, session: dict[str, Any], param: str
) -> None:
    async with a_socket_street(tmp_path, speaks_realtime) as there:
        async with there.connect() as client:
            await client.send(event("session.update", event_id="mine", session=session))
            error = await hear(client, "error")
        line = there.lines[0]
    assert (error["error"]["param"], error["error"]["event_id"]) == (param, "mine")
    assert len(line.got) == 1


@pytest.mark.asyncio
async def test_an_event_that_is_not_known_and_one_that_cannot_be_read_are_refused_and_the_socket_stays(
    tmp_path: Path,
) -> None:
    async with a_socket_street(tmp_path, speaks_realtime) as there:
        async with there.connect() as client:
            for bad in ("transcription_session.update", "response.generate"):
                await client.send(event(bad))
                assert (await hear(client, "error"))["error"]["param"] == "type"
            for garbage in (
                "{",
                "[]",
                '{"type":1}',
                "[" * 50_000,
                '{"Type":"response.create","type":"x"}',
                b'{"type":"response.create","x":"\xff"}',
            ):
                await client.send(garbage)
                await hear(client, "error")
            await client.send(event("input_audio_buffer.append", audio="A" * 100_001))
            assert (await hear(client, "error"))["error"]["reason"] == "body_too_large"
            await client.send(event("conversation.item.create", item=TEXT))
            await hear(client, "conversation.item.added")
        line = there.lines[0]
    assert line.kinds() == ["session.update", "conversation.item.create"]


async def answers_by_itself(line: Line) -> None:
    await line.say("session.created", event_id="e0", session={"type": "realtime", "audio": {"input": {}}})
    await respond(line, "resp_1")


async def stays_loud(line: Line) -> None:
    session = {"type": "realtime", "audio": {"input": {"turn_detection": {"create_response": True}}}}
    await line.say("session.created", event_id="e0", session=session)
    await line.hear()
    await line.say("session.updated", event_id="e0", session=session)


async def will_not_be_quiet(line: Line) -> None:
    await line.say("session.created", session={"turn_detection": {"type": "server_vad"}})
    asked = await line.hear()
    assert asked["session"] == {"turn_detection": {"type": "server_vad", "create_response": False}}
    await line.say("error", error={"message": "no", "event_id": asked["event_id"]})


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("play", "says"),
    [
        (answers_by_itself, "made a response that nobody asked for"),
        (stays_loud, "does not keep a session from answering by itself"),
        (will_not_be_quiet, "does not let a session be kept from answering by itself"),
    ],
)
async def test_an_upstream_that_answers_by_itself_is_cut_off(tmp_path: Path, play: Any, says: str) -> None:
    async with a_socket_street(tmp_path, play) as there, there.connect() as client:
        code, events = await closed(client)
    assert code == 1011
    assert events[-1].get("error", {}).get("code") == "upstream_error"
    assert says in events[-1]["error"]["message"]
    assert [one["type"] for one in events if one["type"].startswith("response.")] == []


@pytest.mark.asyncio
async def test_sound_is_priced_as_sound_and_what_was_cached_of_it_as_cached(tmp_path: Path) -> None:
    usage = {
        "total_tokens": 160,
        "input_tokens": 100,
        "output_tokens": 60,
        "input_token_details": {
            "text_tokens": 40,
            "audio_tokens": 60,
            "cached_tokens": 50,
            "cached_tokens_details": {"text_tokens": 10, "audio_tokens": 40},
        },
        "output_token_details": {"text_tokens": 10, "audio_tokens": 50},
    }

    async def play(line: Line) -> None:
        await line.say("session.created", session={"audio": {"input": {"turn_detection": None}}})
        await line.hear()
        await respond(line, "resp_1", usage)

    async with a_socket_street(tmp_path, play) as there:
        async with there.connect() as client:
            await client.send(event("response.create"))
            await hear(client, "response.done")
        (row,) = await there.settled(1)
    assert (row.input_tokens, row.cached_input_tokens, row.audio_input_tokens, row.audio_output_tokens) == (
        100,
        50,
        20,
        50,
    )
    # 30 of text at 1, 50 cached at 0.5, 20 heard at 10; 10 of text at 2, 50 spoken at 20
    assert row.charged_nano_usd == 30 + 25 + 200 + 20 + 1_000


@pytest.mark.asyncio
async def test_the_context_that_came_over_the_socket_is_reserved_for_and_the_longest_prompt_bounds_it(
    tmp_path: Path,
) -> None:
    held: list[int] = []

    async def play(line: Line) -> None:
        await line.say("session.created", session={"audio": {"input": {"turn_detection": None}}})
        while True:
            if (await line.hear())["type"] == "response.create":
                rows = await there.street.calls()
                held.append(max(row.reserved_tokens for row in rows))
                await respond(line, f"resp_{len(held)}")

    async with a_socket_street(tmp_path, play, a_budget(10**9)) as there, there.connect() as client:
        for size in (10, 1_000, 90_000):
            await client.send(event("conversation.item.create", item=TEXT | {"text": "x" * size}))
            await client.send(event("response.create"))
            await hear(client, "response.done")
    assert held[0] < 600
    assert held[0] + 1_000 < held[1] < held[0] + 2_000
    assert held[2] <= 4_096 + 64 + 1_024 + 100


@pytest.mark.asyncio
async def test_a_response_the_upstream_will_not_make_costs_nothing(tmp_path: Path) -> None:
    async def play(line: Line) -> None:
        await line.say("session.created", session={"audio": {}})
        asked = await line.hear()
        await line.say("error", event_id="e", error={"message": "no", "type": "x", "event_id": asked["event_id"]})
        await line.hear()
        await respond(line, "resp_1")

    async with a_socket_street(tmp_path, play, a_budget(1, unit=Unit.CONCURRENCY)) as there:
        async with there.connect() as client:
            await client.send(event("response.create", event_id="mine"))
            assert (await hear(client, "error"))["error"]["event_id"] == "mine"
            await there.settled(1)
            await client.send(event("response.create"))
            await hear(client, "response.done")
        rows = await there.settled(2)
    assert sorted((row.state, row.charged_nano_usd) for row in rows) == [("released", 0), ("settled", 17)]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "path", ["", "/client_secrets", "/sessions", "/transcription_sessions", "/calls", "/translations/client_secrets"]
)
async def test_what_of_realtime_would_spend_past_the_ledger_is_refused_with_what_to_do(
    tmp_path: Path, path: str
) -> None:
    async with a_socket_street(tmp_path, speaks_realtime) as there:
        headers = {"authorization": f"Bearer {SECRET}"}
        answer = await there.street.http.post(f"/v1/realtime{path}", json={}, headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown_url")
    assert "WebSocket at /v1/realtime" in answer.json()["error"]["message"]
    assert there.lines == []


def test_every_address_that_takes_a_websocket_is_documented() -> None:
    text = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")
    assert [path for path in SOCKETS if f"`wss {path}" not in text] == []
