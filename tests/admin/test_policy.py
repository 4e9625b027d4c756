"""Every route of the table, asked by everyone who may not."""

import re
from typing import Any

import httpx
import pytest
from litestar import get

from admin.town import Town, refusal, run
from given_calls import a_call
from keyhouse.admin.app import ROUTES, build
from keyhouse.admin.policy import POLICY, PROJECT_ROOT, ROOT, Seen, authorize
from keyhouse.core.authority import PROJECT_ROLES, Grant, Task, implied, may
from keyhouse.core.errors import Code, Refusal
from keyhouse.store.engine import Actor

EVERY = sorted(POLICY)
WRITES = [route for route in EVERY if route[0] != "GET"]
READS = [route for route in EVERY if route[0] == "GET"]


class Ids:
    """Something of `org-1` that every path can name."""

    def __init__(self, town: Town) -> None:
        project_key, _ = town.project_key()
        admin = run(town.keys.create_admin(town.actor(), "named", None)).key.id
        body = {"scope": {"type": "key", "id": project_key}, "unit": "usd", "window": "month", "amount": "1"}
        self.limit = town.ask("POST", "/limits", body=body).json()["id"]
        account = town.ask("POST", "/projects/proj_1/service_accounts", body={"name": "bot"}).json()["id"]
        self._ids = {"project_id": "proj_1", "limit_id": self.limit, "service_account_id": account, "user_id": "user-1"}
        self._ids["upstream_id"] = town.ask("POST", "/upstreams", body=UPSTREAM).json()["id"]
        self._ids["model_id"] = town.ask("POST", "/models", body=MODEL).json()["id"]
        self._ids["call_id"] = town.execute(a_call)
        self._ids["invite_id"] = town.ask("POST", "/invites", body=INVITE).json()["id"]
        town.ask("POST", "/projects/proj_1/users", body={"user_id": "user-1", "role": "owner"})
        for place in ("", "/projects/proj_1"):
            town.ask("POST", f"{place}/spend_limit", body=SPEND)
        alerts = [
            town.ask("POST", f"{place}/spend_alerts", body=SPEND | CHANNEL).json()["id"]
            for place in ("", "/projects/proj_1")
        ]
        self._alerts = {"spend_alerts": alerts[0], "projects": alerts[1]}
        town.ask("POST", "/projects/proj_1/model_permissions", body={"mode": "deny_list", "model_ids": []})
        self._ids["rate_limit_id"] = "rl-tiny-1"
        self._ids["group_id"] = town.ask("POST", "/groups", body={"name": "crew"}).json()["id"]
        self._roles = {"organization": self._role(town, ROOT), "projects": self._role(town, f"{PROJECT_ROOT}/proj_1")}
        self._keys = {"admin_api_keys": admin, "api_keys": project_key}

    def of(self, template: str) -> dict[str, str]:
        """The ids of things that are there, by their names in the template."""
        kind = "admin_api_keys" if "admin_api_keys" in template else "api_keys"
        role = self._roles[template.split("/")[2]]
        alert = self._alerts.get(template.split("/")[3], "")
        return self._ids | {"key_id": self._keys[kind], "alert_id": alert, "role_id": role}

    def _role(self, town: Town, place: str) -> str:
        """A role that a user and a group, with that user in it, hold there."""
        made: str = town.ask("POST", f"{place}/roles", body=ROLE).json()["id"]
        for holder in ("users/user-1", f"groups/{self._ids['group_id']}"):
            assert town.ask("POST", f"{place}/{holder}/roles", body={"role_id": made}).status_code == 200
        town.ask("POST", f"/groups/{self._ids['group_id']}/users", body={"user_id": "user-1"})
        return made

    def path(self, template: str) -> str:
        """The template with ids of things that are there."""
        ids = self.of(template)
        path = re.sub(r"\{(\w+)\}", lambda name: ids[name[1]], template).removeprefix(ROOT)
        return path + ("?start_time=0&limit=1" if "usage" in path or "costs" in path else "")


@pytest.fixture
def ids(town: Town) -> Ids:
    return Ids(town)


UPSTREAM = {"name": "own", "base_url": "https://127.0.0.1:1/v1"}
ROLE = {"role_name": "clerk", "permissions": ["api.organization.projects.limits.write"]}
MODEL = {"name": "own-1", "upstreams": ["fixed"]}
INVITE = {"email": "new@example.com", "role": "member"}
SPEND = {"threshold_amount": 100, "currency": "USD", "interval": "month"}
CHANNEL = {"notification_channel": {"type": "email", "recipients": ["ada@example.com"]}}


def valid_body(template: str) -> dict[str, Any]:
    """A body that this address takes, so that only the id in it can be what is wrong."""
    if template.endswith("/users"):
        return {"user_id": "user-1", "role": "member"}
    if template.endswith("/groups"):
        return {"group_id": "group_x", "role": "member"}
    if template.endswith("/users/{user_id}"):
        return {"role": "member"}
    if template.endswith("/roles"):
        return {"role_id": "role-organization-reader", "role_name": "x", "permissions": []}
    if "spend_" in template:
        return SPEND | CHANNEL
    if "/upstreams" in template or "/models" in template:
        return {}
    if template.endswith("model_permissions"):
        return {"mode": "deny_list", "model_ids": []}
    return {"name": "x"} if template.endswith(("}", "api_keys", "accounts")) else {}


def body_of(method: str) -> object:
    return {} if method == "POST" else None


def test_nobody_gets_in_without_an_admin_key(town: Town, ids: Ids) -> None:
    _, project_key = town.project_key()
    issued = run(town.keys.create_admin(town.actor(), "gone", None))
    run(town.keys.revoke_admin(town.actor(), issued.key.id))
    expired = run(town.keys.create_admin(town.actor(), "short", town.clock.now_ms() + 1)).value
    town.clock.turn(ms=1)
    wrong = {
        "": Code.CREDENTIAL_MISSING,
        project_key: Code.KEY_WRONG_KIND,
        issued.value: Code.KEY_REVOKED,
        expired: Code.KEY_EXPIRED,
        town.owner[:-1] + ("A" if town.owner[-1] != "A" else "B"): Code.KEY_MALFORMED,
        "x' OR 1=1 --": Code.KEY_MALFORMED,
    }
    before = town.everything()
    for method, template in EVERY:
        for key, code in wrong.items():
            answer = town.ask(method, ids.path(template), key=key, body=body_of(method))
            assert refusal(answer) == (401, None, code), (method, template)
    assert town.everything() == before


def test_two_credentials_are_refused_even_if_one_is_right(town: Town) -> None:
    headers = [("authorization", f"Bearer {town.owner}"), ("authorization", f"Bearer {town.stranger}")]
    answer = httpx.get(f"{town.url}/v1/organization/projects", headers=headers)
    assert refusal(answer) == (400, None, Code.CREDENTIAL_TWICE)


def test_a_cookie_is_never_a_credential(town: Town) -> None:
    for name in ("keyhouse", "__Host-keyhouse"):
        answer = town.ask("GET", "/projects", key="", headers={"cookie": f"{name}={town.owner}"})
        assert refusal(answer) == (401, None, Code.CREDENTIAL_MISSING)


def test_a_reader_may_look_and_change_nothing(town: Town, ids: Ids) -> None:
    before = town.everything()
    for method, template in WRITES:
        answer = town.ask(method, ids.path(template), key=town.reader, body=body_of(method))
        assert refusal(answer) == (403, None, Code.NOT_PERMITTED), (method, template)
        assert "owner" in answer.json()["error"]["message"]
    for method, template in READS:
        assert town.ask(method, ids.path(template), key=town.reader).status_code == 200, (method, template)
    assert town.everything() == before


def test_a_member_without_a_project_sees_and_changes_nothing(town: Town, ids: Ids) -> None:
    before = town.everything()
    for method, template in EVERY:
        answer = town.ask(method, ids.path(template), key=town.member, body=body_of(method))
        if isinstance(POLICY[method, template], Seen) and "{" not in template:
            assert answer.status_code == 200, (method, template)
            assert ids.limit not in answer.text
            assert "proj_1" not in answer.text
        else:
            assert answer.status_code in {403, 404}, (method, template)
    assert town.everything() == before


CUSTOM = (Task.LIMITS_READ, Task.ROLES_READ, Task.USERS_READ)


@pytest.mark.parametrize("role", [*PROJECT_ROLES, "custom"])
def test_every_role_passes_where_the_table_says_and_nowhere_else(town: Town, ids: Ids, role: str) -> None:
    if role == "custom":
        made = town.ask("POST", "/roles", body={"role_name": "looker", "permissions": CUSTOM}).json()["id"]
        town.ask("POST", "/users/user-member/roles", body={"role_id": made})
        grant = Grant(implied(CUSTOM))
    else:
        town.ask("POST", "/projects/proj_1/users", body={"user_id": "user-member", "role": role})
        grant = Grant(PROJECT_ROLES[role], "proj_1")
    for method, template in READS:
        policy, project_id = POLICY[method, template], "proj_1" if "{project_id}" in template else None
        if isinstance(policy, Task):  # what is only `Seen` is asked for above, by what is in it
            answer = town.ask(method, ids.path(template), key=town.member)
            # A list of keys is of one's own where that is all one may see; the key that is named is another's.
            passes = may("member", (grant,), policy, project_id, is_own="{key_id}" not in template)
            assert (answer.status_code == 200) is passes, (method, template, answer.text)
    before = town.everything()
    for method, template in WRITES:
        policy, project_id = POLICY[method, template], "proj_1" if "{project_id}" in template else None
        if isinstance(policy, Task) and not may("member", (grant,), policy, project_id, is_own=True):
            answer = town.ask(method, ids.path(template), key=town.member, body=body_of(method))
            assert answer.status_code in {403, 404}, (method, template)
    assert town.everything() == before


def test_another_organizations_ids_read_as_missing_on_every_route(town: Town, ids: Ids) -> None:
    before = town.everything()
    for method, template in EVERY:
        if "{" in template:
            body = valid_body(template) if method == "POST" else None
            if method == "POST" and template.endswith("previous_secret"):
                body = {"expires_at": 2_000_000_000}
            answer = town.ask(method, ids.path(template), key=town.stranger, body=body)
            assert refusal(answer)[0::2] == (404, Code.NOT_FOUND), (method, template)
    assert town.everything() == before


def test_another_organizations_things_are_in_no_list(town: Town, ids: Ids) -> None:
    theirs = town.ask("GET", "/projects", key=town.stranger).json()["data"]
    assert [project["id"] for project in theirs] == ["proj_2"]
    assert town.ask("GET", "/limits", key=town.stranger).json()["data"] == []
    ours = {key["id"] for key in town.ask("GET", "/admin_api_keys?limit=100").json()["data"]}
    others = {key["id"] for key in town.ask("GET", "/admin_api_keys?limit=100", key=town.stranger).json()["data"]}
    assert others
    assert not ours & others


def test_a_route_without_a_policy_does_not_start(town: Town) -> None:
    @get(f"{ROOT}/forgotten")
    async def forgotten() -> dict[str, Any]:
        return {}

    with pytest.raises(ValueError, match="forgotten"):
        build(town.office, (*ROUTES, forgotten))
    with pytest.raises(ValueError, match="costs"):
        build(town.office, ROUTES[:-1])


def test_a_route_that_is_not_in_the_table_is_refused_to_an_owner_too() -> None:
    owner = Actor("api_key", "org-1", "user-1", "ada@example.com", "owner")
    with pytest.raises(Refusal) as refused:
        authorize(owner, "OPTIONS", f"{ROOT}/projects", None)
    assert refused.value.code is Code.METHOD_NOT_ALLOWED


def test_someone_with_an_unknown_role_reads_nothing() -> None:
    nobody = Actor("api_key", "org-1", "user-1", "ada@example.com", "guest")
    with pytest.raises(Refusal) as refused:
        authorize(nobody, "GET", f"{ROOT}/projects", None)
    assert refused.value.code is Code.NOT_PERMITTED


def test_what_is_not_there_says_so_in_openais_shape(town: Town) -> None:
    assert refusal(town.ask("GET", "/nothing")) == (404, None, Code.ENDPOINT_UNKNOWN)
    assert refusal(town.ask("GET", "")) == (404, None, Code.ENDPOINT_UNKNOWN)
    assert refusal(town.ask("PATCH", "/projects")) == (405, None, Code.METHOD_NOT_ALLOWED)
    assert refusal(town.ask("OPTIONS", "/projects"))[0] == 405
    assert refusal(town.ask("GET", "/nothing", key="")) == (401, None, Code.CREDENTIAL_MISSING)


def test_every_answer_has_a_request_id_and_is_stored_by_nobody(town: Town) -> None:
    answers = [town.ask("GET", "/projects"), town.ask("GET", "/nothing"), town.ask("GET", "/projects", key="")]
    assert len({answer.headers["x-request-id"] for answer in answers}) == 3
    for answer in answers:
        assert re.fullmatch(r"req_[0-9a-f]{32}", answer.headers["x-request-id"])
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["openai-processing-ms"].isdigit()
        assert answer.headers.get_list("x-request-id") == [answer.headers["x-request-id"]]
