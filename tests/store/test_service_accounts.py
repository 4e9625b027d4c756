"""Service accounts as rows."""

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio
from sqlalchemy import Connection

from given import NOON, FakeClock
from given_control import House, a_house, refused
from keyhouse.core.errors import Code
from keyhouse.store import service_accounts as rows
from keyhouse.store.service_accounts import ServiceAccount

pytestmark = pytest.mark.asyncio

BOT = ServiceAccount("svc_acct_1", "org-1", "proj_1", "deploy bot", "member", NOON)


@pytest_asyncio.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with a_house(tmp_path, FakeClock()) as made:
        await made.database.write(lambda c: rows.insert_service_account(c, BOT))
        yield made


async def test_one_comes_back_as_it_was_written_in_its_organization_and_project_only(house: House) -> None:
    async def got(organization_id: str, project_id: str | None) -> ServiceAccount:
        return await house.database.read(
            lambda c: rows.get_service_account(c, organization_id, BOT.id, project_id=project_id)
        )

    for project_id in (None, "proj_1"):
        assert await got("org-1", project_id) == BOT
    for organization_id, project_id in (("org-2", None), ("org-2", "proj_1"), ("org-1", "proj_2")):
        await refused(got(organization_id, project_id), Code.NOT_FOUND)


async def test_a_deleted_one_reads_as_missing_and_is_still_found_by_who_asks_for_it(house: House) -> None:
    gone = msgspec.structs.replace(BOT, deleted_at_ms=NOON + 1)
    await house.database.write(lambda c: rows.update_service_account(c, gone))
    await refused(house.database.read(lambda c: rows.get_service_account(c, "org-1", BOT.id)), Code.NOT_FOUND)
    assert await house.database.read(lambda c: rows.find_service_account(c, "org-1", BOT.id)) == gone
    assert await house.database.read(lambda c: rows.list_service_accounts(c, "org-1", "proj_1")) == ()
    assert await house.database.read(lambda c: rows.list_names(c, "org-1", [BOT.id])) == {BOT.id: BOT.name}


async def test_they_are_listed_oldest_first_within_their_project(house: House) -> None:
    def more(connection: Connection) -> None:
        for number in (3, 2):
            other = msgspec.structs.replace(BOT, id=f"svc_acct_{number}", created_at_ms=NOON + number)
            rows.insert_service_account(connection, other)
        theirs = msgspec.structs.replace(BOT, id="svc_acct_9", organization_id="org-2", project_id="proj_2")
        rows.insert_service_account(connection, theirs)

    await house.database.write(more)
    found = await house.database.read(lambda c: rows.list_service_accounts(c, "org-1", "proj_1"))
    assert [account.id for account in found] == ["svc_acct_1", "svc_acct_2", "svc_acct_3"]
    assert await house.database.read(lambda c: rows.list_service_accounts(c, "org-2", "proj_1")) == ()
    assert await house.database.read(lambda c: rows.list_names(c, "org-1", ["svc_acct_9"])) == {}


async def test_an_update_leaves_its_place_and_its_birth_alone(house: House) -> None:
    forged = ServiceAccount(BOT.id, "org-2", "proj_2", "new", "owner", 5)
    await house.database.write(lambda c: rows.update_service_account(c, forged))
    found = await house.database.read(lambda c: rows.find_service_account(c, "org-1", BOT.id))
    assert found == msgspec.structs.replace(BOT, name="new", role="owner")
