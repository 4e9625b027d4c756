"""Percentiles and rates from histograms."""

import random
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from given import NOON
from given_control import House
from keyhouse.reporting.performance import PerformanceQuestions, percentile_ms, speed_of
from keyhouse.reporting.usage import UsageQuery
from keyhouse.store.rollup_tables import HISTOGRAM_BOUNDS_MS
from keyhouse.store.timings import NOTHING, Timings
from reporting.given_rollups import a_slot

HOUR = 3_600_000


def histogram(values: list[int]) -> list[int]:
    """Values by bucket, as the ledger counts them."""
    counts = [0] * (len(HISTOGRAM_BOUNDS_MS) + 1)
    for value in values:
        counts[next((at for at, bound in enumerate(HISTOGRAM_BOUNDS_MS) if value <= bound), len(counts) - 1)] += 1
    return counts


@given(st.lists(st.integers(0, 59_000), min_size=1, max_size=200), st.sampled_from((0.5, 0.95, 0.99)))
def test_a_percentile_lies_in_the_bucket_of_the_true_one(values: list[int], share: float) -> None:
    true = sorted(values)[max(0, -int(-share * len(values) // 1) - 1)]
    bucket = next(at for at, bound in enumerate(HISTOGRAM_BOUNDS_MS) if true <= bound)
    below = HISTOGRAM_BOUNDS_MS[bucket - 1] if bucket else 0
    found = percentile_ms(histogram(values), share)
    assert found is not None
    assert below <= found <= HISTOGRAM_BOUNDS_MS[bucket]


def test_spread_evenly_a_percentile_is_almost_the_true_one() -> None:
    values = [random.Random(3).randrange(60_000) for _ in range(20_000)]
    assert percentile_ms(histogram(list(range(60_000))), 0.5) == pytest.approx(30_000, rel=0.01)
    assert percentile_ms(histogram(values), 0.5) is not None


def test_nothing_has_no_percentile_and_the_last_bucket_no_end() -> None:
    assert percentile_ms([0] * 14, 0.5) is None
    assert percentile_ms([*[0] * 13, 5], 0.5) == 60_000


def test_errors_are_told_by_cause_and_a_share_is_never_more_than_all() -> None:
    speed = speed_of(Timings(10, 5, 2, 1, 600, 3_000, NOTHING.durations, NOTHING.first_bytes))
    assert (speed.caller_errors, speed.upstream_429, speed.faults) == (2, 2, 1)
    assert speed.error_share == 0.5
    assert speed.output_tokens_per_second == 200
    assert speed_of(Timings(0, 3, 3, 0, 0, 0, NOTHING.durations, NOTHING.first_bytes)).error_share == 1
    refused = speed_of(Timings(10, 5, 2, 1, 600, 3_000, NOTHING.durations, NOTHING.first_bytes, refused=10))
    assert (refused.requests, refused.asked, refused.own_429, refused.error_share) == (10, 20, 10, 0.75)
    nothing = speed_of(NOTHING)
    assert (nothing.error_share, nothing.output_tokens_per_second, nothing.duration_p50_ms) == (None, None, None)


@pytest.mark.asyncio
async def test_a_question_has_a_row_for_each_hour_and_group(house: House) -> None:
    await house.database.write(lambda c: a_slot(c, NOON, duration_3=7, requests=7))
    query = UsageQuery("org-1", NOON - HOUR, NOON + HOUR, bucket="hour", zone="UTC", group_by=("upstream",))
    rows = await PerformanceQuestions(house.database).rows(query)
    assert [(row.starts_at_ms, row.group, row.timings.durations[3]) for row in rows] == [(NOON, ("local",), 7)]


@pytest.mark.asyncio
async def test_a_file_has_every_group_once_those_with_the_most_requests_first(house: House) -> None:
    for at_ms, key, requests in ((NOON, "key_1", 2), (NOON - HOUR, "key_1", 3), (NOON, "key_2", 9), (NOON, "key_3", 5)):
        sums: dict[str, Any] = {"key_id": key, "duration_3": requests, "requests": requests}
        await house.database.write(partial(a_slot, starts_at_ms=at_ms, **sums))
    query = UsageQuery("org-1", NOON - HOUR, NOON + HOUR, "hour", group_by=("api_key_id",))
    found = await PerformanceQuestions(house.database).whole(query)
    assert [(row.group, row.timings.requests, row.timings.durations[3]) for row in found] == [
        (("key_2",), 9, 9),
        (("key_1",), 5, 5),
        (("key_3",), 5, 5),
    ]
    assert await PerformanceQuestions(house.database).whole(UsageQuery("org-1", NOON, NOON, group_by=("model",))) == []
