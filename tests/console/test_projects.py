"""`/settings/projects`: made, renamed, given models, archived; and each sees their own alone."""

import re

import pytest

from console.given_console import Console, project_on
from console.given_people import become, join

pytestmark = pytest.mark.asyncio
HERE = "/settings/projects"


async def make(console: Console, name: str = "Sandbox") -> str:
    """A project; its page's path."""
    answer = await console.send(HERE, form_at=f"{HERE}/new", name=name)
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


async def test_a_project_is_made_renamed_given_models_and_archived(at_home: Console) -> None:
    path = await make(at_home)
    assert (await at_home.send(path, form_at=path, name="Playground")).status_code == 303
    models = f"{path}/models"
    assert (await at_home.send(models, form_at=path, mode="allow_list", model="tiny-1")).status_code == 303
    page = await at_home.page(path)
    assert 'value="allow_list" checked' in page
    assert 'value="tiny-1" checked' in page
    for _ in range(2):
        assert (await at_home.send(models, form_at=path, mode="all")).status_code == 303
    assert 'value="all" checked' in await at_home.page(path)
    assert "cannot be brought back" in await at_home.page(f"{path}/archive")
    assert (await at_home.send(f"{path}/archive", form_at=path)).status_code == 303
    page = await at_home.page(path)
    assert ("It was archived on" in page, "Rename" in page) == (True, False)
    listed = await at_home.page(HERE)
    assert ("Playground" in listed, "archived" in listed) == (True, True)
    again = await at_home.send(f"{path}/archive", form_at="/settings/account")
    assert (again.status_code, "was archived" in again.text) == (422, True)


async def test_what_is_typed_wrongly_comes_back(at_home: Console) -> None:
    path = await make(at_home)
    for address in (HERE, path):
        answer = await at_home.send(address, form_at=path, name=" ")
        assert (answer.status_code, "The name is empty" in answer.text) == (422, True), address


async def test_a_projects_owner_manages_it_and_sees_no_other(at_home: Console) -> None:
    hidden = await make(at_home, "Secret plans")
    project = project_on(await at_home.page("/api-keys/new"))
    await join(at_home, "jonas@example.com", "Jonas", "member", **{f"in_{project}": "owner"})
    await become(at_home, "jonas@example.com")
    listed = await at_home.page(HERE)
    assert ("Secret plans" in listed, f"{HERE}/{project}" in listed) == (False, True)
    path = f"{HERE}/{project}"
    assert (await at_home.send(path, form_at=path, name="Support")).status_code == 303
    assert "Support" in await at_home.page(path)
    assert (await at_home.browser.get(hidden)).status_code == 404
    for address, fields in (
        (hidden, {"name": "Mine"}),
        (f"{hidden}/models", {"mode": "deny_list"}),
        (f"{hidden}/archive", {}),
    ):
        assert (await at_home.send(address, form_at=path, **fields)).status_code == 404, address
    assert (await at_home.send(HERE, form_at=path, name="New")).status_code == 403


async def test_people_are_added_given_roles_and_taken_out_on_the_projects_page(at_home: Console) -> None:
    path = await make(at_home)
    jonas = await join(at_home, "jonas@example.com", "Jonas", "member")
    added = await at_home.send(f"{path}/people", form_at=path, email=" Jonas@example.com ", role="viewer")
    assert (added.status_code, added.headers["location"]) == (303, path)
    page = await at_home.page(path)
    assert ("Jonas" in page, "jonas@example.com" in page) == (True, True)
    there = f"/members/{jonas}/projects/{path.rpartition('/')[2]}"
    assert f'action="{there}"' in page
    changed = await at_home.send(there, form_at=path, role="owner", **{"from": "project"})
    assert (changed.status_code, changed.headers["location"]) == (303, path)
    assert re.search(r'aria-label="Role of Jonas">.*?value="owner" selected', await at_home.page(path))
    gone = await at_home.send(f"{there}/remove", form_at=path, **{"from": "project"})
    assert gone.headers["location"] == path
    assert "Jonas" not in await at_home.page(path)


@pytest.mark.parametrize(
    ("email", "role", "words"),
    [
        ("nobody@example.com", "viewer", "nobody@example.com"),
        ("not an address", "viewer", "That is not an e-mail address."),
        ("mira@meridian.example", "viewer", "already"),
        ("jonas@example.com", "king", "role"),
    ],
)
async def test_whoever_cannot_be_added_is_told_beside_the_field(
    at_home: Console, email: str, role: str, words: str
) -> None:
    path = await make(at_home)
    await join(at_home, "jonas@example.com", "Jonas", "member")
    answer = await at_home.send(f"{path}/people", form_at=path, email=email, role=role)
    assert answer.status_code == 422
    told = answer.text.partition('id="email-fault"')[2]
    assert words in told.partition("</p>")[0]
    assert f'value="{email}"' in answer.text


async def test_who_may_not_add_people_sees_them_without_a_form(at_home: Console) -> None:
    path = await make(at_home)
    await join(at_home, "jonas@example.com", "Jonas", "member", **{f"in_{path.rpartition('/')[2]}": "member"})
    await become(at_home, "jonas@example.com")
    page = await at_home.page(path)
    assert ("Jonas" in page, "Add to project" in page, "Take out" in page) == (True, False, False)
    answer = await at_home.send(f"{path}/people", form_at=path, email="mira@meridian.example", role="viewer")
    assert answer.status_code == 403
