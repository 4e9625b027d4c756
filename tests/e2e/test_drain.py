"""A Keyhouse that is asked to stop lets running calls end, admits no new ones, and leaves nothing held."""

import asyncio
import json
import signal
import sys
from pathlib import Path

import pytest

from e2e.admin import Admin
from e2e.configuration import a_house
from e2e.processes import House, eventually, fake_upstream
from e2e.wire import Call, call, chat, post

IMPATIENT = (sys.executable, str(Path(__file__).with_name("impatient.py")))


async def a_stream(house: House, secret: str, chunks: int) -> Call:
    """A stream of so many chunks, one every 50 ms, of which the first has come."""
    body = json.dumps(chat(max_tokens=100, stream=True, script={"chunks": chunks, "chunk_delay_ms": 50})).encode()
    calling = await call(house.url, body, [("authorization", f"Bearer {secret}")])
    status, _ = await calling.head()
    assert status == 200
    await calling.reader.readuntil(b"word0")
    return calling


def ask_to_stop(house: House) -> None:
    assert house.child is not None
    house.child.process.send_signal(signal.SIGTERM)


async def ended(house: House) -> int:
    """Wait until the process has ended; its exit status."""
    assert house.child is not None
    status = await asyncio.to_thread(house.child.process.wait, 20)
    house.child = None
    return status


@pytest.mark.asyncio
async def test_a_running_stream_comes_to_its_end_while_new_calls_are_sent_elsewhere(tmp_path: Path) -> None:
    upstream, url = fake_upstream(tmp_path / "record.txt")
    house = a_house(tmp_path, url)
    try:
        with Admin(house) as admin:
            key = admin.create_key()
        running = await a_stream(house, key["value"], 30)
        ask_to_stop(house)
        await asyncio.to_thread(eventually, lambda: not house.is_ready(), "still ready")
        refused = await post(house.url, chat(max_tokens=5), key["value"])
        assert (refused.status, refused.error["code"]) == (503, "stopping")
        assert refused.headers["retry-after"] == "1"
        rest = await running.reader.read()
        running.hang_up()
        assert b"word29" in rest
        assert b"data: [DONE]" in rest
        assert await ended(house) == 0
        (row,) = house.rows("SELECT * FROM calls")
        assert (row["state"], row["basis"], row["flags"]) == ("settled", "upstream", "")
        house.verify()
    finally:
        house.kill()
        upstream.stop()


@pytest.mark.asyncio
async def test_a_stream_that_does_not_end_in_time_is_charged_what_was_counted(tmp_path: Path) -> None:
    upstream, url = fake_upstream(tmp_path / "record.txt")
    house = a_house(tmp_path, url, serve=IMPATIENT)
    try:
        with Admin(house) as admin:
            key = admin.create_key()
        running = await a_stream(house, key["value"], 2_000)
        ask_to_stop(house)
        rest = await running.reader.read()
        running.hang_up()
        assert b"word5" in rest
        assert b'"code":"stopping"' in rest
        assert b"[DONE]" not in rest
        assert await ended(house) == 0
        (row,) = house.rows("SELECT * FROM calls")
        assert (row["state"], row["basis"], row["flags"]) == ("settled", "counted", "abandoned")
        assert 0 < row["output_tokens"] < 100
        house.verify()
    finally:
        house.kill()
        upstream.stop()
