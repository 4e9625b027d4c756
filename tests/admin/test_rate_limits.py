"""Rate limits over HTTP: a record for each model, and behind it nothing but the project's limits."""

from typing import Any

import msgspec
import pytest

from admin.town import Town, refusal
from keyhouse.admin.rate_limits import NO_LIMIT, rate_limit_id
from keyhouse.core.errors import Code

PATH = "/projects/proj_1/rate_limits"
SLASHED = rate_limit_id("vendor/tiny-2")


def limits(town: Town) -> dict[tuple[str, str, str | None], str]:
    """The project's limits, as the ledger enforces them."""
    found: list[dict[str, Any]] = town.ask("GET", "/limits?scope_type=project&scope_id=proj_1").json()["data"]
    return {(each["unit"], each["window"], each["model"]): each["amount"] for each in found}


def test_a_strict_client_lists_a_record_for_each_model_one_a_page_in_both_directions(town: Town) -> None:
    with town.sdk() as sdk:
        rates = sdk.admin.organization.projects.rate_limits
        found = list(rates.list_rate_limits("proj_1", limit=1))
        assert [(each.id, each.model) for each in found] == [("rl-tiny-1", "tiny-1"), (SLASHED, "vendor/tiny-2")]
        assert {each.max_requests_per_1_minute for each in found} == {NO_LIMIT}
        assert [each.id for each in rates.list_rate_limits("proj_1", before=SLASHED)] == ["rl-tiny-1"]
        assert list(rates.list_rate_limits("proj_1", limit=0)) == []
        assert list(rates.list_rate_limits("proj_1", after="after", before="before")) == []


def test_what_is_set_on_a_record_is_a_limit_on_the_project_for_its_model(town: Town) -> None:
    with town.sdk() as sdk:
        rates = sdk.admin.organization.projects.rate_limits
        made = rates.update_rate_limit(
            SLASHED,
            project_id="proj_1",
            max_requests_per_1_minute=3,
            max_requests_per_1_day=9,
            max_images_per_1_minute=0,
        )
    assert (made.max_requests_per_1_minute, made.max_requests_per_1_day, made.max_images_per_1_minute) == (3, 9, 0)
    assert (made.max_tokens_per_1_minute, made.model) == (NO_LIMIT, "vendor/tiny-2")
    model = "vendor/tiny-2"
    assert limits(town) == {
        ("requests", "minute", model): "3",
        ("requests", "day", model): "9",
        ("images", "minute", model): "0",
    }
    body = {"max_requests_per_1_minute": NO_LIMIT, "max_requests_per_1_day": None, "max_audio_seconds_per_1_minute": 60}
    again = town.ask("POST", f"{PATH}/{SLASHED}", body=body | {"unknown": 1}).json()
    assert (again["max_requests_per_1_minute"], again["max_requests_per_1_day"]) == (NO_LIMIT, None)
    assert limits(town) == {("images", "minute", model): "0", ("audio_seconds", "minute", model): "60"}
    entry = town.rows("audit_events")[-1]
    assert (entry["event"], entry["resource_id"], entry["project_id"]) == ("rate_limit.updated", SLASHED, "proj_1")
    assert msgspec.json.decode(entry["details"]) == {
        "model": model,
        "max_requests_per_1_minute": {"from": 3, "to": None},
        "max_requests_per_1_day": {"from": 9, "to": None},
        "max_audio_seconds_per_1_minute": {"from": None, "to": 60},
    }


def test_a_limit_set_elsewhere_is_seen_on_the_record_of_its_model(town: Town) -> None:
    scope = {"type": "project", "id": "proj_1"}
    body = {"scope": scope, "unit": "tokens", "window": "minute", "amount": "500", "model": "unlisted"}
    assert town.ask("POST", "/limits", body=body).status_code == 200
    records = {each["model"]: each for each in town.ask("GET", PATH).json()["data"]}
    assert records["unlisted"]["max_tokens_per_1_minute"] == 500
    assert records["tiny-1"]["max_tokens_per_1_minute"] == NO_LIMIT


@pytest.mark.parametrize(
    ("rate_limit", "body", "expected"),
    [
        ("rl-tiny-1", {}, (400, None, Code.PARAMETER_MISSING)),
        ("rl-tiny-1", {"max_requests_per_1_minute": -1}, (400, "max_requests_per_1_minute", Code.PARAMETER_INVALID)),
        ("rl-tiny-1", {"max_tokens_per_1_minute": "9"}, (400, "max_tokens_per_1_minute", Code.PARAMETER_INVALID)),
        (
            "rl-tiny-1",
            {"max_audio_megabytes_per_1_minute": 1},
            (400, "max_audio_megabytes_per_1_minute", Code.PARAMETER_INVALID),
        ),
        (
            "rl-tiny-1",
            {"batch_1_day_max_input_tokens": 1},
            (400, "batch_1_day_max_input_tokens", Code.PARAMETER_INVALID),
        ),
        ("rl-nothing", {"max_tokens_per_1_minute": 9}, (404, None, Code.NOT_FOUND)),
    ],
)
def test_what_cannot_be_set_is_refused_and_nothing_is_set(
    town: Town, rate_limit: str, body: dict[str, Any], expected: tuple[int, str | None, Code]
) -> None:
    both = {"max_requests_per_1_day": 5} | body if body and rate_limit == "rl-tiny-1" else body
    assert refusal(town.ask("POST", f"{PATH}/{rate_limit}", body=both)) == expected
    assert limits(town) == {}


def test_an_archived_projects_records_are_shown_and_not_changed(town: Town) -> None:
    project = town.ask("POST", "/projects", body={"name": "Old"}).json()["id"]
    assert town.ask("POST", f"/projects/{project}/archive").status_code == 200
    path = f"/projects/{project}/rate_limits"
    assert len(town.ask("GET", path).json()["data"]) == 2
    answer = town.ask("POST", f"{path}/rl-tiny-1", body={"max_tokens_per_1_minute": 9})
    assert refusal(answer) == (409, None, Code.CONFLICT)


def test_a_model_name_that_fits_into_no_path_has_an_id_of_its_own() -> None:
    assert len({rate_limit_id(name) for name in ("a/b", "a_b", "a b", "a%2Fb")}) == 4
    assert all("/" not in rate_limit_id(name) for name in ("a/b", "ä", "?#"))
