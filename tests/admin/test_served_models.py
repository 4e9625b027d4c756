"""Models over HTTP: added, changed and removed, and served from that moment on."""

from typing import Any

import pytest

from admin.town import Town, refusal
from keyhouse.core.errors import Code, Refusal
from keyhouse.core.money import Rate

BODY: dict[str, Any] = {
    "name": "tiny-9",
    "upstreams": ["fixed"],
    "input_usd_per_million": "1.00",
    "output_usd_per_million": "2.00",
}


def test_a_model_is_added_served_changed_and_removed(town: Town) -> None:
    made = town.ask("POST", "/models", body=BODY | {"max_output_tokens": 100}).json()
    assert (made["object"], made["source"], made["is_shadowed"]) == ("organization.model", "organization", False)
    assert made["upstreams"] == ["fixed"]
    (deployment,) = town.catalog.routing.choose("tiny-9", b"")
    assert deployment.price is not None
    assert (deployment.price.rates, deployment.ceilings.output_tokens) == (
        (Rate(1_000_000, 1_000_000, 1_000_000, 2_000_000),),
        100,
    )
    changed = town.ask(
        "POST", f"/models/{made['id']}", body={"output_usd_per_million": "3.00", "max_output_tokens": None}
    ).json()
    assert changed == made | {"output_usd_per_million": "3.00", "max_output_tokens": None}
    (after,) = town.catalog.routing.choose("tiny-9", b"")
    assert after.price is not None
    assert after.price.id != deployment.price.id
    assert town.catalog.prices[after.price.id].rates[0].output == 3_000_000
    assert deployment.price.id in town.catalog.prices, "calls that run are settled by it"
    assert town.ask("DELETE", f"/models/{made['id']}").json()["deleted"] is True
    with pytest.raises(Refusal):
        town.catalog.routing.get("tiny-9")
    events = [row["event"] for row in town.rows("audit_events") if row["event"].startswith("model.")]
    assert events == ["model.created", "model.updated", "model.deleted"]


def test_several_upstreams_are_written_in_order_or_with_ranks_and_weights(town: Town) -> None:
    town.ask("POST", "/upstreams", body={"name": "own", "base_url": "https://api.example.com/v1"})
    tables = [{"name": "own", "rank": 1, "weight": 3, "upstream_model": "there"}, {"name": "fixed", "rank": 1}]
    made = town.ask("POST", "/models", body=BODY | {"upstreams": tables}).json()
    assert [each["name"] for each in made["upstreams"]] == ["own", "fixed"]
    own, fixed = town.catalog.routing.get("tiny-9").deployments
    assert (own.upstream.name, own.rank, own.weight, own.upstream_model) == ("own", 1, 3, "there")
    assert (fixed.upstream.name, fixed.rank, fixed.weight, fixed.upstream_model) == ("fixed", 1, 1, "tiny-9")


@pytest.mark.parametrize(
    ("change", "status", "param", "code"),
    [
        ({"name": "vendor/fixed-1"}, 409, "name", Code.CONFLICT),
        ({"name": ""}, 400, "name", Code.PARAMETER_INVALID),
        ({"upstreams": ["else"]}, 400, "upstreams[0]", Code.PARAMETER_INVALID),
        ({"upstreams": []}, 400, "upstreams", Code.PARAMETER_INVALID),
        ({"input_usd_per_million": "-1"}, 400, "input_usd_per_million", Code.PARAMETER_INVALID),
        ({"input_usd_per_million": 1}, 400, "input_usd_per_million", Code.PARAMETER_INVALID),
        ({"max_output_tokens": 0}, 400, "max_output_tokens", Code.PARAMETER_INVALID),
        ({"price": "1"}, 400, "price", Code.PARAMETER_UNKNOWN),
    ],
)
def test_what_cannot_be_meant_is_refused_by_its_field(
    town: Town, change: dict[str, Any], status: int, param: str, code: Code
) -> None:
    before = town.everything()
    assert refusal(town.ask("POST", "/models", body=BODY | change)) == (status, param, code)
    assert town.everything() == before


def test_a_name_is_given_once_and_what_is_configured_is_read_only(town: Town) -> None:
    town.ask("POST", "/models", body=BODY)
    assert refusal(town.ask("POST", "/models", body=BODY)) == (409, "name", Code.CONFLICT)
    fixed = town.ask("GET", "/models").json()["data"][0]
    assert (fixed["name"], fixed["source"]) == ("vendor/fixed-1", "configuration")
    assert town.ask("GET", f"/models/{fixed['id']}").json() == fixed
    assert refusal(town.ask("POST", f"/models/{fixed['id']}", body={})) == (409, None, Code.CONFLICT)
    assert refusal(town.ask("DELETE", f"/models/{fixed['id']}")) == (409, None, Code.CONFLICT)
