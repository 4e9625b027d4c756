"""The decision on who may do what, and the page that tells it."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyhouse.core.authority import (
    EVERYTHING,
    IN_A_PROJECT,
    ORGANIZATION_ROLES,
    OWN,
    PROJECT_ROLES,
    Grant,
    Sight,
    Task,
    implied,
    may,
    projects_with,
    read_tasks,
    tasks_in,
)

PAGE = Path(__file__).parents[2] / "docs" / "permissions.md"
ROW = re.compile(r"\| `(api\.[a-z_.]+)` \| ([a-z, ]*) \| ([a-z, ]*) \|")
TASKS = st.frozensets(st.sampled_from(Task))
GRANTS = st.lists(st.builds(Grant, TASKS, st.sampled_from([None, "proj_1", "proj_2"])), max_size=4)
ROLES = st.sampled_from([*ORGANIZATION_ROLES, "", "guest"])


def test_the_page_says_who_has_what() -> None:
    said = {row[1]: (_names(row[2]), _names(row[3])) for row in ROW.finditer(PAGE.read_text())}
    assert said == {
        str(task): (
            [name for name, tasks in ORGANIZATION_ROLES.items() if task in tasks],
            [name for name, tasks in PROJECT_ROLES.items() if task in tasks],
        )
        for task in Task
    }


def test_tasks_are_in_the_order_of_their_names_and_keep_to_the_grammar() -> None:
    assert [task.name for task in Task] == sorted(task.name for task in Task)
    for task in Task:
        assert re.fullmatch(r"api\.(organization\.(projects\.)?)?[a-z_]+\.(read|write|request)", task), task


def test_nobody_but_an_owner_changes_anything_by_the_role_in_the_organization() -> None:
    for role in ("reader", "member", "", "guest"):
        assert not any(may(role, (), task) for task in Task if not task.endswith(".read")), role
    assert all(may("owner", (), task, project) for task in Task for project in (None, "proj_1"))


def test_a_member_of_a_project_manages_their_own_keys_there_and_nobody_elses() -> None:
    grants = [Grant(PROJECT_ROLES["member"], "proj_1")]
    assert may("member", grants, Task.API_KEYS, "proj_1", is_own=True)
    assert not may("member", grants, Task.API_KEYS, "proj_1")
    assert not may("member", grants, Task.API_KEYS, "proj_2", is_own=True)
    assert not may("member", grants, Task.API_KEYS, None, is_own=True)
    assert may("member", grants, Task.MODEL_REQUEST, "proj_1")


def test_a_projects_roles_never_reach_what_is_the_organizations() -> None:
    for name, tasks in PROJECT_ROLES.items():
        assert tasks <= IN_A_PROJECT, name
    assert Task.UPSTREAMS not in IN_A_PROJECT
    assert Task.ADMIN_KEYS not in IN_A_PROJECT
    assert Task.MODEL_REQUEST in IN_A_PROJECT


def test_who_may_write_may_read_and_who_manages_all_keys_manages_their_own() -> None:
    held = implied({Task.API_KEYS})
    assert held == {Task.API_KEYS, Task.API_KEYS_READ, Task.OWN_API_KEYS, Task.OWN_API_KEYS_READ}
    for task in Task:
        if task.endswith(".write"):
            assert any(str(other) == f"{task.removesuffix('.write')}.read" for other in implied({task})), task


@given(ROLES, GRANTS, GRANTS, st.sampled_from(Task), st.sampled_from([None, "proj_1", "proj_2"]), st.booleans())
def test_more_roles_never_give_less(
    role: str, grants: list[Grant], more: list[Grant], task: Task, project_id: str | None, is_own: bool
) -> None:
    if may(role, grants, task, project_id, is_own=is_own):
        assert may(role, [*grants, *more], task, project_id, is_own=is_own)
        assert may("owner", grants, task, project_id, is_own=is_own)


@given(ROLES, GRANTS, st.sampled_from(Task), st.sampled_from(["proj_1", "proj_2", "proj_3"]), st.booleans())
def test_the_projects_where_one_may_are_those_where_the_decision_says_so(
    role: str, grants: list[Grant], task: Task, project_id: str, is_own: bool
) -> None:
    found = projects_with(role, grants, task, is_own=is_own)
    assert (found is None or project_id in found) == may(role, grants, task, project_id, is_own=is_own)


@given(ROLES, GRANTS)
def test_what_is_held_in_the_organization_is_held_in_every_project(role: str, grants: list[Grant]) -> None:
    assert tasks_in(role, grants) <= tasks_in(role, grants, "proj_1") <= EVERYTHING


def test_a_grant_in_one_project_gives_nothing_in_another() -> None:
    grants = [Grant(IN_A_PROJECT, "proj_1")]
    assert tasks_in("member", grants, "proj_1") == IN_A_PROJECT
    assert tasks_in("member", grants, "proj_2") == tasks_in("member", grants) == frozenset()


def test_permissions_are_read_or_refused_by_name() -> None:
    assert read_tasks(["api.groups.read", "api.model.request"]) == {Task.GROUPS_READ, Task.MODEL_REQUEST}
    with pytest.raises(ValueError, match=r"'api.organization.billing.write' is not a permission"):
        read_tasks(["api.organization.billing.write"])


def test_a_sight_narrows_what_is_asked_and_never_to_nothing() -> None:
    sight = Sight(frozenset({"proj_1", "proj_2"}), "user-1")
    assert sight.narrow(()) == ("proj_1", "proj_2")
    assert sight.narrow(("proj_2", "proj_9")) == ("proj_2",)
    # An empty filter would let everything pass.
    assert sight.narrow(("proj_9",)) == ("",)
    assert Sight(frozenset(), "user-1").narrow(()) == ("",)


def test_only_keys_can_be_ones_own() -> None:
    assert set(OWN) == {Task.API_KEYS, Task.API_KEYS_READ}


def _names(text: str) -> list[str]:
    return [name for name in text.split(", ") if name]
