"""The WebSockets that are open, so that whoever stops Keyhouse can wait until each of them was told and closed."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class OpenSockets:
    """The tasks that serve open sockets."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[object]] = set()

    @contextmanager
    def one_more(self) -> Iterator[None]:
        """The present task serves a socket for as long as this lasts."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  a server runs each request in a task
        self._tasks.add(task)
        try:
            yield
        finally:
            self._tasks.discard(task)

    async def ended(self, seconds: float) -> None:
        """Wait until none is open, but no longer than this. Whether Keyhouse stops, each of them looks by itself."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)
