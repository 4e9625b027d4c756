"""Who may do what: permissions, the roles that hold them, and the one decision.

A role is held in the whole organization or in one project, by a person or by a group they are in. What a
person may do is the union of all of it: no role takes away what another one gives.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final

import msgspec


class Task(StrEnum):
    """What authority is asked for, by the permission that gives it. Alphabetical.

    A permission is `api.organization.<thing>.<access>`, or `api.organization.projects.<thing>.<access>` where one
    project's role can hold it; `api.groups` and `api.model.request` are as OpenAI has them. Access is `read` or
    `write`, and who may write may read. Held in the organization, a project's permission holds in every project.
    """

    ADMIN_KEYS = "api.organization.admin_api_keys.write"
    ADMIN_KEYS_READ = "api.organization.admin_api_keys.read"
    API_KEYS = "api.organization.projects.api_keys.write"
    API_KEYS_READ = "api.organization.projects.api_keys.read"
    AUDIT_LOGS_READ = "api.organization.audit_logs.read"
    GROUPS = "api.groups.write"
    GROUPS_READ = "api.groups.read"
    INVITES = "api.organization.invites.write"
    INVITES_READ = "api.organization.invites.read"
    LIMITS = "api.organization.projects.limits.write"
    LIMITS_READ = "api.organization.projects.limits.read"
    MODEL_PERMISSIONS = "api.organization.projects.model_permissions.write"
    MODEL_PERMISSIONS_READ = "api.organization.projects.model_permissions.read"
    MODEL_REQUEST = "api.model.request"
    OWN_API_KEYS = "api.organization.projects.own_api_keys.write"
    OWN_API_KEYS_READ = "api.organization.projects.own_api_keys.read"
    POLICIES = "api.organization.policies.write"
    POLICIES_READ = "api.organization.policies.read"
    PROJECTS = "api.organization.projects.write"
    PROJECTS_READ = "api.organization.projects.read"
    PROJECT_ROLES = "api.organization.projects.roles.write"
    PROJECT_ROLES_READ = "api.organization.projects.roles.read"
    PROJECT_USERS = "api.organization.projects.users.write"
    PROJECT_USERS_READ = "api.organization.projects.users.read"
    ROLES = "api.organization.roles.write"
    ROLES_READ = "api.organization.roles.read"
    SERVICE_ACCOUNTS = "api.organization.projects.service_accounts.write"
    SERVICE_ACCOUNTS_READ = "api.organization.projects.service_accounts.read"
    SETTINGS = "api.organization.settings.write"
    SETTINGS_READ = "api.organization.settings.read"
    SPEND_ALERTS = "api.organization.projects.spend_alerts.write"
    SPEND_ALERTS_READ = "api.organization.projects.spend_alerts.read"
    UPSTREAMS = "api.organization.upstreams.write"
    UPSTREAMS_READ = "api.organization.upstreams.read"
    USAGE_READ = "api.organization.projects.usage.read"
    USERS = "api.organization.users.write"
    USERS_READ = "api.organization.users.read"


Tasks = frozenset[Task]

OWN: Final[Mapping[Task, Task]] = {
    Task.API_KEYS: Task.OWN_API_KEYS,
    Task.API_KEYS_READ: Task.OWN_API_KEYS_READ,
}
"""What is enough where the thing is one's own."""


def implied(tasks: Iterable[Task]) -> Tasks:
    """These tasks and what comes with them: who may write may read, and all keys are one's own too."""
    found = set(tasks)
    found |= {OWN[task] for task in found if task in OWN}
    return frozenset(found | {_READ_OF[task] for task in found if task in _READ_OF})


def read_tasks(permissions: Iterable[str]) -> Tasks:
    """The tasks of these permissions; raises ValueError for one that there is not."""
    found: set[Task] = set()
    for permission in permissions:
        try:
            found.add(Task(permission))
        except ValueError:
            raise ValueError(f"{permission[:100]!r} is not a permission; the reference lists them") from None
    return frozenset(found)


_BY_NAME: Final = {str(task): task for task in Task}
_READ_OF: Final = {
    task: _BY_NAME[read]
    for task in Task
    if task.endswith(".write") and (read := f"{task.removesuffix('.write')}.read") in _BY_NAME
}
EVERYTHING: Final[Tasks] = frozenset(Task)
IN_A_PROJECT: Final[Tasks] = frozenset(
    task for task in Task if task.startswith("api.organization.projects.") or task is Task.MODEL_REQUEST
)
"""What a project's role can hold."""

_READS: Final[Tasks] = frozenset(task for task in Task if task.endswith(".read"))

OWNER: Final = "owner"
ORGANIZATION_ROLES: Final[Mapping[str, Tasks]] = {
    OWNER: EVERYTHING,
    "reader": _READS,
    "member": frozenset(),
}
"""What a member of an organization can be: an owner may do everything, a reader may look at everything, and a
member may do what their projects' roles give."""

PROJECT_ROLES: Final[Mapping[str, Tasks]] = {
    OWNER: IN_A_PROJECT,
    "member": implied(
        {
            Task.LIMITS_READ,
            Task.MODEL_PERMISSIONS_READ,
            Task.MODEL_REQUEST,
            Task.OWN_API_KEYS,
            Task.PROJECTS_READ,
            Task.PROJECT_ROLES_READ,
            Task.PROJECT_USERS_READ,
            Task.SERVICE_ACCOUNTS_READ,
            Task.USAGE_READ,
        }
    ),
    "viewer": _READS & IN_A_PROJECT,
}
"""What someone can be in a project: its owner manages it, a member calls models with keys of their own, a viewer
looks."""


class Grant(msgspec.Struct, frozen=True):
    """What one role gives beside the role in the organization: everywhere, or in one project only."""

    tasks: Tasks
    project_id: str | None = None


class Sight(msgspec.Struct, frozen=True):
    """What someone sees who may not see the whole organization: what is in these projects, and what is their own."""

    project_ids: frozenset[str]
    user_id: str

    def narrow(self, project_ids: tuple[str, ...]) -> tuple[str, ...]:
        """Those of the projects asked for that are seen, all that are seen if none is named. Never empty, because
        no filter at all lets everything pass: where nothing is left it is a project that nobody has.
        """
        return tuple(sorted(self.project_ids.intersection(project_ids) if project_ids else self.project_ids)) or ("",)


def tasks_in(role: str, grants: Iterable[Grant], project_id: str | None = None) -> Tasks:
    """All that someone with this role in the organization, and these grants, may do: in this project, or in the
    organization as a whole if none is named.
    """
    held = ORGANIZATION_ROLES.get(role, frozenset())
    return held.union(*(grant.tasks for grant in grants if grant.project_id in (None, project_id)))


def may(role: str, grants: Iterable[Grant], task: Task, project_id: str | None = None, *, is_own: bool = False) -> bool:
    """The decision. `is_own` says that what is asked about belongs to who asks."""
    held = tasks_in(role, grants, project_id)
    return task in held or (is_own and OWN.get(task) in held)


def projects_with(role: str, grants: Iterable[Grant], task: Task, *, is_own: bool = False) -> frozenset[str] | None:
    """The projects in which someone may do this; None for all there are and will be."""
    held = tuple(grants)
    if may(role, held, task, is_own=is_own):
        return None
    named = {grant.project_id for grant in held if grant.project_id is not None}
    return frozenset(project for project in named if may(role, held, task, project, is_own=is_own))
