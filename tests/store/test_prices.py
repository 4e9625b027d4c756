"""Prices of several gateways that start at once."""

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import Connection

from given import NOON
from given_engine import Engine
from keyhouse.core.money import Price, Rate
from keyhouse.store.prices import get_price, list_prices

pytestmark = pytest.mark.asyncio


async def test_gateways_that_start_at_once_with_the_same_price_have_one(engine: Engine, tmp_path: Path) -> None:
    database = engine.open(tmp_path)
    figures = Price(0, (Rate(input=1, cached_input=2, cache_write=3, output=4),))

    def get(connection: Connection) -> Price:
        return get_price(connection, "tiny-1", "local", figures, "configuration", NOON)

    prices = await asyncio.gather(*(database.write(get) for _ in range(8)))
    assert len({price.id for price in prices}) == 1
    assert await database.read(list_prices) == [prices[0]]
    await database.close()
