"""Usage and costs over HTTP: OpenAI's buckets, pages and groups, exact against the rows of the rollups."""

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from openai import BadRequestError, OpenAI
from openai.types.admin.organization.usage_completions_response import (
    DataResultOrganizationUsageCompletionsResult as Used,
)
from openai.types.admin.organization.usage_costs_response import DataResultOrganizationCostsResult as Cost
from sqlalchemy import Engine, event, insert

from admin.town import NOW, Town, refusal
from keyhouse.admin.usage import KINDS
from keyhouse.core.errors import Code
from keyhouse.gateway.metered import METERED
from keyhouse.store import schema

DAY = 86_400
TODAY = NOW - 12 * 3600
"""Midnight, UTC."""

CHAT, EMBEDDINGS = "/v1/chat/completions", "/v1/embeddings"
SUMS = {
    "requests": 3,
    "errors": 1,
    "input_tokens": 100,
    "cached_input_tokens": 30,
    "cache_write_tokens": 20,
    "output_tokens": 50,
    "reasoning_tokens": 10,
    "cost_nano_usd": 123_456_789,
    "unpriced_requests": 0,
}


def used(town: Town, at: int, **fields: Any) -> None:
    """A row of both rollups at this time in Unix seconds."""
    place = {
        "organization_id": "org-1",
        "project_id": "proj_1",
        "owner_id": "user-1",
        "key_id": "key_1",
        "model": "tiny-1",
        "upstream": "local",
        "endpoint": CHAT,
    }
    for table, width in ((schema.usage_hour, 3600), (schema.usage_minute, 60)):
        row = place | SUMS | fields | {"starts_at_ms": at // width * width * 1000}
        town.execute(lambda c, t=table, r=row: c.execute(insert(t).values(r)))  # type: ignore[misc]


@pytest.fixture
def sdk(town: Town) -> Iterator[OpenAI]:
    with town.sdk() as client:
        yield client


def get(town: Town, path: str, query: str) -> dict[str, Any]:
    answer = town.ask("GET", f"{path}?{query}")
    assert answer.status_code == 200, answer.text
    page: dict[str, Any] = answer.json()
    return page


def results(page: dict[str, Any]) -> list[dict[str, Any]]:
    return [result for bucket in page["data"] for result in bucket["results"]]


def test_the_sdk_reads_usage_by_day_with_empty_buckets_between(town: Town, sdk: OpenAI) -> None:
    used(town, TODAY - 3 * DAY + 5 * 3600)
    used(town, TODAY + 3600)
    page = sdk.admin.organization.usage.completions(start_time=TODAY - 4 * DAY, group_by=["model", "api_key_id"])
    assert (page.object, page.has_more, page.next_page) == ("page", False, None)
    assert [(bucket.start_time, bucket.end_time, len(bucket.results)) for bucket in page.data] == [
        (TODAY + day * DAY, TODAY + (day + 1) * DAY, count)
        for day, count in ((-4, 0), (-3, 1), (-2, 0), (-1, 0), (0, 1))
    ]
    (result,) = page.data[-1].results
    assert isinstance(result, Used)
    assert (result.num_model_requests, result.input_tokens, result.output_tokens) == (3, 100, 50)
    assert (result.input_cached_tokens, result.input_cache_write_tokens, result.input_uncached_tokens) == (30, 20, 50)
    assert (result.model, result.api_key_id, result.project_id, result.user_id) == ("tiny-1", "key_1", None, None)
    assert (result.model_extra or {})["cost"]["decimal"] == "0.123456789"


def test_the_sdk_reads_costs_exactly_grouped_by_every_dimension(town: Town, sdk: OpenAI) -> None:
    used(town, TODAY, cost_nano_usd=1)
    used(town, TODAY, key_id="key_2", model="tiny-2", cost_nano_usd=2_000_000_000)
    costs = sdk.admin.organization.usage.costs(
        start_time=TODAY, group_by=["project_id", "user_id", "line_item", "api_key_id", "api_source"]
    )
    (bucket,) = costs.data
    one, two = bucket.results
    assert isinstance(one, Cost)
    assert isinstance(two, Cost)
    assert one.amount is not None
    assert (one.amount.value, one.amount.currency) == (1e-9, "usd")
    assert (one.project_id, one.user_id, one.api_key_id, one.line_item) == ("proj_1", "user-1", "key_1", "tiny-1")
    assert (one.quantity, one.quantity_unit, one.api_source) == (150.0, "tokens", "unlabeled")
    assert two.amount is not None
    assert two.amount.value == 2.0
    assert [(cost.amount.model_extra or {})["decimal"] for cost in (one, two) if cost.amount] == ["0.000000001", "2.00"]


def test_pages_one_bucket_at_a_time_hold_every_bucket_once(town: Town, sdk: OpenAI) -> None:
    for day in range(5):
        used(town, TODAY - day * DAY, requests=day + 1)
    seen: list[tuple[int, int]] = []
    page = sdk.admin.organization.usage.completions(start_time=TODAY - 4 * DAY, limit=1)
    while True:
        (bucket,) = page.data
        (result,) = bucket.results
        assert isinstance(result, Used)
        seen.append((bucket.start_time, result.num_model_requests))
        if not page.has_more:
            break
        assert page.next_page
        page = sdk.admin.organization.usage.completions(start_time=TODAY - 4 * DAY, limit=1, page=page.next_page)
    assert page.next_page is None
    assert seen == [(TODAY - day * DAY, day + 1) for day in (4, 3, 2, 1, 0)]


def test_pages_of_costs_go_on_where_the_one_before_ended(town: Town) -> None:
    used(town, TODAY - 20 * DAY)
    used(town, TODAY)
    pages, cursor = [], ""
    while True:
        page = get(town, "/costs", f"start_time={TODAY - 20 * DAY}{cursor}")
        pages.append(page)
        if not page["has_more"]:
            break
        cursor = f"&page={page['next_page']}"
    assert [len(page["data"]) for page in pages] == [7, 7, 7]
    starts = [bucket["start_time"] for page in pages for bucket in page["data"]]
    assert starts == [TODAY - day * DAY for day in range(20, -1, -1)]
    assert sum(Decimal(result["amount"]["decimal"]) for page in pages for result in results(page)) == Decimal(
        "0.246913578"
    )


@pytest.mark.parametrize(
    ("width", "seconds", "usual", "most"), [("1m", 60, 60, 1440), ("1h", 3600, 24, 168), ("1d", DAY, 7, 31)]
)
def test_each_width_has_openais_usual_and_greatest_number_of_buckets(
    town: Town, width: str, seconds: int, usual: int, most: int
) -> None:
    used(town, NOW - seconds)
    path, query = "/usage/completions", f"start_time={NOW - 2000 * seconds}&bucket_width={width}"
    page = get(town, path, query)
    assert len(page["data"]) == usual
    assert page["has_more"] is True
    assert {bucket["end_time"] - bucket["start_time"] for bucket in page["data"]} == {seconds}
    assert len(get(town, path, f"{query}&limit={most}")["data"]) == most
    for limit in (0, most + 1):
        assert refusal(town.ask("GET", f"{path}?{query}&limit={limit}"))[:2] == (400, "limit")
    recent = get(town, path, f"start_time={NOW - 2 * seconds}&bucket_width={width}")
    assert sum(result["num_model_requests"] for result in results(recent)) == 3


def test_a_list_is_understood_in_every_form_clients_send(town: Town) -> None:
    used(town, TODAY)
    used(town, TODAY, key_id="key_2", model="tiny-2", project_id="proj_9")
    used(town, TODAY, key_id="key_3", model="tiny-3")
    forms = (
        "group_by=model&group_by=api_key_id&api_key_ids=key_1&api_key_ids=key_2",
        "group_by[]=model&group_by[]=api_key_id&api_key_ids[]=key_1&api_key_ids[]=key_2",
        "group_by=model,api_key_id&api_key_ids=key_1,key_2",
        "group_by%5B%5D=model%2Capi_key_id&api_key_ids[]=key_1&api_key_ids=key_2",
        "group_by=model,api_key_id,model&api_key_ids=key_1,,key_2&unknown=x",
    )
    for path in ("/usage/completions", "/costs"):
        answers = [get(town, path, f"start_time={TODAY}&{form}") for form in forms]
        assert all(answer == answers[0] for answer in answers)
        groups = [(result["model"], result["api_key_id"], result["project_id"]) for result in results(answers[0])]
        assert groups == [("tiny-1", "key_1", None), ("tiny-2", "key_2", None)]


def test_every_filter_lets_through_only_what_it_names(town: Town) -> None:
    used(town, TODAY, requests=1)
    used(town, TODAY, requests=2, project_id="proj_x")
    used(town, TODAY, requests=4, owner_id="user-x")
    used(town, TODAY, requests=8, key_id="key_x")
    used(town, TODAY, requests=16, model="model-x")
    for name, value, count in (
        ("project_ids", "proj_x", 2),
        ("user_ids", "user-x", 4),
        ("api_key_ids", "key_x", 8),
        ("models", "model-x", 16),
    ):
        page = get(town, "/usage/completions", f"start_time={TODAY}&{name}={value}")
        assert [result["num_model_requests"] for result in results(page)] == [count]
        assert results(get(town, "/usage/completions", f"start_time={TODAY}&{name}=nothing")) == []
        assert len(results(get(town, "/costs", f"start_time={TODAY}&{name}={value}"))) == 1
    (everything,) = results(get(town, "/usage/completions", f"start_time={TODAY}"))
    assert everything["num_model_requests"] == 31


def test_completions_leave_out_other_endpoints_and_costs_do_not(town: Town) -> None:
    used(town, TODAY)
    used(town, TODAY, endpoint=EMBEDDINGS)
    (usage,) = results(get(town, "/usage/completions", f"start_time={TODAY}"))
    (costs,) = results(get(town, "/costs", f"start_time={TODAY}"))
    assert usage["num_model_requests"] == 3
    assert costs["amount"]["decimal"] == "0.246913578"


def test_each_kind_of_usage_counts_its_own_endpoints_in_its_own_measure(town: Town, sdk: OpenAI) -> None:
    used(town, TODAY, audio_input_tokens=7, audio_output_tokens=5)
    used(town, TODAY, endpoint=EMBEDDINGS, requests=4)
    used(town, TODAY, endpoint="/v1/moderations", requests=5)
    used(town, TODAY, endpoint="/v1/images/edits", requests=6, images=9)
    used(town, TODAY, endpoint="/v1/audio/speech", requests=7, characters=70)
    used(town, TODAY, endpoint="/v1/audio/transcriptions", requests=8, audio_seconds=80)
    used(town, TODAY, endpoint="/v1/audio/translations", requests=9, audio_seconds=9)
    usage = sdk.admin.organization.usage
    for name, count, measure, value in (
        ("completions", 3, "input_text_tokens", 43),
        ("completions", 3, "output_audio_tokens", 5),
        ("embeddings", 4, "input_tokens", 100),
        ("moderations", 5, "input_tokens", 100),
        ("images", 6, "images", 9),
        ("audio_speeches", 7, "characters", 70),
        ("audio_transcriptions", 17, "seconds", 89),
    ):
        ((result,),) = (bucket.results for bucket in getattr(usage, name)(start_time=TODAY).data)
        assert (result.object, result.num_model_requests) == (f"organization.usage.{name}.result", count)
        assert getattr(result, measure) == value
        assert "cost" in result.model_extra


def test_what_is_not_counted_here_is_contiguous_buckets_without_results(town: Town, sdk: OpenAI) -> None:
    used(town, TODAY)
    usage = sdk.admin.organization.usage
    for name in ("decisions", "vector_stores", "code_interpreter_sessions", "file_search_calls", "web_search_calls"):
        page = getattr(usage, name)(start_time=TODAY - 2 * DAY, group_by=["project_id"])
        starts = [(bucket.start_time, bucket.results) for bucket in page.data]
        assert starts == [(TODAY - day * DAY, []) for day in (2, 1, 0)]


def test_images_are_told_apart_by_where_they_came_from_and_not_by_size(town: Town, sdk: OpenAI) -> None:
    used(town, TODAY, endpoint="/v1/images/generations", images=2)
    used(town, TODAY, endpoint="/v1/images/variations", images=5)
    images = sdk.admin.organization.usage.images
    (bucket,) = images(start_time=TODAY, group_by=["source", "size"]).data
    found = [(r.source, r.size, r.images) for r in bucket.results if r.object == "organization.usage.images.result"]
    assert found == [("image.generation", None, 2), ("image.variation", None, 5)]
    (bucket,) = images(start_time=TODAY, sources=["image.variation", "image.edit"]).data
    assert [r.images for r in bucket.results if r.object == "organization.usage.images.result"] == [5]
    (bucket,) = images(start_time=TODAY, sizes=["512x512"]).data
    assert bucket.results == []
    assert refusal(town.ask("GET", f"/usage/images?start_time={TODAY}&sources=image.x"))[:2] == (400, "sources")


def test_every_endpoint_that_costs_anything_is_one_kind_of_usage() -> None:
    counted = [path for kind in KINDS for path in kind.endpoints]
    assert len(counted) == len(set(counted))
    assert {f"/v1{metered.path}" for metered in METERED} <= set(counted)


def test_usage_and_costs_ask_the_rollups_and_no_other_table(town: Town) -> None:
    used(town, TODAY)
    asked: list[str] = []

    def listen(_c: object, _cursor: object, statement: str, *_: object) -> None:
        if "usage_" in statement or "calls" in statement:
            asked.append(statement)

    event.listen(Engine, "before_cursor_execute", listen)
    try:
        for width in ("1m", "1h", "1d"):
            for kind in KINDS:
                get(town, f"/usage/{kind.path}", f"start_time={TODAY}&bucket_width={width}&limit=1")
        get(town, "/costs", f"start_time={TODAY}")
    finally:
        event.remove(Engine, "before_cursor_execute", listen)
    tables = [re.findall(r"(?:FROM|JOIN) (\w+)", statement) for statement in asked]
    assert {name for names in tables for name in names} == {"usage_minute", "usage_hour"}
    counted = sum(bool(kind.endpoints) for kind in KINDS)
    assert len(asked) == 3 * counted + 1


def test_nothing_is_a_batch(town: Town) -> None:
    used(town, TODAY)
    assert results(get(town, "/usage/completions", f"start_time={TODAY}&batch=true")) == []
    (result,) = results(get(town, "/usage/completions", f"start_time={TODAY}&batch=false&group_by=batch,service_tier"))
    assert (result["batch"], result["service_tier"]) == (False, None)


def test_another_organization_sees_none_of_it(town: Town) -> None:
    used(town, TODAY)
    for path in ("/usage/completions", "/costs"):
        page = town.ask("GET", f"{path}?start_time={TODAY}&api_key_ids=key_1", key=town.stranger).json()
        assert results(page) == []


def test_a_time_within_a_bucket_gives_the_whole_bucket(town: Town) -> None:
    used(town, TODAY)
    page = get(town, "/usage/completions", f"start_time={TODAY + 5000}&end_time={TODAY + 5001}")
    assert [(bucket["start_time"], bucket["end_time"]) for bucket in page["data"]] == [(TODAY, TODAY + DAY)]
    assert len(results(page)) == 1
    assert page["has_more"] is False


def test_a_start_in_the_future_is_an_empty_page(town: Town) -> None:
    page = get(town, "/costs", f"start_time={TODAY + 3 * DAY}")
    assert page == {"object": "page", "data": [], "has_more": False, "next_page": None}


@pytest.mark.parametrize(
    ("query", "param", "code"),
    [
        ("", "start_time", Code.PARAMETER_MISSING),
        ("start_time=", "start_time", Code.PARAMETER_MISSING),
        ("start_time=yesterday", "start_time", Code.PARAMETER_INVALID),
        ("start_time=-1", "start_time", Code.PARAMETER_INVALID),
        ("start_time=99999999999", "start_time", Code.PARAMETER_INVALID),
        (f"start_time={NOW}&end_time={NOW}", "end_time", Code.PARAMETER_INVALID),
        (f"start_time={NOW}&bucket_width=1w", "bucket_width", Code.PARAMETER_INVALID),
        (f"start_time={NOW}&group_by=secret", "group_by", Code.PARAMETER_INVALID),
        (f"start_time={NOW}&page=7", "page", Code.PARAMETER_INVALID),
        (f"start_time={NOW}&page=page_!!", "page", Code.PARAMETER_INVALID),
        (f"start_time={NOW}&page=page_{'OTk5' * 40}", "page", Code.PARAMETER_INVALID),
    ],
)
def test_a_wrong_parameter_is_refused_by_its_name(town: Town, query: str, param: str, code: Code) -> None:
    for path in ("/usage/completions", "/costs"):
        assert refusal(town.ask("GET", f"{path}?{query}")) == (400, param, code)


def test_costs_come_by_the_day_only(sdk: OpenAI, town: Town) -> None:
    assert refusal(town.ask("GET", f"/costs?start_time={NOW}&bucket_width=1h"))[:2] == (400, "bucket_width")
    assert len(get(town, "/costs", f"start_time={NOW - 200 * DAY}&limit=180")["data"]) == 180
    assert refusal(town.ask("GET", f"/costs?start_time={NOW}&limit=181"))[:2] == (400, "limit")
    with pytest.raises(BadRequestError):
        sdk.admin.organization.usage.costs(start_time=TODAY, extra_query={"bucket_width": "1m"})
