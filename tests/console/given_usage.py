"""Usage in a console's organization, as the ledger sums it up."""

from typing import Any

from sqlalchemy import Connection

from console.given_console import Console
from given import NOON
from reporting.given_rollups import a_slot


async def use(console: Console, key_id: str, starts_at_ms: int = NOON, **sums: Any) -> None:
    """Three calls of this key within the hour that begins so, unless told otherwise."""
    session = await console.desk.sessions.find(console.browser.cookies["keyhouse"])
    assert session is not None
    row = await console.desk.key_questions.one(session.organization_id, key_id)
    values = {
        "organization_id": session.organization_id,
        "project_id": row.key.project_id,
        "owner_id": row.key.owner_id,
        "key_id": key_id,
        "requests": 3,
        "input_tokens": 1000,
        "output_tokens": 200,
        "cost_nano_usd": 691_000,
    }

    def write(connection: Connection) -> None:
        a_slot(connection, starts_at_ms, **(values | sums))

    await console.database.write(write)
