"""Prices: rows that never change. A new price is a new row, so that every past charge can be derived again."""

from typing import Final

import msgspec
from sqlalchemy import Connection, RowMapping, insert, select

from keyhouse.core.money import Price, Rate
from keyhouse.store.schema import prices
from keyhouse.store.turns import Turn, take_turn


class _Figures(msgspec.Struct, frozen=True, omit_defaults=True):
    """A price as it is kept, in JSON: everything but its id."""

    rates: tuple[Rate, ...]
    image: int = 0
    audio_second: int = 0
    character: int = 0
    request: int = 0


_DECODE: Final = msgspec.json.Decoder(_Figures).decode


def get_price(connection: Connection, model: str, upstream: str, price: Price, source: str, now_ms: int) -> Price:
    """The price of `model` at `upstream` with its id: the newest row if it has these figures, else a new one.

    The id of `price` is ignored.
    """
    take_turn(connection, Turn.PRICES)
    found = find_newest_price(connection, model, upstream)
    if found is not None and found == msgspec.structs.replace(price, id=found.id):
        return found
    fresh = (
        insert(prices)
        .values(model=model, upstream=upstream, figures=_figures(price), source=source, created_at_ms=now_ms)
        .returning(prices.c.id)
    )
    return msgspec.structs.replace(price, id=connection.execute(fresh).scalar_one())


def find_newest_price(connection: Connection, model: str, upstream: str) -> Price | None:
    """What `model` costs at `upstream`; None if that was never said."""
    newest = (
        select(prices)
        .where(prices.c.model == model, prices.c.upstream == upstream)
        .order_by(prices.c.id.desc())
        .limit(1)
    )
    row = connection.execute(newest).mappings().one_or_none()
    return None if row is None else _price(row)


def find_price(connection: Connection, price_id: int) -> Price | None:
    """The price with this id."""
    row = connection.execute(select(prices).where(prices.c.id == price_id)).mappings().one_or_none()
    return None if row is None else _price(row)


def list_prices(connection: Connection) -> list[Price]:
    """Every price there ever was, so that calls held under an old one can still be settled."""
    return [_price(row) for row in connection.execute(select(prices).order_by(prices.c.id)).mappings()]


def _figures(price: Price) -> str:
    figures = _Figures(price.rates, price.image, price.audio_second, price.character, price.request)
    return msgspec.json.encode(figures).decode()


def _price(row: RowMapping) -> Price:
    figures = _DECODE(row["figures"])
    return Price(row["id"], figures.rates, figures.image, figures.audio_second, figures.character, figures.request)
