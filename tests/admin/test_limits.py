"""Limits over HTTP: exact amounts in, exact amounts out, one of a kind, and where each stands."""

from typing import Any

import pytest
from sqlalchemy import insert

from admin.town import NOW, Town, refusal
from given import NOON
from keyhouse.core.errors import Code
from keyhouse.core.limit import Unit, Window
from keyhouse.store import schema

DAY_END = NOW + 11 * 3600
"""The next midnight in Berlin, where it is 13:00."""


def body(**fields: Any) -> dict[str, Any]:
    return {"scope": {"type": "key", "id": "key_1"}, "unit": "usd", "window": "day", "amount": "25.00"} | fields


def put(town: Town, **fields: Any) -> dict[str, Any]:
    answer = town.ask("POST", "/limits", body=body(**fields))
    assert answer.status_code == 200, answer.text
    made: dict[str, Any] = answer.json()
    return made


def test_a_limit_shows_its_amount_what_is_used_and_when_it_resets(town: Town) -> None:
    made = put(town)
    assert made == {
        "object": "organization.limit",
        "id": made["id"],
        "scope": {"type": "key", "id": "key_1"},
        "unit": "usd",
        "window": "day",
        "amount": "25.00",
        "model": None,
        "refuse_when_short": False,
        "used": "0.00",
        "reserved": "0.00",
        "left": "25.00",
        "resets_at": DAY_END,
        "created_at": NOW,
    }
    town.execute(
        lambda c: c.execute(
            insert(schema.limit_periods).values(
                limit_id=made["id"],
                period="2026-11-24",
                starts_at_ms=NOON - 13 * 3_600_000,
                ends_at_ms=DAY_END * 1000,
                settled=3_200_000_001,
                reserved=40_000_000,
            )
        )
    )
    standing = town.ask("GET", f"/limits/{made['id']}").json()
    assert (standing["used"], standing["reserved"], standing["left"]) == ("3.200000001", "0.04", "21.759999999")
    assert town.ask("GET", "/limits").json()["data"] == [standing]
    assert town.ask("GET", "/projects/proj_1/api_keys/key_1").json()["limits"] == [standing]


EVERY = [(unit, window) for unit in Unit for window in Window if unit is not Unit.CONCURRENCY or window == "total"]


@pytest.mark.parametrize(("unit", "window"), EVERY)
def test_every_unit_and_window_is_set_listed_and_given_to_a_new_key(town: Town, unit: Unit, window: Window) -> None:
    made = put(town, unit=unit, window=window, amount="8")
    assert (made["unit"], made["window"], made["left"]) == (unit, window, "8.00" if unit is Unit.USD else "8")
    assert (made["resets_at"] is None) is (window is Window.TOTAL)
    key = {"name": "app", "limits": [{"unit": unit, "window": window, "amount": 8}]}
    (given,) = town.ask("POST", "/projects/proj_1/api_keys", body=key).json()["limits"]
    assert {name: given[name] for name in ("unit", "window", "amount", "resets_at")} == {
        name: made[name] for name in ("unit", "window", "amount", "resets_at")
    }


def test_what_runs_at_once_needs_no_window_and_never_resets(town: Town) -> None:
    fields = body(unit="concurrency", amount=8)
    del fields["window"]
    made = town.ask("POST", "/limits", body=fields).json()
    assert (made["window"], made["amount"], made["resets_at"]) == ("total", "8", None)
    answer = town.ask("POST", "/limits", body=body(unit="concurrency", window="minute", amount=8))
    assert refusal(answer) == (400, "window", Code.PARAMETER_INVALID)
    key = {"name": "app", "limits": [{"unit": "concurrency", "amount": 3}, {"unit": "images", "amount": 3}]}
    answer = town.ask("POST", "/projects/proj_1/api_keys", body=key)
    assert refusal(answer) == (400, "limits[1].window", Code.PARAMETER_MISSING)


def test_a_limit_on_a_user_is_set_and_listed_by_its_scope(town: Town) -> None:
    made = put(town, scope={"type": "user", "id": "user-member"})
    assert made["scope"] == {"type": "user", "id": "user-member"}
    assert town.ask("GET", "/limits?scope_type=user").json()["data"] == [made]
    for kind in ("user", "service_account"):
        answer = town.ask("POST", "/limits", body=body(scope={"type": kind, "id": "user-2"}))
        assert refusal(answer) == (404, None, Code.NOT_FOUND)
        assert refusal(town.ask("POST", "/limits", body=body(scope={"type": kind})))[:2] == (400, "scope.id")


@pytest.mark.parametrize(
    ("unit", "sent", "shown"),
    [
        ("usd", '"25.00"', "25.00"),
        ("usd", '"0.000000001"', "0.000000001"),
        ("usd", "25", "25.00"),
        ("usd", "0.1", "0.10"),
        ("usd", "0.000000001", "0.000000001"),  # a float printed with six decimals would be nothing
        ("usd", "1e-9", "0.000000001"),
        ("usd", "2.5E1", "25.00"),
        ("usd", "9223372036.854775807", "9223372036.854775807"),  # more digits than a float has
        ("usd", "0", "0.00"),
        ("requests", '"60"', "60"),
        ("requests", "60", "60"),
        ("tokens", "40000.0", "40000"),
        ("tokens", "9007199254740993", "9007199254740993"),
    ],
)
def test_an_amount_is_read_exactly_as_text_or_as_a_number(town: Town, unit: str, sent: str, shown: str) -> None:
    content = f'{{"scope":{{"type":"organization"}},"unit":"{unit}","window":"total","amount":{sent}}}'
    answer = town.ask("POST", "/limits", content=content)
    assert answer.status_code == 200, answer.text
    assert answer.json()["amount"] == shown
    assert answer.json()["resets_at"] is None


@pytest.mark.parametrize(
    ("unit", "sent"),
    [
        ("usd", '"-1"'),
        ("usd", "-1"),
        ("usd", "0.0000000001"),
        ("usd", "9223372036.854775808"),
        ("usd", "1e999999999"),
        ("usd", "1e-999999999"),
        ("usd", '"1e3"'),
        ("usd", '"1,000"'),
        ("usd", '"\\u0661"'),
        ("usd", '""'),
        ("usd", "null"),
        ("usd", "true"),
        ("usd", "{}"),
        ("usd", "[1]"),
        ("requests", "1.5"),
        ("requests", '"60.5"'),
        ("tokens", "9223372036854775808"),
    ],
)
def test_an_amount_that_is_none_is_refused_and_nothing_is_set(town: Town, unit: str, sent: str) -> None:
    content = f'{{"scope":{{"type":"organization"}},"unit":"{unit}","window":"day","amount":{sent}}}'
    assert refusal(town.ask("POST", "/limits", content=content)) == (400, "amount", Code.PARAMETER_INVALID)
    assert town.rows("limits") == []


def test_setting_a_limit_again_changes_its_amount_at_once_and_keeps_its_id(town: Town) -> None:
    made = put(town)
    again = put(town, amount="3", refuse_when_short=True)
    assert (again["id"], again["amount"], again["refuse_when_short"]) == (made["id"], "3.00", True)
    others = [
        put(town, model="tiny-1"),
        put(town, window="month"),
        put(town, unit="requests", amount=5),
        put(town, scope={"type": "project", "id": "proj_1"}),
        put(town, scope={"type": "organization", "id": "org-1"}),
    ]
    assert len({made["id"], *(limit["id"] for limit in others)}) == 6


def test_every_limit_is_listed_once_page_by_page_and_by_its_scope(town: Town) -> None:
    made = [
        put(town),
        put(town, window="month"),
        put(town, scope={"type": "project", "id": "proj_1"}),
        put(town, scope={"type": "organization"}),
    ]
    seen, after = [], ""
    while True:
        page = town.ask("GET", f"/limits?limit=1{after}").json()
        seen += [limit["id"] for limit in page["data"]]
        if not page["has_more"]:
            break
        after = f"&after={page['last_id']}"
    assert sorted(seen) == sorted(limit["id"] for limit in made)
    by_key = town.ask("GET", "/limits?scope_type=key&scope_id=key_1").json()["data"]
    assert {limit["id"] for limit in by_key} == {made[0]["id"], made[1]["id"]}
    (of_project,) = town.ask("GET", "/limits?scope_type=project").json()["data"]
    assert of_project["id"] == made[2]["id"]
    assert town.ask("GET", "/limits?scope_type=project&scope_id=key_1").json()["data"] == []


def test_a_deleted_limit_is_gone(town: Town) -> None:
    made = put(town)
    assert town.ask("DELETE", f"/limits/{made['id']}").json() == {
        "object": "organization.limit.deleted",
        "id": made["id"],
        "deleted": True,
    }
    for method in ("GET", "DELETE"):
        assert refusal(town.ask(method, f"/limits/{made['id']}"))[0::2] == (404, Code.NOT_FOUND)
    assert town.ask("GET", "/limits").json()["data"] == []
    assert put(town)["id"] != made["id"]


@pytest.mark.parametrize(
    ("fields", "status", "param"),
    [
        ({"scope": None}, 400, "scope"),
        ({"scope": "key_1"}, 400, "scope"),
        ({"scope": {}}, 400, "scope.type"),
        ({"scope": {"type": "planet", "id": "x"}}, 400, "scope.type"),
        ({"scope": {"type": "key"}}, 400, "scope.id"),
        ({"scope": {"type": "key", "id": "key_1", "name": "x"}}, 400, "scope.name"),
        ({"scope": {"type": "key", "id": "key_2"}}, 404, None),
        ({"scope": {"type": "project", "id": "proj_2"}}, 404, "project_id"),
        ({"scope": {"type": "organization", "id": "org-2"}}, 404, None),
        ({"unit": "eur"}, 400, "unit"),
        ({"unit": 1}, 400, "unit"),
        ({"window": "year"}, 400, "window"),
        ({"model": ""}, 400, "model"),
        ({"model": 5}, 400, "model"),
        ({"refuse_when_short": "yes"}, 400, "refuse_when_short"),
        ({"used": "0"}, 400, "used"),
    ],
)
def test_a_wrong_limit_is_refused_by_the_field(
    town: Town, fields: dict[str, Any], status: int, param: str | None
) -> None:
    assert refusal(town.ask("POST", "/limits", body=body(**fields)))[:2] == (status, param)
    assert town.rows("limits") == []


@pytest.mark.parametrize("field", ["scope", "unit", "window", "amount"])
def test_a_limit_needs_all_of_its_fields(town: Town, field: str) -> None:
    fields = body()
    del fields[field]
    assert refusal(town.ask("POST", "/limits", body=fields)) == (400, field, Code.PARAMETER_MISSING)


def test_openais_views_leave_what_they_do_not_know_of_a_limit(town: Town) -> None:
    project = {"type": "project", "id": "proj_1"}
    kept = [
        put(town, scope=project, amount="100", window="month", refuse_when_short=True),
        put(town, scope=project, amount="100", unit="tokens", window="minute", model="tiny-1", refuse_when_short=True),
    ]
    month = {"threshold_amount": 20_000, "currency": "USD", "interval": "month"}
    for path, fields in (
        ("/projects/proj_1/spend_limit", month),
        ("/projects/proj_1/rate_limits/rl-tiny-1", {"max_tokens_per_1_minute": 200}),
    ):
        assert town.ask("POST", path, body=fields).status_code == 200
    found = [town.ask("GET", f"/limits/{limit['id']}").json() for limit in kept]
    assert [(limit["amount"], limit["refuse_when_short"]) for limit in found] == [("200.00", True), ("200", True)]
