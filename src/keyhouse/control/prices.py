"""Keeping prices: what is charged from now on, with an entry in the audit log for each that is new.

Prices follow from the configuration, from what administrators write and from the list of known ones; whichever it was,
they come here before the first call is charged with them.
"""

from collections.abc import Sequence

import msgspec

from keyhouse.core.money import Price
from keyhouse.store import people, prices
from keyhouse.store.audit import Event
from keyhouse.store.engine import Actor, Change, Connection, Database
from keyhouse.store.turns import Turn, take_turn


class WantedPrice(msgspec.Struct, frozen=True):
    """What a model shall cost at an upstream, and where that was read. The id of `price` is ignored."""

    model: str
    upstream: str
    price: Price
    source: str


async def keep_prices(database: Database, wanted: Sequence[WantedPrice], now_ms: int) -> list[Price]:
    """The prices with their ids, in the same order: those that stand already, and new ones.

    What is new is recorded for the first organization; before there is one, nobody has been charged anything else.
    """
    organization = await database.read(people.find_first_organization)
    if organization is None:
        return await database.write(lambda connection: [price for price, _ in _kept(connection, wanted, now_ms)])

    def keep(change: Change) -> list[Price]:
        kept = _kept(change.connection, wanted, now_ms)
        changed = [(each, price, before) for each, (price, before) in zip(wanted, kept, strict=True) if price != before]
        if not changed:
            raise _NothingNew([price for price, _ in kept])
        for each, price, before in changed:
            event = Event.PRICE_CREATED if before is None else Event.PRICE_UPDATED
            details = {"model": each.model, "upstream": each.upstream, "source": each.source, "pico_usd": _told(price)}
            change.record(event, f"price_{price.id}", details=details | {"previous": before and _told(before)})
        return [price for price, _ in kept]

    try:
        return await database.change(Actor("system", organization.id, "", "", ""), keep)
    except _NothingNew as standing:
        return standing.prices


class _NothingNew(Exception):  # noqa: N818  it is an answer, not a fault
    def __init__(self, standing: list[Price]) -> None:
        super().__init__()
        self.prices = standing


def _kept(connection: Connection, wanted: Sequence[WantedPrice], now_ms: int) -> list[tuple[Price, Price | None]]:
    """Each price with its id, and the one that stood before; the same one if that still stands."""
    take_turn(connection, Turn.PRICES)
    kept = []
    for each in wanted:
        before = prices.find_newest_price(connection, each.model, each.upstream)
        price = prices.get_price(connection, each.model, each.upstream, each.price, each.source, now_ms)
        kept.append((price, before))
    return kept


def _told(price: Price) -> dict[str, object]:
    told: dict[str, object] = msgspec.to_builtins(price)
    return {name: value for name, value in told.items() if name != "id" and value}
