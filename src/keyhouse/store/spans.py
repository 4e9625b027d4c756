"""Stretches of time: each its first millisecond, and the first after it. Pure."""

from collections.abc import Iterable

Bounds = tuple[int, int]
"""The first millisecond, and the first after it."""


def joined(spans: Iterable[Bounds]) -> list[Bounds]:
    """The same time in as few spans as there can be."""
    found: list[Bounds] = []
    for start_ms, end_ms in sorted(spans):
        if found and found[-1][1] == start_ms:
            found[-1] = (found[-1][0], end_ms)
        else:
            found.append((start_ms, end_ms))
    return found


def gaps(spans: Iterable[Bounds], within: Bounds) -> list[Bounds]:
    """What these spans, none of which overlaps another or reaches beyond, leave of the whole."""
    at_ms, found = within[0], []
    for start_ms, end_ms in joined(spans):
        found.append((at_ms, start_ms))
        at_ms = end_ms
    return [(start_ms, end_ms) for start_ms, end_ms in (*found, (at_ms, within[1])) if start_ms < end_ms]
