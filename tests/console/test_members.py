"""The list of people: whom each sees, and what they are told."""

import re

import pytest

from console.given_console import EMAIL, PASSWORD, Console, project_on
from console.given_people import become, invite, join

pytestmark = pytest.mark.asyncio


async def test_an_owner_sees_everybody_and_who_is_invited(at_home: Console) -> None:
    await join(at_home, "jonas@example.com", "Jonas", "reader")
    await invite(at_home, "lena@example.com", "owner")
    page = await at_home.page("/members")
    for words in ("2 people in Meridian Freight", "1 invited", "Jonas", "lena@example.com", EMAIL, "link ends in 7 d"):
        assert words in page, words
    found = await at_home.page("/members?q=JON")
    assert ("1 person found" in found, "lena@example.com" in found, EMAIL in found.partition("<main")[2]) == (
        True,
        False,
        False,
    )
    assert "Nobody is called so" in await at_home.page("/members?q=%25")


async def test_a_member_sees_the_people_of_their_projects_alone_and_is_told_who_can_change_it(
    at_home: Console,
) -> None:
    project = project_on(await at_home.page("/api-keys/new"))
    jonas = await join(at_home, "jonas@example.com", "Jonas", "member", **{f"in_{project}": "viewer"})
    priya = await join(at_home, "priya@example.com", "Priya", "member")
    await become(at_home, "jonas@example.com")
    page = await at_home.page("/members")
    assert "2 people in your projects" in page
    assert "An owner of Meridian Freight" in page
    assert "Priya" not in page
    assert "/members/invite" not in page
    assert "Never signed in" not in page
    assert (await at_home.browser.get(f"/members/{priya}")).status_code == 404
    own = await at_home.page(f"/members/{jonas}")
    assert "An owner of Meridian Freight can change it" in own
    assert 'action="/members/' not in own
    assert (await at_home.browser.get("/members/roles")).status_code == 403
    await become(at_home, "priya@example.com")
    assert "1 person in your projects" in await at_home.page("/members")


async def test_the_last_sign_in_is_shown_and_who_never_came_is_told_apart(at_home: Console) -> None:
    await join(at_home, "jonas@example.com", "Jonas", "reader")
    at_home.clock.turn(days=40)
    await become(at_home, EMAIL, PASSWORD)
    page = await at_home.page("/members")
    assert "signed in just now" in page
    assert "signed in 24 Nov" in page


async def test_who_may_see_the_people_of_every_project_sees_them(at_home: Console) -> None:
    project = project_on(await at_home.page("/api-keys/new"))
    jonas = await join(at_home, "jonas@example.com", "Jonas", "member")
    priya = await join(at_home, "priya@example.com", "Priya", "member", **{f"in_{project}": "viewer"})
    await join(at_home, "lena@example.com", "Lena", "member")
    fields = {"name": "Clerk", "may_organization_projects_users": "read"}
    assert (await at_home.send("/members/roles", form_at="/members/roles/new", **fields)).status_code == 303
    role = re.search(r"/members/roles/(role_[^/]+)/edit", await at_home.page("/members/roles"))
    assert role is not None
    path = f"/members/{jonas}"
    assert (await at_home.send(f"{path}/roles", form_at=path, role_id=role[1])).status_code == 303
    await become(at_home, "jonas@example.com")
    page = await at_home.page("/members")
    assert ("3 people in your projects" in page, "Priya" in page, EMAIL in page, "Lena" in page) == (
        True,
        True,
        True,
        False,
    )
    assert "Priya" in await at_home.page(f"/members/{priya}")
