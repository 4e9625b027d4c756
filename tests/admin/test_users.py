"""Users of the organization and of projects, through OpenAI's own client."""

import pytest
from openai import NotFoundError, PermissionDeniedError

from admin.town import Town, refusal
from keyhouse.core.errors import Code


def test_users_are_paged_changed_and_taken_out(town: Town) -> None:
    with town.sdk() as client:
        users = client.admin.organization.users
        assert {user.id for user in users.list(limit=1)} == {"user-1", "user-reader", "user-member"}
        assert [user.id for user in users.list(emails=["reader@example.com"])] == ["user-reader"]
        assert users.update("user-reader", role="owner").role == "owner"
        assert users.retrieve("user-reader").role == "owner"
        assert users.delete("user-reader").deleted
        with pytest.raises(NotFoundError):
            users.retrieve("user-reader")


def test_a_role_is_given_by_its_id_too(town: Town) -> None:
    with town.sdk() as client:
        users, roles = client.admin.organization.users, client.admin.organization.roles
        assert users.update("user-reader", role_id="role-api-organization-member").role == "member"
        clerk = roles.create(role_name="clerk", permissions=[])
        assert users.update("user-reader", role_id=clerk.id).role == "member"
        assert [role.name for role in users.roles.list("user-reader")] == ["member", "clerk"]
        with pytest.raises(NotFoundError):
            users.update("user-reader", role_id="role_x")
    both = {"role": "owner", "role_id": clerk.id}
    assert refusal(town.ask("POST", "/users/user-reader", body=both)) == (400, "role_id", Code.PARAMETER_INVALID)


def test_an_admin_key_can_do_what_its_owner_can_at_that_moment(town: Town) -> None:
    with town.sdk(town.reader) as client:
        with pytest.raises(PermissionDeniedError):
            client.admin.organization.users.delete("user-member")
        town.ask("POST", "/users/user-reader", body={"role": "owner"})
        assert client.admin.organization.users.delete("user-member").deleted


def test_a_projects_users_are_added_changed_paged_and_taken_out(town: Town) -> None:
    with town.sdk() as client:
        users = client.admin.organization.projects.users
        assert users.create("proj_1", email="member@example.com", role="member").id == "user-member"
        users.create("proj_1", user_id="user-reader", role="viewer")
        assert [user.id for user in users.list("proj_1", limit=1)] == ["user-member", "user-reader"]
        assert users.update("user-member", project_id="proj_1", role="owner").role == "owner"
        assert users.retrieve("user-member", project_id="proj_1").email == "member@example.com"
        assert users.delete("user-reader", project_id="proj_1").deleted
        assert [user.id for user in users.list("proj_1")] == ["user-member"]


def test_a_member_of_a_project_sees_it_and_their_own_keys_there(town: Town) -> None:
    theirs, _ = town.project_key()
    assert town.ask("GET", "/projects", key=town.member).json()["data"] == []
    assert refusal(town.ask("GET", "/projects/proj_1", key=town.member))[2] == Code.NOT_FOUND
    town.ask("POST", "/projects/proj_1/users", body={"user_id": "user-member", "role": "member"})
    assert [one["id"] for one in town.ask("GET", "/projects", key=town.member).json()["data"]] == ["proj_1"]
    own = town.ask("POST", "/projects/proj_1/api_keys", key=town.member, body={"name": "mine"}).json()["id"]
    listed = town.ask("GET", "/projects/proj_1/api_keys", key=town.member).json()["data"]
    assert [key["id"] for key in listed] == [own]
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/rotate"), ("POST", "/disable")):
        answer = town.ask(method, f"/projects/proj_1/api_keys/{theirs}{path}", key=town.member, body={})
        assert refusal(answer)[2] == Code.NOT_PERMITTED, (method, path)
        assert town.ask(method, f"/projects/proj_1/api_keys/{own}{path}", key=town.member).status_code in {
            200,
            404,
            409,
        }


def test_an_unknown_mark_and_a_page_of_nothing_are_empty(town: Town) -> None:
    for query in ("limit=0", "after=after"):
        for path in ("/users", "/projects/proj_1/users"):
            assert town.ask("GET", f"{path}?{query}").json()["data"] == [], (path, query)


def test_who_is_to_be_added_must_be_named(town: Town) -> None:
    answer = town.ask("POST", "/projects/proj_1/users", body={"role": "member"})
    assert refusal(answer) == (400, "user_id", Code.PARAMETER_MISSING)
