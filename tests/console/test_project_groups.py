"""Groups' roles in a project through its page: given, taken, seen, and never more than the giver has."""

import pytest

from console.given_console import Console
from console.given_people import become, join
from console.test_groups import a_group
from console.test_project_roles import KEEPER, here, make

pytestmark = pytest.mark.asyncio
VIEWER = "role-api-project-viewer"


async def test_a_group_is_given_roles_in_a_project_and_they_are_taken_again(at_home: Console) -> None:
    path, group_path = await here(at_home), await a_group(at_home)
    group, keeper = group_path.rpartition("/")[2], await make(at_home, path, **KEEPER)
    jonas = await join(at_home, "jonas@example.com", "Jonas", "member")
    await at_home.send(f"{group_path}/people", form_at=group_path, person=jonas)
    page = await at_home.page(path)
    assert ("All who are in a group have the roles" in page, "Support desk</option>" in page) == (True, True)
    for role in (VIEWER, keeper):
        given = await at_home.send(f"{path}/groups", form_at=path, group_id=group, role_id=role)
        assert (given.status_code, given.headers["location"]) == (303, path)
    again = await at_home.send(f"{path}/groups", form_at=path, group_id=group, role_id=keeper)
    assert (again.status_code, "is assigned to" in again.text) == (422, True)
    page = await at_home.page(path)
    for words in ("Take Keeper from Support desk", "Take Viewer from Support desk", "1 person has it", group_path):
        assert words in page + await at_home.page(f"{path}/roles/{keeper}/delete"), words
    assert "Viewer, Keeper" in await at_home.page(group_path)
    taken = await at_home.send(f"{path}/groups/{group}/roles/{keeper}/remove", form_at=path)
    assert (taken.status_code, taken.headers["location"]) == (303, path)
    assert "Viewer, Keeper" not in await at_home.page(group_path)
    await become(at_home, "jonas@example.com")
    seen = await at_home.page(path)
    assert ("Support desk" in seen, "Take Viewer from" in seen, group_path in seen) == (True, False, False)
    assert "An owner of the project can give groups roles here" in seen


async def test_without_its_last_role_a_group_is_in_the_project_no_more(at_home: Console) -> None:
    path, group_path = await here(at_home), await a_group(at_home)
    group = group_path.rpartition("/")[2]
    jonas = await join(at_home, "jonas@example.com", "Jonas", "member")
    await at_home.send(f"{group_path}/people", form_at=group_path, person=jonas)
    await at_home.send(f"{path}/groups", form_at=path, group_id=group, role_id=VIEWER)
    await at_home.send(f"{path}/groups/{group}/roles/{VIEWER}/remove", form_at=path)
    assert "None. A project" in await at_home.page(group_path)
    await become(at_home, "jonas@example.com")
    assert (await at_home.browser.get(path)).status_code == 404


async def test_nobody_gives_a_group_more_than_they_have(at_home: Console) -> None:
    path, group_path = await here(at_home), await a_group(at_home)
    group, keeper = group_path.rpartition("/")[2], await make(at_home, path, **KEEPER)
    registrar = await make(at_home, path, name="Registrar", may_organization_projects_roles="write")
    jonas = await join(at_home, "jonas@example.com", "Jonas", "member", **{f"in_{path.rpartition('/')[2]}": "viewer"})
    await at_home.send(f"{path}/people/{jonas}/roles", form_at=path, role_id=registrar)
    await at_home.send(f"{path}/groups", form_at=path, group_id=group, role_id=keeper)
    await become(at_home, "jonas@example.com")
    page = await at_home.page(path)
    assert ("Support desk" in page, "Take Keeper from" in page, f'value="{keeper}"' in page) == (True, False, False)
    for address, role in (
        (f"{path}/groups", "role-api-project-owner"),
        (f"{path}/groups/{group}/roles/{keeper}/remove", ""),
    ):
        refused = await at_home.send(address, form_at=path, group_id=group, role_id=role)
        assert refused.status_code == 403, address


async def test_a_group_or_a_role_that_is_not_there_is_not_found(at_home: Console) -> None:
    path, group_path = await here(at_home), await a_group(at_home)
    group = group_path.rpartition("/")[2]
    for group_id, role_id in (("group_none", VIEWER), (group, "role_none")):
        answer = await at_home.send(f"{path}/groups", form_at=path, group_id=group_id, role_id=role_id)
        assert answer.status_code == 404, (group_id, role_id)
