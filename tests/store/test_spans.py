"""Stretches of time, joined and taken away from each other."""

from keyhouse.store.spans import gaps, joined


def test_what_follows_each_other_is_one_span() -> None:
    assert joined([(5, 7), (1, 3), (3, 5), (8, 9)]) == [(1, 7), (8, 9)]
    assert joined([]) == []


def test_gaps_are_what_is_left() -> None:
    assert gaps([(3, 5), (5, 6), (8, 9)], (1, 10)) == [(1, 3), (6, 8), (9, 10)]
    assert gaps([(1, 10)], (1, 10)) == []
    assert gaps([], (1, 10)) == [(1, 10)]
