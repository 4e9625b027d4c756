"""What a session transcribes: each transcript is a call that was reserved for before its sound went up."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from gateway.given_hearing import (
    COMMIT,
    OFF,
    ON,
    READ,
    SECOND,
    SOUND,
    TURN,
    UNUSED,
    WRITTEN,
    commits,
    event,
    rows_of,
    turned_on,
    wanting,
)
from gateway.given_sockets import (
    LASTING,
    Line,
    a_socket_street,
    closed,
    hear,
    speaks_realtime,
)
from gateway.scripted import a_budget, the_key
from keyhouse.core.limit import Unit, Window
from keyhouse.gateway.house import SocketLimits
from keyhouse.wire.realtime_meter import TRANSCRIPT


@pytest.mark.asyncio
async def test_openais_sdk_reads_what_was_said_and_each_transcript_is_a_call_of_its_own_model(tmp_path: Path) -> None:
    async with a_socket_street(tmp_path, speaks_realtime, a_budget(10**9)) as there:
        async with there.client as client, client.realtime.connect(model="voice-1") as session:
            heard: Any = {"input": {"transcription": {"model": "by-piece", "language": "en"}}}
            await session.session.update(session={"type": "realtime", "audio": heard})
            for _ in range(2):
                await session.input_audio_buffer.append(audio=SECOND)
                await session.input_audio_buffer.commit()
                async for one in session:
                    if one.type == "conversation.item.input_audio_transcription.completed":
                        assert (one.transcript, one.usage.type) == ("hello", "duration")
                        break
        assert await rows_of(there, 3) == [UNUSED, READ, READ]
        asked = there.lines[0].got[1]["session"]["audio"]["input"]
    assert asked == {"transcription": {"model": "tiny-1-upstream", "language": "en"}}


@pytest.mark.asyncio
async def test_it_is_reserved_for_before_the_upstream_is_told_to_transcribe(tmp_path: Path) -> None:
    held: list[tuple[str, str]] = []

    async def play(line: Line) -> None:
        await line.say("session.created", session={"audio": {"input": {}}})
        await line.hear()
        held.extend((row.model, row.state) for row in await there.street.calls())
        await line.say("session.updated", session={"audio": {"input": {}}})

    async with a_socket_street(tmp_path, play, a_budget(10**9)) as there, there.connect() as client:
        await client.send(ON)
        await hear(client, "session.updated")
    assert held == [("by-piece", "held")]


@pytest.mark.asyncio
async def test_who_speaks_is_answered_and_written_down_each_for_its_own_price(tmp_path: Path) -> None:
    async with a_socket_street(tmp_path, speaks_realtime, a_budget(10**9)) as there:
        async with there.connect() as client:
            await turned_on(client)
            await client.send(TURN)
            await hear(client, WRITTEN)
            await hear(client, "response.done")
        assert await rows_of(there, 2) == [UNUSED, READ]
        (answer,) = [row for row in await there.street.calls() if row.model == "voice-1"]
    assert (answer.endpoint, answer.charged_nano_usd) == ("/v1/realtime", 17)


@pytest.mark.asyncio
async def test_tokens_are_charged_where_the_model_is_charged_by_them(tmp_path: Path) -> None:
    usage = {"type": "tokens", "input_tokens": 30, "output_tokens": 9, "input_token_details": {"audio_tokens": 26}}

    async def play(line: Line) -> None:
        await commits(line, "scribe-1-upstream")
        await line.say(WRITTEN, item_id="item_1", transcript="hi", usage=usage)

    async with a_socket_street(tmp_path, play, a_budget(10**9)) as there:
        async with there.connect() as client:
            await client.send(wanting({"model": "scribe-1"}))
            await client.send(COMMIT)
            await hear(client, WRITTEN)
        found = await rows_of(there, 2, "scribe-1")
    # 4 of text at 1, 26 heard at 10, 9 of text written at 2
    assert found == [UNUSED, ("settled", "upstream", 0, 4 + 260 + 18, "")]


@pytest.mark.asyncio
async def test_where_a_transcript_does_not_fit_the_upstream_is_never_told_and_the_session_stays(tmp_path: Path) -> None:
    async with a_socket_street(tmp_path, speaks_realtime, a_budget(500)) as there:
        async with there.connect() as client:
            await hear(client, "session.created")
            await client.send(wanting({"model": "by-piece"}, event_id="mine"))
            error = await hear(client, "error")
            await client.send(SOUND)
            await client.send(COMMIT)
            await hear(client, "input_audio_buffer.committed")
        line, rows = there.lines[0], await there.street.calls()
    assert (error["error"]["code"], error["error"]["event_id"]) == ("insufficient_quota", "mine")
    assert line.kinds() == ["session.update", "input_audio_buffer.append", "input_audio_buffer.commit"]
    assert rows == []


@pytest.mark.asyncio
async def test_where_the_next_does_not_fit_no_sound_goes_up_until_it_does(tmp_path: Path) -> None:
    hasty = SocketLimits(tick_seconds=0.05, ask_again_seconds=0.05)
    going_on = asyncio.Event()

    async def play(line: Line) -> None:
        await commits(line)
        await line.hear()
        await line.say("input_audio_buffer.cleared")
        await going_on.wait()
        await line.say(WRITTEN, item_id="item_1", transcript="hi", usage=LASTING)
        while True:
            await line.hear()

    async with a_socket_street(tmp_path, play, a_budget(1_000), sockets=hasty) as there:
        async with there.connect() as client:
            await client.send(ON)
            await client.send(COMMIT)
            await hear(client, "input_audio_buffer.committed")
            assert (await hear(client, "error"))["error"]["code"] == "insufficient_quota"
            await hear(client, "input_audio_buffer.cleared")
            for _ in range(3):
                await client.send(SOUND)
                assert (await hear(client, "error"))["error"]["code"] == "insufficient_quota"
            assert "input_audio_buffer.append" not in there.lines[0].kinds()
            going_on.set()
            await hear(client, WRITTEN)
            await rows_of(there, 1)
            async with asyncio.timeout(20):
                while "input_audio_buffer.append" not in there.lines[0].kinds():
                    await client.send(SOUND)
                    await asyncio.sleep(0.02)
        assert (await rows_of(there, 2))[1] == READ
        kinds = there.lines[0].kinds()
    assert kinds[:4] == [
        "session.update",
        "input_audio_buffer.commit",
        "input_audio_buffer.clear",
        "input_audio_buffer.append",
    ]


@pytest.mark.asyncio
async def test_sound_that_was_on_its_way_and_is_not_reserved_for_ends_the_session(tmp_path: Path) -> None:
    async def play(line: Line) -> None:
        await commits(line)
        await line.say("input_audio_buffer.committed", item_id="item_2")

    async with a_socket_street(tmp_path, play, a_budget(1_000)) as there:
        async with there.connect() as client:
            await client.send(ON)
            await client.send(SOUND)
            _, events = await closed(client)
        found = await rows_of(there, 1)
    assert events[-1]["error"]["code"] == "insufficient_quota"
    assert found == [("settled", "counted", 6, 6, "upstream_cut")]


async def transcribes_unasked(line: Line) -> None:
    await line.say("session.created", session={"audio": {"input": {}}})
    await line.say(WRITTEN, item_id="item_1", transcript="hi", usage=LASTING)


async def transcribes_another(line: Line) -> None:
    await line.say("session.created", session={"audio": {"input": {}}})
    await line.hear()
    await line.say(WRITTEN, item_id="item_9", transcript="hi", usage=LASTING)


async def stays_on(line: Line) -> None:
    shown = {"audio": {"input": {"transcription": {"model": "other"}}}}
    await line.say("session.created", session=shown)
    await line.hear()
    await line.say("session.updated", session=shown)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("play", "says"),
    [
        (transcribes_unasked, "transcribed what nobody asked for"),
        (transcribes_another, "transcribed what nobody asked for"),
        (stays_on, "does not keep a session from transcribing by itself"),
    ],
)
async def test_an_upstream_that_transcribes_unasked_is_cut_off(tmp_path: Path, play: Any, says: str) -> None:
    async with a_socket_street(tmp_path, play) as there, there.connect() as client:
        if play is transcribes_another:
            await client.send(ON)
        code, events = await closed(client)
    assert code == 1011
    assert says in events[-1]["error"]["message"]
    assert WRITTEN not in [one["type"] for one in events]


@pytest.mark.asyncio
async def test_a_transcript_that_failed_costs_nothing(tmp_path: Path) -> None:
    async def play(line: Line) -> None:
        await commits(line)
        await line.say(f"{TRANSCRIPT}failed", item_id="item_1", error={"message": "no"})

    async with a_socket_street(tmp_path, play) as there:
        async with there.connect() as client:
            await client.send(ON)
            await client.send(COMMIT)
            await hear(client, f"{TRANSCRIPT}failed")
        found = await rows_of(there, 2)
    assert found == [UNUSED, ("released", None, 0, 0, "upstream_error")]


async def only_listens(line: Line) -> None:
    heard: dict[str, Any] = {"format": {"type": "audio/pcm", "rate": 24_000}, "transcription": None}
    await line.say("session.created", session={"audio": {"input": heard}})
    await line.hear()
    await line.say("session.updated", session={"audio": {"input": heard | {"transcription": {"model": "x"}}}})
    while True:
        kind = (await line.hear())["type"]
        if kind == "input_audio_buffer.commit":
            await line.say("input_audio_buffer.committed", item_id="item_1")
        elif kind == "output_audio_buffer.clear":
            await line.say("input_audio_buffer.speech_started", item_id="item_2")
        elif kind == "input_audio_buffer.clear":
            await line.say("input_audio_buffer.cleared")
        else:
            await line.say("x.seen")


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("sent", "last", "found"),
    [
        ([SOUND, SOUND], "x.seen", [UNUSED]),
        ([SOUND, COMMIT], "input_audio_buffer.committed", [UNUSED, ("settled", "counted", 1, 1, "client_left")]),
        (
            [SOUND, event("output_audio_buffer.clear")],
            "input_audio_buffer.speech_started",
            [("settled", "counted", 1, 1, "client_left")],
        ),
        (
            [SOUND, SOUND, event("input_audio_buffer.clear"), SOUND, COMMIT],
            "input_audio_buffer.committed",
            [UNUSED, ("settled", "counted", 1, 1, "client_left")],
        ),
    ],
)
async def test_who_leaves_is_charged_for_the_sound_that_may_have_been_transcribed_and_for_no_other(
    tmp_path: Path, sent: list[str], last: str, found: list[tuple[Any, ...]]
) -> None:
    async with a_socket_street(tmp_path, only_listens) as there:
        async with there.connect() as client:
            await client.send(ON)
            await hear(client, "session.updated")
            for one in sent:
                await client.send(one)
            await hear(client, last)
        assert await rows_of(there, len(found)) == found


@pytest.mark.asyncio
async def test_an_upstream_that_will_not_transcribe_is_owed_nothing(tmp_path: Path) -> None:
    async def play(line: Line) -> None:
        await line.say("session.created", session={"audio": {"input": {"transcription": None}}})
        await line.hear()
        await line.say("error", error={"message": "no"})
        while True:
            await line.hear()
            await line.say("input_audio_buffer.committed", item_id="item_1")

    async with a_socket_street(tmp_path, play) as there:
        async with there.connect() as client:
            await client.send(ON)
            await hear(client, "error")
            for _ in range(2):
                await client.send(COMMIT)
                await hear(client, "input_audio_buffer.committed")
        assert await rows_of(there, 1) == [UNUSED]


@pytest.mark.asyncio
async def test_transcription_can_be_turned_off_and_on_again(tmp_path: Path) -> None:
    async with a_socket_street(tmp_path, speaks_realtime) as there:
        async with there.connect() as client:
            await turned_on(client)
            await client.send(OFF)
            await hear(client, "session.updated")
            assert await rows_of(there, 1) == [UNUSED]
            await client.send(COMMIT)
            await hear(client, "input_audio_buffer.committed")
            await client.send(ON)
            await client.send(COMMIT)
            await hear(client, WRITTEN)
        assert await rows_of(there, 3) == [UNUSED, UNUSED, READ]


@pytest.mark.asyncio
async def test_what_transcribes_is_a_model_of_the_key_and_of_the_upstream_and_stays_the_same(tmp_path: Path) -> None:
    seeds = the_key(models='["voice-1","by-piece","scribe-1","keyhouse-demo"]')
    async with a_socket_street(tmp_path, speaks_realtime, seeds) as there:
        async with there.connect() as client:
            await hear(client, "session.created")
            errors = {}
            for model in ("tiny-1", "nobody", "keyhouse-demo"):
                await client.send(wanting({"model": model}))
                errors[model] = (await hear(client, "error"))["error"]["code"]
            await client.send(ON)
            await hear(client, "session.updated")
            await client.send(wanting({"model": "scribe-1"}))
            errors["another"] = (await hear(client, "error"))["error"]["code"]
        up = [one for one in there.lines[0].got if one["type"] == "session.update"]
    assert errors == {
        "tiny-1": "model_not_found",
        "nobody": "model_not_found",
        "keyhouse-demo": "invalid_value",
        "another": "invalid_value",
    }
    assert len(up) == 2


@pytest.mark.asyncio
async def test_where_no_limit_could_be_kept_nothing_is_transcribed(tmp_path: Path) -> None:
    async with a_socket_street(tmp_path, speaks_realtime, a_budget(10**12)) as there, there.connect() as client:
        await hear(client, "session.created")
        await client.send(wanting({"model": "by-piece-open"}))
        error = await hear(client, "error")
    assert error["error"]["reason"] == "price_unknown"


@pytest.mark.asyncio
async def test_what_is_reserved_for_ahead_runs_and_counts_as_a_request_only_if_it_was_used(tmp_path: Path) -> None:
    limits = (
        a_budget(2, unit=Unit.CONCURRENCY),
        a_budget(3, unit=Unit.REQUESTS, window=Window.DAY, limit_id="limit_2"),
    )
    async with a_socket_street(tmp_path, speaks_realtime, *limits) as there:
        for _ in range(3):
            async with there.connect() as client:
                await turned_on(client)
        async with there.connect() as client:
            await turned_on(client)
            await client.send(COMMIT)
            await hear(client, WRITTEN)
            await client.send(event("response.create"))
            await hear(client, "response.done")


@pytest.mark.asyncio
async def test_a_stopping_keyhouse_does_not_wait_for_who_says_nothing(tmp_path: Path) -> None:
    async with a_socket_street(tmp_path, speaks_realtime) as there:
        async with there.connect() as client:
            await turned_on(client)
            draining = asyncio.create_task(there.street.ledger.drain(20))
            code, events = await closed(client)
            await asyncio.wait_for(draining, 5)
        assert (code, events[-1]["error"]["reason"]) == (1012, "stopping")
        assert await rows_of(there, 1) == [UNUSED]
