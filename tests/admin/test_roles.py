"""Roles of an organization's and of a project's own, through OpenAI's own client."""

import pytest
from openai import NotFoundError

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
        assert (changed.description, changed.permissions) == ("Knows everybody", [Task.USERS_READ, Task.GROUPS])
        assert roles.delete(made.id).deleted
        with pytest.raises(NotFoundError):
            roles.retrieve(made.id)
        events = [entry.type for entry in client.admin.organization.audit_logs.list(limit=1)]
        assert [event for event in events if event.startswith("role.")] == [
            "role.deleted",
            "role.updated",
            "role.created",
        ]


def test_a_projects_roles_are_its_own_beside_those_that_are_always_there(town: Town) -> None:
    with town.sdk() as client:
        roles = client.admin.organization.projects.roles
        made = roles.create("proj_1", role_name="watcher", permissions=[Task.USAGE_READ])
        assert (made.predefined_role, made.resource_type) == (False, "api.project")
        names = [role.name for role in roles.list("proj_1", limit=1)]
        assert names == ["owner", "member", "viewer", "watcher"]
        assert [role.name for role in roles.list("proj_1", limit=1, order="desc")] == names[::-1]
        changed = roles.update(made.id, project_id="proj_1", description="Watches", permissions=[Task.LIMITS])
        assert changed == roles.retrieve(made.id, project_id="proj_1")
        assert (changed.name, changed.description, changed.permissions) == ("watcher", "Watches", [Task.LIMITS])
        with pytest.raises(NotFoundError):
            client.admin.organization.roles.retrieve(made.id)
        assert roles.delete(made.id, project_id="proj_1").deleted
        with pytest.raises(NotFoundError):
            roles.retrieve(made.id, project_id="proj_1")
        deleted, updated, created = list(client.admin.organization.audit_logs.list(project_ids=["proj_1"]))[:3]
    assert deleted.role_deleted is not None
    assert deleted.role_deleted.id == made.id
    assert created.role_created is not None
    assert (created.role_created.role_name, created.role_created.resource_id) == ("watcher", "proj_1")
    assert updated.role_updated is not None
    assert updated.role_updated.changes_requested is not None
    changes = updated.role_updated.changes_requested
    assert (changes.description, changes.permissions_added) == ("Watches", [Task.LIMITS])
    assert changes.permissions_removed == [Task.USAGE_READ]


def test_what_is_wrong_is_named_by_its_field(town: Town) -> None:
    for body, param, code in (
        ({"permissions": []}, "role_name", Code.PARAMETER_MISSING),
        ({"role_name": "x"}, "permissions", Code.PARAMETER_MISSING),
        ({"role_name": "x", "permissions": ["api.everything"]}, "permissions", Code.PARAMETER_INVALID),
        ({"role_name": " ", "permissions": []}, "role_name", Code.PARAMETER_INVALID),
    ):
        for path in ("/roles", "/v1/projects/proj_1/roles"):
            assert refusal(town.ask("POST", path, body=body)) == (400, param, code)
