"""The page of keys that deserve a second look."""

import pytest
from sqlalchemy import Connection, update

from console.given_console import Console
from keyhouse.store import schema

pytestmark = pytest.mark.asyncio


async def test_the_first_habit_that_a_key_has_is_shown(at_home: Console) -> None:
    key_id, secret = await at_home.create("loose", expires="never")
    page = await at_home.page("/hygiene")
    assert "among 1 living key." in page
    assert f'href="/api-keys/{key_id}"' in page
    assert "Give each a budget." in page
    assert secret not in page
    page = await at_home.page("/hygiene?show=owner_gone")
    assert "Every key belongs to somebody who is here." in page
    assert f'href="/api-keys/{key_id}"' not in page


async def test_a_tidy_house_says_so(at_home: Console) -> None:
    await at_home.create("tidy", budget="5", budget_window="month")
    page = await at_home.page("/hygiene")
    assert "Every key belongs to somebody who is here." in page
    month_ago = update(schema.keys).values(created_at_ms=at_home.clock.now_ms() - 31 * 86_400_000)

    def age(connection: Connection) -> None:
        connection.execute(month_ago)

    await at_home.database.write(age)
    page = await at_home.page("/hygiene?show=unused_30")
    assert ">tidy</a>" in page


async def test_a_strange_address_shows_the_usual_page(at_home: Console) -> None:
    for query in ("show=x", "page=0", "page=x", "show=no_limit&page=99999999999"):
        answer = await at_home.browser.get(f"/hygiene?{query}")
        assert answer.status_code == 200, query


async def test_fifty_keys_stand_on_a_page(at_home: Console) -> None:
    for number in range(51):
        await at_home.create(f"key {number:02}")
    page = await at_home.page("/hygiene?show=no_limit")
    assert "of 51 keys, longest unused first" in page
    assert 'href="/hygiene?show=no_limit&amp;page=2"' in page
    assert 'rel="prev"' in await at_home.page("/hygiene?show=no_limit&page=2")
