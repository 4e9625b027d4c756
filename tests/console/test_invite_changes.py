"""Inviting through the pages: the link is shown once, made anew, and taken back."""

import re

import pytest

from console.given_console import EMAIL, Console, project_on
from console.given_people import invite, link_on

pytestmark = pytest.mark.asyncio


async def invite_id(console: Console) -> str:
    found = re.search(r"/members/invites/([^/]+)/renew", await console.page("/members"))
    assert found is not None
    return found[1]


async def test_a_link_is_shown_once_and_a_new_one_ends_it(at_home: Console) -> None:
    project = project_on(await at_home.page("/api-keys/new"))
    first = await invite(at_home, "lena@example.com", "member", **{f"in_{project}": "member"})
    listed = await at_home.page("/members")
    assert first not in listed
    assert "(member)" in listed
    at_home.clock.turn(days=8)
    await at_home.send("/sign-in", form_at="/sign-in", email=EMAIL, password="tracks lemon fjord")
    assert "Link expired" in await at_home.page("/members")
    answer = await at_home.send(f"/members/invites/{await invite_id(at_home)}/renew", form_at="/members")
    assert (answer.status_code, answer.headers["cache-control"]) == (201, "no-store")
    second = link_on(answer.text)
    at_home.browser.cookies.clear()
    assert (await at_home.browser.get(first)).status_code == 410
    assert "lena@example.com" in await at_home.page(second)


async def test_an_invite_that_is_taken_back_lets_nobody_in(at_home: Console) -> None:
    link = await invite(at_home, "lena@example.com", "owner")
    path = f"/members/invites/{await invite_id(at_home)}/delete"
    assert "lena@example.com" in await at_home.page(path)
    assert (await at_home.send(path, form_at=path)).status_code == 303
    assert (await at_home.browser.get(link)).status_code == 410
    assert (await at_home.browser.get(path)).status_code == 404


async def test_what_is_typed_wrongly_comes_back_with_why(at_home: Console) -> None:
    await invite(at_home, "lena@example.com", "owner")
    for fields, words in (
        ({"email": "nobody", "role": "member"}, "That is not an e-mail address."),
        ({"email": "lena@example.com", "role": "member"}, "lena@example.com is invited already"),
        ({"email": EMAIL, "role": "member"}, "is a user of this organization already"),
        ({"email": "new@example.com", "role": "member", "in_proj_of_others": "owner"}, "There is no project"),
        ({"email": "new@example.com", "role": "emperor"}, "It is one of"),
    ):
        answer = await at_home.send("/members/invite", form_at="/members/invite", **fields)
        assert (answer.status_code, words in answer.text) == (422, True), words
        assert f'value="{fields["email"]}"' in answer.text


async def test_a_reader_invites_nobody(at_home: Console) -> None:
    await at_home.become("reader")
    assert "/members/invite" not in await at_home.page("/members")
    answer = await at_home.send("/members/invite", form_at="/members", email="x@example.com", role="member")
    assert answer.status_code == 403
