"""`/confirm`: a session that was left open gives nobody an admin key, a credential or a larger budget."""

import pytest

from console.given_console import PASSWORD, Console
from console.test_policy import place_of
from keyhouse.console.policy import POLICY, PROOF_MS_MAX, PROVEN, takes_proof
from keyhouse.core.authority import Task

pytestmark = pytest.mark.asyncio

WORTH_IT = [(method, path) for method, path in POLICY if takes_proof(method, path)]


async def test_ten_minutes_after_the_password_every_route_that_is_worth_it_asks_for_it_again(at_home: Console) -> None:
    assert {Task.ADMIN_KEYS, Task.LIMITS, Task.UPSTREAMS} == PROVEN
    assert {("POST", "/limits"), ("POST", "/members/{user_id}/reset-link")} <= set(WORTH_IT)
    assert {("POST", "/settings/admin-keys"), ("POST", "/settings/admin-keys/{admin_key_id}/revoke")} <= set(WORTH_IT)
    at_home.clock.turn(ms=PROOF_MS_MAX - 1)
    assert "Set limit" in await at_home.page("/limits/new")
    at_home.clock.turn(ms=1)
    for method, path in WORTH_IT:
        answer = await at_home.browser.request(method, place_of(path), data={"csrf": "x"})
        assert answer.status_code == 303, path
        assert answer.headers["location"].startswith("/confirm?next=/"), path
    sheet = await at_home.browser.get("/limits/new", headers={"hx-request": "true"})
    assert sheet.headers["hx-redirect"] == "/confirm?next=/limits/new"
    # Looking is not changing.
    assert await at_home.page("/limits")


async def test_the_password_leads_back_with_a_new_session_and_ends_the_old_one(at_home: Console) -> None:
    at_home.clock.turn(ms=PROOF_MS_MAX)
    form_at = "/confirm?next=/limits/new"
    before = at_home.browser.cookies["keyhouse"]
    wrong = await at_home.send("/confirm", form_at=form_at, password="not the right one", next="/limits/new")
    assert (wrong.status_code, "The password is wrong" in wrong.text) == (422, True)
    assert (await at_home.browser.get("/limits/new")).status_code == 303
    right = await at_home.send("/confirm", form_at=form_at, password=PASSWORD, next="/limits/new")
    assert (right.status_code, right.headers["location"]) == (303, "/limits/new")
    assert "Set limit" in await at_home.page("/limits/new")
    assert at_home.browser.cookies["keyhouse"] != before
    assert await at_home.desk.sessions.find(before) is None


async def test_what_was_sent_from_a_page_leads_back_to_that_page(at_home: Console) -> None:
    at_home.clock.turn(ms=PROOF_MS_MAX)
    for sent, page in (
        ("/members/user-1/reset-link", "/members/user-1"),
        ("/settings/upstreams/1/test", "/settings/upstreams"),
        ("/settings/admin-keys", "/settings/admin-keys"),
    ):
        answer = await at_home.browser.post(sent, data={"csrf": "x"})
        assert answer.headers["location"] == f"/confirm?next={page}"


async def test_it_leads_to_no_other_host(at_home: Console) -> None:
    answer = await at_home.send("/confirm", form_at="/confirm", password=PASSWORD, next="//evil.example")
    assert answer.headers["location"] == "/api-keys"
