"""The project switch: what it offers to whom, and what a page in a project shows and leads to."""

import html
import re

import pytest
from sqlalchemy import Connection, insert, select

from console.given_console import Console, project_on
from console.given_people import become, join
from console.given_usage import use
from keyhouse.console.project_switch import OFFERED_MAX, with_project
from keyhouse.store import schema

pytestmark = pytest.mark.asyncio
NARROWED = ("/api-keys", "/calls", "/usage", "/performance", "/costs", "/limits", "/costs/statement")


async def make(console: Console, name: str) -> str:
    """A project; its id."""
    answer = await console.send("/settings/projects", form_at="/settings/projects/new", name=name)
    return str(answer.headers["location"].rpartition("/")[2])


def offered_on(page: str) -> dict[str, str]:
    """What the menu of a page offers: addresses by the projects' names."""
    menu = re.search(r'<ul id="switch-list".*?</ul>', page, re.DOTALL)
    found = re.findall(r'<a href="([^"]+)"[^>]*><span>([^<]+)</span>', menu[0]) if menu else []
    return {html.unescape(name): html.unescape(address) for address, name in found}


async def test_with_one_project_there_is_nothing_to_switch(at_home: Console) -> None:
    assert offered_on(await at_home.page("/api-keys")) == {}


async def test_it_leads_to_the_same_page_in_another_project_from_its_beginning(at_home: Console) -> None:
    search = await make(at_home, "Zeppelin")
    page = await at_home.page("/api-keys?status=all&sort=name&page=2&done=disabled&on=key_1")
    offered = offered_on(page)
    assert list(offered) == ["All projects", "Default project", "Zeppelin"]
    assert offered["Zeppelin"] == f"/api-keys?status=all&sort=name&project={search}"
    assert offered["All projects"] == "/api-keys?status=all&sort=name"
    page = await at_home.page(f"/usage?by=project_id&key=key_1&project={search}")
    assert offered_on(page)["All projects"] == "/usage?by=project_id"
    assert f'href="/costs?project={search}"' in page


async def test_from_one_thing_and_from_a_form_it_leads_to_the_list(at_home: Console) -> None:
    search = await make(at_home, "Zeppelin")
    key_id, _ = await at_home.create("alpha")
    for path in (f"/api-keys/{key_id}", f"/api-keys/{key_id}?project={search}", "/api-keys/new"):
        assert offered_on(await at_home.page(path))["Zeppelin"] == f"/api-keys?project={search}"
    answer = await at_home.create_answer(name="beta")
    assert offered_on(answer.text)["Zeppelin"] == f"/api-keys?project={search}"


@pytest.mark.parametrize("path", ["/members", "/settings/account", "/help", "/hygiene", "/playground"])
async def test_pages_without_a_project_keep_it_for_what_comes_next(at_home: Console, path: str) -> None:
    search = await make(at_home, "Zeppelin")
    page = await at_home.page(f"{path}?project={search}")
    assert f'href="/usage?project={search}"' in page
    assert offered_on(page)["All projects"] == path


async def test_a_page_in_a_project_shows_that_alone(at_home: Console) -> None:
    first = project_on(await at_home.page("/api-keys/new"))
    second = await make(at_home, "Zeppelin")
    for name, project, requests in (("alpha", first, 7), ("beta", second, 11)):
        key_id, _ = await at_home.create(name, project=project, budget="5")
        await use(at_home, key_id, requests=requests)
    for path in ("/api-keys", "/limits", "/usage?by=api_key_id", "/performance?by=api_key_id"):
        page = await at_home.page(with_project(path, second))
        assert (">alpha<" in page, ">beta<" in page) == (False, True), path
    csv = await at_home.page(f"/usage.csv?project={second}")
    assert [line.split(",")[1] for line in csv.splitlines()[1:]] == ["11"]
    for path in ("/costs/statement", "/costs/statement.csv"):
        page = await at_home.page(with_project(path, second))
        assert (page.count("Default project"), "Zeppelin" in page) == (1 if path == "/costs/statement" else 0, True)


@pytest.mark.parametrize("path", NARROWED)
async def test_a_project_that_one_may_not_see_shows_nothing_and_has_no_name(at_home: Console, path: str) -> None:
    first = project_on(await at_home.page("/api-keys/new"))
    hidden = await make(at_home, "Secret plans")
    await make(at_home, "Zeppelin")
    key_id, _ = await at_home.create("alpha", project=hidden, budget="5")
    await use(at_home, key_id)
    await join(at_home, "jonas@example.com", "Jonas", "member", **{f"in_{first}": "member"})
    assert "Secret plans" in await at_home.page(with_project(path, hidden))
    await become(at_home, "jonas@example.com")
    for project in (hidden, "proj_none", "<b>"):
        page = await at_home.page(with_project(path, project))
        assert "No such project" in page
        assert not any(words in page for words in ("Secret plans", "Zeppelin", ">alpha<", "<b>&"))
    assert list(offered_on(await at_home.page(with_project(path, hidden)))) == ["All projects", "Default project"]


async def test_what_is_done_to_a_key_leads_back_into_the_project(at_home: Console) -> None:
    search = await make(at_home, "Zeppelin")
    sheet = await at_home.page(f"/api-keys/new?project={search}")
    assert f'<option value="{search}" selected>' in sheet
    assert f'action="/api-keys?project={search}"' in sheet
    key_id, _ = await at_home.create("alpha", project=search)
    page = await at_home.page(f"/api-keys/{key_id}?project={search}")
    assert f'href="/api-keys?project={search}">API keys' in page
    path = f"/api-keys/{key_id}/disable?project={search}"
    assert f'action="{path}"' in page
    answer = await at_home.send(path, form_at="/api-keys")
    assert answer.headers["location"] == f"/api-keys/{key_id}?done=disabled&on={key_id}&project={search}"


async def test_a_new_key_of_another_project_stands_in_the_list_behind_its_secret(at_home: Console) -> None:
    first = project_on(await at_home.page("/api-keys/new"))
    search = await make(at_home, "Zeppelin")
    answer = await at_home.send(
        f"/api-keys?project={search}", form_at="/api-keys", name="alpha", project=first, may="all", expires="90"
    )
    assert (answer.status_code, ">alpha<" in answer.text) == (201, True)
    assert f'data-leads-to="/api-keys?project={first}"' in answer.text


async def test_an_archived_project_has_its_name_and_is_not_offered(at_home: Console) -> None:
    old = await make(at_home, "Old")
    await make(at_home, "Zeppelin")
    path = f"/settings/projects/{old}"
    await at_home.send(f"{path}/archive", form_at=path)
    page = await at_home.page(f"/costs?project={old}")
    assert "Old, " in page
    assert "Old" not in offered_on(page)


async def test_very_many_projects_are_not_all_in_the_menu(at_home: Console) -> None:
    await make(at_home, "alpha")

    def add_others(connection: Connection) -> None:
        alpha = connection.execute(select(schema.projects).where(schema.projects.c.name == "alpha")).mappings().one()
        others = [{**alpha, "id": f"proj_{number}", "name": f"beta {number:03}"} for number in range(OFFERED_MAX)]
        connection.execute(insert(schema.projects), others)

    await at_home.database.write(add_others)
    page = await at_home.page("/api-keys")
    offered = list(offered_on(page))
    assert offered[:3] == ["All projects", "alpha", "beta 000"]
    assert len(offered) == 1 + OFFERED_MAX
    assert "2 more in the settings" in page
