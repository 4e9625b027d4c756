"""The page of keys that deserve a second look."""

import pytest
from sqlalchemy import Connection, update

from console.given_console import Console
from given_calls import a_call
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


async def test_keys_called_from_a_new_network_are_looked_for_when_asked(at_home: Console) -> None:
    key_id, _ = await at_home.create("moved")
    session = await at_home.desk.sessions.find(at_home.browser.cookies["keyhouse"])
    assert session is not None
    assert "looked up when opened" in await at_home.page("/hygiene")
    page = await at_home.page("/hygiene?show=new_network")
    assert "None of these keys was called from a new network" in page
    assert "Looked through 0 keys used in the last 7 days" in page
    now_ms = at_home.clock.now_ms()

    def call(connection: Connection) -> None:
        for days_ago, address in ((9, "192.0.2.1"), (1, "203.0.113.7")):
            a_call(
                connection,
                now_ms - days_ago * 86_400_000,
                key_id=key_id,
                organization_id=session.organization_id,
                address=address,
            )
        connection.execute(update(schema.keys).values(last_used_at_ms=now_ms))

    await at_home.database.write(call)
    page = await at_home.page("/hygiene?show=new_network")
    for words in ("203.0.113.0/24", ">moved</a>", "among 1 key", "New networks"):
        assert words in page, words
    assert "192.0.2.0/24" not in page
