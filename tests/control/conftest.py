"""Fixtures of the control plane's tests."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from given import FakeClock
from given_control import House, a_house
from given_engine import Engine


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest_asyncio.fixture
async def house(tmp_path: Path, clock: FakeClock, engine: Engine) -> AsyncIterator[House]:
    async with a_house(tmp_path, clock, engine) as made:
        yield made
