"""Every route of the Admin API and who may ask it: one table. A route that is not in it does not start.

Everything here needs a living admin key, found by the `Authorization` header alone; a cookie means nothing.
A route without a task may be asked by any member of the organization; one with a task by those whom
`control.authority` lets do it, and the verb behind it asks the same again inside its transaction.
"""

from collections.abc import Mapping
from typing import Final

from keyhouse.control.authority import ROLES, Task, require
from keyhouse.core.errors import Code, Refusal
from keyhouse.store.engine import Actor

ROOT: Final = "/v1/organization"
_PROJECT: Final = f"{ROOT}/projects/{{project_id}}"
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

READ: Final = None
"""Any member may ask."""

POLICY: Final[Mapping[tuple[str, str], Task | None]] = {
    ("GET", f"{ROOT}/admin_api_keys"): READ,
    ("POST", f"{ROOT}/admin_api_keys"): Task.ADMIN_KEYS,
    ("GET", f"{ROOT}/admin_api_keys/{{key_id}}"): READ,
    ("DELETE", f"{ROOT}/admin_api_keys/{{key_id}}"): Task.ADMIN_KEYS,
    ("GET", f"{ROOT}/policies"): READ,
    ("POST", f"{ROOT}/policies"): Task.POLICIES,
    ("GET", f"{ROOT}/projects"): READ,
    ("POST", f"{ROOT}/projects"): Task.PROJECTS,
    ("GET", f"{ROOT}/projects/{{project_id}}"): READ,
    ("POST", f"{ROOT}/projects/{{project_id}}"): Task.PROJECTS,
    ("POST", f"{ROOT}/projects/{{project_id}}/archive"): Task.PROJECTS,
    ("GET", _KEYS): READ,
    ("POST", _KEYS): Task.API_KEYS,
    ("GET", _KEY): READ,
    ("POST", _KEY): Task.API_KEYS,
    ("DELETE", _KEY): Task.API_KEYS,
    ("POST", f"{_KEY}/rotate"): Task.API_KEYS,
    ("POST", f"{_KEY}/previous_secret"): Task.API_KEYS,
    ("DELETE", f"{_KEY}/previous_secret"): Task.API_KEYS,
    ("GET", f"{_KEY}/secrets"): READ,
    ("POST", f"{_KEY}/disable"): Task.API_KEYS,
    ("POST", f"{_KEY}/enable"): Task.API_KEYS,
    ("GET", _ACCOUNTS): READ,
    ("POST", _ACCOUNTS): Task.SERVICE_ACCOUNTS,
    ("GET", _ACCOUNT): READ,
    ("POST", _ACCOUNT): Task.SERVICE_ACCOUNTS,
    ("DELETE", _ACCOUNT): Task.SERVICE_ACCOUNTS,
    ("POST", f"{_ACCOUNT}/api_keys"): Task.SERVICE_ACCOUNTS,
    ("GET", f"{ROOT}/limits"): READ,
    ("POST", f"{ROOT}/limits"): Task.LIMITS,
    ("GET", f"{ROOT}/limits/{{limit_id}}"): READ,
    ("DELETE", f"{ROOT}/limits/{{limit_id}}"): Task.LIMITS,
    ("GET", f"{_PROJECT}/rate_limits"): READ,
    ("POST", f"{_PROJECT}/rate_limits/{{rate_limit_id}}"): Task.LIMITS,
    ("GET", f"{ROOT}/spend_limit"): READ,
    ("POST", f"{ROOT}/spend_limit"): Task.LIMITS,
    ("DELETE", f"{ROOT}/spend_limit"): Task.LIMITS,
    ("GET", f"{_PROJECT}/spend_limit"): READ,
    ("POST", f"{_PROJECT}/spend_limit"): Task.LIMITS,
    ("DELETE", f"{_PROJECT}/spend_limit"): Task.LIMITS,
    ("GET", f"{ROOT}/spend_alerts"): READ,
    ("POST", f"{ROOT}/spend_alerts"): Task.SPEND_ALERTS,
    ("GET", f"{ROOT}/spend_alerts/{{alert_id}}"): READ,
    ("POST", f"{ROOT}/spend_alerts/{{alert_id}}"): Task.SPEND_ALERTS,
    ("DELETE", f"{ROOT}/spend_alerts/{{alert_id}}"): Task.SPEND_ALERTS,
    ("GET", f"{_PROJECT}/spend_alerts"): READ,
    ("POST", f"{_PROJECT}/spend_alerts"): Task.SPEND_ALERTS,
    ("GET", f"{_PROJECT}/spend_alerts/{{alert_id}}"): READ,
    ("POST", f"{_PROJECT}/spend_alerts/{{alert_id}}"): Task.SPEND_ALERTS,
    ("DELETE", f"{_PROJECT}/spend_alerts/{{alert_id}}"): Task.SPEND_ALERTS,
    ("GET", f"{_PROJECT}/model_permissions"): READ,
    ("POST", f"{_PROJECT}/model_permissions"): Task.MODEL_PERMISSIONS,
    ("DELETE", f"{_PROJECT}/model_permissions"): Task.MODEL_PERMISSIONS,
    ("GET", f"{ROOT}/audit_logs"): Task.AUDIT_LOG,
    ("GET", f"{ROOT}/audit_logs/verify"): Task.AUDIT_LOG,
    ("GET", f"{ROOT}/calls"): READ,
    ("GET", f"{ROOT}/calls/{{call_id}}"): READ,
    **{("GET", f"{ROOT}/usage/{kind}"): READ for kind in USAGE},
    ("GET", f"{ROOT}/costs"): READ,
}


def authorize(actor: Actor, method: str, path_template: str) -> None:
    """Go on only if this actor may ask this route; raises Refusal(NOT_PERMITTED, METHOD_NOT_ALLOWED).

    `path_template` is the route's own, as the table has it, never one rebuilt from `Host`.
    """
    route = (method, path_template)
    if route not in POLICY:
        raise Refusal(Code.METHOD_NOT_ALLOWED, f"{method} is not offered here.", hint="See the API's reference.")
    task = POLICY[route]
    if task is not None:
        require(actor, task)
    elif actor.role not in ROLES:
        raise Refusal(
            Code.NOT_PERMITTED,
            "You may not read this organization: you have no role in it.",
            hint="An owner of the organization can give you one.",
        )


def refuse_other_routes(routes: set[tuple[str, str]]) -> None:
    """Raise ValueError unless these routes and the table are the same set."""
    if unequal := routes ^ set(POLICY):
        raise ValueError(f"routes and policies differ: {sorted(unequal)}")
