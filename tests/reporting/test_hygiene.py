"""Keys that deserve a second look, against keys that do and keys that do not."""

import pytest
from sqlalchemy import update

from given_control import House
from keyhouse.control.keys import LimitDraft
from keyhouse.core.authority import Sight
from keyhouse.core.limit import Unit, Window
from keyhouse.reporting.hygiene import Habit, Hygiene
from keyhouse.store import schema

DAY = 86_400_000


@pytest.mark.asyncio
async def test_each_habit_is_counted_and_its_keys_listed_longest_unused_first(house: House) -> None:
    # The house has a key of its own in each organization: without limit, without expiry.
    hygiene = Hygiene(house.database, house.clock)
    limits = (LimitDraft(Unit.USD, Window.MONTH, 25_000_000_000),)
    far_ms = house.clock.now_ms() + 400 * DAY
    tidy = await house.keys.create(house.owner, house.draft(name="tidy", limits=limits, expires_at_ms=far_ms))
    loose = await house.keys.create(house.owner, house.draft(name="loose"))
    revoked = await house.keys.create(house.owner, house.draft(name="revoked"))
    await house.keys.revoke(house.owner, revoked.key.id)
    house.clock.turn(days=40)
    used_at = update(schema.keys).values(last_used_at_ms=house.clock.now_ms() - DAY)
    await house.execute(used_at.where(schema.keys.c.id == tidy.key.id))
    page = await hygiene.page("org-1", Habit.NO_LIMIT, 1)
    assert page.found.total == 3
    assert page.found.counts == {
        Habit.OWNER_GONE: 0,
        Habit.NO_LIMIT: 2,
        Habit.NO_EXPIRY: 2,
        Habit.LONG_UNUSED: 0,
        Habit.UNUSED: 2,
    }
    assert {row.key.id for row in page.rows} == {"key_1", loose.key.id}
    house.clock.turn(days=60)
    page = await hygiene.page("org-1", Habit.LONG_UNUSED, 1)
    assert page.found.counts[Habit.LONG_UNUSED] == 2
    assert page.found.counts[Habit.UNUSED] == 3
    assert [row.key.id for row in (await hygiene.page("org-1", Habit.UNUSED, 1)).rows][-1] == tidy.key.id
    assert (await hygiene.page("org-1", Habit.UNUSED, 2)).rows == ()


@pytest.mark.asyncio
async def test_keys_of_people_and_service_accounts_who_left_are_found(house: House) -> None:
    hygiene = Hygiene(house.database, house.clock)
    made = await house.accounts.create(house.owner, "proj_1", "indexer")
    assert made.issued is not None
    assert (await hygiene.page("org-1", Habit.OWNER_GONE, 1)).rows == ()
    gone = update(schema.service_accounts).values(deleted_at_ms=house.clock.now_ms())
    await house.execute(gone.where(schema.service_accounts.c.id == made.account.id))
    page = await hygiene.page("org-1", Habit.OWNER_GONE, 1)
    assert [row.key.id for row in page.rows] == [made.issued.key.id]
    removed = update(schema.memberships).values(removed_at_ms=house.clock.now_ms())
    await house.execute(removed.where(schema.memberships.c.user_id == "user-1"))
    page = await hygiene.page("org-1", Habit.OWNER_GONE, 1)
    assert page.found.counts[Habit.OWNER_GONE] == page.found.total == 2
    assert (await hygiene.page("org-2", Habit.OWNER_GONE, 1)).found.counts[Habit.OWNER_GONE] == 0


@pytest.mark.asyncio
async def test_keys_out_of_sight_are_neither_counted_nor_listed(house: House) -> None:
    hygiene = Hygiene(house.database, house.clock)
    page = await hygiene.page("org-1", Habit.NO_LIMIT, 1, Sight(frozenset(), "user-9"))
    assert (page.found.total, page.rows) == (0, ())
    page = await hygiene.page("org-1", Habit.NO_LIMIT, 1, Sight(frozenset({"proj_1"}), "user-9"))
    assert [row.key.id for row in page.rows] == ["key_1"]
