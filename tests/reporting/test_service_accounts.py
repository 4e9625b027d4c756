"""Service accounts are asked for within their organization and project."""

import pytest

from given_control import House, refused
from keyhouse.core.errors import Code
from keyhouse.reporting.keys import KeyQuery, KeyQuestions
from keyhouse.reporting.listings import Listings
from keyhouse.reporting.names import Names
from keyhouse.reporting.service_accounts import ServiceAccountQuestions

pytestmark = pytest.mark.asyncio


async def test_a_projects_accounts_are_listed_and_found_until_they_are_deleted(house: House) -> None:
    questions = ServiceAccountQuestions(house.database)
    made = (await house.accounts.create(house.owner, "proj_1", "bot")).account
    assert await questions.list("org-1", "proj_1") == (made,)
    assert await questions.one("org-1", "proj_1", made.id) == made
    await house.accounts.delete(house.owner, "proj_1", made.id)
    assert await questions.list("org-1", "proj_1") == ()
    await refused(questions.one("org-1", "proj_1", made.id), Code.NOT_FOUND)


async def test_another_organizations_project_and_accounts_read_as_missing(house: House) -> None:
    questions = ServiceAccountQuestions(house.database)
    made = (await house.accounts.create(house.owner, "proj_1", "bot")).account
    await refused(questions.list("org-2", "proj_1"), Code.NOT_FOUND)
    await refused(questions.list("org-1", "proj_2"), Code.NOT_FOUND)
    await refused(questions.one("org-2", "proj_1", made.id), Code.NOT_FOUND)
    await refused(questions.one("org-2", "proj_2", made.id), Code.NOT_FOUND)


async def test_its_keys_are_shown_searched_and_named_by_it(house: House) -> None:
    made = await house.accounts.create(house.owner, "proj_1", "deploy bot")
    assert made.issued is not None
    page = await KeyQuestions(house.database, house.clock).page("org-1", KeyQuery(search="deploy"))
    assert [(row.key.id, row.owner_name, row.creator_name) for row in page.rows] == [
        (made.issued.key.id, "deploy bot", "Ada")
    ]
    names = Names(house.database)
    assert await names.names("org-1", [made.account.id]) == {made.account.id: "deploy bot"}
    assert await names.names("org-2", [made.account.id]) == {}
    assert (await KeyQuestions(house.database, house.clock).page("org-2", KeyQuery(search="deploy"))).rows == ()


async def test_a_deleted_accounts_keys_have_an_owner_without_access(house: House) -> None:
    made = await house.accounts.create(house.owner, "proj_1", "bot")
    assert made.issued is not None
    listings = Listings(house.database, house.clock)
    key_id = made.issued.key.id
    before = await listings.one("org-1", key_id, project_id="proj_1")
    assert (before.account, before.owner, before.is_owner_active) == (made.account, None, True)
    await house.accounts.delete(house.owner, "proj_1", made.account.id)
    after = await listings.one("org-1", key_id, project_id="proj_1", include_revoked=True)
    assert after.is_owner_active is False
