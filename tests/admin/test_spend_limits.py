"""Spend limits over HTTP: cents a month, which are the limit in usd that the ledger enforces."""

from typing import Any
from zoneinfo import ZoneInfo

import pytest
from openai import NotFoundError

from admin.town import Town, refusal
from keyhouse.core.errors import Code
from keyhouse.core.limit import Window, span_at
from keyhouse.store import schema

BODY = {"threshold_amount": 2500, "currency": "USD", "interval": "month"}
PLACES = ("/spend_limit", "/projects/proj_1/spend_limit")


def test_a_strict_client_sets_reads_and_deletes_both_kinds(town: Town) -> None:
    with town.sdk() as sdk:
        organization = sdk.admin.organization.spend_limit
        project = sdk.admin.organization.projects.spend_limit
        with pytest.raises(NotFoundError):
            organization.retrieve()
        with pytest.raises(NotFoundError):
            project.retrieve("proj_1")
        whole = organization.update(threshold_amount=100_000, currency="USD", interval="month")
        part = project.update("proj_1", threshold_amount=2500, currency="USD", interval="month")
        assert (whole.object, whole.threshold_amount) == ("organization.spend_limit", 100_000)
        assert (part.object, part.threshold_amount, part.currency) == ("project.spend_limit", 2500, "USD")
        assert (
            project.update("proj_1", threshold_amount=2600, currency="USD", interval="month").threshold_amount == 2600
        )
        assert project.retrieve("proj_1").enforcement.status == "inactive"
        found = {each["scope"]["type"]: each for each in town.ask("GET", "/limits").json()["data"]}
        assert {kind: (each["unit"], each["window"], each["amount"]) for kind, each in found.items()} == {
            "organization": ("usd", "month", "1000.00"),
            "project": ("usd", "month", "26.00"),
        }
        assert project.delete("proj_1").object == "project.spend_limit.deleted"
        assert organization.delete().deleted is True
        with pytest.raises(NotFoundError):
            project.delete("proj_1")
    assert town.ask("GET", "/limits").json()["data"] == []


def test_it_is_enforcing_once_all_of_it_is_used_or_reserved(town: Town) -> None:
    made = town.ask("POST", PLACES[1], body=BODY).json()
    span = span_at(Window.MONTH, town.clock.now_ms(), ZoneInfo("Europe/Berlin"))
    row = {"limit_id": made["limit_id"], "period": span.key, "starts_at_ms": span.starts_at_ms}
    periods = schema.limit_periods
    town.execute(lambda c: c.execute(periods.insert().values(row | {"settled": 24 * 10**9, "reserved": 10**9 - 1})))
    assert town.ask("GET", PLACES[1]).json()["enforcement"] == {"status": "inactive"}
    town.execute(lambda c: c.execute(periods.update().values(reserved=10**9)))
    assert town.ask("GET", PLACES[1]).json()["enforcement"] == {"status": "enforcing"}


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"threshold_amount": 0}, "threshold_amount"),
        ({"threshold_amount": 10**18}, "threshold_amount"),
        ({"threshold_amount": 1.5}, "threshold_amount"),
        ({"currency": "EUR"}, "currency"),
        ({"interval": "week"}, "interval"),
    ],
)
def test_what_cannot_be_a_spend_limit_is_refused_by_its_field(town: Town, change: dict[str, Any], param: str) -> None:
    for place in PLACES:
        assert refusal(town.ask("POST", place, body=BODY | change)) == (400, param, Code.PARAMETER_INVALID)
        missing = {name: value for name, value in BODY.items() if name != param}
        assert refusal(town.ask("POST", place, body=missing)) == (400, param, Code.PARAMETER_MISSING)
    assert town.ask("GET", "/limits").json()["data"] == []


def test_other_limits_of_the_project_are_not_its_spend_limit(town: Town) -> None:
    scope = {"type": "project", "id": "proj_1"}
    for fields in ({"window": "day"}, {"model": "tiny-1", "window": "month"}):
        body = {"scope": scope, "unit": "usd", "amount": "1"} | fields
        assert town.ask("POST", "/limits", body=body).status_code == 200
    assert refusal(town.ask("GET", PLACES[1])) == (404, None, Code.NOT_FOUND)


def test_a_part_of_a_cent_does_not_show_as_nothing(town: Town) -> None:
    for amount, cents in (("0.005", 1), ("0.01", 1), ("0.010000001", 2), ("0", 0)):
        limit = {"scope": {"type": "project", "id": "proj_1"}, "unit": "usd", "window": "month", "amount": amount}
        assert town.ask("POST", "/limits", body=limit).status_code == 200
        assert town.ask("GET", PLACES[1]).json()["threshold_amount"] == cents
