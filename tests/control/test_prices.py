"""Every price that is charged from now on is in the audit log, once, with the one before it."""

import asyncio

import msgspec
import pytest
from sqlalchemy import delete

from given_control import House
from keyhouse.control.prices import WantedPrice, keep_prices
from keyhouse.core.money import Price, Rate
from keyhouse.store import schema

pytestmark = pytest.mark.asyncio


def wanted(output: int = 4, source: str = "configuration") -> list[WantedPrice]:
    price = Price(0, (Rate(input=1, cached_input=2, cache_write=3, output=output),))
    return [WantedPrice("tiny-1", "local", price, source)]


async def keep(house: House, output: int = 4) -> list[Price]:
    return await keep_prices(house.database, wanted(output), house.clock.now_ms())


async def test_a_new_price_is_recorded_with_the_one_before_it_and_one_that_stands_is_not(house: House) -> None:
    (first,), (same,), (second,) = [await keep(house), await keep(house), await keep(house, output=5)]
    assert (first, first.id != second.id) == (same, True)
    entries = await house.rows("audit_events")
    assert [(row["event"], row["resource_id"], row["actor_type"]) for row in entries] == [
        ("price.created", f"price_{first.id}", "system"),
        ("price.updated", f"price_{second.id}", "system"),
    ]
    details = msgspec.json.decode(entries[1]["details"])
    assert (details["model"], details["upstream"], details["source"]) == ("tiny-1", "local", "configuration")
    assert (details["pico_usd"]["rates"][0]["output"], details["previous"]["rates"][0]["output"]) == (5, 4)


async def test_gateways_that_start_at_once_record_a_price_once(house: House) -> None:
    kept = await asyncio.gather(*(keep(house) for _ in range(8)))
    assert len({price.id for (price,) in kept}) == 1
    assert [event for event, _ in await house.events()] == ["price.created"]


async def test_before_there_is_an_organization_prices_are_kept_all_the_same(house: House) -> None:
    for table in ("key_secrets", "api_keys", "memberships", "projects", "audit_heads", "organizations"):
        await house.execute(delete(schema.METADATA.tables[table]))
    (price,) = await keep(house)
    assert price.id > 0
    assert await house.events() == []
