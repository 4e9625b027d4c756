"""Groups, who is in them, and those of a project, through OpenAI's own client."""

import pytest
from openai import ConflictError, NotFoundError

from admin.town import NOW, Town, refusal
from keyhouse.core.errors import Code


def test_groups_are_made_paged_changed_and_deleted(town: Town) -> None:
    with town.sdk() as client:
        groups = client.admin.organization.groups
        made = [groups.create(name=name) for name in ("crew", "guests", "ops")]
        assert (made[0].group_type, made[0].is_scim_managed, made[0].created_at) == ("group", False, NOW)
        names = [group.name for group in groups.list(limit=1)]
        assert sorted(names) == ["crew", "guests", "ops"]
        assert [group.name for group in groups.list(limit=1, order="desc")] == names[::-1]
        assert groups.update(made[0].id, name="team").name == "team"
        assert groups.retrieve(made[0].id).name == "team"
        with pytest.raises(ConflictError):
            groups.update(made[0].id, name="ops")
        assert groups.delete(made[0].id).deleted
        with pytest.raises(NotFoundError):
            groups.retrieve(made[0].id)
        entries = [entry for entry in client.admin.organization.audit_logs.list(limit=1) if "group." in entry.type]
    deleted, updated, *created = entries
    assert deleted.type == "group.deleted"
    assert updated.group_updated is not None
    assert updated.group_updated.changes_requested is not None
    assert updated.group_updated.changes_requested.group_name == "team"
    assert [
        entry.group_created.data.group_name for entry in created if entry.group_created and entry.group_created.data
    ] == ["ops", "guests", "crew"]


def test_users_are_put_into_a_group_paged_and_taken_out(town: Town) -> None:
    with town.sdk() as client:
        groups = client.admin.organization.groups
        group = groups.create(name="crew")
        for user_id in ("user-1", "user-member", "user-reader"):
            put = groups.users.create(group.id, user_id=user_id)
            assert (put.group_id, put.user_id) == (group.id, user_id)
        ids = [user.id for user in groups.users.list(group.id, limit=1)]
        assert ids == ["user-1", "user-member", "user-reader"]
        assert [user.id for user in groups.users.list(group.id, limit=1, order="desc")] == ids[::-1]
        one = groups.users.retrieve("user-member", group_id=group.id)
        assert (one.email, one.is_service_account, one.user_type) == ("member@example.com", False, "user")
        with pytest.raises(ConflictError):
            groups.users.create(group.id, user_id="user-1")
        assert groups.users.delete("user-member", group_id=group.id).deleted
        with pytest.raises(NotFoundError):
            groups.users.retrieve("user-member", group_id=group.id)
        events = client.admin.organization.audit_logs.list(limit=1, event_types=["group.updated"])
        assert [(entry.model_extra or {})["event"] for entry in events] == ["group.user.removed"] + 3 * [
            "group.user.added"
        ]


def test_a_group_is_put_into_a_project_with_a_role_of_it(town: Town) -> None:
    with town.sdk() as client:
        groups, projects = client.admin.organization.groups, client.admin.organization.projects
        made = [groups.create(name=name) for name in ("crew", "ops")]
        watcher = projects.roles.create("proj_1", role_name="watcher", permissions=[])
        for group, role in zip(made, ("member", watcher.id), strict=True):
            put = projects.groups.create("proj_1", group_id=group.id, role=role)
            assert (put.group_id, put.group_name, put.project_id) == (group.id, group.name, "proj_1")
        ids = [group.group_id for group in projects.groups.list("proj_1", limit=1)]
        assert set(ids) == {group.id for group in made}
        assert [group.group_id for group in projects.groups.list("proj_1", limit=1, order="desc")] == ids[::-1]
        held = projects.groups.roles.list(made[1].id, project_id="proj_1")
        assert [role.name for role in held] == ["watcher"]
        assert projects.groups.retrieve(made[0].id, project_id="proj_1", group_type="group").created_at == NOW
        for group_id, group_type in ((made[0].id, "tenant_group"), ("group_x", "group")):
            with pytest.raises(NotFoundError):
                projects.groups.retrieve(group_id, project_id="proj_1", group_type=group_type)  # type: ignore[arg-type]
        with pytest.raises(ConflictError):
            projects.groups.create("proj_1", group_id=made[0].id, role="owner")
        assert projects.groups.delete(made[0].id, project_id="proj_1").deleted
        assert [group.group_id for group in projects.groups.list("proj_1")] == [made[1].id]


def test_what_is_wrong_is_named_by_its_field(town: Town) -> None:
    for path, body, param, code in (
        ("/groups", {}, "name", Code.PARAMETER_MISSING),
        ("/groups", {"name": " "}, "name", Code.PARAMETER_INVALID),
        ("/groups", {"name": "x" * 256}, "name", Code.PARAMETER_INVALID),
        ("/groups/group_x/users", {}, "user_id", Code.PARAMETER_MISSING),
        ("/groups/group_x/roles", {}, "role_id", Code.PARAMETER_MISSING),
        ("/projects/proj_1/groups", {"group_id": "group_x"}, "role", Code.PARAMETER_MISSING),
        ("/projects/proj_1/groups", {"role": "member"}, "group_id", Code.PARAMETER_MISSING),
    ):
        assert refusal(town.ask("POST", path, body=body)) == (400, param, code)
