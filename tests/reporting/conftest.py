"""A house of two organizations, and the questions asked of it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from given import FakeClock
from given_control import House, a_house
from given_engine import Engine


@pytest_asyncio.fixture
async def house(tmp_path: Path, engine: Engine) -> AsyncIterator[House]:
    """Two organizations in a real database, and the control plane's verbs."""
    async with a_house(tmp_path, FakeClock(), engine) as opened:
        yield opened
