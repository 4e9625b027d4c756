"""Lists of keys behind a mark: each key once, whatever is filtered out on the way."""

import pytest
from sqlalchemy import insert, update

from given import NOON
from given_control import House, refused
from given_engine import statements_of
from keyhouse.core.errors import Code
from keyhouse.reporting import listings
from keyhouse.reporting.listings import Access, Listings
from keyhouse.store import schema


async def walk(questions: Listings, limit: int, access: Access) -> list[str]:
    """All keys of `proj_1`, page by page."""
    seen: list[str] = []
    after: str | None = None
    while True:
        page = await questions.of_project("org-1", "proj_1", after=after, limit=limit, access=access)
        assert len(page.rows) == limit or not page.has_more
        seen += [row.key.id for row in page.rows]
        if not page.has_more:
            return seen
        after = seen[-1]


@pytest.mark.asyncio
async def test_a_filter_loses_no_key_and_repeats_none_across_chunks(house: House) -> None:
    """More keys than are read at once, most of them of an owner who is gone."""
    await house.execute(
        insert(schema.users).values(id="user-gone", email="gone@example.com", name="Gone", created_at_ms=NOON)
    )
    await house.execute(
        insert(schema.memberships).values(
            organization_id="org-1", user_id="user-gone", role="member", added_at_ms=NOON, removed_at_ms=NOON
        )
    )
    made = [(await house.keys.create(house.owner, house.draft())).key.id for _ in range(listings.CHUNK * 2 + 5)]
    gone = [key_id for place, key_id in enumerate(made) if place % 50]
    await house.execute(update(schema.keys).where(schema.keys.c.id.in_(gone)).values(owner_id="user-gone"))
    here = [key_id for key_id in made if key_id not in gone] + ["key_1"]
    questions = Listings(house.database, house.clock)
    for limit in (1, 3, 100):
        assert sorted(await walk(questions, limit, "active")) == sorted(here)
    for limit in (7, 100):
        assert sorted(await walk(questions, limit, "inactive")) == sorted(gone)
        assert sorted(await walk(questions, limit, "any")) == sorted([*made, "key_1"])


@pytest.mark.asyncio
async def test_owners_are_looked_up_together_however_many_they_are(house: House) -> None:
    for number in range(5):
        await house.accounts.create(house.owner, "proj_1", f"bot {number}")
    sent = statements_of(house.database)
    page = await Listings(house.database, house.clock).of_project("org-1", "proj_1", after=None, limit=9)
    names = [one.name for row in page.rows if (one := row.owner or row.account) is not None]
    assert sorted(names) == ["Ada", *(f"bot {number}" for number in range(5))]
    assert len([one for one in sent if "FROM service_accounts" in one]) == 1
    assert len([one for one in sent if "FROM users" in one]) == 1


@pytest.mark.asyncio
async def test_another_organizations_project_and_keys_read_as_missing(house: House) -> None:
    questions = Listings(house.database, house.clock)
    await refused(questions.of_project("org-2", "proj_1", after=None, limit=9), Code.NOT_FOUND)
    await refused(questions.one("org-2", "key_1", project_id="proj_1"), Code.NOT_FOUND)
    await refused(questions.one("org-1", "key_2", project_id="proj_1"), Code.NOT_FOUND)
    admin = (await house.keys.create_admin(house.owner, "operator", None)).key
    await refused(questions.one_admin("org-2", admin.id), Code.NOT_FOUND)
    await refused(questions.one("org-1", admin.id, project_id="proj_1"), Code.NOT_FOUND)
    page = await questions.of_organization("org-2", after=None, limit=9, newest_first=True)
    assert page.rows == ()
