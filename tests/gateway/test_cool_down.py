"""An upstream in trouble cools down for as long as it asks for, else ever longer, and an answer ends it."""

from datetime import UTC, datetime
from email.utils import format_datetime

import pytest

from given import NOON, FakeClock
from keyhouse.gateway.cool_down import COOL_MS, COOL_MS_MAX, CoolDowns, Failure, failure_of


def heard(cool_downs: CoolDowns, status: int, **headers: str) -> Failure | None:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return cool_downs.heard("a", status, given.get)


def cools_for_ms(cool_downs: CoolDowns, clock: FakeClock) -> int:
    """How long it cools down from now on, found by waiting; the clock is as far afterwards."""
    began = clock.time_ms
    while cool_downs.cooling():
        clock.turn(ms=500)
    return clock.time_ms - began


@pytest.mark.parametrize(
    ("status", "failure"),
    [
        (200, None),
        (302, None),
        (400, None),
        (401, None),
        (404, None),
        (408, None),
        (429, Failure.RATE_LIMITED),
        (500, Failure.UPSTREAM_ERROR),
        (503, Failure.UPSTREAM_ERROR),
        (529, Failure.UPSTREAM_ERROR),
    ],
)
def test_only_429_and_5xx_are_the_upstreams_failures(status: int, failure: Failure | None) -> None:
    assert failure_of(status) is failure


def test_one_that_cannot_be_reached_cools_down_at_once() -> None:
    clock = FakeClock()
    cool_downs = CoolDowns(clock)
    cool_downs.failed("a", Failure.UNREACHABLE)
    assert cool_downs.cooling() == {"a"}
    assert cools_for_ms(cool_downs, clock) == COOL_MS


@pytest.mark.parametrize("failure", [Failure.RATE_LIMITED, Failure.UPSTREAM_ERROR, Failure.NO_ANSWER])
def test_another_failure_must_come_three_times_in_a_row(failure: Failure) -> None:
    cool_downs = CoolDowns(FakeClock())
    for _ in range(2):
        for _ in range(2):
            cool_downs.failed("a", failure)
        assert not cool_downs.cooling()
        assert heard(cool_downs, 400) is None
    for _ in range(3):
        cool_downs.failed("a", failure)
    assert cool_downs.cooling() == {"a"}


def test_each_try_that_fails_again_doubles_the_time_up_to_a_maximum() -> None:
    clock = FakeClock()
    cool_downs = CoolDowns(clock)
    cool_downs.failed("a", Failure.UNREACHABLE)
    times = []
    for _ in range(6):
        times.append(cools_for_ms(cool_downs, clock))
        cool_downs.tries("a")
        cool_downs.failed("a", Failure.UPSTREAM_ERROR)
    assert times == [COOL_MS, 2 * COOL_MS, 4 * COOL_MS, 8 * COOL_MS, COOL_MS_MAX, COOL_MS_MAX]


def test_calls_that_fail_beside_each_other_are_one_trouble() -> None:
    clock = FakeClock()
    cool_downs = CoolDowns(clock)
    for _ in range(100):
        cool_downs.failed("a", Failure.UNREACHABLE)
    assert cools_for_ms(cool_downs, clock) == COOL_MS
    assert cool_downs.failures == {("a", Failure.UNREACHABLE): 100}


def test_a_try_that_never_ends_is_followed_by_another() -> None:
    clock = FakeClock()
    cool_downs = CoolDowns(clock)
    cool_downs.failed("a", Failure.UNREACHABLE)
    for _ in range(3):
        assert cools_for_ms(cool_downs, clock) == COOL_MS
        cool_downs.tries("a")
        assert cool_downs.cooling() == {"a"}


def test_an_answer_to_what_was_asked_before_does_not_end_the_cool_down() -> None:
    clock = FakeClock()
    cool_downs = CoolDowns(clock)
    heard(cool_downs, 429, retry_after="30")
    heard(cool_downs, 200)
    assert cools_for_ms(cool_downs, clock) == 30_000
    heard(cool_downs, 200)
    cool_downs.failed("a", Failure.NO_ANSWER)
    assert not cool_downs.cooling(), "the first failure of a new row"


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("headers", "cools_ms"),
    [
        ({"retry_after": "7"}, 7_000),
        ({"retry_after": "1.5"}, 1_500),
        ({"retry_after_ms": "2500", "retry_after": "99"}, 2_500),
        ({"retry_after": format_datetime(datetime.fromtimestamp(NOON / 1000 + 20, UTC), usegmt=True)}, 20_000),
        ({"retry_after": "86400"}, 600_000),
        ({"retry_after": "0"}, 0),
        ({"retry_after": "-5"}, 0),
        ({"retry_after": "soon"}, 0),
        ({"retry_after": "nan"}, 0),
        ({"retry_after": "1e999"}, 0),
        ({}, 0),
    ],
)
def test_an_upstream_that_says_when_to_ask_again_is_asked_then(
    status: int, headers: dict[str, str], cools_ms: int
) -> None:
    clock = FakeClock()
    cool_downs = CoolDowns(clock)
    heard(cool_downs, status, **headers)
    assert cools_for_ms(cool_downs, clock) == cools_ms


def test_retry_after_of_other_answers_means_nothing() -> None:
    cool_downs = CoolDowns(FakeClock())
    heard(cool_downs, 500, retry_after="30")
    heard(cool_downs, 200, retry_after="30")
    assert not cool_downs.cooling()
