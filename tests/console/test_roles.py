"""Roles through their pages: made, seen with who holds them, changed, deleted."""

import re

import pytest

from console.given_console import Console

pytestmark = pytest.mark.asyncio


async def make(console: Console, **fields: str) -> str:
    """A role that sees costs; its id."""
    usual = {"name": "Cost watcher", "may_organization_projects_usage": "read"}
    answer = await console.send("/members/roles", form_at="/members/roles/new", **(usual | fields))
    assert answer.status_code == 303, answer.text
    found = re.search(r"/members/roles/(role_[^/]+)/edit", await console.page("/members/roles"))
    assert found is not None
    return found[1]


async def test_a_role_is_made_changed_and_deleted(at_home: Console) -> None:
    role_id = await make(at_home, description="Sees costs")
    page = await at_home.page("/members/roles")
    for words in ("Cost watcher", "Sees costs", "Usage, performance and costs: see", "Nobody", "mira@meridian.example"):
        assert words in page, words
    path = f"/members/roles/{role_id}/edit"
    assert '<option value="read" selected>See</option>' in await at_home.page(path)
    changed = await at_home.send(path, form_at=path, name="Registrar", may_organization_users="write")
    assert changed.status_code == 303
    page = await at_home.page("/members/roles")
    assert ("Registrar" in page, "People: change" in page, "Usage, performance" in page) == (True, True, False)
    path = f"/members/roles/{role_id}/delete"
    assert "Nobody has it" in await at_home.page(path)
    assert (await at_home.send(path, form_at=path)).status_code == 303
    assert "None yet" in await at_home.page("/members/roles")
    assert (await at_home.browser.get(path)).status_code == 404


async def test_what_is_typed_wrongly_comes_back_with_why(at_home: Console) -> None:
    await make(at_home)
    for fields, words in (
        ({"name": ""}, "The role name is empty"),
        ({"name": "Cost watcher"}, "There is a role with the name"),
    ):
        answer = await at_home.send(
            "/members/roles", form_at="/members/roles/new", may_organization_users="read", **fields
        )
        assert (answer.status_code, words in answer.text) == (422, True), words
        assert '<option value="read" selected>See</option>' in answer.text


async def test_a_reader_sees_the_roles_and_who_can_change_them(at_home: Console) -> None:
    role_id = await make(at_home)
    await at_home.become("reader")
    page = await at_home.page("/members/roles")
    assert "An owner of Meridian Freight" in page
    assert f"{role_id}/edit" not in page
    for path in ("/members/roles", f"/members/roles/{role_id}/edit", f"/members/roles/{role_id}/delete"):
        assert (await at_home.send(path, form_at="/members/roles", name="x")).status_code == 403
