"""Limits with the names of what they stand on, on each engine."""

import pytest

from given_control import House
from keyhouse.control.limits import LimitDraft
from keyhouse.core.authority import Sight
from keyhouse.core.limit import ScopeType, Unit, Window
from keyhouse.reporting.limit_pages import LimitPages, LimitQuery

pytestmark = pytest.mark.asyncio
SCOPES = (
    (ScopeType.KEY, "key_1"),
    (ScopeType.USER, "user-1"),
    (ScopeType.PROJECT, "proj_1"),
    (ScopeType.ORGANIZATION, "org-1"),
)


async def set_all(house: House) -> LimitPages:
    for place, scope in enumerate(SCOPES):
        window = Window.MONTH if place % 2 else Window.DAY
        await house.limits.set(house.owner, *scope, LimitDraft(Unit.REQUESTS, window, 5 + place))
    return LimitPages(house.database, house.clock)


async def test_they_are_in_the_order_of_their_scopes_with_names(house: House) -> None:
    page = await (await set_all(house)).page("org-1", LimitQuery())
    assert [(row.state.limit.scope_type, row.scope_name) for row in page.rows] == [
        (ScopeType.ORGANIZATION, "Acme"),
        (ScopeType.PROJECT, "Main"),
        (ScopeType.USER, "Ada"),
        (ScopeType.KEY, "first"),
    ]
    assert page.total == 4


async def test_they_are_found_by_name_unit_and_window_and_come_in_pages(house: House) -> None:
    pages = await set_all(house)

    async def found(**fields: object) -> list[str]:
        page = await pages.page("org-1", LimitQuery(**fields))  # type: ignore[arg-type]
        return [row.scope_name for row in page.rows]

    assert await found(search="FIRS") == ["first"]
    assert await found(search="main") == ["Main"]
    assert await found(search="ad%") == []
    assert await found(unit="usd") == []
    assert await found(window="month") == ["Acme", "Ada"]
    assert await found(limit=3) == ["Acme", "Main", "Ada"]
    assert await found(limit=3, offset=3) == ["first"]
    assert (await pages.page("org-2", LimitQuery())).total == 0


async def test_a_limit_can_be_set_on_whatever_is_still_there(house: House) -> None:
    pages = LimitPages(house.database, house.clock)
    await house.accounts.create(house.owner, "proj_1", "deploy bot")
    scopes = await pages.scopes("org-1")
    assert (scopes.projects, scopes.members) == ({"proj_1": "Main"}, {"user-1": "Ada"})
    assert list(scopes.accounts.values()) == ["deploy bot, Main"]
    assert (await pages.scopes("org-2")).members == {"user-2": "Ada"}


async def test_those_of_a_project_are_its_own_its_keys_and_its_machines(house: House) -> None:
    pages = await set_all(house)
    bot = (await house.accounts.create(house.owner, "proj_1", "deploy bot")).account
    await house.limits.set(house.owner, ScopeType.SERVICE_ACCOUNT, bot.id, LimitDraft(Unit.REQUESTS, Window.DAY, 9))
    page = await pages.page("org-1", LimitQuery(project_id="proj_1"))
    assert [row.scope_name for row in page.rows] == ["Main", "deploy bot", "first"]
    assert page.total == 3
    assert (await pages.page("org-1", LimitQuery(project_id="proj_2"))).rows == ()
    mine = Sight(frozenset(), "user-1")
    assert [
        row.scope_name for row in (await pages.page("org-1", LimitQuery(project_id="proj_1", sight=mine))).rows
    ] == ["first"]
