"""Making admin keys: no longer than a year, and by command for who may make one, with an entry that says whose."""

from collections.abc import Callable
from typing import TypeVar

import msgspec
import pytest
from sqlalchemy import update

from control.test_people import bob_joins, death_of
from given_control import House, refused
from keyhouse.control.admin_keys import AdminKeys
from keyhouse.control.new_admin_keys import LIFE_SECONDS_MAX, ByCommand
from keyhouse.core.errors import Code
from keyhouse.store import schema
from keyhouse.store.engine import Actor, Change, Connection

pytestmark = pytest.mark.asyncio

T = TypeVar("T")
EMAIL = "user-1@example.com"


def by_command(house: House) -> ByCommand:
    return ByCommand(house.database, house.clock, house.entropy, house.pepper)


async def admin_keys(house: House) -> list[str]:
    return [row["name"] for row in await house.rows("api_keys") if row["kind"] == "admin"]


class Demoting:
    """The house's database, on which an owner becomes a member in the moment before each change."""

    def __init__(self, house: House) -> None:
        self.house = house

    async def read(self, question: Callable[[Connection], T]) -> T:
        return await self.house.database.read(question)

    async def change(self, actor: Actor, step: Callable[[Change], T]) -> T:
        await self.house.execute(update(schema.memberships).values(role="member"))
        return await self.house.database.change(actor, step)


async def test_whoever_runs_keyhouse_makes_one_for_an_owner_and_the_audit_log_says_whose(house: House) -> None:
    issued, owner = await by_command(house).create(f" {EMAIL.upper()} ", " terraform ", house.clock.now_ms() + 1000)
    assert (owner.user_id, issued.key.owner_id, issued.key.name) == ("user-1", "user-1", "terraform")
    actor = await AdminKeys(house.database, house.clock, house.pepper).authenticate([f"Bearer {issued.value}"], "")
    assert (actor.user_id, actor.organization_id, actor.role, actor.key_id) == (
        *("user-1", "org-1", "owner"),
        issued.key.id,
    )
    (entry,) = await house.rows("audit_events")
    assert (entry["event"], entry["resource_id"]) == ("admin_api_key.created", issued.key.id)
    assert (entry["actor_type"], entry["actor_email"], entry["organization_id"]) == ("system", "", "org-1")
    assert msgspec.json.decode(entry["details"]) == {
        "name": "terraform",
        "expires_at_ms": house.clock.now_ms() + 1000,
        "owner": EMAIL,
    }
    house.clock.turn(seconds=1)
    assert await death_of(house, issued.value) is Code.KEY_EXPIRED


async def test_nobody_gets_one_by_command_who_may_not_make_one(house: House) -> None:
    await bob_joins(house, "reader")
    before = await house.everything()
    missing = await refused(by_command(house).create("nobody@example.com", "x", None), Code.NOT_FOUND)
    assert "Nobody signs in as nobody@example.com" in missing.text
    lacking = await refused(by_command(house).create("bob@example.com", "x", None), Code.NOT_PERMITTED)
    assert "api.organization.admin_api_keys.write" in lacking.text
    assert EMAIL in lacking.text
    await refused(by_command(house).create("no address", "x", None), Code.PARAMETER_INVALID)
    await refused(by_command(house).create(EMAIL, " ", None), Code.PARAMETER_INVALID)
    assert await house.everything() == before


async def test_a_role_that_is_taken_away_meanwhile_counts(house: House) -> None:
    database: object = Demoting(house)
    made = ByCommand(database, house.clock, house.entropy, house.pepper)  # type: ignore[arg-type]
    await refused(made.create(EMAIL, "x", None), Code.NOT_PERMITTED)
    assert await admin_keys(house) == []


async def test_an_admin_key_lives_for_a_year_at_most_whoever_makes_it(house: House) -> None:
    last_ms = house.clock.now_ms() + LIFE_SECONDS_MAX * 1000
    for make in (
        lambda at_ms: house.keys.create_admin(house.owner, "x", at_ms),
        lambda at_ms: by_command(house).create(EMAIL, "x", at_ms),
    ):
        refusal = await refused(make(last_ms + 1), Code.PARAMETER_INVALID)
        assert refusal.param == "expires_at"
        await refused(make(house.clock.now_ms()), Code.PARAMETER_INVALID)
        await make(last_ms)
    assert await admin_keys(house) == ["x", "x"]
