"""Every route of the console and who may ask it: one table. A route that is not in it does not start.

`SIGNED_IN` only says that a living session is needed: the page shows what its person may see, and what they may
change is decided by the verb itself (`control`), so that no door can forget it. A task says that the page is for
those who may do it in the whole organization. A session is found by its cookie alone: an `Authorization`
header means nothing here.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from keyhouse.core.authority import Task


class Who(StrEnum):
    """Who may ask a route."""

    ANYONE = "anyone"
    SIGNED_IN = "signed_in"


HOME: Final = "/api-keys"
"""Where people come out who are led nowhere else."""

PROOF_MS_MAX: Final = 10 * 60_000
"""How long ago, at most, a person must have proved who they are for what is worth it."""

PROVEN: Final = frozenset({Task.ADMIN_KEYS, Task.LIMITS, Task.UPSTREAMS})
"""What is worth it: a session that was left open, or taken, gives nobody an admin key, an upstream's credential or a
larger budget. Holds for every route whose policy is one of these tasks."""

PROVEN_ROUTES: Final = frozenset({("POST", "/members/{user_id}/reset-link")})
"""And for these: by a link for a new password a session that was taken would take other accounts, too."""

POLICY: Final[Mapping[tuple[str, str], Who | Task]] = {
    # the door
    ("GET", "/"): Who.ANYONE,
    ("GET", "/set-up"): Who.ANYONE,
    ("POST", "/set-up/new-link"): Who.ANYONE,
    ("GET", "/set-up/{token}"): Who.ANYONE,
    ("POST", "/set-up/{token}"): Who.ANYONE,
    ("GET", "/sign-in"): Who.ANYONE,
    ("POST", "/sign-in"): Who.ANYONE,
    ("GET", "/invite/{token}"): Who.ANYONE,
    ("POST", "/invite/{token}"): Who.ANYONE,
    ("GET", "/forgotten-password"): Who.ANYONE,
    ("GET", "/new-password/{token}"): Who.ANYONE,
    ("POST", "/new-password/{token}"): Who.ANYONE,
    ("POST", "/sign-out"): Who.SIGNED_IN,
    ("POST", "/organization"): Who.SIGNED_IN,
    ("GET", "/confirm"): Who.SIGNED_IN,
    ("POST", "/confirm"): Who.SIGNED_IN,
    # files of the pages: the same for everyone, no secret among them
    ("GET", "/static/{path}"): Who.ANYONE,
    ("GET", "/favicon.svg"): Who.ANYONE,
    # what the API is: the same for everyone
    ("GET", "/docs"): Who.ANYONE,
    ("GET", "/openapi.json"): Who.ANYONE,
    # keys
    ("GET", "/api-keys"): Who.SIGNED_IN,
    ("POST", "/api-keys"): Who.SIGNED_IN,
    ("GET", "/api-keys/new"): Who.SIGNED_IN,
    ("GET", "/api-keys/{key_id}"): Who.SIGNED_IN,
    ("GET", "/api-keys/{key_id}/rotate"): Who.SIGNED_IN,
    ("POST", "/api-keys/{key_id}/rotate"): Who.SIGNED_IN,
    ("GET", "/api-keys/{key_id}/end-old-secret"): Who.SIGNED_IN,
    ("POST", "/api-keys/{key_id}/end-old-secret"): Who.SIGNED_IN,
    ("POST", "/api-keys/{key_id}/extend-old-secret"): Who.SIGNED_IN,
    ("POST", "/api-keys/{key_id}/disable"): Who.SIGNED_IN,
    ("POST", "/api-keys/{key_id}/enable"): Who.SIGNED_IN,
    ("GET", "/api-keys/{key_id}/revoke"): Who.SIGNED_IN,
    ("POST", "/api-keys/{key_id}/revoke"): Who.SIGNED_IN,
    ("GET", "/api-keys/{key_id}/edit"): Who.SIGNED_IN,
    ("POST", "/api-keys/{key_id}/edit"): Who.SIGNED_IN,
    # calls
    ("GET", "/calls"): Who.SIGNED_IN,
    ("GET", "/calls/{call_id}"): Who.SIGNED_IN,
    # numbers
    ("GET", "/usage"): Who.SIGNED_IN,
    ("GET", "/usage.csv"): Who.SIGNED_IN,
    ("GET", "/performance"): Who.SIGNED_IN,
    ("GET", "/performance.csv"): Who.SIGNED_IN,
    ("GET", "/costs"): Who.SIGNED_IN,
    ("GET", "/costs.csv"): Who.SIGNED_IN,
    ("GET", "/costs/statement"): Who.SIGNED_IN,
    ("GET", "/costs/statement.csv"): Who.SIGNED_IN,
    # trying
    ("GET", "/playground"): Who.SIGNED_IN,
    ("POST", "/playground"): Who.SIGNED_IN,
    ("POST", "/playground/ask"): Who.SIGNED_IN,
    ("GET", "/playground/calls/{call_id}"): Who.SIGNED_IN,
    ("GET", "/quickstart"): Who.SIGNED_IN,
    # limits
    ("GET", "/limits"): Who.SIGNED_IN,
    ("POST", "/limits"): Task.LIMITS,
    ("GET", "/limits/new"): Task.LIMITS,
    ("GET", "/limits/replay"): Who.SIGNED_IN,
    ("GET", "/limits/{limit_id}/edit"): Task.LIMITS,
    ("POST", "/limits/{limit_id}/edit"): Task.LIMITS,
    ("GET", "/limits/{limit_id}/delete"): Task.LIMITS,
    ("POST", "/limits/{limit_id}/delete"): Task.LIMITS,
    ("GET", "/hygiene"): Who.SIGNED_IN,
    ("GET", "/audit-log"): Task.AUDIT_LOGS_READ,
    ("GET", "/audit-log/check"): Task.AUDIT_LOGS_READ,
    # members
    ("GET", "/members"): Who.SIGNED_IN,
    ("GET", "/members/invite"): Task.INVITES,
    ("POST", "/members/invite"): Task.INVITES,
    ("POST", "/members/invites/{invite_id}/renew"): Task.INVITES,
    ("GET", "/members/invites/{invite_id}/delete"): Task.INVITES,
    ("POST", "/members/invites/{invite_id}/delete"): Task.INVITES,
    ("GET", "/members/{user_id}"): Who.SIGNED_IN,
    ("POST", "/members/{user_id}/role"): Task.USERS,
    ("POST", "/members/{user_id}/projects"): Who.SIGNED_IN,
    ("POST", "/members/{user_id}/projects/{project_id}"): Who.SIGNED_IN,
    ("POST", "/members/{user_id}/projects/{project_id}/remove"): Who.SIGNED_IN,
    ("POST", "/members/{user_id}/roles"): Task.ROLES,
    ("POST", "/members/{user_id}/roles/{role_id}/remove"): Task.ROLES,
    ("GET", "/members/{user_id}/remove"): Task.USERS,
    ("POST", "/members/{user_id}/remove"): Task.USERS,
    ("POST", "/members/{user_id}/reset-link"): Task.USERS,
    ("GET", "/members/roles"): Task.ROLES_READ,
    ("POST", "/members/roles"): Task.ROLES,
    ("GET", "/members/roles/new"): Task.ROLES,
    ("GET", "/members/roles/{role_id}/edit"): Task.ROLES,
    ("POST", "/members/roles/{role_id}/edit"): Task.ROLES,
    ("GET", "/members/roles/{role_id}/delete"): Task.ROLES,
    ("POST", "/members/roles/{role_id}/delete"): Task.ROLES,
    ("GET", "/members/groups"): Task.GROUPS_READ,
    ("POST", "/members/groups"): Task.GROUPS,
    ("GET", "/members/groups/new"): Task.GROUPS,
    ("GET", "/members/groups/{group_id}"): Task.GROUPS_READ,
    ("POST", "/members/groups/{group_id}"): Task.GROUPS,
    ("POST", "/members/groups/{group_id}/people"): Task.GROUPS,
    ("POST", "/members/groups/{group_id}/people/{user_id}/remove"): Task.GROUPS,
    ("POST", "/members/groups/{group_id}/roles"): Task.ROLES,
    ("POST", "/members/groups/{group_id}/roles/{role_id}/remove"): Task.ROLES,
    ("GET", "/members/groups/{group_id}/delete"): Task.GROUPS,
    ("POST", "/members/groups/{group_id}/delete"): Task.GROUPS,
    # settings
    ("GET", "/settings/account"): Who.SIGNED_IN,
    ("POST", "/settings/account/name"): Who.SIGNED_IN,
    ("POST", "/settings/account/password"): Who.SIGNED_IN,
    ("POST", "/settings/account/sessions/end-others"): Who.SIGNED_IN,
    ("POST", "/settings/account/sessions/end-all"): Who.SIGNED_IN,
    ("POST", "/settings/account/sessions/{session_id}/end"): Who.SIGNED_IN,
    ("GET", "/settings/organization"): Who.SIGNED_IN,
    ("POST", "/settings/organization"): Task.SETTINGS,
    ("GET", "/settings/projects"): Who.SIGNED_IN,
    ("POST", "/settings/projects"): Task.PROJECTS,
    ("GET", "/settings/projects/new"): Task.PROJECTS,
    ("GET", "/settings/projects/{project_id}"): Who.SIGNED_IN,
    ("POST", "/settings/projects/{project_id}"): Who.SIGNED_IN,
    ("POST", "/settings/projects/{project_id}/models"): Who.SIGNED_IN,
    ("POST", "/settings/projects/{project_id}/people"): Who.SIGNED_IN,
    ("POST", "/settings/projects/{project_id}/people/{user_id}/roles"): Who.SIGNED_IN,
    ("POST", "/settings/projects/{project_id}/people/{user_id}/roles/{project_role_id}/remove"): Who.SIGNED_IN,
    ("POST", "/settings/projects/{project_id}/groups"): Who.SIGNED_IN,
    ("POST", "/settings/projects/{project_id}/groups/{group_id}/roles/{project_role_id}/remove"): Who.SIGNED_IN,
    ("POST", "/settings/projects/{project_id}/roles"): Who.SIGNED_IN,
    ("GET", "/settings/projects/{project_id}/roles/new"): Who.SIGNED_IN,
    ("GET", "/settings/projects/{project_id}/roles/{project_role_id}/edit"): Who.SIGNED_IN,
    ("POST", "/settings/projects/{project_id}/roles/{project_role_id}/edit"): Who.SIGNED_IN,
    ("GET", "/settings/projects/{project_id}/roles/{project_role_id}/delete"): Who.SIGNED_IN,
    ("POST", "/settings/projects/{project_id}/roles/{project_role_id}/delete"): Who.SIGNED_IN,
    ("GET", "/settings/projects/{project_id}/archive"): Who.SIGNED_IN,
    ("POST", "/settings/projects/{project_id}/archive"): Who.SIGNED_IN,
    ("GET", "/settings/admin-keys"): Task.ADMIN_KEYS_READ,
    ("POST", "/settings/admin-keys"): Task.ADMIN_KEYS,
    ("GET", "/settings/admin-keys/new"): Task.ADMIN_KEYS,
    ("GET", "/settings/admin-keys/{admin_key_id}/revoke"): Task.ADMIN_KEYS,
    ("POST", "/settings/admin-keys/{admin_key_id}/revoke"): Task.ADMIN_KEYS,
    ("GET", "/settings/policies"): Task.POLICIES_READ,
    ("POST", "/settings/policies"): Task.POLICIES,
    ("GET", "/settings/upstreams"): Task.UPSTREAMS_READ,
    ("POST", "/settings/upstreams"): Task.UPSTREAMS,
    ("GET", "/settings/upstreams/new"): Task.UPSTREAMS,
    ("GET", "/settings/upstreams/{upstream_id}/edit"): Task.UPSTREAMS,
    ("POST", "/settings/upstreams/{upstream_id}/edit"): Task.UPSTREAMS,
    ("POST", "/settings/upstreams/{upstream_id}/test"): Task.UPSTREAMS,
    ("GET", "/settings/upstreams/{upstream_id}/delete"): Task.UPSTREAMS,
    ("POST", "/settings/upstreams/{upstream_id}/delete"): Task.UPSTREAMS,
    ("GET", "/settings/models"): Task.UPSTREAMS_READ,
    ("POST", "/settings/models"): Task.UPSTREAMS,
    ("GET", "/settings/models/new"): Task.UPSTREAMS,
    ("GET", "/settings/models/{model_id}/edit"): Task.UPSTREAMS,
    ("POST", "/settings/models/{model_id}/edit"): Task.UPSTREAMS,
    ("GET", "/settings/models/{model_id}/delete"): Task.UPSTREAMS,
    ("POST", "/settings/models/{model_id}/delete"): Task.UPSTREAMS,
    ("GET", "/settings/ledger"): Task.SETTINGS_READ,
    ("POST", "/settings/ledger/verify"): Task.SETTINGS_READ,
    # help
    ("GET", "/help"): Who.SIGNED_IN,
    ("POST", "/help"): Who.SIGNED_IN,
}


def takes_proof(method: str, route: str) -> bool:
    """Whether this route takes a person who proved who they are a short while ago."""
    return POLICY[method, route] in PROVEN or (method, route) in PROVEN_ROUTES
