"""Who holds which role, users and groups, in the organization and in a project, through OpenAI's own client."""

from typing import Any

import pytest
from openai import ConflictError, NotFoundError, PermissionDeniedError

from admin.town import Town
from keyhouse.core.authority import Task


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


def sources_of(held: Any) -> list[str]:
    """Of which types those are from whom a role is held."""
    return sorted(source.principal_type for source in held.assignment_sources)


def test_a_groups_role_is_given_listed_and_taken_and_its_members_have_it(town: Town) -> None:
    with town.sdk() as client, town.sdk(town.member) as theirs:
        organization = client.admin.organization
        made = organization.roles.create(role_name="clerk", permissions=[Task.USERS_READ])
        group = organization.groups.create(name="crew")
        organization.groups.users.create(group.id, user_id="user-member")
        given = organization.groups.roles.create(group.id, role_id=made.id)
        assert (given.group.id, given.group.name, given.role.id) == (group.id, "crew", made.id)
        assert theirs.admin.organization.users.list().data
        organization.groups.roles.create(group.id, role_id="role-api-organization-member")
        assert [role.name for role in organization.groups.roles.list(group.id, limit=1)] == ["member", "clerk"]
        one = organization.groups.roles.retrieve(made.id, group_id=group.id)
        assert (one.created_by, (one.created_by_user_obj or {})["id"]) == ("user-1", "user-1")
        by_group = {role.name: sources_of(role) for role in organization.users.roles.list("user-member", limit=1)}
        assert by_group == {"member": ["group", "user"], "clerk": ["group"]}
        # What they have by a group is not taken from them, but from the group, or by taking them out of it.
        with pytest.raises(NotFoundError):
            organization.users.roles.delete(made.id, user_id="user-member")
        assert organization.groups.roles.delete(made.id, group_id=group.id).deleted
        with pytest.raises(PermissionDeniedError):
            theirs.admin.organization.users.list()
        with pytest.raises(NotFoundError):
            organization.groups.roles.retrieve(made.id, group_id=group.id)


def test_a_role_in_a_project_is_given_to_its_users_and_groups_there_alone(town: Town) -> None:
    with town.sdk() as client:
        organization, projects = client.admin.organization, client.admin.organization.projects
        made = projects.roles.create("proj_1", role_name="watcher", permissions=[Task.USAGE_READ])
        group = organization.groups.create(name="crew")
        projects.users.create("proj_1", user_id="user-member", role="member")
        organization.groups.users.create(group.id, user_id="user-member")
        given = projects.users.roles.create("user-member", project_id="proj_1", role_id=made.id)
        assert (given.user.id, given.role.id) == ("user-member", made.id)
        joint = projects.groups.roles.create(group.id, project_id="proj_1", role_id=made.id)
        assert (joint.group.id, joint.role.resource_type) == (group.id, "api.project")
        mine = projects.users.roles.list("user-member", project_id="proj_1", limit=1)
        assert {role.name: sources_of(role) for role in mine} == {"member": ["user"], "watcher": ["group", "user"]}
        theirs = projects.groups.roles.list(group.id, project_id="proj_1", limit=1, order="desc")
        assert [role.name for role in theirs] == ["watcher"]
        assert sources_of(projects.groups.roles.retrieve(made.id, project_id="proj_1", group_id=group.id)) == ["group"]
        assert projects.users.roles.retrieve(made.id, project_id="proj_1", user_id="user-member").name == "watcher"
        assert [role.name for role in organization.users.roles.list("user-member")] == ["member"]
        assert list(organization.groups.roles.list(group.id)) == []
        assert projects.users.roles.delete(made.id, project_id="proj_1", user_id="user-member").deleted
        assert projects.groups.roles.delete(made.id, project_id="proj_1", group_id=group.id).deleted
        assert list(projects.groups.roles.list(group.id, project_id="proj_1")) == []
        taken, first, *_ = list(organization.audit_logs.list(project_ids=["proj_1"]))
    assert taken.role_assignment_deleted is not None
    assert first.role_assignment_deleted is not None
    details = taken.role_assignment_deleted
    assert (details.principal_id, details.principal_type) == (group.id, "group")
    assert (details.resource_id, details.resource_type) == ("proj_1", "api.project")
    assert first.role_assignment_deleted.principal_type == "user"
