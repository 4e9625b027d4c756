"""A turn is one transaction's at a time, and another turn is nobody's business."""

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import text

from given import FakeClock, seeded_entropy
from given_engine import Engine
from keyhouse.store.engine import Connection
from keyhouse.store.postgres import PostgresDatabase
from keyhouse.store.turns import Turn, take_turn

pytestmark = pytest.mark.asyncio


async def test_a_turn_lasts_until_the_transaction_ends(postgres_url: str) -> None:
    database = PostgresDatabase(postgres_url, FakeClock(), seeded_entropy())
    order: list[str] = []
    begun, loop = asyncio.Event(), asyncio.get_running_loop()

    def decide(connection: Connection) -> None:
        take_turn(connection, Turn.SET_UP)
        order.append("begin")
        loop.call_soon(begun.set)
        connection.execute(text("SELECT pg_sleep(0.1)"))
        order.append("end")

    def another(connection: Connection) -> None:
        take_turn(connection, Turn.SIGN_IN)
        order.append("another")

    first, second = (asyncio.create_task(database.write(decide)) for _ in range(2))
    await begun.wait()
    await database.write(another)
    await asyncio.gather(first, second)
    assert order == ["begin", "another", "end", "begin", "end"]
    await database.close()


async def test_every_engine_has_turns(engine: Engine, tmp_path: Path) -> None:
    database = engine.open(tmp_path)
    for turn in Turn:
        await database.write(lambda connection, turn=turn: take_turn(connection, turn))  # type: ignore[misc]
    await database.close()


async def test_the_numbers_never_change() -> None:
    assert {turn.name: turn.value for turn in Turn} == {
        "SCHEMA": 1,
        "SET_UP": 2,
        "MASTER_KEY": 3,
        "SIGN_IN": 4,
        "PRICES": 5,
        "HOUSEKEEPING": 6,
        "AUDIT_CHAINS": 7,
        "ACCOUNTS": 8,
    }
