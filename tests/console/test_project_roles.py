"""A project's own roles through its page: made, given, changed, taken, deleted, and never more than the giver has."""

import re

import pytest

from console.given_console import Console, project_on
from console.given_people import become, join

pytestmark = pytest.mark.asyncio
KEEPER = {"name": "Keeper", "may_organization_projects_limits": "write"}


async def here(console: Console) -> str:
    """The path of the first project."""
    return f"/settings/projects/{project_on(await console.page('/api-keys/new'))}"


async def make(console: Console, path: str, **fields: str) -> str:
    """A role of the project; its id."""
    known = set(re.findall(r"/roles/(role_[^/]+)/edit", await console.page(path)))
    answer = await console.send(f"{path}/roles", form_at=f"{path}/roles/new", **fields)
    assert (answer.status_code, answer.headers.get("location")) == (303, path), answer.text
    (made,) = set(re.findall(r"/roles/(role_[^/]+)/edit", await console.page(path))) - known
    return str(made)


async def test_a_role_is_made_given_changed_taken_and_deleted(at_home: Console) -> None:
    path = await here(at_home)
    assert "More roles here" not in await at_home.page(path)
    jonas = await join(at_home, "jonas@example.com", "Jonas", "member", **{f"in_{path.rpartition('/')[2]}": "viewer"})
    role_id = await make(at_home, path, **KEEPER, description="Sets budgets")
    page = await at_home.page(path)
    for words in ("Keeper", "Sets budgets", "Limits: change", "Nobody", "More roles here"):
        assert words in page, words
    theirs = f"{path}/people/{jonas}/roles"
    given = await at_home.send(theirs, form_at=path, role_id=role_id)
    assert (given.status_code, given.headers["location"]) == (303, path)
    again = await at_home.send(theirs, form_at=path, role_id=role_id)
    assert (again.status_code, "is assigned to" in again.text) == (422, True)
    page = await at_home.page(path)
    assert (f'action="{theirs}/{role_id}/remove"' in page, f'action="{theirs}"' in page) == (True, False)
    assert "1 person has it" in await at_home.page(f"{path}/roles/{role_id}/delete")
    edit = f"{path}/roles/{role_id}/edit"
    assert '<option value="write" selected>Change</option>' in await at_home.page(edit)
    changed = await at_home.send(edit, form_at=edit, name="Counter", may_organization_projects_usage="read")
    assert changed.status_code == 303
    page = await at_home.page(path)
    assert ("Counter" in page, "Usage, performance and costs: see" in page, "Keeper" in page) == (True, True, False)
    assert (await at_home.send(f"{theirs}/{role_id}/remove", form_at=path)).status_code == 303
    gone = f"{path}/roles/{role_id}/delete"
    assert "Nobody has it" in await at_home.page(gone)
    assert (await at_home.send(gone, form_at=gone)).status_code == 303
    assert "Counter" not in await at_home.page(path)
    assert (await at_home.browser.get(gone)).status_code == 404


async def test_what_is_typed_wrongly_comes_back_in_the_sheet_alone(at_home: Console) -> None:
    path = await here(at_home)
    await make(at_home, path, **KEEPER)
    for name, words in (("", "The role name is empty"), ("Keeper", "There is a role with the name")):
        answer = await at_home.send(f"{path}/roles", form_at=f"{path}/roles/new", **(KEEPER | {"name": name}))
        assert (answer.status_code, answer.text.count(words)) == (422, 1), name
        assert '<option value="write" selected>Change</option>' in answer.text


async def test_nobody_gives_more_than_they_have(at_home: Console) -> None:
    path = await here(at_home)
    jonas = await join(at_home, "jonas@example.com", "Jonas", "member", **{f"in_{path.rpartition('/')[2]}": "viewer"})
    keeper = await make(at_home, path, **KEEPER)
    registrar = await make(at_home, path, name="Registrar", may_organization_projects_roles="write")
    assert (await at_home.send(f"{path}/people/{jonas}/roles", form_at=path, role_id=registrar)).status_code == 303
    await become(at_home, "jonas@example.com")
    page = await at_home.page(path)
    assert (f"{registrar}/edit" in page, f"{keeper}/edit" in page, f'value="{keeper}"' in page) == (True, False, False)
    sheet = await at_home.page(f"{path}/roles/new")
    limits = re.search(r'<select class="select" id="may_organization_projects_limits".*?</select>', sheet)
    assert limits is not None
    assert ("See" in limits[0], "Change" in limits[0]) == (True, False)
    more = await at_home.send(f"{path}/roles", form_at=path, **(KEEPER | {"name": "Mine"}))
    assert (more.status_code, "can do more than you" in more.text) == (422, True)
    assert (await at_home.send(f"{path}/people/{jonas}/roles", form_at=path, role_id=keeper)).status_code == 403
    assert (await at_home.send(f"{path}/roles/{keeper}/delete", form_at=path)).status_code == 403
    assert await make(at_home, path, name="Looker", may_organization_projects_limits="read")


async def test_who_may_only_look_sees_the_roles_and_who_can_change_them(at_home: Console) -> None:
    path = await here(at_home)
    role_id = await make(at_home, path, **KEEPER)
    jonas = await join(at_home, "jonas@example.com", "Jonas", "member", **{f"in_{path.rpartition('/')[2]}": "member"})
    await become(at_home, "jonas@example.com")
    page = await at_home.page(path)
    assert ("Limits: change" in page, "An owner of the project can make roles" in page) == (True, True)
    assert (f"{role_id}/edit" in page, "Make a role" in page, "Give Jonas" in page) == (False, False, False)
    for address in (f"{path}/roles/new", f"{path}/roles/{role_id}/edit", f"{path}/roles/{role_id}/delete"):
        refused = await at_home.browser.get(address)
        assert (refused.status_code, "mira@meridian.example" in refused.text) == (403, True), address
    for address in (f"{path}/roles/{role_id}/edit", f"{path}/people/{jonas}/roles"):
        assert (await at_home.send(address, form_at=path, role_id=role_id, name="x")).status_code == 403, address


async def test_a_role_is_nothing_in_another_project(at_home: Console) -> None:
    path = await here(at_home)
    role_id = await make(at_home, path, **KEEPER)
    other = (await at_home.send("/settings/projects", form_at="/settings/projects/new", name="Other")).headers[
        "location"
    ]
    assert "Keeper" not in await at_home.page(other)
    for action in ("edit", "delete"):
        assert (await at_home.browser.get(f"{other}/roles/{role_id}/{action}")).status_code == 404
        answer = await at_home.send(f"{other}/roles/{role_id}/{action}", form_at=other, name="Taken")
        assert answer.status_code == 404
