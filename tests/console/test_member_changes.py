"""Changing what someone is through their page, and taking them out."""

import re

import pytest

from console.given_console import Console, project_on
from console.given_people import become, id_of, join

pytestmark = pytest.mark.asyncio


async def test_someone_gets_another_role_projects_and_a_role_beside_it(at_home: Console) -> None:
    project = project_on(await at_home.page("/api-keys/new"))
    jonas = await join(at_home, "jonas@example.com", "Jonas", "member")
    path = f"/members/{jonas}"
    for address, fields in (
        (f"{path}/role", {"role": "reader"}),
        (f"{path}/projects", {"project": project, "role": "member"}),
        (f"{path}/projects/{project}", {"role": "viewer"}),
    ):
        assert (await at_home.send(address, form_at=path, **fields)).status_code == 303, address
    page = await at_home.page(path)
    assert "Looks at everything" in page
    assert '<option value="viewer" selected>' in page
    made = await at_home.send(
        "/members/roles", form_at="/members/roles/new", name="Clerk", may_organization_users="read"
    )
    assert made.status_code == 303, made.text
    role = re.search(r'<option value="(role_[^"]+)">Clerk', await at_home.page(path))
    assert role is not None
    assert (await at_home.send(f"{path}/roles", form_at=path, role_id=role[1])).status_code == 303
    assert "Clerk" in await at_home.page("/members")
    assert (await at_home.send(f"{path}/roles/{role[1]}/remove", form_at=path)).status_code == 303
    assert (await at_home.send(f"{path}/projects/{project}/remove", form_at=path)).status_code == 303
    assert "is in no project" in await at_home.page(path)


async def test_who_is_removed_is_signed_out_and_gone_from_the_list(at_home: Console) -> None:
    project = project_on(await at_home.page("/api-keys/new"))
    jonas = await join(at_home, "jonas@example.com", "Jonas", "member", **{f"in_{project}": "member"})
    owner = dict(at_home.browser.cookies)
    await become(at_home, "jonas@example.com")
    key_id, _ = await at_home.create("his own")
    theirs = dict(at_home.browser.cookies)
    at_home.browser.cookies.clear()
    at_home.browser.cookies.update(owner)
    path = f"/members/{jonas}/remove"
    assert "their key stops working" in await at_home.page(path)
    answer = await at_home.send(path, form_at=path)
    assert (answer.status_code, answer.headers["location"]) == (303, "/members")
    assert key_id in at_home.forgotten
    assert "Jonas" not in (await at_home.page("/members")).partition("<main")[2]
    assert (await at_home.browser.get(f"/members/{jonas}")).status_code == 404
    at_home.browser.cookies.clear()
    at_home.browser.cookies.update(theirs)
    assert (await at_home.browser.get("/api-keys")).status_code == 303


async def test_what_is_refused_comes_back_on_the_page_with_why(at_home: Console) -> None:
    me = await id_of(at_home, "mira@meridian.example")
    path = f"/members/{me}"
    for address, fields, words in (
        (f"{path}/role", {"role": "reader"}, "last owner"),
        (f"{path}/remove", {}, "last owner"),
        (f"{path}/role", {"role": "emperor"}, "It is one of"),
    ):
        answer = await at_home.send(address, form_at=path, **fields)
        assert (answer.status_code, words in answer.text) == (422, True), (address, words)


async def test_who_may_not_changes_nobody(at_home: Console) -> None:
    jonas = await join(at_home, "jonas@example.com", "Jonas", "member")
    project = project_on(await at_home.page("/api-keys/new"))
    await at_home.become("reader")
    path = f"/members/{jonas}"
    assert f'action="{path}' not in await at_home.page(path)
    for address, fields in (
        ("/role", {"role": "owner"}),
        ("/projects", {"project": project, "role": "owner"}),
        (f"/projects/{project}", {"role": "owner"}),
        (f"/projects/{project}/remove", {}),
        ("/roles", {"role_id": "role-api-organization-owner"}),
        ("/roles/role-api-organization-owner/remove", {}),
        ("/remove", {}),
    ):
        answer = await at_home.send(path + address, form_at=path, **fields)
        assert answer.status_code == 403, address
