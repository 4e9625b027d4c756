"""Every address of the gateway says what it is for."""

from keyhouse.gateway.described import described
from keyhouse.gateway.summaries import SUMMARIES


def test_every_address_has_a_summary_of_its_own_and_no_other_has_one() -> None:
    assert {(route.method, route.path) for route in described()} == set(SUMMARIES)
    assert len(set(SUMMARIES.values())) == len(SUMMARIES)
