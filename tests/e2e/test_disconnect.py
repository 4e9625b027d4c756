"""Whoever hangs up in the middle of an answer pays for what was made, and the upstream stops making more."""

import asyncio
import json
from pathlib import Path

import httpx
import pytest

from e2e.admin import Admin
from e2e.configuration import UPSTREAM_KEY
from e2e.processes import House, eventually
from e2e.wire import call, chat


@pytest.mark.asyncio
async def test_a_client_that_leaves_a_stream_is_charged_what_was_counted_and_frees_llama_cpps_slot(
    house: House, admin: Admin, llama_url: str
) -> None:
    body = chat(model="tiny-long", max_tokens=1_900, stream=True, ignore_eos=True)
    # llama.cpp needs a third of a second for all of it; on a busy machine the news may come after the end.
    for _ in range(5):
        key = admin.create_key()
        calling = await call(house.url, json.dumps(body).encode(), [("authorization", f"Bearer {key['value']}")])
        status, _ = await calling.head()
        assert status == 200
        await calling.reader.readuntil(b"data: ")
        calling.hang_up()
        (row,) = await asyncio.to_thread(house.calls, key["id"])
        if row["basis"] == "counted":
            break
    assert (row["state"], row["basis"]) == ("settled", "counted")
    assert 0 < row["output_tokens"] < 1_900
    assert 0 < row["charged_nano_usd"] <= row["reserved_nano_usd"]

    def is_free() -> bool:
        slots = httpx.get(f"{llama_url}/slots", headers={"authorization": f"Bearer {UPSTREAM_KEY}"}).json()
        return not any(slot["is_processing"] for slot in slots)

    eventually(is_free, "llama.cpp still makes an answer that nobody wants")


@pytest.mark.asyncio
async def test_a_plain_call_whose_client_left_is_finished_and_charged_what_the_upstream_reports(
    scripted_house: House, scripted_admin: Admin, scripted_record: Path
) -> None:
    key = scripted_admin.create_key()
    body = json.dumps(chat(max_tokens=20, script={"delay_ms": 1_500})).encode()
    calling = await call(scripted_house.url, body, [("authorization", f"Bearer {key['value']}")])

    def call_id() -> str | None:
        rows = scripted_house.rows("SELECT id FROM calls WHERE key_id = ?", key["id"])
        return rows[0]["id"] if rows and f"seen {rows[0]['id']}" in scripted_record.read_text() else None

    eventually(call_id, "the call never reached the upstream")
    calling.hang_up()
    (row,) = await asyncio.to_thread(scripted_house.calls, key["id"])
    assert (row["state"], row["basis"]) == ("settled", "upstream")
    assert 0 < row["charged_nano_usd"] <= row["reserved_nano_usd"]


@pytest.mark.asyncio
async def test_an_upstream_that_cuts_a_stream_is_charged_what_was_counted(
    scripted_house: House, scripted_admin: Admin
) -> None:
    key = scripted_admin.create_key()
    body = json.dumps(chat(max_tokens=50, stream=True, script={"chunks": 20, "chunk_delay_ms": 5, "cut": 4})).encode()
    calling = await call(scripted_house.url, body, [("authorization", f"Bearer {key['value']}")])
    try:
        status, _ = await calling.head()
        assert status == 200
        assert (await calling.reader.read()).count(b"word") == 4
    finally:
        calling.hang_up()
    (row,) = await asyncio.to_thread(scripted_house.calls, key["id"])
    assert (row["state"], row["basis"]) == ("settled", "counted")
    assert 0 < row["output_tokens"] <= 50
    assert row["charged_nano_usd"] <= row["reserved_nano_usd"]
