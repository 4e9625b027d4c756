"""Roles of an organization's own and who holds them, through OpenAI's own client."""

import pytest
from openai import ConflictError, NotFoundError, PermissionDeniedError

from admin.town import Town, refusal
from keyhouse.core.authority import Task
from keyhouse.core.errors import Code


def test_roles_are_made_paged_changed_and_deleted(town: Town) -> None:
    with town.sdk() as client:
        roles = client.admin.organization.roles
        made = roles.create(role_name="clerk", permissions=[Task.USERS_READ], description="Knows everybody")
        assert (made.predefined_role, made.resource_type) == (False, "api.organization")
        names = [role.name for role in roles.list(limit=1)]
        assert names == ["owner", "reader", "member", "clerk"]
        assert [role.name for role in roles.list(limit=1, order="desc")] == names[::-1]
        changed = roles.update(made.id, role_name="registrar", permissions=[Task.USERS_READ, Task.GROUPS])
        assert changed == roles.retrieve(made.id)
        assert (changed.description, changed.permissions) == ("Knows everybody", [Task.GROUPS, Task.USERS_READ])
        assert roles.delete(made.id).deleted
        with pytest.raises(NotFoundError):
            roles.retrieve(made.id)
        events = [entry.type for entry in client.admin.organization.audit_logs.list(limit=1)]
        assert [event for event in events if event.startswith("role.")] == [
            "role.deleted",
            "role.updated",
            "role.created",
        ]


def test_a_role_counts_from_when_it_is_given_until_it_is_taken(town: Town) -> None:
    with town.sdk() as client, town.sdk(town.member) as theirs:
        made = client.admin.organization.roles.create(role_name="clerk", permissions=[Task.USERS_READ])
        held = client.admin.organization.users.roles
        with pytest.raises(PermissionDeniedError):
            theirs.admin.organization.users.list()
        given = held.create("user-member", role_id=made.id)
        assert (given.user.id, given.role.id) == ("user-member", made.id)
        assert theirs.admin.organization.users.list().data
        assert [role.name for role in held.list("user-member", limit=1)] == ["member", "clerk"]
        one = held.retrieve(made.id, user_id="user-member")
        assert one.created_by == "user-1"
        assert one.assignment_sources is not None
        assert [source.principal_type for source in one.assignment_sources] == ["user"]
        with pytest.raises(ConflictError):
            held.create("user-member", role_id=made.id)
        assert held.delete(made.id, user_id="user-member").deleted
        with pytest.raises(PermissionDeniedError):
            theirs.admin.organization.users.list()
        with pytest.raises(NotFoundError):
            held.retrieve(made.id, user_id="user-member")


def test_an_unknown_mark_and_a_page_of_nothing_are_empty(town: Town) -> None:
    for query in ("limit=0", "after=after"):
        for path in ("/roles", "/users/user-1/roles"):
            answer = town.ask("GET", f"{path}?{query}").json()
            assert (answer["data"], answer["has_more"], answer["next"]) == ([], False, None), (path, query)


def test_what_is_wrong_is_named_by_its_field(town: Town) -> None:
    for body, param, code in (
        ({"permissions": []}, "role_name", Code.PARAMETER_MISSING),
        ({"role_name": "x"}, "permissions", Code.PARAMETER_MISSING),
        ({"role_name": "x", "permissions": ["api.everything"]}, "permissions", Code.PARAMETER_INVALID),
        ({"role_name": " ", "permissions": []}, "role_name", Code.PARAMETER_INVALID),
    ):
        assert refusal(town.ask("POST", "/roles", body=body)) == (400, param, code)
