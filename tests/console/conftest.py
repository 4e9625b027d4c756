"""Fixtures of the console's tests."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from console.given_console import Console, a_console
from console.given_matrix_walk import Walk
from given import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest_asyncio.fixture
async def console(tmp_path: Path, clock: FakeClock) -> AsyncIterator[Console]:
    """A console that nobody has set up."""
    async with a_console(tmp_path, clock) as made:
        yield made


@pytest_asyncio.fixture
async def at_home(console: Console) -> Console:
    """The same, set up and signed in."""
    await console.set_up()
    return console


@pytest_asyncio.fixture
async def walk(tmp_path: Path) -> AsyncIterator[Walk]:
    """A console of two organizations full of things."""
    async with a_console(tmp_path, FakeClock()) as console:
        made = Walk(console, tmp_path / "keyhouse.db")
        await made.fill()
        yield made
