"""Headers as OpenAI's clients read them."""

import pytest

from keyhouse.core.decide import Remaining
from keyhouse.core.limit import Unit
from keyhouse.wire.headers import DOWNWARDS_OF_ERRORS, UPWARDS, go_duration, rate_limits


@pytest.mark.parametrize(
    ("ms", "text"),
    [(-5, "0s"), (0, "0s"), (12, "12ms"), (1_000, "1s"), (1_540, "1.54s"), (59_999, "59.999s"), (60_000, "1m0s"),
     (360_000, "6m0s"), (3_723_000, "1h2m3s"), (86_400_001, "24h0m1s")],
)  # fmt: skip
def test_durations_are_written_as_go_writes_them(ms: int, text: str) -> None:
    assert go_duration(ms) == text.encode()


def test_requests_and_tokens_are_told_and_money_is_not() -> None:
    remaining = (
        Remaining(Unit.REQUESTS, 60, 59, 30_000),
        Remaining(Unit.TOKENS, 1_000, 0, None),
        Remaining(Unit.USD, 5, 4, 1),
    )
    assert rate_limits(remaining, 10_000) == [
        (b"x-ratelimit-limit-requests", b"60"),
        (b"x-ratelimit-remaining-requests", b"59"),
        (b"x-ratelimit-reset-requests", b"20s"),
        (b"x-ratelimit-limit-tokens", b"1000"),
        (b"x-ratelimit-remaining-tokens", b"0"),
    ]


def test_nothing_that_names_a_person_or_a_connection_is_on_either_list() -> None:
    never = {"authorization", "cookie", "set-cookie", "location", "server", "connection", "transfer-encoding", "host"}
    assert not never & ({*UPWARDS} | {*DOWNWARDS_OF_ERRORS})
    assert not [name for name in DOWNWARDS_OF_ERRORS if name.startswith("x-ratelimit")]
