"""A forgotten password: a page that tells nobody who has an account, and a link that an owner makes."""

import pytest

from console.given_console import EMAIL, Console
from console.given_people import become, id_of, join, link_on

pytestmark = pytest.mark.asyncio
NEW = "another passphrase, just as long"


async def test_the_page_is_the_same_for_everybody(console: Console) -> None:
    await console.set_up()
    console.browser.cookies.clear()
    assert "/forgotten-password" in await console.page("/sign-in")
    assert EMAIL not in await console.page("/forgotten-password")


async def test_a_link_is_shown_once_lets_one_choose_a_password_and_then_leads_nowhere(at_home: Console) -> None:
    jonas = await join(at_home, "jonas@example.com", "Jonas", "reader")
    answer = await at_home.send(f"/members/{jonas}/reset-link", form_at=f"/members/{jonas}")
    assert (answer.status_code, answer.headers["cache-control"]) == (201, "no-store")
    link = link_on(answer.text)
    assert link not in await at_home.page(f"/members/{jonas}")
    at_home.browser.cookies.clear()
    assert "jonas@example.com" in await at_home.page(link)
    short = await at_home.send(link, form_at=link, password="short")
    assert (short.status_code, "at least 12" in short.text) == (422, True)
    chosen = await at_home.send(link, form_at=link, password=NEW)
    assert (chosen.status_code, chosen.headers["location"]) == (303, "/api-keys")
    assert "jonas@example.com" in await at_home.page("/api-keys")
    used = await at_home.browser.get(link)
    assert (used.status_code, "leads nowhere" in used.text) == (410, True)
    again = await at_home.send(link, form_at="/settings/account", password=NEW)
    assert again.status_code == 410
    await become(at_home, "jonas@example.com", NEW)


async def test_who_may_not_change_people_makes_no_link(at_home: Console) -> None:
    me = await id_of(at_home, EMAIL)
    await at_home.become("reader")
    path = f"/members/{me}"
    assert "reset-link" not in await at_home.page(path)
    assert (await at_home.send(f"{path}/reset-link", form_at=path)).status_code == 403
