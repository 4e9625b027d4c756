"""Calls in a console's organization, as the ledger leaves them."""

from typing import Any

from sqlalchemy import Connection

from console.given_console import Console
from given import NOON
from given_calls import a_call
from keyhouse.core.money import Price, Rate
from keyhouse.store.prices import get_price


async def call(console: Console, key_id: str, at_ms: int = NOON, place: int = 0, **columns: Any) -> str:
    """A call of this key that was answered, unless its columns say otherwise; its id."""
    session = await console.desk.sessions.find(console.browser.cookies["keyhouse"])
    assert session is not None
    row = await console.desk.key_questions.one(session.organization_id, key_id)

    def write(connection: Connection) -> str:
        price = Price(0, (Rate(1_000_000, 500_000, 1_000_000, 2_000_000),))
        columns.setdefault("price_id", get_price(connection, "tiny-1", "local", price, "test", NOON).id)
        whose = {
            "organization_id": session.organization_id,
            "project_id": row.key.project_id,
            "owner_id": row.key.owner_id,
            "key_id": key_id,
        }
        return a_call(connection, at_ms, place, **(whose | columns))

    return await console.database.write(write)
