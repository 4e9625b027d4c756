"""Ids of calls sort by time, and are the number that they stand for."""

from hypothesis import given
from hypothesis import strategies as st

from keyhouse.core.identifiers import base62, call_id

TIMES = st.integers(0, 2**48 - 1)
RANDOM = st.binary(min_size=10, max_size=10)


@given(TIMES, RANDOM)
def test_a_calls_id_is_time_and_randomness_as_one_number(now_ms: int, random: bytes) -> None:
    assert call_id(now_ms, random) == "call_" + base62(now_ms << 80 | int.from_bytes(random), 22)


@given(TIMES, TIMES, RANDOM, RANDOM)
def test_calls_sort_by_when_they_began(one_ms: int, other_ms: int, one: bytes, other: bytes) -> None:
    if one_ms != other_ms:
        assert (call_id(one_ms, one) < call_id(other_ms, other)) == (one_ms < other_ms)
