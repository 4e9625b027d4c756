"""`/invite/{token}`: joining by a link, and being told kindly when it leads nowhere."""

import pytest

from console.given_console import EMAIL, Console
from keyhouse.store.engine import Actor
from keyhouse.store.people import find_sign_in

pytestmark = pytest.mark.asyncio


async def test_who_is_invited_joins_and_is_signed_in(at_home: Console) -> None:
    made = await at_home.desk.invites.create(await owner_of(at_home), "carol@example.com", "reader")
    at_home.browser.cookies.clear()
    path = f"/invite/{made.token}"
    assert "carol@example.com" in await at_home.page(path)
    short = await at_home.send(path, form_at=path, name="Carol", password="short")
    assert (short.status_code, 'value="Carol"' in short.text) == (422, True)
    answer = await at_home.send(path, form_at=path, name="Carol", password="a long enough passphrase")
    assert (answer.status_code, answer.headers["location"]) == (303, "/api-keys")
    assert "carol@example.com" in await at_home.page("/api-keys")
    used = await at_home.browser.get(path)
    assert (used.status_code, "used already" in used.text) == (410, True)


async def test_who_is_signed_in_already_joins_by_a_link_too(at_home: Console) -> None:
    made = await at_home.desk.invites.create(await owner_of(at_home), "dana@example.com", "reader")
    path = f"/invite/{made.token}"
    answer = await at_home.send(path, form_at=path, name="Dana", password="a long enough passphrase")
    assert (answer.status_code, answer.headers["location"]) == (303, "/api-keys")
    assert "dana@example.com" in await at_home.page("/api-keys")


async def test_a_link_that_leads_nowhere_says_what_to_do(at_home: Console) -> None:
    answer = await at_home.browser.get("/invite/guess")
    assert answer.status_code == 410
    assert "Ask whoever invited you" in answer.text


async def owner_of(console: Console) -> Actor:
    """Whoever set the console up."""
    row = await console.database.read(lambda connection: find_sign_in(connection, EMAIL))
    assert row is not None
    return Actor("session", row.member.organization_id, row.member.user_id, EMAIL, row.member.role)
