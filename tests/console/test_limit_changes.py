"""Setting, changing and deleting limits through their pages."""

import re

import pytest

from console.given_console import Console

pytestmark = pytest.mark.asyncio


async def set_limit(console: Console, **fields: str) -> str:
    """A limit of 25 dollars a month on the organization; its id."""
    organization = re.search(r'<option value="(org-[^"]+)"', await console.page("/limits/new"))
    assert organization is not None
    usual = {"on": organization[1], "unit": "usd", "window": "month", "amount": "25"}
    answer = await console.send("/limits", form_at="/limits/new", **(usual | fields))
    assert answer.status_code == 303, answer.text
    found = re.search(r"/limits/(limit_[^/]+)/edit", await console.page("/limits"))
    assert found is not None
    return found[1]


async def test_a_limit_is_set_changed_and_deleted(at_home: Console) -> None:
    limit_id = await set_limit(at_home)
    assert "$25" in await at_home.page("/limits")
    sheet = await at_home.page(f"/limits/{limit_id}/edit")
    assert 'value="25.00"' in sheet
    path = f"/limits/{limit_id}/edit"
    assert (await at_home.send(path, form_at=path, amount="1,000", strict="on")).status_code == 303
    assert "$1,000" in await at_home.page("/limits")
    path = f"/limits/{limit_id}/delete"
    assert "no longer holds" in await at_home.page(path)
    assert (await at_home.send(path, form_at=path)).status_code == 303
    assert "No limits yet" in await at_home.page("/limits")


async def test_what_is_typed_wrongly_comes_back_with_what_is_wrong(at_home: Console) -> None:
    limit_id = await set_limit(at_home)
    for path, fields, words in (
        ("/limits", {"on": "", "amount": "5"}, "Choose what the limit is for."),
        ("/limits", {"on": "key", "key": "nobody", "amount": "5"}, "No key is called so."),
        ("/limits", {"on": "proj_of_others", "amount": "5"}, "There is no project"),
        ("/limits", {"on": "proj_1", "amount": "-5"}, "Write it as 1500 or 1,500.00."),
        (f"/limits/{limit_id}/edit", {"amount": "much"}, "Write it as 1500 or 1,500.00."),
    ):
        form_at = "/limits/new" if path == "/limits" else path
        answer = await at_home.send(path, form_at=form_at, **fields)
        assert answer.status_code == 422, (path, fields)
        assert words in answer.text, (path, fields)


async def test_whoever_may_not_is_told_who_can(at_home: Console) -> None:
    limit_id = await set_limit(at_home)
    await at_home.become("reader")
    page = await at_home.page("/limits")
    assert "An owner of Meridian Freight" in page
    assert "/limits/new" not in page
    for path in ("/limits", f"/limits/{limit_id}/edit", f"/limits/{limit_id}/delete"):
        answer = await at_home.send(path, form_at="/limits", on="key", key="x", amount="5")
        assert answer.status_code in {403, 422}, path
    assert "$25" in await at_home.page("/limits")


async def test_a_limit_that_is_not_here_reads_as_missing(at_home: Console) -> None:
    for path in ("/limits/limit_0/edit", "/limits/limit_0/delete"):
        assert (await at_home.browser.get(path)).status_code == 404
        assert (await at_home.send(path, form_at="/limits", amount="5")).status_code == 404
