"""People as rows."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy import insert, update
from sqlalchemy.exc import IntegrityError

from given import FakeClock
from given_control import House, a_house, refused
from given_engine import Engine
from keyhouse.core.errors import Code
from keyhouse.store import people as rows
from keyhouse.store import projects, schema

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture
async def house(tmp_path: Path, engine: Engine) -> AsyncIterator[House]:
    async with a_house(tmp_path, FakeClock(), engine) as made:
        yield made


async def test_a_member_is_found_in_its_organization_only(house: House) -> None:
    member = await house.database.read(lambda c: rows.find_member(c, "org-1", "user-1"))
    assert member is not None
    assert (member.email, member.role, member.gone_at_ms) == ("user-1@example.com", "owner", None)
    assert await house.database.read(lambda c: rows.find_member(c, "org-2", "user-1")) is None


async def test_a_removed_member_is_found_as_gone_and_not_listed(house: House) -> None:
    assert len(await house.database.read(lambda c: rows.list_members(c, "org-1"))) == 1
    await house.execute(update(schema.memberships).values(removed_at_ms=5))
    member = await house.database.read(lambda c: rows.find_member(c, "org-1", "user-1"))
    assert member is not None
    assert member.gone_at_ms == 5
    assert await house.database.read(lambda c: rows.list_members(c, "org-1")) == ()


async def test_who_is_in_two_organizations_signs_in_to_the_one_joined_first(house: House) -> None:
    await house.execute(
        insert(schema.memberships).values(organization_id="org-2", user_id="user-1", role="reader", added_at_ms=0)
    )
    found = await house.database.read(lambda c: rows.find_sign_in(c, "user-1@example.com"))
    assert found is not None
    assert (found.member.organization_id, found.member.role) == ("org-2", "reader")
    removal = update(schema.memberships).where(schema.memberships.c.organization_id == "org-2")
    await house.execute(removal.values(removed_at_ms=1))
    found = await house.database.read(lambda c: rows.find_sign_in(c, "user-1@example.com"))
    assert found is not None
    assert found.member.organization_id == "org-1"


async def test_a_password_hash_is_not_shown(house: House) -> None:
    await house.database.write(lambda c: rows.update_password_hash(c, "user-1", "$argon2id$hash"))
    found = await house.database.read(lambda c: rows.find_sign_in(c, "user-1@example.com"))
    assert found is not None
    assert found.password_hash == "$argon2id$hash"
    assert "argon2id" not in repr(found) + str(found)


async def test_an_address_belongs_to_one_user(house: House) -> None:
    member = rows.Member("user-9", "org-1", "user-1@example.com", "", "owner", 0, None)
    with pytest.raises(IntegrityError):
        await house.database.write(lambda c: rows.insert_member(c, member, None))


async def test_names_are_told_within_one_organization_and_fall_back_to_the_address(house: House) -> None:
    await house.execute(update(schema.users).values(name=""))
    ids = ["user-1", "user-2", "user-9"]
    assert await house.database.read(lambda c: rows.list_names(c, "org-1", ids)) == {"user-1": "user-1@example.com"}


async def test_an_unknown_organization_is_missing(house: House) -> None:
    await refused(house.database.read(lambda c: rows.get_organization(c, "org-9")), Code.NOT_FOUND)


async def test_projects_are_listed_within_one_organization_without_archived_ones(house: House) -> None:
    new = await house.projects.create(house.owner, "Search")
    await house.projects.archive(house.owner, "proj_1")

    async def listed(*, include_archived: bool) -> list[str]:
        found = await house.database.read(
            lambda c: projects.list_projects(c, "org-1", include_archived=include_archived)
        )
        return [project.id for project in found]

    assert await listed(include_archived=False) == [new.id]
    assert sorted(await listed(include_archived=True)) == sorted(["proj_1", new.id])
    names = await house.database.read(lambda c: projects.list_names(c, "org-1", ["proj_1", "proj_2"]))
    assert names == {"proj_1": "Main"}
