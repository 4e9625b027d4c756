"""Work in the background goes on, whatever became of it, until it is told to end."""

import asyncio

import pytest

from keyhouse.ledger.rounds import repeat


@pytest.mark.asyncio
async def test_an_error_is_told_and_the_next_round_tries_again() -> None:
    failed: list[str] = []
    done = 0
    rested: list[float] = []

    async def work() -> None:
        nonlocal done
        done += 1
        if done == 2:
            raise KeyError("a fault")

    async def pause(seconds: float) -> None:
        rested.append(seconds)
        if len(rested) == 3:
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await repeat(work, 60.0, lambda error: failed.append(repr(error)), pause)
    assert (done, rested, failed) == (3, [60.0] * 3, ["KeyError('a fault')"])


@pytest.mark.asyncio
async def test_it_ends_when_it_is_cancelled_at_work() -> None:
    begun = asyncio.Event()

    async def work() -> None:
        begun.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(repeat(work, 60.0, lambda _: None))
    await begun.wait()
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()
