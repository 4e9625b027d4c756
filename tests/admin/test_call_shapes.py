"""Exact decimals of what is smaller than a nano-USD."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyhouse.admin.call_shapes import exact_usd


@given(st.integers(-(10**24), 10**24))
def test_pico_usd_are_shown_to_the_last_digit(pico: int) -> None:
    shown = exact_usd(pico)
    assert Decimal(shown).scaleb(12) == pico
    assert len(shown.partition(".")[2]) >= 2


@pytest.mark.parametrize(
    ("pico", "shown"), [(0, "0.00"), (1, "0.000000000001"), (-(10**12), "-1.00"), (1_500_000_000_000, "1.50")]
)
def test_dollars_have_at_least_two_decimals(pico: int, shown: str) -> None:
    assert exact_usd(pico) == shown
