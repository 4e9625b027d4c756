"""Prices: rows that never change. A new price is a new row, so that every past charge can be derived again."""

from sqlalchemy import Connection, insert, select

from keyhouse.core.money import Price
from keyhouse.store.schema import prices


def get_price(connection: Connection, model: str, upstream: str, figures: Price, source: str, now_ms: int) -> Price:
    """The price of `model` at `upstream` with its id: the newest row if it has these figures, else a new one.

    `figures.id` is ignored.
    """
    newest = (
        select(prices)
        .where(prices.c.model == model, prices.c.upstream == upstream)
        .order_by(prices.c.id.desc())
        .limit(1)
    )
    row = connection.execute(newest).first()
    if row is not None:
        found = Price(row.id, row.input, row.cached_input, row.cache_write, row.output)
        if found == Price(row.id, figures.input, figures.cached_input, figures.cache_write, figures.output):
            return found
    fresh = (
        insert(prices)
        .values(
            model=model,
            upstream=upstream,
            input=figures.input,
            cached_input=figures.cached_input,
            cache_write=figures.cache_write,
            output=figures.output,
            source=source,
            created_at_ms=now_ms,
        )
        .returning(prices.c.id)
    )
    price_id = connection.execute(fresh).scalar_one()
    return Price(price_id, figures.input, figures.cached_input, figures.cache_write, figures.output)


def list_prices(connection: Connection) -> list[Price]:
    """Every price there ever was, so that calls held under an old one can still be settled."""
    rows = connection.execute(select(prices).order_by(prices.c.id))
    return [Price(row.id, row.input, row.cached_input, row.cache_write, row.output) for row in rows]
