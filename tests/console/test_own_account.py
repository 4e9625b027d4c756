"""`/settings/account`: another password, and where one is signed in."""

import re

import pytest

from console.given_console import EMAIL, PASSWORD, Console
from console.given_people import become, join
from keyhouse.console.own_account import agent_name

pytestmark = pytest.mark.asyncio
NEW = "another passphrase, just as long"
HERE = "/settings/account"


async def test_another_password_ends_every_session_and_begins_one_here(at_home: Console) -> None:
    old = dict(at_home.browser.cookies)
    for fields, words in (
        ({"present": "guess", "password": NEW}, "The present password is wrong."),
        ({"present": PASSWORD, "password": "short"}, "it needs at least 12"),
    ):
        answer = await at_home.send(f"{HERE}/password", form_at=HERE, **fields)
        assert (answer.status_code, words in answer.text) == (422, True), words
        assert NEW not in answer.text
    answer = await at_home.send(f"{HERE}/password", form_at=HERE, present=PASSWORD, password=NEW)
    assert (answer.status_code, answer.headers["location"]) == (303, HERE)
    assert EMAIL in await at_home.page(HERE)
    at_home.browser.cookies.clear()
    at_home.browser.cookies.update(old)
    assert (await at_home.browser.get("/api-keys")).status_code == 303
    await become(at_home, EMAIL, NEW)


async def test_other_sessions_are_seen_and_ended(at_home: Console) -> None:
    here = dict(at_home.browser.cookies)
    await become(at_home, EMAIL, PASSWORD)
    there = dict(at_home.browser.cookies)
    at_home.browser.cookies.clear()
    at_home.browser.cookies.update(here)
    page = await at_home.page(HERE)
    assert page.count("this one") == 1
    found = re.search(r"/sessions/([0-9a-f]{64})/end", page)
    assert found is not None
    path = f"{HERE}/sessions/{found[1]}/end"
    assert (await at_home.send(path, form_at=HERE)).status_code == 303
    assert (await at_home.send(path, form_at=HERE)).status_code == 404
    at_home.browser.cookies.clear()
    at_home.browser.cookies.update(there)
    assert (await at_home.browser.get(HERE)).status_code == 303
    await become(at_home, EMAIL, PASSWORD)
    assert (await at_home.send(f"{HERE}/sessions/end-others", form_at=HERE)).status_code == 303
    assert "Sign out everywhere else" not in await at_home.page(HERE)
    assert (await at_home.send(f"{HERE}/sessions/end-all", form_at=HERE)).headers["location"] == "/sign-in"
    assert (await at_home.browser.get(HERE)).status_code == 303


async def test_a_member_sees_what_is_theirs_in_the_settings_and_not_the_rest(at_home: Console) -> None:
    await join(at_home, "jonas@example.com", "Jonas", "member")
    await become(at_home, "jonas@example.com")
    page = await at_home.page(HERE)
    assert ("/settings/projects" in page, "/settings/ledger" in page) == (True, False)
    assert (await at_home.browser.get("/settings/ledger")).status_code == 403
    assert "An owner of Meridian Freight" in await at_home.page("/settings/organization")
    assert "You are in no project yet" in await at_home.page("/settings/projects")


async def test_browsers_are_named_in_two_words() -> None:
    chrome = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36"
    assert agent_name(chrome) == "Chrome on Linux"
    assert agent_name("curl/8.5.0") == "curl/8.5.0"
    assert agent_name("") == "Unknown"


async def test_a_name_is_given_on_ones_own_page_and_stands_where_the_address_stood(at_home: Console) -> None:
    assert "<b>Owner</b>" in await at_home.page("/api-keys")
    wrong = await at_home.send(f"{HERE}/name", form_at=HERE, name="x" * 101)
    assert (wrong.status_code, "It may have at most" in wrong.text, "x" * 101 in wrong.text) == (422, True, True)
    answer = await at_home.send(f"{HERE}/name", form_at=HERE, name="Mira Lindqvist")
    assert (answer.status_code, answer.headers["location"]) == (303, HERE)
    assert "<b>Mira Lindqvist</b>" in await at_home.page("/api-keys")
    assert 'value="Mira Lindqvist"' in await at_home.page(HERE)
