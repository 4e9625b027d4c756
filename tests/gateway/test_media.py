"""Images and sound, from end to end over real sockets: read, bounded, forwarded as they came and settled."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.scripted import SECRET, UPSTREAM_KEY, Street, Wire, a_budget, a_street, the_key
from keyhouse.core.limit import Unit

AS_KEY = {"authorization": f"Bearer {SECRET}"}
USAGE = {"input_tokens": 7, "output_tokens": 5, "total_tokens": 12}
PICTURES = {"created": 1, "data": [{"b64_json": "AAAA"}, {"b64_json": "BBBB"}]}
SOUND = bytes(range(256)) * 40
HEARD = {"text": "hi", "usage": {"type": "duration", "seconds": 2.5}}


async def generate(street: Street, **changes: Any) -> httpx.Response:
    asking = {"model": "tiny-media", "prompt": "a cat", "n": 2} | changes
    return await street.http.post("/v1/images/generations", json=asking, headers=AS_KEY)


async def upload(street: Street, path: str, file: str = "file", **fields: str) -> httpx.Response:
    """Post a form with a file and these fields, the file first."""
    return await street.http.post(
        path, data={"model": "by-piece"} | fields, files={file: ("a.wav", SOUND, "audio/wav")}, headers=AS_KEY
    )


async def speak(street: Street, **changes: Any) -> httpx.Response:
    asking = {"model": "by-piece", "input": "Größe", "voice": "alloy"} | changes
    return await street.http.post("/v1/audio/speech", json=asking, headers=AS_KEY)


def pictured(kind: str, **fields: object) -> str:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields}, separators=(',', ':'))}\n\n"


PARTIAL = pictured("image_generation.partial_image", b64_json="AAAA", partial_image_index=0)
COMPLETED = pictured("image_generation.completed", b64_json="AAAA", usage=USAGE)


@pytest.mark.asyncio
async def test_images_are_settled_by_the_upstreams_tokens(tmp_path: Path) -> None:
    async def script(wire: Wire) -> None:
        await wire.answer(PICTURES | {"usage": USAGE})

    async with a_street(tmp_path, script, a_budget(1_000_000)) as street:
        got = await generate(street)
        row = await street.the_call()
        (wire,) = street.seen
    assert (got.status_code, got.json()) == (200, PICTURES | {"usage": USAGE})
    assert json.loads(wire.body) == {"model": "tiny-1-upstream", "prompt": "a cat", "n": 2}
    assert (row.endpoint, row.state, row.basis, row.images) == ("/v1/images/generations", "settled", "upstream", 2)
    assert (row.input_tokens, row.output_tokens, row.charged_nano_usd) == (7, 5, 17)
    assert row.reserved_nano_usd >= 2 * 100 * 2


@pytest.mark.asyncio
async def test_images_without_usage_cost_their_price_each_and_no_tokens(tmp_path: Path) -> None:
    async def script(wire: Wire) -> None:
        await wire.answer(PICTURES)

    async with a_street(tmp_path, script, a_budget(80)) as street:
        got = await generate(street, model="by-piece")
        full = await generate(street, model="by-piece", n=1)
        row = await street.the_call()
    assert (got.headers["x-keyhouse-cost-usd"], full.status_code) == ("0.00000008", 429)
    assert (row.images, row.charged_nano_usd, row.output_tokens) == (2, 80, 0)


@pytest.mark.asyncio
async def test_an_image_model_that_hides_its_usage_is_charged_all_it_may_be(tmp_path: Path) -> None:
    async def script(wire: Wire) -> None:
        await wire.answer(PICTURES)

    async with a_street(tmp_path, script, a_budget(1_000_000)) as street:
        await generate(street)
        row = await street.the_call()
    assert (row.basis, row.flags, row.output_tokens) == ("counted", "no_usage", 200)
    assert row.charged_nano_usd == row.reserved_nano_usd


@pytest.mark.asyncio
async def test_more_images_than_a_limit_allows_are_refused(tmp_path: Path) -> None:
    async def script(wire: Wire) -> None:
        await wire.answer(PICTURES)

    async with a_street(tmp_path, script, a_budget(2, unit=Unit.IMAGES)) as street:
        refused = await generate(street, model="by-piece", n=3)
        got = await generate(street, model="by-piece")
        again = await generate(street, model="by-piece", n=1)
        assert len(street.seen) == 1
    assert (refused.status_code, got.status_code, again.status_code) == (429, 200, 429)
    assert refused.json()["error"]["details"]["unit"] == "images"


@pytest.mark.asyncio
async def test_a_stream_of_images_passes_as_it_came_and_is_settled_by_its_last_event(tmp_path: Path) -> None:
    async def script(wire: Wire) -> None:
        await wire.begin_stream()
        await wire.piece(PARTIAL + COMPLETED[:30])
        await wire.piece(COMPLETED[30:])
        await wire.end_stream()

    async with a_street(tmp_path, script, a_budget(1_000_000)) as street:
        got = await generate(street, n=1, stream=True, partial_images=1)
        row = await street.the_call()
    assert got.text == PARTIAL + COMPLETED
    assert (row.basis, row.images, row.charged_nano_usd) == ("upstream", 1, 17)


@pytest.mark.asyncio
async def test_a_stream_of_images_that_breaks_off_ends_with_an_error_and_is_charged_all_it_may_be(
    tmp_path: Path,
) -> None:
    async def script(wire: Wire) -> None:
        await wire.begin_stream()
        await wire.piece(PARTIAL)
        wire.reset()

    async with a_street(tmp_path, script, a_budget(1_000_000)) as street:
        asking = {"model": "tiny-media", "prompt": "a cat", "n": 1, "stream": True}
        came = await street.broken_off("/v1/images/generations", asking)
        row = await street.the_call()
    assert json.loads(came.rstrip().rpartition("data: ")[2])["error"]["reason"] == "upstream_broken"
    assert (row.basis, row.flags, row.images, row.output_tokens) == ("counted", "upstream_cut", 1, 100)


@pytest.mark.asyncio
@pytest.mark.parametrize("path", ["/v1/images/edits", "/v1/images/variations"])
async def test_a_form_goes_up_with_the_upstreams_model_and_its_file_unchanged(tmp_path: Path, path: str) -> None:
    async def script(wire: Wire) -> None:
        await wire.answer(PICTURES)

    async with a_street(tmp_path, script, a_budget(1_000_000)) as street:
        got = await upload(street, path, "image", prompt="a hat", n="2")
        row = await street.the_call()
        (wire,) = street.seen
    assert (got.status_code, row.images, row.charged_nano_usd) == (200, 2, 80)
    kind = wire.head.lower().partition(b"content-type: ")[2].partition(b"\r\n")[0]
    assert kind.startswith(b"multipart/form-data; boundary=")
    boundary = kind.partition(b"boundary=")[2]
    assert wire.body.count(b"--" + boundary) == 5
    assert b'name="model"\r\n\r\ntiny-1-upstream\r\n' in wire.body
    assert b'name="image"; filename="a.wav"\r\ncontent-type: audio/wav\r\n\r\n' + SOUND + b"\r\n" in wire.body
    assert b"by-piece" not in wire.body


@pytest.mark.asyncio
async def test_an_edit_in_json_names_only_files_of_its_project(tmp_path: Path) -> None:
    async def script(wire: Wire) -> None:
        raise AssertionError("nothing is forwarded")

    async with a_street(tmp_path, script) as street:
        asking = {"model": "tiny-media", "prompt": "x", "images": [{"file_id": "file-1"}]}
        got = await street.http.post("/v1/images/edits", json=asking, headers=AS_KEY)
    assert (got.status_code, got.json()["error"]["reason"]) == (404, "not_found")


@pytest.mark.asyncio
@pytest.mark.parametrize("path", ["/v1/audio/transcriptions", "/v1/audio/translations"])
async def test_audio_is_settled_by_the_seconds_that_the_upstream_reports(tmp_path: Path, path: str) -> None:
    async def script(wire: Wire) -> None:
        await wire.answer(HEARD)

    async with a_street(tmp_path, script, a_budget(700)) as street:
        got = await upload(street, path)
        full = await upload(street, path, model="by-piece-open")
        row = await street.the_call()
    assert (got.status_code, got.json()) == (200, HEARD)
    assert (row.endpoint, row.basis, row.audio_seconds, row.charged_nano_usd) == (path, "upstream", 3, 3)
    assert (row.reserved_nano_usd, full.status_code, full.json()["error"]["code"]) == (600, 400, "price_unknown")


@pytest.mark.asyncio
async def test_plain_text_says_nothing_and_is_charged_the_longest_audio(tmp_path: Path) -> None:
    async def script(wire: Wire) -> None:
        await wire.answer("hi\n", kind="text/plain; charset=utf-8")

    async with a_street(tmp_path, script) as street:
        got = await upload(street, "/v1/audio/transcriptions", response_format="text")
        row = await street.the_call()
    assert (got.text, got.headers["content-type"]) == ("hi\n", "text/plain; charset=utf-8")
    assert (row.basis, row.flags, row.audio_seconds) == ("counted", "no_usage", 600)


@pytest.mark.asyncio
async def test_a_limit_in_seconds_needs_to_know_how_long_audio_may_be(tmp_path: Path) -> None:
    async def script(wire: Wire) -> None:
        await wire.answer(HEARD)

    async with a_street(tmp_path, script, a_budget(600, unit=Unit.AUDIO_SECONDS)) as street:
        unknown = await upload(street, "/v1/audio/transcriptions", model="by-piece-open")
        got = await upload(street, "/v1/audio/transcriptions")
        full = await upload(street, "/v1/audio/transcriptions")
        assert len(street.seen) == 1
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (400, "price_unknown")
    assert "max_audio_seconds" in unknown.json()["error"]["message"]
    assert (got.status_code, full.status_code) == (200, 429)


@pytest.mark.asyncio
async def test_a_stream_of_a_transcript_is_settled_by_its_last_event(tmp_path: Path) -> None:
    delta = 'data: {"type":"transcript.text.delta","delta":"hi"}\n\n'
    done = f'data: {{"type":"transcript.text.done","text":"hi","usage":{json.dumps({"type": "tokens"} | USAGE)}}}\n\n'

    async def script(wire: Wire) -> None:
        await wire.begin_stream()
        await wire.piece(delta + done)
        await wire.end_stream()

    async with a_street(tmp_path, script, a_budget(1_000_000)) as street:
        got = await upload(street, "/v1/audio/transcriptions", model="tiny-media", stream="true")
        row = await street.the_call()
    assert got.text == delta + done
    assert (row.basis, row.input_tokens, row.charged_nano_usd) == ("upstream", 7, 17)


@pytest.mark.asyncio
async def test_speech_is_passed_as_it_comes_and_costs_its_characters(tmp_path: Path) -> None:
    async def script(wire: Wire) -> None:
        await wire.begin_stream("audio/mpeg")
        await wire.piece(SOUND[:5])
        await wire.piece(SOUND[5:])
        await wire.end_stream()

    async with a_street(tmp_path, script, a_budget(75)) as street:
        got = await speak(street)
        full = await speak(street)
        row = await street.the_call()
    assert (got.content, got.headers["content-type"]) == (SOUND, "audio/mpeg")
    assert (row.characters, row.charged_nano_usd, row.output_tokens, full.status_code) == (5, 75, 0, 429)


@pytest.mark.asyncio
@pytest.mark.parametrize("is_measured", [True, False])
async def test_speech_that_breaks_off_is_never_taken_for_whole(tmp_path: Path, *, is_measured: bool) -> None:
    async def script(wire: Wire) -> None:
        if is_measured:
            await wire.say("HTTP/1.1 200 OK\r\ncontent-type: audio/mpeg\r\ncontent-length: 9000\r\n\r\nabc")
        else:
            await wire.begin_stream("audio/mpeg")
            await wire.piece(b"abc")
        wire.reset()

    async with a_street(tmp_path, script) as street:
        with pytest.raises(httpx.RemoteProtocolError):
            await speak(street)
        row = await street.the_call()
    assert (row.basis, row.flags, row.characters) == ("counted", "upstream_cut", 5)


@pytest.mark.asyncio
async def test_speech_in_events_is_settled_by_the_last_one(tmp_path: Path) -> None:
    events = 'data: {"type":"speech.audio.delta","audio":"AAAA"}\n\n'
    events += f'data: {{"type":"speech.audio.done","usage":{json.dumps(USAGE)}}}\n\n'

    async def script(wire: Wire) -> None:
        await wire.begin_stream()
        await wire.piece(events)
        await wire.end_stream()

    async with a_street(tmp_path, script, a_budget(1_000_000)) as street:
        got = await speak(street, model="tiny-media", stream_format="sse")
        row = await street.the_call()
    assert got.text == events
    assert (row.basis, row.input_tokens, row.output_tokens, row.characters) == ("upstream", 7, 5, 5)
    assert row.charged_nano_usd == 17


@pytest.mark.asyncio
async def test_what_is_no_form_or_too_large_never_reaches_an_upstream(tmp_path: Path) -> None:
    async def script(wire: Wire) -> None:
        raise AssertionError("nothing is forwarded")

    async with a_street(tmp_path, script) as street:
        path = "/v1/audio/transcriptions"
        as_json = await street.http.post(path, json={"model": "by-piece"}, headers=AS_KEY)
        garbage = await street.http.post(
            path, content=b"x" * 500, headers=AS_KEY | {"content-type": "multipart/form-data; boundary=b"}
        )
        large = await street.http.post(path, files={"file": ("a", b"x" * 1_000_001)}, headers=AS_KEY)
        json_form = await street.http.post("/v1/audio/speech", files={"file": ("a", b"x")}, headers=AS_KEY)
        assert not await street.calls()
    assert [got.status_code for got in (as_json, garbage, large, json_form)] == [400, 400, 413, 400]
    assert as_json.json()["error"]["reason"] == garbage.json()["error"]["reason"] == "body_not_form"


@pytest.mark.asyncio
@pytest.mark.parametrize(("path", "resource"), [("/v1/audio/transcriptions", "audio"), ("/v1/images/edits", "images")])
async def test_each_needs_its_own_permission_before_its_body_is_read(tmp_path: Path, path: str, resource: str) -> None:
    async def script(wire: Wire) -> None:
        raise AssertionError("nothing is forwarded")

    others = {"audio": "write", "images": "write", "chat_completions": "write"}
    others[resource] = "read"
    async with a_street(tmp_path, script, the_key(permissions=json.dumps(others))) as street:
        got = await upload(street, path)
    assert got.status_code == 403
    assert f"`{resource}: write`" in got.json()["error"]["message"]


@pytest.mark.asyncio
async def test_our_credential_is_cut_out_of_an_upstreams_error(tmp_path: Path) -> None:
    async def script(wire: Wire) -> None:
        await wire.answer({"error": {"message": UPSTREAM_KEY}}, 400)

    async with a_street(tmp_path, script, a_budget(1_000_000)) as street:
        got = await upload(street, "/v1/audio/transcriptions")
        row = await street.the_call()
    assert (got.status_code, row.state, row.charged_nano_usd) == (400, "released", 0)
    assert UPSTREAM_KEY not in got.text
