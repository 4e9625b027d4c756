"""A database of each kind for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from given import FakeClock
from given_engine import Engine
from keyhouse.store.engine import Database


@pytest_asyncio.fixture
async def database(engine: Engine, tmp_path: Path) -> AsyncIterator[Database]:
    """An empty one."""
    opened = engine.open(tmp_path, FakeClock())
    yield opened
    await opened.close()
