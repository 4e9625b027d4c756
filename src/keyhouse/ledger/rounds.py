"""Work that is done again and again in the background, whatever became of it the last time."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import NoReturn

Pause = Callable[[float], Awaitable[None]]


async def repeat(
    work: Callable[[], Awaitable[object]],
    seconds: float,
    failed: Callable[[Exception], None],
    pause: Pause = asyncio.sleep,
) -> NoReturn:
    """Do `work`, rest for so many seconds, and do it again, until cancelled. `failed` is told what it raised."""
    while True:
        try:
            await work()
        except Exception as error:  # noqa: BLE001  whatever it was, the next round tries again
            failed(error)
        await pause(seconds)
