"""`/settings/admin-keys`: made, shown once, revoked; by who proved who they are."""

import re

import pytest

from console.given_console import PEPPER, Console, secret_in
from console.given_people import become, join
from keyhouse.control.admin_keys import AdminKeys
from keyhouse.core.errors import Refusal
from keyhouse.core.secret import Kind, parse

pytestmark = pytest.mark.asyncio
HERE = "/settings/admin-keys"


async def test_an_admin_key_is_made_shown_once_and_revoked(at_home: Console) -> None:
    assert "No admin key yet" in await at_home.page(HERE)
    made = await at_home.send(HERE, form_at=f"{HERE}/new", name="terraform", expires="90")
    assert (made.status_code, made.headers["cache-control"]) == (201, "no-store"), made.text
    secret = secret_in(made.text)
    found = parse(secret)
    assert found is not None
    assert found.kind is Kind.ADMIN
    door = AdminKeys(at_home.database, at_home.clock, PEPPER)
    assert (await door.authenticate([f"Bearer {secret}"], "127.0.0.1")).role == "owner"
    listed = await at_home.page(HERE)
    assert ("terraform" in listed, "until " in listed, secret in listed) == (True, True, False)
    path = re.search(rf"{HERE}/key_[^/]+/revoke", listed)
    assert path is not None
    assert "Revoke terraform" in await at_home.page(path[0])
    assert (await at_home.send(path[0], form_at=path[0])).status_code == 303
    assert "No admin key yet" in await at_home.page(HERE)
    with pytest.raises(Refusal, match="was revoked"):
        await door.authenticate([f"Bearer {secret}"], "127.0.0.1")


async def test_what_is_typed_wrongly_comes_back_with_why(at_home: Console) -> None:
    for fields, words in (
        ({"name": "", "expires": "30"}, "name"),
        ({"name": "terraform", "expires": "31"}, "Choose one of the list."),
    ):
        answer = await at_home.send(HERE, form_at=f"{HERE}/new", **fields)
        assert (answer.status_code, words in answer.text) == (422, True), words
    assert "No admin key yet" in await at_home.page(HERE)


async def test_a_key_without_an_end_is_made_if_it_is_asked_for(at_home: Console) -> None:
    assert (await at_home.send(HERE, form_at=f"{HERE}/new", name="ci", expires="never")).status_code == 201
    assert "without an end" in await at_home.page(HERE)


async def test_a_session_that_is_ten_minutes_old_gives_the_password_again(at_home: Console) -> None:
    at_home.clock.turn(minutes=10)
    assert (await at_home.browser.get(HERE)).status_code == 200
    answer = await at_home.browser.get(f"{HERE}/new")
    assert (answer.status_code, answer.headers["location"].startswith("/confirm")) == (303, True)


async def test_readers_see_them_and_make_none(at_home: Console) -> None:
    assert (await at_home.send(HERE, form_at=f"{HERE}/new", name="ci", expires="never")).status_code == 201
    await join(at_home, "jonas@example.com", "Jonas", "reader")
    await become(at_home, "jonas@example.com")
    page = await at_home.page(HERE)
    assert ("An owner of Meridian Freight" in page, "/revoke" in page, f"{HERE}/new" in page) == (True, False, False)
