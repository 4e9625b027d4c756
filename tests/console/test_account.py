"""Coming in: the one-time link, sign-in, sign-out."""

from typing import Any, cast

import httpx
import pytest
from sqlalchemy import Connection, insert, select, update

from console.given_console import EMAIL, ORIGIN, PASSWORD, Console, token_on
from given import NOON
from keyhouse.console import build
from keyhouse.store import schema

pytestmark = pytest.mark.asyncio

FORM = {"organization": "Acme", "email": EMAIL, "password": PASSWORD, "time_zone": "Europe/Berlin"}


async def test_everything_leads_to_set_up_until_it_is_done(console: Console) -> None:
    for path in ("/", "/sign-in"):
        answer = await console.browser.get(path)
        assert (answer.status_code, answer.headers["location"]) == (303, "/set-up")
    assert "one-time link" in await console.page("/set-up")


async def test_set_up_makes_the_owner_and_signs_them_in(console: Console) -> None:
    await console.set_up()
    page = await console.page("/api-keys")
    assert "Meridian Freight" in page
    assert EMAIL in page
    assert "No keys yet" in page


async def test_set_up_asks_for_a_name_which_then_stands_in_the_menu(console: Console) -> None:
    path = f"/set-up/{console.desk.setup.new_link_token()}"
    assert 'name="name"' in await console.page(path)
    assert (await console.send(path, form_at=path, **FORM, name="Mira Lindqvist")).status_code == 303
    assert "<b>Mira Lindqvist</b>" in await console.page("/api-keys")


async def test_the_link_works_once(console: Console) -> None:
    path = f"/set-up/{console.desk.setup.new_link_token()}"
    await console.send(path, form_at=path, **FORM)
    console.browser.cookies.clear()
    answer = await console.browser.get(path)
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")


async def test_an_old_or_wrong_link_says_so_and_offers_a_new_one_in_the_terminal(console: Console) -> None:
    old = console.desk.setup.new_link_token()
    console.clock.turn(minutes=16)
    for token in (old, "guess"):
        answer = await console.browser.get(f"/set-up/{token}")
        assert answer.status_code == 410
        assert "older than 15 minutes" in answer.text
    answer = await console.send("/set-up/new-link", form_at="/set-up")
    assert answer.headers["location"] == "/set-up?printed"
    assert console.printed == ["link"]
    assert "A new link was printed" in await console.page("/set-up?printed")


async def test_nobody_on_another_machine_sets_it_up_or_ends_the_link_that_was_printed(console: Console) -> None:
    path = f"/set-up/{console.desk.setup.new_link_token()}"
    token = token_on(await console.page(path))
    elsewhere = httpx.ASGITransport(cast("Any", build(console.desk)), client=("198.51.100.7", 1))
    async with httpx.AsyncClient(
        transport=elsewhere, base_url=ORIGIN, cookies=console.browser.cookies, headers=console.browser.headers
    ) as stranger:
        for answer in (
            await stranger.get(path),
            await stranger.post(path, data={"csrf": token, **FORM}),
            await stranger.post("/set-up/new-link", data={"csrf": token}),
        ):
            assert answer.status_code == 403
            assert "from the machine it runs on" in answer.text
    assert console.printed == []
    await console.page(path)
    assert not await console.desk.setup.is_done()


async def test_a_page_names_its_characters_once(console: Console) -> None:
    assert (await console.browser.get("/set-up")).headers["content-type"] == "text/html; charset=utf-8"


async def test_a_wrong_field_comes_back_with_its_message_and_all_that_was_typed(console: Console) -> None:
    path = f"/set-up/{console.desk.setup.new_link_token()}"
    for field, value, words in (
        ("organization", "", "Name your organization."),
        ("email", "mira", "name@example.com"),
        ("password", "short", "12"),
        ("time_zone", "Mars/Olympus", "Choose a time zone"),
    ):
        answer = await console.send(path, form_at=path, **(FORM | {"organization": "Acme & Sons", field: value}))
        assert answer.status_code == 422
        assert words in answer.text
        assert f'id="{field}-fault"' in answer.text
        assert PASSWORD not in answer.text
        assert field == "organization" or "Acme &amp; Sons" in answer.text
    answer = await console.send(path, form_at=path, **FORM)
    assert answer.status_code == 303


async def test_sign_out_ends_the_session_and_sign_in_begins_another(at_home: Console) -> None:
    before = at_home.browser.cookies["keyhouse"]
    answer = await at_home.send("/sign-out", form_at="/api-keys")
    assert answer.headers["location"] == "/sign-in"
    assert "keyhouse" not in at_home.browser.cookies
    at_home.browser.cookies.set("keyhouse", before, domain="127.0.0.1")
    assert (await at_home.browser.get("/api-keys")).headers["location"] == "/sign-in?next=/api-keys"
    answer = await at_home.send("/sign-in", form_at="/sign-in", email=EMAIL, password=PASSWORD)
    assert answer.headers["location"] == "/api-keys"
    assert at_home.browser.cookies["keyhouse"] != before


async def test_a_wrong_password_and_an_unknown_person_read_the_same(at_home: Console) -> None:
    await at_home.send("/sign-out", form_at="/api-keys")
    pages = []
    for email in (EMAIL, "nobody@meridian.example"):
        answer = await at_home.send("/sign-in", form_at="/sign-in", email=email, password="not the password")
        assert answer.status_code == 422
        assert "E-mail or password is wrong." in answer.text
        assert email in answer.text
        pages.append(answer.text.replace(email, "…"))
    assert pages[0] == pages[1]


async def test_too_many_wrong_passwords_are_throttled_with_the_form_kept(at_home: Console) -> None:
    await at_home.send("/sign-out", form_at="/api-keys")
    for _ in range(10):
        await at_home.send("/sign-in", form_at="/sign-in", email=EMAIL, password="wrong")
    answer = await at_home.send("/sign-in", form_at="/sign-in", email=EMAIL, password=PASSWORD)
    assert answer.status_code == 429
    assert EMAIL in answer.text


async def test_sign_in_leads_on_only_to_pages_of_its_own(at_home: Console) -> None:
    for onward, leads_to in (
        ("/usage", "/usage"),
        ("//evil.example/", "/api-keys"),
        ("/\\evil.example", "/api-keys"),
        ("https://evil.example/", "/api-keys"),
        ("/a\r\nset-cookie: x=y", "/api-keys"),
        ("", "/api-keys"),
    ):
        await at_home.send("/sign-out", form_at="/api-keys")
        answer = await at_home.send("/sign-in", form_at="/sign-in", email=EMAIL, password=PASSWORD, next=onward)
        assert answer.headers["location"] == leads_to


async def test_the_sign_in_page_says_when_plain_http_would_lose_the_session(at_home: Console) -> None:
    at_home.browser.cookies.clear()
    answer = await at_home.browser.get("http://10.0.0.5:8080/sign-in")
    assert "plain http" in answer.text
    assert "plain http" not in (await at_home.browser.get("/sign-in")).text


async def test_a_person_of_two_organizations_switches_and_stays_out_of_a_third(at_home: Console) -> None:
    assert "/organization" not in await at_home.page("/api-keys")
    key_id, _ = await at_home.create("alpha")

    def write(connection: Connection) -> None:
        me = connection.execute(select(schema.users.c.id)).scalar_one()
        for number in (2, 3):
            made = {"id": f"org-{number}", "name": f"Acme {number}", "time_zone": "UTC", "created_at_ms": NOON}
            connection.execute(insert(schema.organizations).values(made))
        joined = {"organization_id": "org-2", "user_id": me, "role": "member", "added_at_ms": NOON}
        connection.execute(insert(schema.memberships).values(joined))

    await at_home.database.write(write)
    page = await at_home.page("/api-keys")
    assert ("Acme 2" in page, "Acme 3" in page, page.count('action="/organization"')) == (True, False, 2)
    for nowhere in ("org-3", "", "nobody"):
        answer = await at_home.send("/organization", form_at="/api-keys", organization=nowhere)
        assert answer.status_code == 404
    assert "Meridian Freight</b>" in await at_home.page("/api-keys")
    switched = await at_home.send("/organization", form_at="/api-keys", organization="org-2")
    assert (switched.status_code, switched.headers["location"]) == (303, "/api-keys")
    there = await at_home.page("/api-keys")
    assert ("Acme 2</b>" in there, "alpha" in there, EMAIL in there) == (True, False, True)
    assert (await at_home.browser.get(f"/api-keys/{key_id}")).status_code == 404
    left = update(schema.memberships).where(schema.memberships.c.organization_id == "org-2")
    await at_home.database.write(lambda c: c.execute(left.values(removed_at_ms=NOON)).rowcount)
    assert (await at_home.browser.get("/api-keys")).status_code == 303
