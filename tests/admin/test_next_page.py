"""Pages whose `next` is the mark to go on behind, on every list that has them."""

import pytest

from admin.town import Town, refusal
from keyhouse.core.errors import Code

LISTS = (
    "/roles",
    "/users/user-1/roles",
    "/groups",
    "/groups/{group}/users",
    "/groups/{group}/roles",
    "/projects/proj_1/groups",
    "/v1/projects/proj_1/roles",
    "/v1/projects/proj_1/users/user-1/roles",
    "/v1/projects/proj_1/groups/{group}/roles",
)


@pytest.fixture
def group(town: Town) -> str:
    """A group that is in every list, and in it is a user."""
    made: str = town.ask("POST", "/groups", body={"name": "crew"}).json()["id"]
    for path, body in (
        (f"/groups/{made}/users", {"user_id": "user-1"}),
        (f"/groups/{made}/roles", {"role_id": "role-api-organization-reader"}),
        ("/projects/proj_1/groups", {"group_id": made, "role": "member"}),
    ):
        assert town.ask("POST", path, body=body).status_code == 200
    return made


def test_an_unknown_mark_and_a_page_of_nothing_are_empty(town: Town, group: str) -> None:
    for path in LISTS:
        whole = town.ask("GET", path.format(group=group)).json()
        assert whole["data"], path
        assert (whole["has_more"], whole["next"]) == (False, None), path
        for query in ("limit=0", "after=after"):
            answer = town.ask("GET", f"{path.format(group=group)}?{query}").json()
            assert (answer["data"], answer["has_more"], answer["next"]) == ([], False, None), (path, query)


def test_next_is_the_last_ones_mark_as_long_as_more_follow(town: Town) -> None:
    first = town.ask("GET", "/roles?limit=1").json()
    assert (first["has_more"], first["next"]) == (True, first["data"][0]["id"])
    rest = town.ask("GET", f"/roles?after={first['next']}").json()
    assert [role["name"] for role in rest["data"]] == ["reader", "member"]


def test_a_limit_or_an_order_beyond_what_there_is_is_refused(town: Town, group: str) -> None:
    for path in LISTS:
        for query, param in (("limit=1001", "limit"), ("order=up", "order")):
            answer = town.ask("GET", f"{path.format(group=group)}?{query}")
            assert refusal(answer) == (400, param, Code.PARAMETER_INVALID), (path, query)
