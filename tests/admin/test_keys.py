"""Keyhouse's own verbs on keys over HTTP: what they take, what they show, and what they refuse by name."""

import json
from typing import Any

import pytest

from admin.town import NOW, Town, refusal, run
from keyhouse.control.keys import KeyDraft
from keyhouse.core.errors import Code
from keyhouse.core.key import why_dead
from keyhouse.core.secret import digest, redact
from keyhouse.store import keys, schema

KEYS = "/projects/proj_1/api_keys"
PEPPER = b"p" * 32


def create(town: Town, **fields: Any) -> dict[str, Any]:
    answer = town.ask("POST", KEYS, body={"name": "app"} | fields)
    assert answer.status_code == 200, answer.text
    made: dict[str, Any] = answer.json()
    return made


def death_of(town: Town, value: str) -> Code | None:
    """Why this secret is refused right now; None while it works."""
    credential = run(town.database.read(lambda c: keys.find_credential(c, digest(value, PEPPER))))
    assert credential is not None
    return why_dead(credential.standing, town.clock.now_ms())


def test_a_key_is_created_with_all_that_was_asked_and_shows_it(town: Town) -> None:
    made = create(
        town,
        permissions={"chat_completions": "write", "models": "read"},
        models=["tiny-1"],
        ip_allowlist=["203.0.113.7", "10.0.0.0/8"],
        expires_at=NOW + 90,
        limits=[
            {"unit": "usd", "window": "month", "amount": "25.00"},
            {"unit": "requests", "window": "minute", "amount": 60, "model": "tiny-1", "refuse_when_short": True},
        ],
    )
    value = made.pop("value")
    assert death_of(town, value) is None
    assert made == town.ask("GET", f"{KEYS}/{made['id']}").json()
    limits = made.pop("limits")
    assert made == {
        "object": "organization.project.api_key",
        "id": made["id"],
        "name": "app",
        "redacted_value": redact(value),
        "created_at": NOW,
        "last_used_at": None,
        "expires_at": NOW + 90,
        "owner": {
            "type": "user",
            "user": {
                "id": "user-1",
                "name": "Ada",
                "email": "user-1@example.com",
                "created_at": NOW,
                "role": "owner",
            },
        },
        "owner_project_access": "active",
        "project_id": "proj_1",
        "status": "active",
        "permissions": {"chat_completions": "write", "models": "read"},
        "models": ["tiny-1"],
        "endpoints": None,
        "ip_allowlist": ["203.0.113.7/32", "10.0.0.0/8"],
        "parent_id": None,
        "policy_violations": [],
        "disabled_at": None,
        "revoked_at": None,
        "created_by": "user-1",
        "secrets": [{"version": 1, "redacted_value": redact(value), "created_at": NOW, "expires_at": None}],
    }
    rate, budget = sorted(limits, key=lambda limit: str(limit["unit"]))
    assert (budget["unit"], budget["window"], budget["amount"], budget["used"]) == ("usd", "month", "25.00", "0.00")
    assert (rate["amount"], rate["model"], rate["refuse_when_short"]) == ("60", "tiny-1", True)
    assert budget["scope"] == {"type": "key", "id": made["id"]}


def test_a_secrets_value_is_shown_once_and_stored_nowhere(town: Town) -> None:
    made = create(town)
    rotated = town.ask("POST", f"{KEYS}/{made['id']}/rotate", body={}).json()
    shown = town.ask("GET", f"{KEYS}/{made['id']}").text + town.ask("GET", KEYS).text
    stored = repr(town.everything()) + repr(town.rows("audit_events"))
    for value in (made["value"], rotated["value"]):
        assert value not in shown
        assert value not in stored
        assert value[20:52] not in stored


def test_an_update_changes_what_it_names_and_nothing_else(town: Town) -> None:
    made = create(town, models=["tiny-1"], ip_allowlist=["10.0.0.0/8"], expires_at=NOW + 90)
    path = f"{KEYS}/{made['id']}"
    before = town.ask("GET", path).json()
    changes: list[dict[str, Any]] = [
        {"name": "other"},
        {"permissions": "read_only"},
        {"models": None},
        {"ip_allowlist": None},
        {"expires_at": None},
        {"expires_in_seconds": 5},
    ]
    shown: dict[str, object] = {"ip_allowlist": [], "expires_in_seconds": None}
    for change in changes:
        after = town.ask("POST", path, body=change).json()
        (field,) = change
        expected = before | {field: shown.get(field, change[field])}
        if field == "expires_in_seconds":
            expected = before | {"expires_at": NOW + 5}
        assert after == expected
        before = after
    assert town.changed.count(made["id"]) == 1 + len(changes)
    assert death_of(town, made["value"]) is None


def test_a_rotated_key_keeps_its_id_and_both_secrets_work_until_the_overlaps_end(town: Town) -> None:
    made = create(town, limits=[{"unit": "usd", "window": "month", "amount": "1"}])
    town.clock.turn(seconds=10)
    rotated = town.ask("POST", f"{KEYS}/{made['id']}/rotate", body={"overlap_seconds": 60}).json()
    assert rotated["id"] == made["id"]
    assert rotated["limits"] == made["limits"]
    assert rotated["value"] != made["value"]
    assert rotated["previous_secret_expires_at"] == NOW + 70
    assert rotated["secrets"] == [
        {"version": 2, "redacted_value": redact(rotated["value"]), "created_at": NOW + 10, "expires_at": None},
        {"version": 1, "redacted_value": redact(made["value"]), "created_at": NOW, "expires_at": NOW + 70},
    ]
    town.clock.turn(ms=59_999)
    assert death_of(town, made["value"]) is None
    town.clock.turn(ms=1)
    assert death_of(town, made["value"]) is Code.KEY_ROTATED
    assert death_of(town, rotated["value"]) is None


def test_an_overlap_is_a_day_unless_said_otherwise_and_may_be_nothing(town: Town) -> None:
    made = create(town)
    bodies: tuple[object, ...] = (None, {})
    for body in bodies:
        rotated = town.ask("POST", f"{KEYS}/{made['id']}/rotate", body=body).json()
        assert rotated["previous_secret_expires_at"] == NOW + 86_400
    at_once = town.ask("POST", f"{KEYS}/{made['id']}/rotate", body={"overlap_seconds": 0}).json()
    assert at_once["previous_secret_expires_at"] == NOW
    assert death_of(town, rotated["value"]) is Code.KEY_ROTATED
    assert death_of(town, at_once["value"]) is None


@pytest.mark.parametrize("seconds", [-1, 2_592_001, 10**30, "60", 1.5, None, True])
def test_an_overlap_out_of_range_or_no_number_is_refused(town: Town, seconds: object) -> None:
    made = create(town)
    answer = town.ask("POST", f"{KEYS}/{made['id']}/rotate", body={"overlap_seconds": seconds})
    assert refusal(answer) == (400, "overlap_seconds", Code.PARAMETER_INVALID)
    assert len(town.ask("GET", f"{KEYS}/{made['id']}").json()["secrets"]) == 1


def test_a_disabled_key_is_dead_until_it_is_enabled(town: Town) -> None:
    made = create(town)
    disabled = town.ask("POST", f"{KEYS}/{made['id']}/disable").json()
    assert (disabled["status"], disabled["disabled_at"]) == ("disabled", NOW)
    assert death_of(town, made["value"]) is Code.KEY_DISABLED
    enabled = town.ask("POST", f"{KEYS}/{made['id']}/enable").json()
    assert (enabled["status"], enabled["disabled_at"]) == ("active", None)
    assert death_of(town, made["value"]) is None


def test_what_is_revoked_does_not_come_back(town: Town) -> None:
    made = create(town)
    assert town.ask("DELETE", f"{KEYS}/{made['id']}").json() == {
        "object": "organization.project.api_key.deleted",
        "id": made["id"],
        "deleted": True,
    }
    assert death_of(town, made["value"]) is Code.KEY_REVOKED
    for verb in ("/enable", "/disable", "/rotate", ""):
        answer = town.ask("POST", f"{KEYS}/{made['id']}{verb}", body={} if verb else {"name": "x"})
        assert refusal(answer)[0::2] == (409, Code.CONFLICT)
    assert refusal(town.ask("DELETE", f"{KEYS}/{made['id']}"))[0] == 404


def test_a_key_is_only_found_in_its_own_project(town: Town) -> None:
    made = create(town)
    other = town.ask("POST", "/projects", body={"name": "other"}).json()["id"]
    for method, verb in (("GET", ""), ("POST", ""), ("DELETE", ""), ("POST", "/rotate"), ("POST", "/disable")):
        body = None if method != "POST" else {"name": "x"} if not verb else {}
        answer = town.ask(method, f"/projects/{other}/api_keys/{made['id']}{verb}", body=body)
        assert refusal(answer)[0] == 404
    assert death_of(town, made["value"]) is None


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"name": None}, "name", Code.PARAMETER_INVALID),
        ({"name": 7}, "name", Code.PARAMETER_INVALID),
        ({"name": ""}, "name", Code.PARAMETER_INVALID),
        ({"name": "x" * 101}, "name", Code.PARAMETER_INVALID),
        ({"permissions": "everything"}, "permissions", Code.PARAMETER_INVALID),
        ({"permissions": {"chat": "write"}}, "permissions", Code.PARAMETER_INVALID),
        ({"permissions": ["chat_completions"]}, "permissions", Code.PARAMETER_INVALID),
        ({"permissions": None}, "permissions", Code.PARAMETER_INVALID),
        ({"models": "tiny-1"}, "models", Code.PARAMETER_INVALID),
        ({"models": []}, "models", Code.PARAMETER_INVALID),
        ({"models": [1]}, "models[0]", Code.PARAMETER_INVALID),
        ({"ip_allowlist": ["10.0.0.0/99"]}, "ip_allowlist", Code.PARAMETER_INVALID),
        ({"expires_at": "2027-01-01"}, "expires_at", Code.PARAMETER_INVALID),
        ({"expires_at": NOW}, "expires_at", Code.PARAMETER_INVALID),
        ({"expires_at": 10**30}, "expires_at", Code.PARAMETER_INVALID),
        ({"expires_at": -(10**30)}, "expires_at", Code.PARAMETER_INVALID),
        ({"limits": {}}, "limits", Code.PARAMETER_INVALID),
        ({"limits": [{"unit": "usd", "window": "month"}]}, "limits[0].amount", Code.PARAMETER_MISSING),
        ({"limits": [{"unit": "eur", "window": "day", "amount": 1}]}, "limits[0].unit", Code.PARAMETER_INVALID),
        ({"limits": [{"unit": "usd", "window": "year", "amount": 1}]}, "limits[0].window", Code.PARAMETER_INVALID),
        ({"limits": [{"unit": "usd", "window": "day", "amount": -1}]}, "limits[0].amount", Code.PARAMETER_INVALID),
        (
            {"limits": [{"unit": "usd", "window": "day", "amount": 1, "id": "x"}]},
            "limits[0].id",
            Code.PARAMETER_UNKNOWN,
        ),
        ({"colour": "blue"}, "colour", Code.PARAMETER_UNKNOWN),
    ],
)
def test_a_wrong_field_is_refused_by_its_name_and_nothing_is_made(
    town: Town, fields: dict[str, Any], param: str, code: Code
) -> None:
    before = town.everything()
    answer = town.ask("POST", KEYS, body={"name": "app"} | fields)
    assert refusal(answer) == (400, param, code)
    assert town.everything() == before


def test_a_key_without_a_name_is_refused(town: Town) -> None:
    assert refusal(town.ask("POST", KEYS, body={})) == (400, "name", Code.PARAMETER_MISSING)
    assert refusal(town.ask("POST", KEYS)) == (400, "name", Code.PARAMETER_MISSING)


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"\xff\xfe",
        b'{"name": "\xff"}',
        b"{'name': 'x'}",
        b'{"permissions":' + b"[" * 100_000,
        b'{"name":"x"} {}',
        b"NaN",
    ],
)
def test_a_body_that_is_not_json_is_told_so(town: Town, body: bytes) -> None:
    for path in (KEYS, "/projects", "/admin_api_keys"):
        assert refusal(town.ask("POST", path, content=body)) == (400, None, Code.BODY_NOT_JSON)


@pytest.mark.parametrize("body", [[], "x", 1, None, [{"name": "x"}]])
def test_a_body_that_is_no_object_is_refused(town: Town, body: object) -> None:
    for path in (KEYS, "/projects", "/limits", "/admin_api_keys"):
        answer = town.ask("POST", path, content=json.dumps(body))
        assert refusal(answer) == (400, None, Code.PARAMETER_INVALID)


def test_a_huge_body_is_refused(town: Town) -> None:
    answer = town.ask("POST", KEYS, content=b'{"name": "' + b"x" * 300_000 + b'"}')
    assert refusal(answer) == (413, None, Code.BODY_TOO_LARGE)


def test_no_column_of_any_table_can_be_written_by_a_field_of_its_name(town: Town) -> None:
    """CVE-2026-47102: what a caller adds is never stored; Keyhouse's own routes say so."""
    columns = sorted({column.name for table in schema.METADATA.tables.values() for column in table.columns})
    made = create(town)
    before = town.ask("GET", f"{KEYS}/{made['id']}?include_revoked=true").json()
    fields = {
        "name",
        "permissions",
        "models",
        "endpoints",
        "ip_allowlist",
        "expires_at",
        "scope",
        "unit",
        "window",
        "amount",
        "model",
    }
    for column in columns:
        if column in fields or column == "refuse_when_short":
            continue
        for path in (KEYS, f"{KEYS}/{made['id']}"):
            answer = town.ask("POST", path, body={"name": "app", column: 1})
            assert refusal(answer) == (400, column, Code.PARAMETER_UNKNOWN)
        for verb in ("rotate", "disable", "enable"):
            assert refusal(town.ask("POST", f"{KEYS}/{made['id']}/{verb}", body={column: 1}))[0] == 400
        limit = {"scope": {"type": "organization"}, "unit": "usd", "window": "day", "amount": 1, column: 1}
        assert refusal(town.ask("POST", "/limits", body=limit))[0] == 400
    assert town.ask("GET", f"{KEYS}/{made['id']}").json() == before
    extra = {column: "x" for column in columns if column not in ("name", "external_key_id", "expires_in_seconds")}
    project = town.ask("POST", "/projects", body={"name": "p"} | extra).json()
    assert (project["name"], project["is_default"], project["created_at"]) == ("p", False, NOW)
    assert project["id"].startswith("proj_")
    admin = town.ask("POST", "/admin_api_keys", body={"name": "a"} | extra).json()
    assert (admin["owner"]["id"], admin["created_at"], admin["expires_at"]) == ("user-1", NOW, None)


def test_an_update_that_names_nothing_or_one_thing_twice_is_refused(town: Town) -> None:
    path = f"{KEYS}/{create(town)['id']}"
    assert refusal(town.ask("POST", path, body={})) == (400, None, Code.PARAMETER_MISSING)
    twice = {"permissions": "all", "scopes": []}
    assert refusal(town.ask("POST", path, body=twice)) == (400, "scopes", Code.PARAMETER_INVALID)
    twice = {"expires_at": NOW + 5, "expires_in_seconds": 5}  # type: ignore[dict-item]
    assert refusal(town.ask("POST", path, body=twice)) == (400, "expires_in_seconds", Code.PARAMETER_INVALID)


@pytest.mark.parametrize("query", ["limit=-1", "limit=101", "limit=x", "limit=1&limit=2", "limit=1e3", "limit=%D9%A3"])
def test_a_limit_out_of_range_is_refused_on_every_list(town: Town, query: str) -> None:
    for path in ("/projects", KEYS, "/admin_api_keys", "/limits"):
        assert refusal(town.ask("GET", f"{path}?{query}")) == (400, "limit", Code.PARAMETER_INVALID)


@pytest.mark.parametrize(
    ("path", "param"),
    [
        (f"{KEYS}?owner_project_access=maybe", "owner_project_access"),
        ("/projects?include_archived=perhaps", "include_archived"),
        ("/admin_api_keys?order=sideways", "order"),
        ("/limits?scope_type=planet", "scope_type"),
    ],
)
def test_a_parameter_that_is_none_of_its_values_is_refused(town: Town, path: str, param: str) -> None:
    assert refusal(town.ask("GET", path)) == (400, param, Code.PARAMETER_INVALID)


def test_an_archived_projects_keys_are_inactive_and_none_are_made(town: Town) -> None:
    project = town.ask("POST", "/projects", body={"name": "old"}).json()["id"]
    key = run(town.keys.create(town.actor(), KeyDraft(name="app", project_id=project)))
    town.ask("POST", f"/projects/{project}/archive")
    shown = town.ask("GET", f"/projects/{project}/api_keys/{key.key.id}").json()
    assert shown["owner_project_access"] == "inactive"
    assert refusal(town.ask("POST", f"/projects/{project}/api_keys", body={"name": "x"}))[0::2] == (409, Code.CONFLICT)
    assert key.key.id in town.changed
