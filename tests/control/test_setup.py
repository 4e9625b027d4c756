"""The set-up: once, by whoever holds the link."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import select

from given import FakeClock, quick_passwords, seeded_entropy
from given_control import refused
from given_engine import Engine
from keyhouse.control.admin_keys import AdminKeys
from keyhouse.control.setup import LINK_LIFETIME_MS, Setup
from keyhouse.core.errors import Code
from keyhouse.store import schema
from keyhouse.store.engine import Database

pytestmark = pytest.mark.asyncio

PEPPER = b"p" * 32
PASSWORD = "tracks lemon fjord"
FORM: dict[str, Any] = {
    "organization": "Acme",
    "email": " Ada@Example.com",
    "password": PASSWORD,
    "time_zone": "Europe/Berlin",
}


@pytest_asyncio.fixture
async def database(tmp_path: Path, clock: FakeClock, engine: Engine) -> AsyncIterator[Database]:
    made = engine.open(tmp_path, clock)
    yield made
    await made.close()


@pytest.fixture
def setup(database: Database, clock: FakeClock) -> Setup:
    return Setup(database, clock, seeded_entropy(3), quick_passwords(), PEPPER)


async def rows(database: Database, name: str) -> list[dict[str, Any]]:
    table = schema.METADATA.tables[name]
    return await database.read(lambda c: [dict(row) for row in c.execute(select(table)).mappings()])


async def test_it_makes_an_organization_an_owner_and_a_default_project(setup: Setup, database: Database) -> None:
    assert not await setup.is_done()
    made = await setup.establish(**FORM, name="Ada")
    assert await setup.is_done()
    assert made.admin_key is None
    (organization,) = await rows(database, "organizations")
    assert (organization["id"], organization["name"]) == (made.organization_id, "Acme")
    assert organization["time_zone"] == "Europe/Berlin"
    (project,) = await rows(database, "projects")
    assert (project["id"], project["name"], project["is_default"]) == (made.project_id, "Default project", 1)
    (user,) = await rows(database, "users")
    assert (user["id"], user["email"], user["name"]) == (made.user_id, "ada@example.com", "Ada")
    assert user["password_hash"].startswith("$argon2id$")
    (membership,) = await rows(database, "memberships")
    assert (membership["user_id"], membership["role"]) == (made.user_id, "owner")
    events = [row["event"] for row in await rows(database, "audit_events")]
    assert events == ["organization.created", "project.created"]


async def test_the_admin_key_it_makes_is_the_owners(setup: Setup, database: Database, clock: FakeClock) -> None:
    made = await setup.establish(**FORM, with_admin_key=True)
    assert made.admin_key is not None
    assert made.admin_key not in repr(made)
    actor = await AdminKeys(database, clock, PEPPER).authenticate([f"Bearer {made.admin_key}"], "192.0.2.1")
    assert (actor.organization_id, actor.user_id, actor.role) == (made.organization_id, made.user_id, "owner")
    assert (await rows(database, "audit_events"))[-1]["event"] == "admin_api_key.created"


async def test_the_password_and_the_token_are_in_no_table(setup: Setup, database: Database) -> None:
    token = setup.new_link_token()
    await setup.complete(token, **FORM)
    for name in schema.METADATA.tables:
        for row in await rows(database, name):
            for cell in row.values():
                seen = cell if isinstance(cell, bytes) else str(cell).encode()
                assert PASSWORD.encode() not in seen
                assert token.encode() not in seen


async def test_a_second_set_up_is_refused(setup: Setup, database: Database, clock: FakeClock) -> None:
    await setup.establish(**FORM)
    await refused(setup.establish(**FORM | {"email": "eve@example.com"}), Code.SETUP_DONE)
    another = Setup(database, clock, seeded_entropy(4), quick_passwords(), PEPPER)
    await refused(another.establish(**FORM | {"email": "eve@example.com"}), Code.SETUP_DONE)
    await refused(another.complete(another.new_link_token(), **FORM), Code.SETUP_DONE)
    assert len(await rows(database, "users")) == 1


async def test_of_two_set_ups_at_once_one_wins(setup: Setup, database: Database) -> None:
    results = await asyncio.gather(
        setup.establish(**FORM),
        setup.establish(**FORM | {"email": "eve@example.com", "organization": "Evil"}),
        return_exceptions=True,
    )
    refusals = [result for result in results if isinstance(result, BaseException)]
    assert [getattr(refusal, "code", None) for refusal in refusals] == [Code.SETUP_DONE]
    for name in ("organizations", "users", "memberships", "projects"):
        assert len(await rows(database, name)) == 1


async def test_the_link_is_good_for_fifteen_minutes(setup: Setup, clock: FakeClock) -> None:
    token = setup.new_link_token()
    ends_at_ms = clock.now_ms() + LINK_LIFETIME_MS
    clock.turn(ms=LINK_LIFETIME_MS - 1)
    assert setup.link_expires_at_ms(token) == ends_at_ms
    clock.turn(ms=1)
    await refused(setup.complete(token, **FORM), Code.SETUP_LINK_INVALID)
    assert not await setup.is_done()


async def test_a_new_link_ends_the_one_before(setup: Setup) -> None:
    first, second = setup.new_link_token(), setup.new_link_token()
    await refused(setup.complete(first, **FORM), Code.SETUP_LINK_INVALID)
    await setup.complete(second, **FORM)


@pytest.mark.parametrize("token", ["", "guess", "ä", "\ud800"])
async def test_a_guessed_token_is_refused(setup: Setup, token: str) -> None:
    await refused(setup.complete(token, **FORM), Code.SETUP_LINK_INVALID)
    setup.new_link_token()
    await refused(setup.complete(token, **FORM), Code.SETUP_LINK_INVALID)
    assert not await setup.is_done()


BAD = {
    "organization": "",
    "email": "ada",
    "password": "short",
    "time_zone": "Mars/Base",
    "name": "x" * 101,
}


@pytest.mark.parametrize("field", BAD)
async def test_a_bad_field_is_named_and_does_not_use_up_the_link(setup: Setup, field: str) -> None:
    token = setup.new_link_token()
    refusal = await refused(setup.complete(token, **FORM | {field: BAD[field]}), Code.PARAMETER_INVALID)
    assert refusal.param == field
    await setup.complete(token, **FORM)


async def test_the_link_works_once(setup: Setup) -> None:
    token = setup.new_link_token()
    await setup.complete(token, **FORM)
    await refused(setup.complete(token, **FORM), Code.SETUP_LINK_INVALID)


async def test_a_password_made_of_the_organizations_name_is_refused(setup: Setup) -> None:
    form = FORM | {"organization": "Lighthouse Labs", "password": "lighthouselabs1"}
    assert (await refused(setup.establish(**form), Code.PARAMETER_INVALID)).param == "password"
