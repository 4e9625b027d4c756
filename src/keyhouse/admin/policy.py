"""Every route of the Admin API and who may ask it: one table. A route that is not in it does not start.

Everything here needs a living admin key, found by the `Authorization` header alone; a cookie means nothing. Each
route names the task it takes; `control.authority` says who may do it, and the verb behind a route that changes
something asks the same again inside its transaction.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from keyhouse.control.authority import Task, owned_by, require, require_somewhere
from keyhouse.core.authority import ORGANIZATION_ROLES
from keyhouse.core.errors import Code, Refusal
from keyhouse.store.engine import Actor

ROOT: Final = "/v1/organization"
PROJECT_ROOT: Final = "/v1/projects"
"""Where OpenAI has the roles of projects."""

_PROJECT: Final = f"{ROOT}/projects/{{project_id}}"
_ROLES_IN_PROJECT: Final = f"{PROJECT_ROOT}/{{project_id}}"
_KEYS: Final = f"{_PROJECT}/api_keys"
_KEY: Final = f"{_KEYS}/{{key_id}}"
_ACCOUNTS: Final = f"{ROOT}/projects/{{project_id}}/service_accounts"
_ACCOUNT: Final = f"{_ACCOUNTS}/{{service_account_id}}"

USAGE: Final = (
    "completions",
    "embeddings",
    "moderations",
    "images",
    "audio_speeches",
    "audio_transcriptions",
    "decisions",
    "vector_stores",
    "code_interpreter_sessions",
    "file_search_calls",
    "web_search_calls",
)
"""The kinds of usage."""


class Seen(msgspec.Struct, frozen=True):
    """For all members of the organization: the answer holds only what they may see by this task."""

    task: Task


class Named(msgspec.Struct, frozen=True):
    """For those who may do this in some project: whether they may do it to what they name is asked behind."""

    task: Task


Policy = Task | Seen | Named
"""A task alone is asked for in the project that the path names, else in the organization as a whole."""

POLICY: Final[Mapping[tuple[str, str], Policy]] = {
    ("GET", f"{ROOT}/admin_api_keys"): Task.ADMIN_KEYS_READ,
    ("POST", f"{ROOT}/admin_api_keys"): Task.ADMIN_KEYS,
    ("GET", f"{ROOT}/admin_api_keys/{{key_id}}"): Task.ADMIN_KEYS_READ,
    ("DELETE", f"{ROOT}/admin_api_keys/{{key_id}}"): Task.ADMIN_KEYS,
    ("GET", f"{ROOT}/policies"): Task.POLICIES_READ,
    ("POST", f"{ROOT}/policies"): Task.POLICIES,
    ("GET", f"{ROOT}/projects"): Seen(Task.PROJECTS_READ),
    ("POST", f"{ROOT}/projects"): Task.PROJECTS,
    ("GET", f"{ROOT}/projects/{{project_id}}"): Task.PROJECTS_READ,
    ("POST", f"{ROOT}/projects/{{project_id}}"): Task.PROJECTS,
    ("POST", f"{ROOT}/projects/{{project_id}}/archive"): Task.PROJECTS,
    ("GET", _KEYS): Task.API_KEYS_READ,
    ("POST", _KEYS): Task.API_KEYS,
    ("GET", _KEY): Task.API_KEYS_READ,
    ("POST", _KEY): Task.API_KEYS,
    ("DELETE", _KEY): Task.API_KEYS,
    ("POST", f"{_KEY}/rotate"): Task.API_KEYS,
    ("POST", f"{_KEY}/previous_secret"): Task.API_KEYS,
    ("DELETE", f"{_KEY}/previous_secret"): Task.API_KEYS,
    ("GET", f"{_KEY}/secrets"): Task.API_KEYS_READ,
    ("POST", f"{_KEY}/disable"): Task.API_KEYS,
    ("POST", f"{_KEY}/enable"): Task.API_KEYS,
    ("GET", _ACCOUNTS): Task.SERVICE_ACCOUNTS_READ,
    ("POST", _ACCOUNTS): Task.SERVICE_ACCOUNTS,
    ("GET", _ACCOUNT): Task.SERVICE_ACCOUNTS_READ,
    ("POST", _ACCOUNT): Task.SERVICE_ACCOUNTS,
    ("DELETE", _ACCOUNT): Task.SERVICE_ACCOUNTS,
    ("POST", f"{_ACCOUNT}/api_keys"): Task.SERVICE_ACCOUNTS,
    ("GET", f"{ROOT}/invites"): Task.INVITES_READ,
    ("POST", f"{ROOT}/invites"): Task.INVITES,
    ("GET", f"{ROOT}/invites/{{invite_id}}"): Task.INVITES_READ,
    ("DELETE", f"{ROOT}/invites/{{invite_id}}"): Task.INVITES,
    ("GET", f"{ROOT}/users"): Task.USERS_READ,
    ("GET", f"{ROOT}/users/{{user_id}}"): Task.USERS_READ,
    ("POST", f"{ROOT}/users/{{user_id}}"): Task.USERS,
    ("DELETE", f"{ROOT}/users/{{user_id}}"): Task.USERS,
    ("GET", f"{ROOT}/roles"): Task.ROLES_READ,
    ("POST", f"{ROOT}/roles"): Task.ROLES,
    ("GET", f"{ROOT}/roles/{{role_id}}"): Task.ROLES_READ,
    ("POST", f"{ROOT}/roles/{{role_id}}"): Task.ROLES,
    ("DELETE", f"{ROOT}/roles/{{role_id}}"): Task.ROLES,
    ("GET", f"{ROOT}/users/{{user_id}}/roles"): Task.ROLES_READ,
    ("POST", f"{ROOT}/users/{{user_id}}/roles"): Task.ROLES,
    ("GET", f"{ROOT}/users/{{user_id}}/roles/{{role_id}}"): Task.ROLES_READ,
    ("DELETE", f"{ROOT}/users/{{user_id}}/roles/{{role_id}}"): Task.ROLES,
    ("GET", f"{ROOT}/groups"): Task.GROUPS_READ,
    ("POST", f"{ROOT}/groups"): Task.GROUPS,
    ("GET", f"{ROOT}/groups/{{group_id}}"): Task.GROUPS_READ,
    ("POST", f"{ROOT}/groups/{{group_id}}"): Task.GROUPS,
    ("DELETE", f"{ROOT}/groups/{{group_id}}"): Task.GROUPS,
    ("GET", f"{ROOT}/groups/{{group_id}}/users"): Task.GROUPS_READ,
    ("POST", f"{ROOT}/groups/{{group_id}}/users"): Task.GROUPS,
    ("GET", f"{ROOT}/groups/{{group_id}}/users/{{user_id}}"): Task.GROUPS_READ,
    ("DELETE", f"{ROOT}/groups/{{group_id}}/users/{{user_id}}"): Task.GROUPS,
    ("GET", f"{ROOT}/groups/{{group_id}}/roles"): Task.ROLES_READ,
    ("POST", f"{ROOT}/groups/{{group_id}}/roles"): Task.ROLES,
    ("GET", f"{ROOT}/groups/{{group_id}}/roles/{{role_id}}"): Task.ROLES_READ,
    ("DELETE", f"{ROOT}/groups/{{group_id}}/roles/{{role_id}}"): Task.ROLES,
    ("GET", f"{_PROJECT}/groups"): Task.PROJECT_USERS_READ,
    ("POST", f"{_PROJECT}/groups"): Task.PROJECT_USERS,
    ("GET", f"{_PROJECT}/groups/{{group_id}}"): Task.PROJECT_USERS_READ,
    ("DELETE", f"{_PROJECT}/groups/{{group_id}}"): Task.PROJECT_USERS,
    ("GET", f"{_ROLES_IN_PROJECT}/roles"): Task.PROJECT_ROLES_READ,
    ("POST", f"{_ROLES_IN_PROJECT}/roles"): Task.PROJECT_ROLES,
    ("GET", f"{_ROLES_IN_PROJECT}/roles/{{role_id}}"): Task.PROJECT_ROLES_READ,
    ("POST", f"{_ROLES_IN_PROJECT}/roles/{{role_id}}"): Task.PROJECT_ROLES,
    ("DELETE", f"{_ROLES_IN_PROJECT}/roles/{{role_id}}"): Task.PROJECT_ROLES,
    ("GET", f"{_ROLES_IN_PROJECT}/users/{{user_id}}/roles"): Task.PROJECT_ROLES_READ,
    ("POST", f"{_ROLES_IN_PROJECT}/users/{{user_id}}/roles"): Task.PROJECT_ROLES,
    ("GET", f"{_ROLES_IN_PROJECT}/users/{{user_id}}/roles/{{role_id}}"): Task.PROJECT_ROLES_READ,
    ("DELETE", f"{_ROLES_IN_PROJECT}/users/{{user_id}}/roles/{{role_id}}"): Task.PROJECT_ROLES,
    ("GET", f"{_ROLES_IN_PROJECT}/groups/{{group_id}}/roles"): Task.PROJECT_ROLES_READ,
    ("POST", f"{_ROLES_IN_PROJECT}/groups/{{group_id}}/roles"): Task.PROJECT_ROLES,
    ("GET", f"{_ROLES_IN_PROJECT}/groups/{{group_id}}/roles/{{role_id}}"): Task.PROJECT_ROLES_READ,
    ("DELETE", f"{_ROLES_IN_PROJECT}/groups/{{group_id}}/roles/{{role_id}}"): Task.PROJECT_ROLES,
    ("GET", f"{_PROJECT}/users"): Task.PROJECT_USERS_READ,
    ("POST", f"{_PROJECT}/users"): Task.PROJECT_USERS,
    ("GET", f"{_PROJECT}/users/{{user_id}}"): Task.PROJECT_USERS_READ,
    ("POST", f"{_PROJECT}/users/{{user_id}}"): Task.PROJECT_USERS,
    ("DELETE", f"{_PROJECT}/users/{{user_id}}"): Task.PROJECT_USERS,
    ("GET", f"{ROOT}/limits"): Seen(Task.LIMITS_READ),
    ("POST", f"{ROOT}/limits"): Named(Task.LIMITS),
    ("GET", f"{ROOT}/limits/{{limit_id}}"): Seen(Task.LIMITS_READ),
    ("DELETE", f"{ROOT}/limits/{{limit_id}}"): Named(Task.LIMITS),
    ("GET", f"{_PROJECT}/rate_limits"): Task.LIMITS_READ,
    ("POST", f"{_PROJECT}/rate_limits/{{rate_limit_id}}"): Task.LIMITS,
    ("GET", f"{ROOT}/spend_limit"): Task.LIMITS_READ,
    ("POST", f"{ROOT}/spend_limit"): Task.LIMITS,
    ("DELETE", f"{ROOT}/spend_limit"): Task.LIMITS,
    ("GET", f"{_PROJECT}/spend_limit"): Task.LIMITS_READ,
    ("POST", f"{_PROJECT}/spend_limit"): Task.LIMITS,
    ("DELETE", f"{_PROJECT}/spend_limit"): Task.LIMITS,
    ("GET", f"{ROOT}/spend_alerts"): Task.SPEND_ALERTS_READ,
    ("POST", f"{ROOT}/spend_alerts"): Task.SPEND_ALERTS,
    ("GET", f"{ROOT}/spend_alerts/{{alert_id}}"): Task.SPEND_ALERTS_READ,
    ("POST", f"{ROOT}/spend_alerts/{{alert_id}}"): Task.SPEND_ALERTS,
    ("DELETE", f"{ROOT}/spend_alerts/{{alert_id}}"): Task.SPEND_ALERTS,
    ("GET", f"{_PROJECT}/spend_alerts"): Task.SPEND_ALERTS_READ,
    ("POST", f"{_PROJECT}/spend_alerts"): Task.SPEND_ALERTS,
    ("GET", f"{_PROJECT}/spend_alerts/{{alert_id}}"): Task.SPEND_ALERTS_READ,
    ("POST", f"{_PROJECT}/spend_alerts/{{alert_id}}"): Task.SPEND_ALERTS,
    ("DELETE", f"{_PROJECT}/spend_alerts/{{alert_id}}"): Task.SPEND_ALERTS,
    ("GET", f"{_PROJECT}/model_permissions"): Task.MODEL_PERMISSIONS_READ,
    ("POST", f"{_PROJECT}/model_permissions"): Task.MODEL_PERMISSIONS,
    ("DELETE", f"{_PROJECT}/model_permissions"): Task.MODEL_PERMISSIONS,
    ("GET", f"{ROOT}/upstreams"): Task.UPSTREAMS_READ,
    ("POST", f"{ROOT}/upstreams"): Task.UPSTREAMS,
    ("GET", f"{ROOT}/upstreams/{{upstream_id}}"): Task.UPSTREAMS_READ,
    ("POST", f"{ROOT}/upstreams/{{upstream_id}}"): Task.UPSTREAMS,
    ("DELETE", f"{ROOT}/upstreams/{{upstream_id}}"): Task.UPSTREAMS,
    ("POST", f"{ROOT}/upstreams/{{upstream_id}}/test"): Task.UPSTREAMS,
    ("GET", f"{ROOT}/models"): Task.UPSTREAMS_READ,
    ("POST", f"{ROOT}/models"): Task.UPSTREAMS,
    ("GET", f"{ROOT}/models/{{model_id}}"): Task.UPSTREAMS_READ,
    ("POST", f"{ROOT}/models/{{model_id}}"): Task.UPSTREAMS,
    ("DELETE", f"{ROOT}/models/{{model_id}}"): Task.UPSTREAMS,
    ("GET", f"{ROOT}/audit_logs"): Task.AUDIT_LOGS_READ,
    ("GET", f"{ROOT}/audit_logs/verify"): Task.AUDIT_LOGS_READ,
    ("GET", f"{ROOT}/calls"): Seen(Task.USAGE_READ),
    ("GET", f"{ROOT}/calls/{{call_id}}"): Seen(Task.USAGE_READ),
    **{("GET", f"{ROOT}/usage/{kind}"): Seen(Task.USAGE_READ) for kind in USAGE},
    ("GET", f"{ROOT}/costs"): Seen(Task.USAGE_READ),
}


def authorize(actor: Actor, method: str, path_template: str, project_id: str | None) -> None:
    """Go on only if this actor may ask this route; raises Refusal(NOT_PERMITTED, NOT_FOUND, METHOD_NOT_ALLOWED).

    `path_template` is the route's own, as the table has it, never one rebuilt from `Host`; `project_id` is what
    stands in the path for it.
    """
    match POLICY.get((method, path_template)):
        case None:
            raise Refusal(
                Code.METHOD_NOT_ALLOWED,
                f"{method} is not offered here.",
                hint="See the API's reference.",
                facts={"allow": methods_at(path_template)},
            )
        case Seen():
            _require_role(actor)
        case Named(task):
            require_somewhere(actor, task)
        case task:
            # Whose the thing is that the path names is found out behind; here it may be the actor's own.
            require(actor, task, owned_by(actor, project_id))


def methods_at(path: str) -> str:
    """The methods that a path takes, or a template of one, as `Allow` names them; empty where there is nothing."""
    parts = path.split("/")
    found = {method for method, template in POLICY if _fits(template.split("/"), parts)}
    return ", ".join(sorted(found))


def _fits(template: list[str], parts: list[str]) -> bool:
    return len(template) == len(parts) and all(
        ours == theirs or ours.startswith("{") for ours, theirs in zip(template, parts, strict=True)
    )


def _require_role(actor: Actor) -> None:
    if actor.role not in ORGANIZATION_ROLES:
        raise Refusal(
            Code.NOT_PERMITTED,
            "You may not read this organization: you have no role in it.",
            hint="An owner of the organization can give you one.",
        )


def refuse_other_routes(routes: set[tuple[str, str]]) -> None:
    """Raise ValueError unless these routes and the table are the same set."""
    if unequal := routes ^ set(POLICY):
        raise ValueError(f"routes and policies differ: {sorted(unequal)}")
