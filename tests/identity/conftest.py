"""Fixtures of identity's tests: two organizations in a real database."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy import Connection

from given import FakeClock, some_people
from given_engine import Engine
from keyhouse.store.engine import Database


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest_asyncio.fixture
async def database(tmp_path: Path, clock: FakeClock, engine: Engine) -> AsyncIterator[Database]:
    made = engine.open(tmp_path, clock)

    def fill(connection: Connection) -> None:
        some_people(connection, suffix="1")
        some_people(connection, suffix="2")

    await made.write(fill)
    yield made
    await made.close()
