"""Every route of the console asked by everyone, by the table in `matrix.txt`."""

import re

import pytest

from console.given_console import Console
from console.given_matrix_walk import LINES, Walk
from given_matrix import OPEN, ROLES, Line, Role, all_but, only, places
from keyhouse.console.policy import POLICY, Who
from keyhouse.core.authority import Task, tasks_in

pytestmark = pytest.mark.asyncio


UNRECORDED = ("/playground", "/settings/ledger", "/settings/upstreams/{upstream_id}/test")


async def test_every_route_has_its_place_in_the_matrix_and_takes_what_the_policy_says() -> None:
    assert set(LINES) == set(POLICY)
    for route, policy in POLICY.items():
        line = LINES[route]
        if policy is Who.ANYONE:
            assert line.takes == "anyone", route
        elif isinstance(policy, Task):
            assert (line.tasks[0], line.takes[0] in "~@") == (policy, False), route
        else:
            assert line.takes == "signed in" or line.takes[0] in "~@" or "/projects" in line.path, route


async def test_everyone_may_what_the_matrix_says_and_nothing_else(walk: Walk) -> None:
    routes = [line for line in LINES.values() if line.takes not in OPEN]
    for role in ROLES:
        await ask_all(walk, role, routes)
    for task in sorted({task for line in routes for task in line.tasks}):
        taking = [line for line in routes if task in line.tasks and " or " not in line.takes]
        await ask_all(walk, only(task), taking)
        await ask_all(walk, all_but(task), taking)


async def ask_all(walk: Walk, role: Role, routes: list[Line]) -> None:
    """What is refused changes nothing, what is allowed is done."""
    held, grants, ids = role.organization, role.grants("proj_1"), walk.ids["1"]
    named = [ids[name] for name in ("key_id", "call_id", "limit_id", "user_id")]
    with walk.rows.kept() as put_back:
        who = await walk.someone(role)
        before = walk.rows.everything()
        allowed = [line for line in routes if line.allows(held, grants, "proj_1")]
        for line in routes:
            if line in allowed:
                continue
            answer = await walk.ask(line, who, ids)
            expected = {200} if line.is_seen else {403, 404, 422}
            assert answer.status_code in expected, (role.name, line, answer.status_code)
            asked_for = line.address(ids) + str(line.written(ids))
            shown = [name for name in named if name in answer.text and name not in asked_for]
            # A form that is refused may come back on a page of what this person sees anyhow.
            assert shown == [] or (line.method == "POST" and tasks_in(held, grants, "proj_1")), (role.name, line)
        assert walk.rows.everything() == before
        with walk.rows.kept() as put_this_back:
            for line in allowed:
                # A question to a model takes a gateway, which stands beside the pages in tests/e2e only; a verification
                # and a test of an upstream change nothing.
                if line.is_seen or (line.method == "POST" and line.path.startswith(UNRECORDED)):
                    continue
                answer = await walk.ask(line, who, ids)
                assert answer.status_code in {200, 201, 303}, (role.name, line, answer.status_code)
                if line.method == "POST":
                    assert len(walk.rows.everything()["audit_events"]) > len(before["audit_events"]), line
                    put_this_back()
        put_back()


async def test_no_page_shows_what_is_in_projects_that_one_does_not_see(walk: Walk) -> None:
    ids = walk.ids["1"]
    for role in (Role("outsider"), Role("project owner", project="owner")):
        who = await walk.someone(role)
        hidden = {"other_project_id"} if role.project else {"key_id", "call_id", "limit_id", "user_id", "project_id"}
        for line in LINES.values():
            if (
                line.method == "GET"
                and line.takes != "anyone"
                and line.allows("member", role.grants("proj_1"), "proj_1")
            ):
                answer = await walk.ask(line, who, ids)
                assert answer.status_code == 200, line
                assert [name for name in hidden if ids[name] in answer.text] == [], line


async def test_another_organizations_ids_read_as_missing_on_every_page(walk: Walk) -> None:
    stranger = await walk.session("user-2", "2")
    before, own, theirs = walk.rows.everything(), walk.ids["2"], walk.ids["1"]
    for line in LINES.values():
        for name in places(line.path + (line.body or "")):
            if name in ("token", "path"):
                continue
            answer = await walk.ask(line, stranger, own | {name: theirs[name]})
            missing = await walk.ask(line, stranger, own | {name: theirs[name][:5] + "0" * 22})
            assert answer.status_code == missing.status_code, (line, name)
            assert answer.status_code in ({404} if f"{{{name}}}" in line.path else {403, 404, 422}), (line, name)
    assert walk.rows.everything() == before


async def test_without_a_session_everything_leads_to_sign_in(walk: Walk) -> None:
    before = walk.rows.everything()
    for line in LINES.values():
        if line.takes != "anyone":
            answer = await walk.ask(line, None, walk.ids["1"])
            assert (answer.status_code, answer.headers["location"].startswith("/sign-in")) == (303, True), line
    assert walk.rows.everything() == before


async def test_a_key_is_no_session(at_home: Console) -> None:
    at_home.browser.cookies.delete("keyhouse")
    answer = await at_home.browser.get("/api-keys", headers={"authorization": "Bearer sk-kh_x"})
    assert answer.headers["location"].startswith("/sign-in")


def place_of(path: str) -> str:
    """The path with ids that nobody has."""
    return re.sub(r"\{(\w+)_id\}", r"\1_0", path)


async def test_anyone_may_ask_only_for_the_door_and_for_files() -> None:
    open_to_all = {path for (_, path), who in POLICY.items() if who is Who.ANYONE}
    assert all(
        path == "/"
        or path.startswith(
            (
                "/set-up",
                "/sign-in",
                "/forgotten-password",
                "/new-password/",
                "/invite/",
                "/static/",
                "/favicon",
                "/docs",
                "/openapi.json",
            )
        )
        for path in open_to_all
    )
