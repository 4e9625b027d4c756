"""OpenAI's own SDK, unchanged: images, audio, files, vector stores, conversations and batches, over real sockets."""

import json
from pathlib import Path
from typing import Any

import pytest
from openai import AsyncOpenAI, NotFoundError

from gateway.given_responses import OTHER_PROJECT, others
from gateway.scripted import SECRET, Wire, a_street

USAGE: dict[str, Any] = {"input_tokens": 7, "output_tokens": 5, "total_tokens": 12}
LINE = {
    "custom_id": "1",
    "method": "POST",
    "url": "/v1/embeddings",
    "body": {"model": "same-name", "input": "hello"},
}


def event(kind: str, **fields: Any) -> str:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n"


async def speaks_like_openai(wire: Wire) -> None:
    """As much of OpenAI as the SDK is asked for here."""
    method, target, _ = wire.head.split(b"\r\n")[0].decode().split(" ")
    path = target.removeprefix("/v1").partition("?")[0]
    match (method, path):
        case ("POST", "/images/generations") if b'"stream":true' in wire.body:
            await wire.begin_stream()
            await wire.piece(event("image_generation.partial_image", b64_json="AA", partial_image_index=0))
            await wire.piece(event("image_generation.completed", b64_json="AAAA", usage=USAGE))
            await wire.end_stream()
        case ("POST", "/images/generations" | "/images/edits"):
            await wire.answer({"created": 1, "data": [{"b64_json": "AAAA"}], "usage": USAGE})
        case ("POST", "/audio/speech"):
            await wire.answer(b"ID3\x00\xff", kind="audio/mpeg")
        case ("POST", "/audio/transcriptions"):
            await wire.answer({"text": "hi", "usage": {"type": "duration", "seconds": 3}})
        case ("POST", "/files"):
            await wire.answer({"id": "file-1", "object": "file", "filename": "a.jsonl", "purpose": "batch"})
        case ("GET", "/files/file-1"):
            await wire.answer({"id": "file-1", "object": "file", "filename": "a.jsonl", "purpose": "batch"})
        case ("GET", "/files/file-1/content"):
            await wire.answer(json.dumps(LINE), kind="application/octet-stream")
        case ("DELETE", "/files/file-1"):
            await wire.answer({"id": "file-1", "object": "file", "deleted": True})
        case ("POST", "/vector_stores"):
            await wire.answer({"id": "vs_1", "object": "vector_store", "name": "x"})
        case ("POST", "/conversations"):
            await wire.answer({"id": "conv_1", "object": "conversation", "created_at": 1})
        case ("POST" | "GET", "/batches" | "/batches/batch_1"):
            await wire.answer({"id": "batch_1", "object": "batch", "status": "completed", "usage": USAGE})
        case _:
            await wire.answer({"error": {"message": f"no {method} {path}"}}, 404)


def clients(url: str) -> tuple[AsyncOpenAI, AsyncOpenAI]:
    """Mine, and another project's."""
    mine, other = (AsyncOpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0) for key in (SECRET, OTHER_PROJECT))
    return mine, other


@pytest.mark.asyncio
async def test_images_and_audio_come_through_and_are_paid(tmp_path: Path) -> None:
    async with a_street(tmp_path, speaks_like_openai) as street:
        client, _ = clients(street.url)
        image = await client.images.generate(model="tiny-media", prompt="a cat")
        stream = await client.images.generate(model="tiny-media", prompt="a cat", stream=True, partial_images=1)
        kinds = [one.type async for one in stream]
        edited = await client.images.edit(model="tiny-media", image=("a.png", b"PNG"), prompt="a hat")
        sound = await client.audio.speech.create(model="by-piece", input="hello", voice="alloy")
        text = await client.audio.transcriptions.create(model="by-piece", file=("a.wav", b"RIFF"))
        rows = {row.endpoint: row.charged_nano_usd for row in await street.calls()}
        await client.close()
    assert image.data is not None
    assert edited.usage is not None
    assert (image.data[0].b64_json, edited.usage.total_tokens) == ("AAAA", 12)
    assert kinds == ["image_generation.partial_image", "image_generation.completed"]
    assert (sound.content, text.text) == (b"ID3\x00\xff", "hi")
    assert rows == {
        "/v1/images/generations": 17,
        "/v1/images/edits": 17,
        "/v1/audio/speech": 75,
        "/v1/audio/transcriptions": 3,
    }


@pytest.mark.asyncio
async def test_what_is_kept_is_found_by_its_project_and_by_no_other(tmp_path: Path) -> None:
    async with a_street(tmp_path, speaks_like_openai, others) as street:
        client, other = clients(street.url)
        file = await client.files.create(file=("a.jsonl", b"{}"), purpose="batch")
        store = await client.vector_stores.create(name="x", file_ids=[file.id])
        talk = await client.conversations.create()
        batch = await client.batches.create(input_file_id=file.id, endpoint="/v1/embeddings", completion_window="24h")
        listed = [one.id async for one in client.files.list()]
        strangers = [one.id async for one in other.files.list()]
        for asking in (
            other.files.retrieve(file.id),
            other.vector_stores.retrieve(store.id),
            other.conversations.retrieve(talk.id),
            other.batches.retrieve(batch.id),
            other.vector_stores.create(file_ids=[file.id]),
        ):
            with pytest.raises(NotFoundError):
                await asking
        content = await client.files.content(file.id)
        retrieved = await client.batches.retrieve(batch.id)
        deleted = await client.files.delete(file.id)
        await client.close()
        await other.close()
    assert (listed, strangers) == (["file-1"], [])
    assert json.loads(content.content) == LINE
    assert (retrieved.status, deleted.deleted) == ("completed", True)
