"""The auditor's questions have the same answers on every engine."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import Connection, insert, update

from given import NOON, a_limit, some_people
from given_engine import Engine
from keyhouse.core.limit import Unit, Window
from keyhouse.store import schema
from keyhouse.store.engine import Database
from keyhouse.store.evidence import Evidence, PeriodEvidence, RollupEvidence, Totals, gather

pytestmark = pytest.mark.asyncio

PLACE = {
    "organization_id": "org-1",
    "project_id": "proj_1",
    "owner_id": "user-1",
    "key_id": "key_1",
    "model": "tiny-1",
    "upstream": "local",
    "endpoint": "/v1/chat/completions",
}
HUGE = 2**53 + 1
"""What floats do not hold."""

UNITS = (Unit.USD, Unit.REQUESTS, Unit.TOKENS)


def a_call(connection: Connection, call_id: str, state: str, periods: str, charged: int | None, **more: Any) -> None:
    """A call of 10 tokens in and 5 out, that had reserved 100 nano-USD and 40 tokens."""
    counts = {"input_tokens": 10, "output_tokens": 5} if state == "settled" else {}
    closed = {} if state == "held" else {"basis": "upstream", "closed_at_ms": NOON}
    row = {
        "id": call_id,
        "request_id": "req_1",
        "attempt": 1,
        "secret_version": 1,
        "instance_id": 1,
        "address": "",
        "agent": "",
        "created_at_ms": NOON,
        "rollup_at_ms": NOON,
        "period_ids": periods,
        "reserved_nano_usd": 100,
        "reserved_tokens": 40,
        "reserved_tokens_estimate": 20,
        "state": state,
        "charged_nano_usd": charged,
    }
    connection.execute(insert(schema.calls).values(row | PLACE | counts | closed | more))


def good_books(connection: Connection) -> None:
    """Limits of three units, a held call, two settled ones, a released one, and an orphan that settled late."""
    some_people(connection)
    for number, unit in enumerate(UNITS, 1):
        a_limit(connection, 2**62, unit=unit, window=Window.MONTH, limit_id=f"limit_{number}")
    settled = {"usd": HUGE + 60 + 30, "requests": 3, "tokens": 15 + 15 + 15}
    reserved = {"usd": 100, "requests": 1, "tokens": 40}
    for number, unit in enumerate(UNITS, 1):
        connection.execute(
            insert(schema.limit_periods).values(
                id=number,
                limit_id=f"limit_{number}",
                period="2026-11",
                starts_at_ms=NOON,
                settled=settled[unit],
                reserved=reserved[unit],
                peak=2**62,
            )
        )
    a_call(connection, "call_1", "held", "[1,2,3]", None)
    a_call(connection, "call_2", "settled", "[1,2,3]", HUGE)
    a_call(connection, "call_3", "settled", "[1,2,3]", 60)
    a_call(connection, "call_4", "released", "[1,2,3]", 0)
    a_call(connection, "call_5", "orphaned", "[1,2,3]", 100, basis="reserved")
    late = {"call_id": "call_5", "at_ms": NOON, "nano_usd": -70, "requests": 0, "tokens": -25, "tokens_estimate": -5}
    connection.execute(insert(schema.adjustments).values(late | {"reason": "settled late"}))
    sums = {"requests": 3, "input_tokens": 20, "output_tokens": 10, "cost_nano_usd": HUGE + 60 + 30}
    connection.execute(insert(schema.usage_hour).values({"starts_at_ms": NOON} | PLACE | sums))


@pytest_asyncio.fixture
async def database(engine: Engine, tmp_path: Path) -> AsyncIterator[Database]:
    made = engine.open(tmp_path)
    await made.write(good_books)
    yield made
    await made.close()


async def found(database: Database, *changes: Any) -> Evidence:
    """What the auditor finds after these statements."""

    def change(connection: Connection) -> None:
        for statement in changes:
            connection.execute(statement)

    await database.write(change)
    return await database.read(gather)


async def test_books_that_agree_have_nothing_against_them(database: Database) -> None:
    assert await found(database) == Evidence(Totals(5, 1, 3, 1, 1), (), (), ())


@pytest.mark.parametrize(
    ("counters", "expected"),
    [
        ({"settled": 1}, (1, HUGE + 90, 100, 100, 0, 2**62)),
        ({"reserved": 7}, (HUGE + 90, HUGE + 90, 7, 100, 0, 2**62)),
        ({"overrun": -1}, (HUGE + 90, HUGE + 90, 100, 100, -1, 2**62)),
        ({"peak": HUGE}, (HUGE + 90, HUGE + 90, 100, 100, 0, HUGE)),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
async def test_a_counter_that_disagrees_is_found(
    database: Database, counters: dict[str, int], expected: tuple[int, ...]
) -> None:
    period = update(schema.limit_periods).where(schema.limit_periods.c.id == 1).values(counters)
    evidence = await found(database, period)
    assert evidence.periods == (PeriodEvidence(1, "limit_1", "2026-11", "usd", *expected),)
    assert (evidence.rollups, evidence.strays) == ((), ())


async def test_a_rollup_that_disagrees_or_is_missing_is_found(database: Database) -> None:
    ours = (3, 20, 20, 10, 10, HUGE + 90, HUGE + 90)
    (wrong,) = (await found(database, update(schema.usage_hour).values(requests=4))).rollups
    assert wrong == RollupEvidence(NOON, "key_1", "tiny-1", 4, *ours)
    (unknown, missing) = (await found(database, update(schema.usage_hour).values(model="other"))).rollups
    assert sorted([str(unknown.model), str(missing.model)]) == ["other", "tiny-1"]
    by_model = {each.model: each for each in (unknown, missing)}
    assert by_model["tiny-1"].requests is None
    assert by_model["tiny-1"].cost_nano_usd_expected == HUGE + 90
    assert (by_model["other"].requests, by_model["other"].requests_expected) == (4, None)


async def test_a_call_that_closed_without_saying_how_or_points_nowhere_is_found(database: Database) -> None:
    def call(call_id: str, **values: Any) -> Any:
        return update(schema.calls).where(schema.calls.c.id == call_id).values(values)

    evidence = await found(
        database,
        call("call_1", period_ids="[1,2,3,99]"),
        call("call_2", basis=None),
        call("call_4", charged_nano_usd=1),
    )
    assert evidence.strays == (("call_1", "held"), ("call_2", "settled"), ("call_4", "released"))
