"""Calls of every ending, with the prices and limits they were charged by, for tests of those who show them."""

from typing import Any, Final

from sqlalchemy import Connection, insert

from given import NOON, a_limit
from given_calls import a_call, a_period
from keyhouse.core.limit import Unit, Window
from keyhouse.core.money import Price, Rate
from keyhouse.store import schema
from keyhouse.store.prices import get_price

HOUR_MS: Final = 3_600_000
PRICE: Final = Price(
    1,
    (
        Rate(1_000_000, 500_000, 1_250_000, 2_000_001),
        Rate(2_000_000, 1_000_000, 2_500_000, 3_000_000, from_input_tokens=200_000),
        Rate(4_000_000, 2_000_000, 5_000_000, 8_000_000, tier="priority"),
    ),
    request=7_000,
)
"""$1 in, $0.50 cached and a little over $2 out a million, and $0.000000007 for each request."""


def an_exact_call(connection: Connection) -> str:
    """One on a budget, a rate whose minute is gone, and a limit that was deleted; its id."""
    get_price(connection, "tiny-1", "local", PRICE, "test", NOON)
    a_limit(connection, 25 * 10**9)
    a_limit(connection, 9, unit=Unit.REQUESTS, window=Window.DAY, scope=("organization", "org-1"), limit_id="limit_2")
    gone = schema.limits.update().where(schema.limits.c.id == "limit_2").values(deleted_at_ms=NOON + HOUR_MS)
    connection.execute(gone)
    month = a_period(connection, "limit_1", "2026-11", ends_at_ms=NOON + HOUR_MS, settled=1)
    day = a_period(connection, "limit_2", "2026-11-24")
    columns: dict[str, Any] = {"charged_nano_usd": 1_350_008, "flags": "tier_unpriced", "tier": "flex"}
    return a_call(connection, NOON + 999, period_ids=f"[{month},404,{day}]", **columns)


def endings(connection: Connection) -> dict[str, str]:
    """A call of every other ending, one a minute, newest last: the ids by what they are."""
    get_price(connection, "tiny-1", "local", PRICE, "test", NOON)
    nothing = dict.fromkeys(("input_tokens", "cached_input_tokens", "output_tokens"), 0)
    orphan = nothing | {"state": "orphaned", "basis": "reserved", "charged_nano_usd": 5_000_000, "status": 0}
    orphan |= {"flags": "orphaned", "first_byte_ms": None}
    open_still = dict.fromkeys(("basis", "charged_nano_usd", "first_byte_ms", "duration_ms", "closed_at_ms"))
    rows: dict[str, dict[str, Any]] = {
        "capped": {"basis": "counted", "reserved_nano_usd": 1_000, "charged_nano_usd": 1_000, "flags": "client_left"},
        "counted": {"basis": "counted", "charged_nano_usd": 1_350_008, "flags": "no_usage"},
        "long": {"input_tokens": 200_000, "cached_input_tokens": 0, "charged_nano_usd": 400_750_007},
        "late": orphan,
        "orphaned": orphan,
        "overrun": {"reserved_nano_usd": 1_000_000, "charged_nano_usd": 1_350_008, "flags": "overrun"},
        "priority": {"tier": "priority", "charged_nano_usd": 5_400_007},
        "released": nothing | {"state": "released", "basis": None, "charged_nano_usd": 0, "status": 502},
        "running": nothing | open_still | {"state": "held", "status": 0, "output_tokens_max": None},
        "unpriced": {"price_id": None, "charged_nano_usd": None, "model": "unknown-1"},
    }
    made = {name: a_call(connection, NOON + n * 60_000, **row) for n, (name, row) in enumerate(rows.items())}
    given = {"nano_usd": -4_000_000, "requests": 0, "tokens": -300, "tokens_estimate": 0}
    late = {"call_id": made["late"], "at_ms": NOON + 600_000, "reason": "settled late"}
    connection.execute(insert(schema.adjustments).values(late | given))
    return made
