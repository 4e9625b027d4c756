"""Every page of the console, in a table: what stands at its top, and who is told that they may not see it.

A page that is not listed here fails the walk (`test_console_pages.py`).
"""

from typing import Final, NamedTuple

ROLES: Final = ("owner", "reader", "manager", "member", "viewer")
"""Of the organization: owner and reader. The others are members of it, and of its project owner, member and viewer."""


class Listed(NamedTuple):
    """A page by its route; `{key}`, `{call}` and `{limit}` stand for things that are there.

    `title` is its heading, or its dialog's, as a regular expression. `refused` are the roles, of ROLES, that are told
    who could show it, and `missing` those to whom it is not there.
    """

    route: str
    title: str
    refused: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


IN_PROJECTS: Final = ("manager", "member", "viewer")
OTHERS_KEYS: Final = ("member",)
"""Members see their own keys."""

NOT_OWNER: Final = ("reader", *IN_PROJECTS)
LOOKING: Final = ("reader", "member", "viewer")

PAGES: Final = (
    Listed("/api-keys", "API keys"),
    Listed("/api-keys/new", "Create API key"),
    Listed("/api-keys/{key_id}", "walked", missing=OTHERS_KEYS),
    Listed("/api-keys/{key_id}/edit", "Edit walked", missing=OTHERS_KEYS),
    Listed("/api-keys/{key_id}/rotate", "Rotate walked", missing=OTHERS_KEYS),
    Listed("/api-keys/{key_id}/end-old-secret", "End the old secret of walked", missing=OTHERS_KEYS),
    Listed("/api-keys/{key_id}/revoke", "Revoke walked", missing=OTHERS_KEYS),
    Listed("/calls", "Calls"),
    Listed("/calls/{call_id}", r"call_\w+"),
    Listed("/usage", "Usage"),
    Listed("/performance", "Performance"),
    Listed("/costs", "Costs"),
    Listed("/costs/statement", r"\w+ \d{4}"),
    Listed("/limits", "Limits"),
    Listed("/limits/new", "Set a limit", NOT_OWNER),
    Listed("/limits/{limit_id}/edit", "Change a limit", NOT_OWNER),
    Listed("/limits/{limit_id}/delete", "Delete the limit on Acme", NOT_OWNER),
    Listed("/limits/replay", r"What would a limit have refused\?"),
    Listed("/playground", "Playground"),
    Listed("/quickstart", "Quickstart"),
    Listed("/hygiene", "Hygiene"),
    Listed("/audit-log", "Audit log", IN_PROJECTS),
    Listed("/audit-log/check", "The log is whole", IN_PROJECTS),
    Listed("/members", "Members"),
    Listed("/members/invite", "Invite someone", NOT_OWNER),
    Listed("/members/invites/{invite_id}/delete", "Take back the invite of late@example.com", NOT_OWNER),
    Listed("/members/{user_id}", "viewer@example.com"),
    Listed("/members/{user_id}/remove", "Remove viewer@example.com", NOT_OWNER),
    Listed("/members/roles", "Roles", IN_PROJECTS),
    Listed("/members/roles/new", "Make a role", NOT_OWNER),
    Listed("/members/roles/{role_id}/edit", "Edit clerk", NOT_OWNER),
    Listed("/members/roles/{role_id}/delete", "Delete the role clerk", NOT_OWNER),
    Listed("/members/groups", "Groups", IN_PROJECTS),
    Listed("/members/groups/new", "New group", NOT_OWNER),
    Listed("/members/groups/{group_id}", "Clerks", IN_PROJECTS),
    Listed("/members/groups/{group_id}/delete", "Delete the group Clerks", NOT_OWNER),
    Listed("/settings/account", "Account"),
    Listed("/settings/organization", "General"),
    Listed("/settings/projects", "Projects"),
    Listed("/settings/projects/new", "New project", NOT_OWNER),
    Listed("/settings/projects/{project_id}", "Default project"),
    Listed("/settings/projects/{project_id}/archive", "Archive Default project"),
    Listed("/settings/projects/{project_id}/roles/new", "Make a role", LOOKING),
    Listed("/settings/projects/{project_id}/roles/{project_role_id}/edit", "Edit keeper", LOOKING),
    Listed("/settings/projects/{project_id}/roles/{project_role_id}/delete", "Delete the role keeper", LOOKING),
    Listed("/settings/admin-keys", "Admin keys", IN_PROJECTS),
    Listed("/settings/admin-keys/new", "Create admin key", NOT_OWNER),
    Listed("/settings/admin-keys/{admin_key_id}/revoke", "Revoke First admin key", NOT_OWNER),
    Listed("/settings/policies", "Key policies", IN_PROJECTS),
    Listed("/settings/upstreams", "Upstreams", IN_PROJECTS),
    Listed("/settings/upstreams/new", "Add upstream", NOT_OWNER),
    Listed("/settings/upstreams/{upstream_id}/edit", "Edit spare", NOT_OWNER),
    Listed("/settings/upstreams/{upstream_id}/delete", "Remove spare", NOT_OWNER),
    Listed("/settings/models", "Models and prices", IN_PROJECTS),
    Listed("/settings/models/new", "Add model", NOT_OWNER),
    Listed("/settings/models/{model_id}/edit", "Edit large", NOT_OWNER),
    Listed("/settings/models/{model_id}/delete", "Remove large", NOT_OWNER),
    Listed("/settings/ledger", "Ledger", IN_PROJECTS),
    Listed("/confirm", "Confirm it is you"),
    Listed("/help", "I can.t find my key"),
)

OPEN_TO_ALL: Final = (
    "/",
    "/set-up",
    "/set-up/{token}",
    "/sign-in",
    "/forgotten-password",
    "/new-password/{token}",
    "/invite/{token}",
    "/docs",
)
"""Pages before signing in; the walks of set-up and of invites come by them."""

NO_PAGES: Final = (
    "/static/{path}",
    "/favicon.svg",
    "/openapi.json",
    "/usage.csv",
    "/performance.csv",
    "/costs.csv",
    "/costs/statement.csv",
    "/playground/calls/{call_id}",
)
"""What is asked for and is no page: files, and parts of a page."""
