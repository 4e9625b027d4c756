"""Calls over HTTP: listed newest first in OpenAI's pages, and one of them explained to the last digit."""

from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Connection, insert

from admin.town import NOW, Town, refusal
from given import NOON
from given_calls import a_call, a_row, id_at
from given_charges import HOUR_MS, an_exact_call, endings
from keyhouse.core.errors import Code
from keyhouse.store import calls, schema


def get(town: Town, query: str = "") -> dict[str, Any]:
    answer = town.ask("GET", f"/calls?{query}")
    assert answer.status_code == 200, answer.text
    page: dict[str, Any] = answer.json()
    return page


def listed(town: Town, query: str = "") -> list[str]:
    return [call["id"] for call in get(town, query)["data"]]


def test_a_call_is_explained_to_the_last_digit(town: Town) -> None:
    call_id = town.execute(an_exact_call)
    found = town.ask("GET", f"/calls/{call_id}").json()
    assert found["charge"] == {
        "outcome": "exact",
        "price_id": 1,
        "rate": {"service_tier": "default", "from_input_tokens": 0},
        "lines": [
            {
                "item": item,
                "quantity": quantity,
                "each_usd": each,
                "million_usd": million,
                "amount_usd": amount,
            }
            for item, quantity, each, million, amount in (
                ("input", 700, "0.000001", "1.00", "0.0007"),
                ("cached_input", 300, "0.0000005", "0.50", "0.00015"),
                ("output", 250, "0.000002000001", "2.000001", "0.00050000025"),
                ("request", 1, "0.000000007", None, "0.000000007"),
            )
        ],
        "sum_usd": "0.00135000725",
        "rounding_usd": "0.00000000075",
        "rounded_usd": "0.001350008",
        "charged_usd": "0.001350008",
        "overrun_usd": "0.00",
    }
    assert sum(Decimal(line["amount_usd"]) for line in found["charge"]["lines"]) + Decimal("0.00000000075") == Decimal(
        found["charge"]["charged_usd"]
    )
    assert len(found["notes"]) == 3
    assert get(town)["data"] == [
        {name: value for name, value in found.items() if name in get(town)["data"][0]},
    ]


def test_a_call_shows_each_limit_it_counted_on_and_how_many_are_not_kept(town: Town) -> None:
    call_id = town.execute(an_exact_call)
    found = town.ask("GET", f"/calls/{call_id}").json()
    assert found["limits"] == [
        {
            "id": "limit_1",
            "scope": {"type": "key", "id": "key_1"},
            "unit": "usd",
            "window": "month",
            "model": None,
            "amount": "25.00",
            "period": "2026-11",
            "starts_at": NOW - 1,
            "ends_at": NOW + 3600,
            "deleted_at": None,
            "reserved": "0.005",
            "charged": "0.001350008",
            "adjusted": "0.00",
        },
        {
            "id": "limit_2",
            "scope": {"type": "organization", "id": "org-1"},
            "unit": "requests",
            "window": "day",
            "model": None,
            "amount": "9",
            "period": "2026-11-24",
            "starts_at": NOW - 1,
            "ends_at": None,
            "deleted_at": NOW + 3600,
            "reserved": "1",
            "charged": "1",
            "adjusted": "0",
        },
    ]
    assert found["limits_forgotten"] == 1
    assert found["adjustment"] is None


def test_a_call_in_a_list_has_everything_but_its_account(town: Town) -> None:
    call_id = town.execute(an_exact_call)
    (call,) = get(town)["data"]
    assert call == {
        "object": "organization.call",
        "id": call_id,
        "request_id": "req_1",
        "attempt": 1,
        "created_at": NOW,
        "closed_at": NOW + 1,
        "state": "settled",
        "basis": "upstream",
        "status": 200,
        "project_id": "proj_1",
        "owner": {"type": "user", "id": "user-1"},
        "api_key_id": "key_1",
        "secret_version": 1,
        "model": "tiny-1",
        "upstream": "local",
        "endpoint": "/v1/chat/completions",
        "service_tier": "flex",
        "address": "192.0.2.7",
        "agent": "OpenAI/Python 2.1.0",
        "instance_id": 7,
        "usage": {
            "input_tokens": 1_000,
            "cached_input_tokens": 300,
            "cache_write_tokens": 0,
            "audio_input_tokens": 0,
            "image_input_tokens": 0,
            "output_tokens": 250,
            "reasoning_tokens": 0,
            "audio_output_tokens": 0,
            "image_output_tokens": 0,
            "images": 0,
            "audio_seconds": 0,
            "characters": 0,
        },
        "reserved": {
            "usd": "0.005",
            "tokens": 1_500,
            "tokens_estimate": 600,
            "images": 0,
            "audio_seconds": 0,
            "characters": 0,
            "output_tokens_max": 512,
        },
        "cost_usd": "0.001350008",
        "first_byte_ms": 120,
        "duration_ms": 900,
        "flags": ["tier_unpriced"],
    }


def test_an_orphan_that_settled_late_shows_what_was_given_back(town: Town) -> None:
    found = town.ask("GET", f"/calls/{town.execute(endings)['late']}").json()
    assert (found["cost_usd"], found["charge"]["charged_usd"], found["charge"]["outcome"]) == (
        "0.001",
        "0.005",
        "reserved",
    )
    assert found["adjustment"] == {
        "created_at": NOW + 600,
        "reason": "settled late",
        "usd": "-0.004",
        "requests": 0,
        "tokens": -300,
        "tokens_estimate": 0,
        "images": 0,
        "audio_seconds": 0,
        "characters": 0,
    }
    assert found["status"] is None
    assert (found["charge"]["rate"], found["charge"]["lines"]) == (None, [])


def test_pages_go_on_behind_the_last_id_until_there_are_no_more(town: Town) -> None:
    made = town.execute(lambda c: [a_call(c, NOON - place, place) for place in range(45)])
    seen: list[str] = []
    query = ""
    sizes = []
    while True:
        page = get(town, query)
        assert (page["object"], page["first_id"]) == ("list", page["data"][0]["id"])
        assert page["last_id"] == page["data"][-1]["id"]
        sizes.append(len(page["data"]))
        seen += [call["id"] for call in page["data"]]
        if not page["has_more"]:
            break
        query = f"after={page['last_id']}"
    assert (seen, sizes) == (made, [20, 20, 5])
    assert len(listed(town, "limit=100")) == 45
    assert listed(town, f"limit=1&after={id_at(NOON - 3, 3)}") == [made[4]]


def test_an_early_end_of_a_page_says_where_to_go_on(town: Town) -> None:
    rows = calls.ROWS_READ_MAX + 5

    def fill(connection: Connection) -> None:
        connection.execute(insert(schema.calls), [a_row(NOON + 1, place) for place in range(rows)])
        a_call(connection, NOON, status=500)

    town.execute(fill)
    page = get(town, "errors_only=true")
    assert (page["data"], page["first_id"], page["has_more"]) == ([], None, True)
    rest = get(town, f"errors_only=true&after={page['last_id']}")
    assert ([call["status"] for call in rest["data"]], rest["has_more"]) == ([500], False)


def test_every_filter_lets_through_only_what_it_names_in_every_form(town: Town) -> None:
    odd = (
        ("project_ids", {"project_id": "x"}, "x"),
        ("user_ids", {"owner_id": "x"}, "x"),
        ("api_key_ids", {"key_id": "x"}, "x"),
        ("models", {"model": "x"}, "x"),
        ("upstreams", {"upstream": "x"}, "x"),
        ("endpoints", {"endpoint": "x"}, "x"),
        ("states", {"state": "held"}, "held"),
    )
    made = town.execute(lambda c: [a_call(c, NOON, place, **row) for place, (_, row, _) in enumerate(odd)])
    failed = town.execute(lambda c: a_call(c, NOON, 50, status=429))
    for call_id, (name, _, value) in zip(made, odd, strict=True):
        for form in (f"{name}[]={value}", f"{name}={value}", f"{name}%5B%5D={value}&{name}[]={value}"):
            assert listed(town, form) == [call_id], form
    assert listed(town, "errors_only=true") == [failed]
    assert len(listed(town, "errors_only=false&unknown=x")) == len(odd) + 1
    assert listed(town, "states[]=settled,held&models[]=x") == [made[3]]


def test_without_a_time_a_list_goes_back_a_day(town: Town) -> None:
    old, new = town.execute(lambda c: [a_call(c, NOON - 25 * HOUR_MS), a_call(c, NOON - 23 * HOUR_MS)])
    assert listed(town) == [new]
    assert listed(town, f"start_time={NOW - 25 * 3600}") == [new, old]
    assert listed(town, f"start_time={NOW - 25 * 3600}&end_time={NOW - 23 * 3600}") == [old]
    assert listed(town, f"end_time={NOW - 23 * 3600}") == [old]
    assert listed(town, f"start_time={NOW - 25 * 3600 + 1}&end_time={NOW - 23 * 3600}") == []


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=many", "limit"),
        ("after=call_1", "after"),
        (f"after={'call_' + 'x' * 21 + '%00'}", "after"),
        ("states[]=lost", "states"),
        ("errors_only=perhaps", "errors_only"),
        ("start_time=yesterday", "start_time"),
        ("start_time=-1", "start_time"),
        (f"start_time={NOW}&end_time={NOW}", "end_time"),
        ("end_time=99999999999", "end_time"),
        ("&".join(f"api_key_ids[]=key_{place}" for place in range(calls.KEYS_MAX + 1)), "api_key_ids"),
    ],
)
def test_a_wrong_parameter_is_refused_by_its_name(town: Town, query: str, param: str) -> None:
    assert refusal(town.ask("GET", f"/calls?{query}")) == (400, param, Code.PARAMETER_INVALID)


@pytest.mark.parametrize("named", ["call_1", "call_%00", "key_1", "call_" + "x" * 400])
def test_what_no_call_can_be_called_reads_as_missing(town: Town, named: str) -> None:
    assert refusal(town.ask("GET", f"/calls/{named}")) == (404, None, Code.NOT_FOUND)


def test_another_organizations_calls_read_as_missing(town: Town) -> None:
    call_id = town.execute(an_exact_call)
    assert refusal(town.ask("GET", f"/calls/{call_id}", key=town.stranger)) == (404, None, Code.NOT_FOUND)
    for query in ("", "api_key_ids[]=key_1", f"start_time=0&project_ids[]=proj_1&after={id_at(NOON + HOUR_MS)}"):
        page = town.ask("GET", f"/calls?{query}", key=town.stranger).json()
        assert page == {"object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False}


def test_every_other_ending_says_why_it_was_charged_so(town: Town) -> None:
    made = town.execute(endings)
    found = {name: town.ask("GET", f"/calls/{call_id}").json() for name, call_id in made.items()}
    assert {name: (call["charge"]["outcome"], call["cost_usd"]) for name, call in found.items()} == {
        "capped": ("capped", "0.000001"),
        "counted": ("exact", "0.001350008"),
        "late": ("reserved", "0.001"),
        "long": ("exact", "0.400750007"),
        "orphaned": ("reserved", "0.005"),
        "overrun": ("exact", "0.001350008"),
        "priority": ("exact", "0.005400007"),
        "released": ("released", "0.00"),
        "running": ("running", None),
        "unpriced": ("unpriced", None),
    }
    assert found["capped"]["charge"]["rounded_usd"] == "0.001350008"
    assert found["overrun"]["charge"]["overrun_usd"] == "0.000350008"
    assert found["long"]["charge"]["rate"] == {"service_tier": "default", "from_input_tokens": 200_000}
    assert found["priority"]["charge"]["rate"] == {"service_tier": "priority", "from_input_tokens": 0}
    assert (found["orphaned"]["duration_ms"], found["running"]["closed_at"]) == (None, None)
