"""What `demo.seed` fills in is as true as what the ledger writes, and never stands beside real calls."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy import Connection, delete, func, insert, select

from given import NOON, FakeClock
from given_control import House, a_house
from given_engine import Engine, statements_of
from keyhouse.core.errors import Code, Refusal
from keyhouse.demo.seed import Plan, seed
from keyhouse.ledger.auditor import audit
from keyhouse.reporting.calls import explained
from keyhouse.reporting.explanations import Outcome
from keyhouse.store import bulk
from keyhouse.store.schema import calls, limit_periods, limits, usage_hour, usage_minute
from keyhouse.store.statements import load_statements

pytestmark = pytest.mark.asyncio

PLAN = Plan(calls=1_500, keys=40, days=40, seed=3)


@pytest_asyncio.fixture
async def house(tmp_path: Path, engine: Engine) -> AsyncIterator[House]:
    async with a_house(tmp_path, FakeClock(), engine) as opened:
        yield opened


async def fill(house: House, plan: Plan = PLAN) -> None:
    await seed(house.database, plan, NOON, lambda _written, _whole: None)


async def test_the_books_agree_with_what_was_filled_in_and_every_charge_is_explained(house: House) -> None:
    await fill(house)
    report = await house.database.read(audit)
    assert report.disagreements == ()
    assert report.totals.calls > PLAN.calls * 0.9
    assert report.totals.periods > 40

    def look(connection: Connection) -> None:
        for call_id in connection.execute(select(calls.c.id).order_by(calls.c.id).limit(60)).scalars():
            found = explained(connection, "org-1", call_id).charge
            assert found.outcome in {Outcome.EXACT, Outcome.RELEASED, Outcome.RESERVED}
        over = select(func.count()).where(limit_periods.c.settled > limit_periods.c.peak)
        assert connection.execute(over).scalar_one() == 0

    await house.database.read(look)


async def test_its_rollups_are_those_that_the_ledger_writes(tmp_path: Path) -> None:
    async with a_house(tmp_path, FakeClock()) as house:
        await fill(house)
        before = await house.rows("usage_hour"), await house.rows("usage_minute")
        sql = load_statements("books_sqlite.sql")

        def again(connection: Connection) -> None:
            connection.execute(delete(usage_hour))
            connection.execute(delete(usage_minute))
            everything = connection.exec_driver_sql("SELECT json_group_array(id) FROM calls").scalar_one()
            connection.exec_driver_sql(sql["roll_up_hours"], (everything,))
            connection.exec_driver_sql(sql["roll_up_minutes"], (everything,))

        await house.database.write(again)
        hours, minutes = await house.rows("usage_hour"), await house.rows("usage_minute")
        assert hours == before[0]
        since = min(row["starts_at_ms"] for row in before[1])
        assert [row for row in minutes if row["starts_at_ms"] >= since] == before[1]


async def test_one_seed_makes_one_organization_and_another_makes_another(tmp_path: Path) -> None:
    found = []
    for at, number in enumerate((3, 3, 4)):
        async with a_house(tmp_path / str(at), FakeClock()) as house:
            await fill(house, Plan(calls=300, keys=20, days=10, seed=number))
            everything = await house.everything()
            found.append({name: everything[name] for name in ("api_keys", "calls", "limits", "usage_hour")})
    assert found[0] == found[1]
    assert found[0] != found[2]


async def test_there_are_keys_of_every_status_and_calls_of_every_ending(house: House) -> None:
    await fill(house, Plan(calls=4_000, keys=120, days=20, seed=5))
    rows = await house.rows("api_keys")
    assert any(row["revoked_at_ms"] for row in rows)
    assert any(row["disabled_at_ms"] for row in rows)
    assert any(row["expires_at_ms"] and row["expires_at_ms"] < NOON for row in rows)
    assert any(row["last_used_at_ms"] is None for row in rows)
    assert len({row["key_id"] for row in await house.rows("key_secrets") if row["version"] == 2}) > 0
    assert len(await house.rows("groups")) == len({row["principal_id"] for row in await house.rows("role_assignments")})
    made = await house.rows("calls")
    assert {row["state"] for row in made} >= {"settled", "released"}
    assert {200, 429} <= {row["status"] for row in made}
    assert any(row["cached_input_tokens"] for row in made)
    assert await house.rows("refused_hour")
    assert max(row["created_at_ms"] for row in made) > NOON - 3_600_000
    assert all(row["created_at_ms"] <= row["closed_at_ms"] <= NOON for row in made)


async def test_nobody_calls_with_a_secret_that_is_not_there_yet_or_has_ended(house: House) -> None:
    await fill(house, Plan(calls=4_000, keys=120, days=20, seed=5))
    secrets = {(row["key_id"], row["version"]): row for row in await house.rows("key_secrets")}
    used = {(row["key_id"], row["secret_version"]) for row in await house.rows("calls")}
    assert {version for _, version in used} == {1, 2}
    for row in await house.rows("calls"):
        secret = secrets[row["key_id"], row["secret_version"]]
        assert secret["created_at_ms"] <= row["created_at_ms"] < (secret["ends_at_ms"] or NOON)


async def test_a_database_with_a_call_is_left_as_it_is(house: House) -> None:
    await fill(house, Plan(calls=5, keys=4, days=1))
    before = await house.everything()
    with pytest.raises(Refusal) as refused:
        await fill(house)
    assert refused.value.code is Code.CONFLICT
    assert await house.everything() == before


async def test_keys_and_calls_can_be_had_without_any_limit(house: House) -> None:
    before = len(await house.rows("api_keys"))
    await fill(house, Plan(calls=0, keys=30, with_limits=False))
    assert (len(await house.rows("api_keys")) - before, len(await house.rows("calls"))) == (30, 0)
    assert await house.rows("limits") == []


async def test_the_ledger_goes_on_counting_behind_what_was_filled_in(house: House) -> None:
    await fill(house, Plan(calls=50, keys=4, days=1))

    def another_period(connection: Connection) -> int:
        limit_id = connection.execute(select(limits.c.id).limit(1)).scalar_one()
        row = insert(limit_periods).values(limit_id=limit_id, period="later", starts_at_ms=0, ends_at_ms=1)
        return int(connection.execute(row.returning(limit_periods.c.id)).scalar_one())

    assert await house.database.write(another_period) == len(await house.rows("limit_periods"))


async def test_no_statement_writes_so_many_rows_that_it_might_be_broken_off(house: House) -> None:
    ran = statements_of(house.database)
    columns = ("id", "kind", "organization_id", "owner_id", "name", "permissions", "created_at_ms", "created_by")
    rows = [(f"key_m{one}", "user", "org-1", "user-1", "many", "[]", NOON, "user-1") for one in range(10_001)]
    await house.database.write(lambda c: bulk.insert_rows(c, "api_keys", columns, rows))
    await house.database.write(lambda c: bulk.update_last_used(c, {row[0]: NOON for row in rows}))
    assert sum("INSERT INTO api_keys" in one for one in ran) == 3
    assert sum("UPDATE api_keys" in one for one in ran) == 3
    assert sum(row["last_used_at_ms"] == NOON for row in await house.rows("api_keys")) == 10_001
