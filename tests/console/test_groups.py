"""Groups through their pages: made, filled, given a role, renamed, deleted."""

import re

import pytest

from console.given_console import Console
from console.given_people import join
from console.test_roles import make

pytestmark = pytest.mark.asyncio
HERE = "/members/groups"


async def a_group(console: Console, name: str = "Support desk") -> str:
    """A group; its page's path."""
    answer = await console.send(HERE, form_at=f"{HERE}/new", name=name)
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"])


async def test_a_group_is_made_filled_given_a_role_renamed_and_deleted(at_home: Console) -> None:
    path, role_id = await a_group(at_home), await make(at_home)
    jonas = await join(at_home, "jonas@example.com", "Jonas", "member")
    for address, fields in (
        (f"{path}/people", {"person": jonas}),
        (f"{path}/roles", {"role_id": role_id}),
        (path, {"name": "Night desk"}),
    ):
        assert (await at_home.send(address, form_at=path, **fields)).status_code == 303, address
    page = await at_home.page(path)
    assert ("Night desk" in page, "1 person, 1 role" in page, "Cost watcher" in page) == (True, True, True)
    assert "by a group" in await at_home.page(f"/members/{jonas}")
    listed = await at_home.page(HERE)
    assert ("Night desk" in listed, "Jonas" in listed) == (True, True)
    assert (await at_home.send(f"{path}/roles/{role_id}/remove", form_at=path)).status_code == 303
    assert (await at_home.send(f"{path}/people/{jonas}/remove", form_at=path)).status_code == 303
    assert "Nobody is in it" in await at_home.page(path)
    assert (await at_home.send(f"{path}/delete", form_at=f"{path}/delete")).headers["location"] == HERE
    assert (await at_home.browser.get(path)).status_code == 404


async def test_what_is_typed_wrongly_comes_back_with_why(at_home: Console) -> None:
    path = await a_group(at_home)
    for address, name, words in (
        (HERE, "", "The name is empty"),
        (HERE, "Support desk", "There is a group with the name"),
        (path, "", "The name is empty"),
    ):
        answer = await at_home.send(address, form_at=path, name=name)
        assert (answer.status_code, words in answer.text) == (422, True), words


async def test_a_reader_sees_the_groups_and_who_can_change_them(at_home: Console) -> None:
    path = await a_group(at_home)
    await at_home.become("reader")
    page = await at_home.page(HERE)
    assert ("An owner of Meridian Freight" in page, f"{HERE}/new" in page) == (True, False)
    assert re.search(rf'action="{path}', await at_home.page(path)) is None
