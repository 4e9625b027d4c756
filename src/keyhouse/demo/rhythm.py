"""When calls are made: people by day, machines around the clock, fewer on weekends, more every week."""

from datetime import datetime, tzinfo
from typing import Final

import msgspec

from keyhouse.core.rollup import HOUR_MS

_PEOPLE: Final = (1, 1, 0, 0, 0, 1, 4, 14, 38, 62, 70, 66, 48, 60, 68, 64, 56, 40, 24, 14, 10, 8, 5, 2)
_MACHINES: Final = (34, 58, 62, 40, 22, 18, 20, 26, 36, 46, 50, 50, 46, 48, 50, 48, 46, 40, 34, 28, 26, 24, 24, 26)
_WEEKEND: Final = 0.22
_WEEKEND_MACHINES: Final = 0.75
_GROWTH: Final = 0.5
"""How much more there is at the end than at the beginning."""


class Hour(msgspec.Struct, frozen=True):
    """An hour of UTC, cut at its ends, and how many calls people and machines begin in it."""

    starts_at_ms: int
    begins_ms: int
    ends_ms: int
    by_people: int
    by_machines: int


def hours(start_ms: int, end_ms: int, calls: int, zone: tzinfo) -> list[Hour]:
    """The hours from `start_ms` up to `end_ms` with `calls` spread over them, three of ten of them people's."""
    starts = range(start_ms - start_ms % HOUR_MS, end_ms, HOUR_MS)
    edges = [(max(start_ms, at), min(end_ms, at + HOUR_MS)) for at in starts]
    parts = [
        ((ends - begins) / HOUR_MS) * (1 + _GROWTH * (begins - start_ms) / max(1, end_ms - start_ms))
        for begins, ends in edges
    ]
    local = [datetime.fromtimestamp(at / 1000, zone) for at in starts]
    people = [
        part * (_PEOPLE[at.hour] + 0.5) * (_WEEKEND if at.weekday() > 4 else 1)
        for part, at in zip(parts, local, strict=True)
    ]
    machines = [
        part * _MACHINES[at.hour] * (_WEEKEND_MACHINES if at.weekday() > 4 else 1)
        for part, at in zip(parts, local, strict=True)
    ]
    of_people = spread(people, calls * 3 // 10)
    of_machines = spread(machines, calls - calls * 3 // 10)
    return [
        Hour(at, begins, ends, one, other)
        for at, (begins, ends), one, other in zip(starts, edges, of_people, of_machines, strict=True)
    ]


def spread(weights: list[float], count: int) -> list[int]:
    """`count` as whole parts that stand to each other about like the weights, and are as many in all."""
    whole, parts, given = sum(weights), [], 0
    so_far = 0.0
    for weight in weights:
        so_far += weight
        parts.append(round(count * so_far / whole) - given)
        given += parts[-1]
    return parts
