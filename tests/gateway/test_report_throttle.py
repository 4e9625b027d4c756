"""Reports are counted by address and in all, for a minute."""

import pytest

from given import FakeClock
from keyhouse.core.errors import Code, Refusal
from keyhouse.gateway.report_throttle import REQUESTS_MAX, REQUESTS_OF_ONE_MAX, ReportThrottle


def test_one_address_does_not_keep_others_out_and_all_together_are_limited() -> None:
    clock = FakeClock()
    throttle = ReportThrottle(clock)
    for _ in range(REQUESTS_OF_ONE_MAX):
        throttle.admit("a")
    with pytest.raises(Refusal) as caught:
        throttle.admit("a")
    assert (caught.value.code, caught.value.retry_after_ms) == (Code.REPORTS_THROTTLED, 60_000)
    for number in range(REQUESTS_MAX - REQUESTS_OF_ONE_MAX):
        throttle.admit(f"b{number}")
    with pytest.raises(Refusal):
        throttle.admit("c")
    clock.turn(ms=60_000)
    throttle.admit("a")
