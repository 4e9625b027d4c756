"""Who calls when: of an hour's calls, whose they are and at which moment each begins."""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate
from random import Random
from typing import Final

from keyhouse.core.rollup import HOUR_MS
from keyhouse.demo.keys import DemoKey
from keyhouse.demo.rhythm import Hour
from keyhouse.demo.town import DAY_MS

SITTING: Final = 12
"""How many calls a person makes before they do something else."""

Moment = tuple[int, DemoKey]


class Crowd:
    """Deals calls to keys, machines' and people's; nobody calls before their key was made or after its end."""

    def __init__(self, keys: Sequence[DemoKey], draw: Random) -> None:
        self._keys = [key for key in keys if key.weight]
        self._draw = draw
        self._day = -1
        self._machines: tuple[list[DemoKey], list[float]] = ([], [])
        self._people: tuple[list[DemoKey], list[float]] = ([], [])

    def moments(self, hour: Hour) -> list[Moment]:
        """When the hour's calls begin, and with which keys, in their order. A day's new keys begin the day after."""
        if hour.starts_at_ms // DAY_MS != self._day:
            self._day = hour.starts_at_ms // DAY_MS
            self._gather(self._day * DAY_MS)
        draw, width = self._draw.random, hour.ends_ms - hour.begins_ms
        found = [
            (hour.begins_ms + int(draw() * width), key)
            for key in self._choose(self._machines, hour.by_machines)
            if key.until_ms >= hour.ends_ms
        ]
        sittings = range(0, hour.by_people, SITTING)
        for done, key in zip(sittings, self._choose(self._people, len(sittings)), strict=False):
            if key.until_ms < hour.ends_ms:
                continue
            begins = hour.begins_ms + int(draw() * width)
            length = min(hour.ends_ms - begins, HOUR_MS // 4)
            found += [(begins + int(draw() * length), key) for _ in range(min(SITTING, hour.by_people - done))]
        found.sort(key=_begins)
        return found

    def shares(self) -> dict[str, float]:
        """How much of all calls each key makes, about: by its id."""
        machines = sum(key.weight for key in self._keys if key.owner.is_machine) or 1.0
        people = sum(key.weight for key in self._keys if not key.owner.is_machine) or 1.0
        return {
            key.id: 0.7 * key.weight / machines if key.owner.is_machine else 0.3 * key.weight / people
            for key in self._keys
        }

    def _gather(self, day_ms: int) -> None:
        alive = [key for key in self._keys if key.from_ms <= day_ms and key.until_ms > day_ms]
        machines = [key for key in alive if key.owner.is_machine]
        people = [key for key in alive if not key.owner.is_machine]
        self._machines = machines, list(accumulate(key.weight for key in machines))
        self._people = people, list(accumulate(key.weight for key in people))

    def _choose(self, crowd: tuple[list[DemoKey], list[float]], count: int) -> list[DemoKey]:
        keys, weights = crowd
        if not keys:
            return []
        whole, draw, last = weights[-1], self._draw.random, len(keys) - 1
        return [keys[min(last, bisect_left(weights, draw() * whole))] for _ in range(count)]


def _begins(moment: Moment) -> int:
    return moment[0]
