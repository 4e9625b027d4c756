"""What happens to an open socket: keys that die, upstreams that break, clients that leave or do not read, a stop."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update
from websockets.exceptions import InvalidStatus

from gateway.given_sockets import Line, a_socket_street, closed, hear, speaks_realtime
from gateway.scripted import SECRET, UPSTREAM_KEY, a_budget, the_key
from given import NOON
from keyhouse.gateway.house import SocketLimits
from keyhouse.gateway.sockets import SOCKETS
from keyhouse.store import schema

ASK = json.dumps({"type": "response.create"})
QUIET: dict[str, Any] = {"audio": {"input": {"turn_detection": None}}}


async def begin(line: Line) -> None:
    """A session that was asked for a response, and has begun it."""
    await line.say("session.created", session=QUIET)
    await line.hear()
    await line.say("response.created", response={"id": "resp_1"})
    await line.say("response.output_text.delta", response_id="resp_1", delta="hello you")


async def revoke(there: Any) -> None:
    """As the Admin API does: the row, and then the memory."""
    await there.street.database.write(
        lambda connection: connection.execute(update(schema.keys).values(revoked_at_ms=NOON))
    )
    there.street.authenticator.forget("key_1")


@pytest.mark.asyncio
async def test_a_revoked_key_ends_its_open_sockets_also_in_the_middle_of_a_response(tmp_path: Path) -> None:
    async with a_socket_street(tmp_path, begin, a_budget(10**9)) as there:
        async with there.connect() as client:
            await client.send(ASK)
            await hear(client, "response.output_text.delta")
            await revoke(there)
            code, events = await closed(client)
        (row,) = await there.settled(1)
        async with asyncio.timeout(20):
            await there.lines[0].is_closed.wait()
    assert code == 1008
    assert events[-1]["error"]["reason"] == "key_revoked"
    assert (row.state, row.basis, row.output_tokens, row.flags) == ("settled", "counted", 3, "upstream_cut")


@pytest.mark.asyncio
@pytest.mark.parametrize("event", [ASK, json.dumps({"type": "input_audio_buffer.append", "audio": "AAAA"})])
async def test_nothing_of_a_revoked_key_goes_up_any_more_whether_or_not_it_costs(tmp_path: Path, event: str) -> None:
    slow = SocketLimits(tick_seconds=60.0)
    async with a_socket_street(tmp_path, speaks_realtime, sockets=slow) as there:
        async with there.connect() as client:
            await hear(client, "session.created")
            await revoke(there)
            await client.send(event)
            code, events = await closed(client)
        kinds = there.lines[0].kinds()
    assert (code, events[-1]["error"]["reason"]) == (1008, "key_revoked")
    assert kinds == ["session.update"]


@pytest.mark.asyncio
async def test_a_session_asks_for_nothing_of_a_model_that_its_key_may_no_longer_use(tmp_path: Path) -> None:
    async with a_socket_street(tmp_path, speaks_realtime) as there:
        async with there.connect() as client:
            await hear(client, "session.created")
            await there.street.database.write(the_key(models='["tiny-1"]'))
            there.street.authenticator.forget("key_1")
            await client.send(ASK)
            error = await hear(client, "error")
        assert await there.street.calls() == []
    assert error["error"]["reason"] == "model_not_allowed"


@pytest.mark.asyncio
async def test_a_key_that_another_gateway_has_revoked_opens_no_socket(tmp_path: Path) -> None:
    """This one remembers it alive, and no reservation reads it again before there is a socket."""
    async with a_socket_street(tmp_path, speaks_realtime) as there:
        for path in SOCKETS:
            await there.street.database.write(the_key(revoked_at_ms=None))
            models = await there.street.http.get("/v1/models", headers={"authorization": f"Bearer {SECRET}"})
            assert models.status_code == 200
            await there.street.database.write(the_key(revoked_at_ms=1))
            with pytest.raises(InvalidStatus) as found:
                await there.connect(f"{path}?model=voice-1")
            assert found.value.response.status_code == 401
        assert there.lines == []


async def cuts(line: Line) -> None:
    await begin(line)
    line.socket.transport.abort()


async def sends_garbage(line: Line) -> None:
    await begin(line)
    await line.socket.send("\x00 not an event")


async def sends_bytes(line: Line) -> None:
    await begin(line)
    await line.socket.send(b"\x00\x01")


async def sends_too_much(line: Line) -> None:
    await begin(line)
    await line.socket.send("x" * (17 * 1024 * 1024))


async def says_it_is_broken(line: Line) -> None:
    await begin(line)
    await line.socket.close(1011, f"internal {UPSTREAM_KEY}")


@pytest.mark.asyncio
@pytest.mark.parametrize("play", [cuts, sends_garbage, sends_bytes, sends_too_much, says_it_is_broken])
async def test_an_upstream_that_breaks_is_told_and_what_was_made_until_then_is_charged(
    tmp_path: Path, play: Any
) -> None:
    async with a_socket_street(tmp_path, play, a_budget(10**9)) as there:
        async with there.connect() as client:
            await client.send(ASK)
            code, events = await closed(client)
        (row,) = await there.settled(1)
    assert code == 1011
    assert (events[-1]["type"], events[-1]["error"]["code"]) == ("error", "upstream_error")
    assert "response.done" not in [event["type"] for event in events]
    assert (row.basis, row.output_tokens) == ("counted", 3)
    assert 0 < row.charged_nano_usd <= row.reserved_nano_usd
    assert UPSTREAM_KEY not in json.dumps(events)


@pytest.mark.asyncio
async def test_an_upstream_that_ends_the_session_well_ends_it_well_and_its_call_is_counted(tmp_path: Path) -> None:
    async def play(line: Line) -> None:
        await begin(line)
        await line.socket.close(1000)

    async with a_socket_street(tmp_path, play) as there:
        async with there.connect() as client:
            await client.send(ASK)
            code, _ = await closed(client)
        (row,) = await there.settled(1)
    assert (code, row.basis) == (1000, "counted")


@pytest.mark.asyncio
async def test_our_own_credential_never_passes_in_an_event_and_an_event_without_usage_is_counted(
    tmp_path: Path,
) -> None:
    async def play(line: Line) -> None:
        await begin(line)
        await line.say("error", error={"message": f"bad key {UPSTREAM_KEY}", "event_id": None})
        await respond_done(line, None)

    async with a_socket_street(tmp_path, play) as there:
        async with there.connect() as client:
            await client.send(ASK)
            error = await hear(client, "error")
            await hear(client, "response.done")
        (row,) = await there.settled(1)
    assert error["error"]["message"] == "bad key [removed]"
    assert (row.basis, row.flags) == ("counted", "no_usage")


async def respond_done(line: Line, usage: Any) -> None:
    await line.say("response.done", response={"id": "resp_1", "usage": usage})


@pytest.mark.asyncio
async def test_absurd_usage_is_clamped_and_counted(tmp_path: Path) -> None:
    async def play(line: Line) -> None:
        await begin(line)
        await respond_done(line, {"input_tokens": -5, "output_tokens": 10**30, "total_tokens": "many"})

    async with a_socket_street(tmp_path, play, a_budget(10**9)) as there:
        async with there.connect() as client:
            await client.send(ASK)
            await hear(client, "response.done")
        (row,) = await there.settled(1)
    assert (row.basis, row.flags) == ("counted", "usage_clamped")
    assert row.charged_nano_usd <= row.reserved_nano_usd


@pytest.mark.asyncio
async def test_an_upstream_that_never_answers_is_given_up(tmp_path: Path) -> None:
    async def play(line: Line) -> None:
        await line.say("session.created", session=QUIET)
        await line.hear()

    async with a_socket_street(tmp_path, play, idle_timeout_ms=200) as there:
        async with there.connect() as client:
            await client.send(ASK)
            code, events = await closed(client)
        (row,) = await there.settled(1)
    assert (code, events[-1]["error"]["code"]) == (1011, "upstream_timeout")
    assert (row.basis, row.output_tokens) == ("counted", 0)


@pytest.mark.asyncio
async def test_a_session_that_never_begins_is_given_up_before_anything_went_up(tmp_path: Path) -> None:
    async def play(line: Line) -> None:
        await line.hear()

    async with a_socket_street(tmp_path, play, connect_timeout_ms=300) as there:
        async with there.connect() as client:
            await client.send(ASK)
            code, events = await closed(client)
        assert there.lines[0].got == []
        assert await there.street.calls() == []
    assert (code, events[-1]["error"]["code"]) == (1011, "upstream_error")


@pytest.mark.asyncio
async def test_a_client_that_leaves_ends_it_upstream_and_is_charged_for_what_was_made(tmp_path: Path) -> None:
    async with a_socket_street(tmp_path, begin, a_budget(10**9)) as there:
        async with there.connect() as client:
            await client.send(ASK)
            await hear(client, "response.output_text.delta")
            client.transport.abort()
        (row,) = await there.settled(1)
        async with asyncio.timeout(20):
            await there.lines[0].is_closed.wait()
    assert (row.basis, row.output_tokens, row.flags) == ("counted", 3, "client_left")


@pytest.mark.asyncio
@pytest.mark.parametrize("limit", ["idle_seconds", "session_seconds"])
async def test_a_socket_that_is_silent_or_old_is_ended_politely(tmp_path: Path, limit: str) -> None:
    limits = SocketLimits(tick_seconds=0.05, **{limit: 0.3})
    async with a_socket_street(tmp_path, speaks_realtime, sockets=limits) as there, there.connect() as client:
        code, events = await closed(client)
    assert (code, events[-1]["error"]["code"]) == (1001, "session_expired")


@pytest.mark.asyncio
async def test_a_client_that_does_not_read_slows_its_upstream_down_and_is_not_waited_for_for_ever(
    tmp_path: Path,
) -> None:
    sent = 0

    async def play(line: Line) -> None:
        nonlocal sent
        await begin(line)
        for _ in range(400):
            await line.say("response.output_text.delta", response_id="resp_1", delta="x" * 100_000)
            sent += 1

    limits = SocketLimits(tick_seconds=0.05, read_seconds=0.5, goodbye_seconds=0.2)
    async with a_socket_street(tmp_path, play, sockets=limits) as there, there.connect(max_queue=1) as client:
        await client.send(ASK)
        (row,) = await there.settled(1)
        async with asyncio.timeout(20):
            await there.street.log.has_request.wait()
        client.transport.abort()
    assert sent < 200, "the upstream was read on although nobody took it"
    assert (row.basis, row.flags) == ("counted", "client_left")


@pytest.mark.asyncio
async def test_a_stopping_keyhouse_says_so_on_its_sockets_and_the_call_that_runs_is_settled(tmp_path: Path) -> None:
    async with a_socket_street(tmp_path, begin) as there:
        async with there.connect() as busy, there.connect() as idle:
            await busy.send(ASK)
            await hear(busy, "response.output_text.delta")
            await hear(idle, "session.created")
            draining = asyncio.create_task(there.street.ledger.drain(0.5))
            idle_end = await closed(idle)
            busy_end = await closed(busy)
            await draining
        (row,) = await there.settled(1)
    for code, events in (idle_end, busy_end):
        assert (code, events[-1]["error"]["reason"]) == (1012, "stopping")
    assert (row.state, row.basis) == ("settled", "counted")


@pytest.mark.asyncio
async def test_a_response_is_finished_while_keyhouse_drains(tmp_path: Path) -> None:
    async def play(line: Line) -> None:
        await begin(line)
        await line.hear()
        await respond_done(line, {"input_tokens": 7, "output_tokens": 5, "total_tokens": 12})

    async with a_socket_street(tmp_path, play) as there:
        async with there.connect() as client:
            await client.send(ASK)
            await hear(client, "response.output_text.delta")
            draining = asyncio.create_task(there.street.ledger.drain(20))
            await asyncio.sleep(0)
            await client.send(ASK)
            assert (await hear(client, "error"))["error"]["reason"] == "stopping"
            await client.send(json.dumps({"type": "input_audio_buffer.clear"}))
            await hear(client, "response.done")
            code, events = await closed(client)
            await draining
        (row,) = await there.settled(1)
    assert (code, events[-1]["error"]["reason"]) == (1012, "stopping")
    assert row.charged_nano_usd == 17


@pytest.mark.asyncio
async def test_the_log_has_one_line_of_a_socket_with_what_it_cost(tmp_path: Path) -> None:
    async with a_socket_street(tmp_path, speaks_realtime) as there:
        async with there.connect() as client:
            for _ in range(2):
                await client.send(ASK)
                await hear(client, "response.done")
        await there.settled(2)
        async with asyncio.timeout(20):
            await there.street.log.has_request.wait()
        (line,) = [line for line in there.street.log.lines if line["event"] == "request"]
    assert (line["status"], line["path"], line["model"]) == (101, "/v1/realtime", "voice-1")
    assert (line["cost_nano_usd"], line["input_tokens"], line["output_tokens"]) == (34, 14, 10)
