"""The made-up past is told by the audit log as the real one is: what is there was made, by somebody, at that time."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from given import AUDIT_KEY, NOON, FakeClock
from given_control import House, a_house
from given_engine import Engine
from keyhouse.demo.history import ENTRIES_MAX, Rewound
from keyhouse.demo.seed import Plan, seed
from keyhouse.store.audit_chains import verify

pytestmark = pytest.mark.asyncio

PLAN = Plan(calls=50, keys=120, days=5, seed=5)


@pytest_asyncio.fixture
async def house(tmp_path: Path, engine: Engine) -> AsyncIterator[House]:
    async with a_house(tmp_path, FakeClock(), engine) as opened:
        await seed(opened.database, PLAN, NOON, lambda _written, _whole: None)
        yield opened


async def entries(house: House, event: str) -> dict[str, dict[str, Any]]:
    """The entries of an event, by what they are about."""
    return {row["resource_id"]: row for row in await house.rows("audit_events") if row["event"] == event}


async def test_the_log_is_whole_and_in_the_order_of_its_time(house: House) -> None:
    assert (await house.database.read(lambda c: verify(c, AUDIT_KEY))).findings == ()
    rows = sorted(await house.rows("audit_events"), key=lambda row: row["sequence"])
    times = [row["at_ms"] for row in rows if row["actor_type"] == "session"]
    assert times == sorted(times)
    assert times[-1] <= NOON


async def test_every_key_was_made_and_ended_by_whom_and_when_its_row_says(house: House) -> None:
    keys = {row["id"]: row for row in await house.rows("api_keys") if row["name"] and row["id"].startswith("key_")}
    made, disabled, revoked = [
        await entries(house, event) for event in ("api_key.created", "api_key.disabled", "api_key.deleted")
    ]
    told = [row for row in keys.values() if row["id"] in made]
    assert len(told) == PLAN.keys
    for row in told:
        entry = made[row["id"]]
        assert (entry["at_ms"], entry["actor_user_id"]) == (row["created_at_ms"], row["created_by"])
        assert msgspec.json.decode(entry["details"])["name"] == row["name"]
    assert {row["id"] for row in told if row["disabled_at_ms"]} == set(disabled)
    assert {row["id"] for row in told if row["revoked_at_ms"]} == set(revoked)
    rotated = await entries(house, "api_key.rotated")
    assert set(rotated) == {row["key_id"] for row in await house.rows("key_secrets") if row["version"] == 2}


async def test_colleagues_have_signed_in_and_nobody_did_after_they_left(house: House) -> None:
    left = {row["user_id"]: row["removed_at_ms"] for row in await house.rows("memberships")}
    people = [row for row in await house.rows("users") if row["email"].endswith("@meridian.example")]
    assert len(people) == 30
    for row in people:
        assert row["last_sign_in_at_ms"] <= (left[row["id"]] or NOON)
    told = await entries(house, "login.succeeded")
    assert {row["id"]: row["last_sign_in_at_ms"] for row in people} == {
        user_id: entry["at_ms"] for user_id, entry in told.items()
    }
    for row in await house.rows("audit_events"):
        gone = left.get(row["actor_user_id"])
        assert gone is None or row["at_ms"] <= gone


async def test_of_many_things_the_newest_are_told(tmp_path: Path) -> None:
    async with a_house(tmp_path, FakeClock()) as house:
        before = len(await house.rows("audit_events"))
        await seed(house.database, Plan(calls=0, keys=3_000, days=1), NOON, lambda _written, _whole: None)
        assert len(await house.rows("audit_events")) - before == ENTRIES_MAX


async def test_a_clock_is_put_back_and_goes_on() -> None:
    clock = FakeClock()
    rewound = Rewound(clock)
    rewound.back_ms = 1_000
    assert (rewound.now_ms(), rewound.monotonic_ms()) == (clock.now_ms() - 1_000, clock.monotonic_ms())
