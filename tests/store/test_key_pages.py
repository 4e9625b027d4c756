"""One page of keys: found, filtered, sorted and counted."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import update

from given import FakeClock
from given_control import House, a_house, refused
from given_engine import Engine, statements_of
from keyhouse.core.errors import Code
from keyhouse.core.permissions import CHAT_ONLY, Access, Permissions, Resource
from keyhouse.core.secret import Kind
from keyhouse.store import schema
from keyhouse.store.key_pages import STATUSES, KeySelection, list_page

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture
async def house(tmp_path: Path, engine: Engine) -> AsyncIterator[House]:
    async with a_house(tmp_path, FakeClock(), engine) as made:
        await made.keys.revoke(made.owner, "key_1")
        yield made


async def shown(house: House, organization_id: str = "org-1", **fields: Any) -> list[str]:
    """The names on a page."""
    page = await house.database.read(
        lambda c: list_page(c, organization_id, KeySelection(**fields), house.clock.now_ms())
    )
    assert page.total >= len(page.keys)
    return [key.name for key in page.keys]


async def a_key(house: House, name: str, **fields: Any) -> str:
    house.clock.turn(ms=1)
    return (await house.keys.create(house.owner, house.draft(name=name, **fields))).key.id


async def test_each_status_shows_its_keys(house: House) -> None:
    soon_ms = house.clock.now_ms() + 1_000
    await a_key(house, "active")
    await house.keys.disable(house.owner, await a_key(house, "disabled"))
    await a_key(house, "expired", expires_at_ms=soon_ms)
    await house.keys.disable(house.owner, await a_key(house, "expired and disabled", expires_at_ms=soon_ms))
    rotating = await a_key(house, "rotating")
    await house.keys.rotate(house.owner, await a_key(house, "rotated"), 0)
    house.clock.turn(ms=1_000)
    await house.keys.rotate(house.owner, rotating, 1_000)
    expected = {
        "active": ["active", "rotated", "rotating"],
        "disabled": ["disabled"],
        "expired": ["expired", "expired and disabled"],
        "revoked": ["first"],
        "rotating": ["rotating"],
        "live": ["active", "disabled", "expired", "expired and disabled", "rotated", "rotating"],
        "all": ["active", "disabled", "expired", "expired and disabled", "first", "rotated", "rotating"],
    }
    assert set(expected) == set(STATUSES)
    for status, names in expected.items():
        assert await shown(house, status=status, sort="name") == names
    house.clock.turn(ms=1_000)
    assert await shown(house, status="rotating") == []


async def test_a_key_is_found_by_name_owner_id_last_four_and_pasted_secret(house: House) -> None:
    issued = await house.keys.create(house.owner, house.draft(name="Search bot"))
    await a_key(house, "other")
    key, secret = issued.key, issued.value
    for search in ("search", " BOT ", key.id, key.current.last_four, f"sk-kh_abcd...{key.current.last_four}", secret):
        assert await shown(house, search=search) == ["Search bot"]
    for search in ("ada", "USER-1@"):
        assert sorted(await shown(house, search=search)) == ["Search bot", "other"]
    assert await shown(house, search="nothing like it") == []


async def test_a_pasted_secret_is_never_sent_to_the_database(house: House) -> None:
    issued = await house.keys.create(house.owner, house.draft())
    sent = statements_of(house.database)
    await shown(house, search=issued.value)
    assert sent
    assert issued.value[-20:] not in "".join(sent)


async def test_wildcards_in_a_search_are_plain_characters(house: House) -> None:
    await a_key(house, "100% sure")
    await a_key(house, "snake_case")
    await a_key(house, "a/b\\c")
    assert await shown(house, search="%") == ["100% sure"]
    assert await shown(house, search="_") == ["snake_case"]
    assert await shown(house, search="/b\\") == ["a/b\\c"]
    assert await shown(house, search="s%e") == []
    assert await shown(house, search="' OR 1=1 --") == []


async def test_a_long_search_is_cut(house: House) -> None:
    await a_key(house, "x" * 100)
    assert await shown(house, search="x" * 100_000) == ["x" * 100]


async def test_the_order_is_the_one_asked_for_and_unused_keys_come_last(house: House) -> None:
    for name, used_at_ms in (("b", 20), ("A", None), ("c", 10)):
        key_id = await a_key(house, name)
        await house.execute(update(schema.keys).where(schema.keys.c.id == key_id).values(last_used_at_ms=used_at_ms))
    expected = {
        "name": ["A", "b", "c"],
        "-name": ["c", "b", "A"],
        "created": ["c", "A", "b"],
        "-created": ["b", "A", "c"],
        "last_used": ["b", "c", "A"],
        "-last_used": ["c", "b", "A"],
    }
    for sort, names in expected.items():
        assert await shown(house, sort=sort) == names


async def test_pages_follow_one_another_and_the_total_counts_all(house: House) -> None:
    for place in range(5):
        await a_key(house, f"k{place}")
    pages = [await shown(house, sort="name", offset=offset, limit=2) for offset in (0, 2, 4, 6)]
    assert pages == [["k0", "k1"], ["k2", "k3"], ["k4"], []]
    page = await house.database.read(lambda c: list_page(c, "org-1", KeySelection(limit=2), house.clock.now_ms()))
    assert (page.total, page.is_more) == (5, False)


async def test_a_page_holds_one_organizations_project_keys_only(house: House) -> None:
    await a_key(house, "mine")
    await house.keys.create_admin(house.owner, "terraform", None)
    assert await shown(house, status="live") == ["mine"]
    assert await shown(house, "org-2", status="all") == ["first"]
    assert await shown(house, project_id="proj_2", status="all") == []
    assert await shown(house, project_id="proj_1") == ["mine"]


async def test_an_unknown_status_or_sort_is_refused(house: House) -> None:
    assert (await refused(shown(house, status="lively"), Code.PARAMETER_INVALID)).param == "status"
    assert (await refused(shown(house, sort="digest"), Code.PARAMETER_INVALID)).param == "sort"
    assert (await refused(shown(house, sort="--name"), Code.PARAMETER_INVALID)).param == "sort"


async def test_keys_are_found_by_owner_kind_and_permissions(house: House) -> None:
    bot = (await house.accounts.create(house.owner, "proj_1", "bot")).account
    await a_key(house, "chat", permissions=CHAT_ONLY)
    await a_key(house, "files", permissions=Permissions("restricted", {Resource.FILES: Access.READ}))
    await a_key(house, "any")
    assert await shown(house, owner_id=bot.id) == ["Secret Key"]
    assert await shown(house, owner_id="user-1", sort="name") == ["any", "chat", "files"]
    assert await shown(house, kind=Kind.SERVICE_ACCOUNT) == ["Secret Key"]
    assert await shown(house, kind=Kind.USER, sort="name") == ["any", "chat", "files"]
    assert await shown(house, permissions="chat_only") == ["chat"]
    assert await shown(house, permissions="restricted") == ["files"]
    assert await shown(house, permissions="all", kind=Kind.USER) == ["any"]
    assert await shown(house, permissions="all", owner_id="nobody") == []
