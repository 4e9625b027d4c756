"""The frame around every page."""

import pytest

from console.given_console import EMAIL, Console
from keyhouse.console.pages import MENU

pytestmark = pytest.mark.asyncio


async def test_the_menu_leads_only_to_pages_that_answer(at_home: Console) -> None:
    for group in MENU:
        for place in group:
            page = await at_home.page(place.path)
            assert f'<a href="{place.path}" aria-current="page">' in page


async def test_the_organization_and_the_person_are_always_in_sight(at_home: Console) -> None:
    key_id, _ = await at_home.create("alpha")
    for path in ("/api-keys", "/api-keys/new", f"/api-keys/{key_id}", "/usage"):
        page = await at_home.page(path)
        assert "Meridian Freight" in page
        assert EMAIL in page


async def test_pages_hold_no_inline_script_and_no_style_attribute(at_home: Console) -> None:
    _, _ = await at_home.create()
    for path in ("/api-keys", "/api-keys/new", "/usage"):
        page = await at_home.page(path)
        assert "style=" not in page
        assert "onclick" not in page
        assert page.count("<script") == page.count('<script type="module" src="/static/')
