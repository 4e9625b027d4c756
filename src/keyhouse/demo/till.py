"""Limits, and what calls count on them: nothing is let through that does not fit, as the ledger would not either."""

from collections.abc import Mapping, Sequence
from datetime import tzinfo
from random import Random
from typing import Final

import msgspec

from keyhouse.core.identifiers import identifier
from keyhouse.core.limit import ScopeType, Span, Unit, Window, span_at
from keyhouse.core.money import NANO_PER_USD
from keyhouse.core.rollup import QUARTER_MS
from keyhouse.demo.answers import Answer
from keyhouse.demo.keys import DemoKey
from keyhouse.demo.town import DAY_MS, Place, Town

LIMIT_COLUMNS: Final = (
    *("id", "organization_id", "scope_type", "scope_id", "unit", "window", "amount", "created_at_ms", "created_by"),
)
PERIOD_COLUMNS: Final = ("id", "limit_id", "period", "starts_at_ms", "ends_at_ms", "peak")
_PLACES: Final = {Unit.USD: 0, Unit.REQUESTS: 1, Unit.TOKENS: 2}
_STEPS: Final = (1, 2, 5, 10, 20, 25, 50, 75, 100, 150, 200, 250, 500, 750)


class DemoLimit(msgspec.Struct, frozen=True):
    """A limit that counts, by its id."""

    id: str
    place: int
    window: Window
    amount: int


class Period:
    """A limit's period while it fills."""

    __slots__ = ("amount", "id", "place", "settled")

    def __init__(self, period_id: int, place: int, amount: int) -> None:
        self.id = period_id
        self.place = place
        self.amount = amount
        self.settled = 0


Counting = tuple[str, tuple[Period, ...]]
"""The ids of the periods a call counts on, as its row has them, and the periods."""


class Till:
    """Keeps the counters of all limits while calls are dealt, day by day."""

    def __init__(self, zone: tzinfo, next_id: int) -> None:
        self.rows: list[tuple[object, ...]] = []
        self.new_periods: list[tuple[object, ...]] = []
        self.counted: dict[int, int] = {}
        self._zone = zone
        self._next_id = next_id
        self._limits: dict[str, list[DemoLimit]] = {}
        self._periods: dict[tuple[str, str], Period] = {}
        self._quarter = -1
        self._spans: dict[Window, Span] = {}
        self._today: dict[str, Counting] = {}

    def set_limits(
        self, place: Place, town: Town, keys: Sequence[DemoKey], monthly: Mapping[str, int], now_ms: int, draw: Random
    ) -> None:
        """Limits on everything there is; `monthly` is about what a scope spends in a month, in nano-USD, by its id."""

        def add(scope: ScopeType, scope_id: str, unit: Unit, window: Window, amount: int) -> None:
            limit_id = identifier("limit_", draw.randbytes(20))
            made_ms = now_ms - draw.randrange(40, 300) * DAY_MS
            row = (limit_id, place.organization_id, str(scope), scope_id, str(unit), str(window), amount, made_ms)
            self.rows.append((*row, place.owner_id))
            if window is not Window.MINUTE:
                limit = DemoLimit(limit_id, _PLACES[unit], window, amount)
                self._limits.setdefault(scope_id, []).append(limit)

        whole = monthly.get(place.organization_id, 0)
        add(ScopeType.ORGANIZATION, place.organization_id, Unit.USD, Window.MONTH, rounded(whole * 1.6))
        for project_id in town.project_ids:
            spent = monthly.get(project_id, 0)
            add(ScopeType.PROJECT, project_id, Unit.USD, Window.MONTH, rounded(spent * draw.uniform(1.2, 2.4)))
            add(ScopeType.PROJECT, project_id, Unit.TOKENS, Window.MINUTE, draw.choice((200_000, 1_000_000, 4_000_000)))
        for person in town.people[::6]:
            add(ScopeType.USER, person.id, Unit.USD, Window.MONTH, rounded(monthly.get(person.id, 0) * 2.5))
        for at, key in enumerate(keys):
            if at % 20 == 7 and key.weight:
                # Some budgets are too small for what their keys are used for.
                amount = round(monthly.get(key.id, 0) * 0.6 / 10_000_000 + 1) * 10_000_000
                add(ScopeType.KEY, key.id, Unit.USD, Window.MONTH, amount)
            elif draw.random() < 0.55:
                spent = monthly.get(key.id, 0)
                add(ScopeType.KEY, key.id, Unit.USD, Window.MONTH, rounded(spent * draw.uniform(1.3, 5)))
            if draw.random() < 0.15:
                add(ScopeType.KEY, key.id, Unit.REQUESTS, Window.MINUTE, draw.choice((20, 60, 300, 600)))
            if draw.random() < 0.03:
                add(ScopeType.KEY, key.id, Unit.TOKENS, Window.DAY, 500_000_000)

    def counting(self, key: DemoKey, organization_id: str, at_ms: int) -> Counting:
        """The periods that a call with this key counts on at this moment. Moments come day by day."""
        if at_ms // QUARTER_MS != self._quarter:
            # A quarter of an hour lies within one day, whatever the zone.
            self._quarter = at_ms // QUARTER_MS
            if self._spans.get(Window.DAY) != span_at(Window.DAY, at_ms, self._zone):
                self._spans = {window: span_at(window, at_ms, self._zone) for window in Window}
                self._today = {}
        found = self._today.get(key.id)
        if found is None:
            scopes = (key.id, key.owner.id, key.owner.project_id, organization_id)
            limits = [limit for scope in scopes for limit in self._limits.get(scope, ())]
            periods = tuple([self._period(limit) for limit in limits])
            found = self._today[key.id] = (f"[{','.join(str(one.id) for one in periods)}]", periods)
        return found

    def admits(self, periods: tuple[Period, ...], answer: Answer) -> bool:
        """Whether a call with this answer fits; if so it is counted."""
        for one in periods:
            if one.settled + answer.reserved[one.place] > one.amount:
                return False
        counted = answer.counted
        for one in periods:
            amount = counted[one.place]
            if amount:
                one.settled += amount
                self.counted[one.id] = self.counted.get(one.id, 0) + amount
        return True

    def _period(self, limit: DemoLimit) -> Period:
        span = self._spans[limit.window]
        found = self._periods.get((limit.id, span.key))
        if found is None:
            found = self._periods[limit.id, span.key] = Period(self._next_id, limit.place, limit.amount)
            self._next_id += 1
            self.new_periods.append((found.id, limit.id, span.key, span.starts_at_ms, span.ends_at_ms, limit.amount))
        return found


def rounded(nano_usd: float) -> int:
    """A sum that somebody would write down: at least so much, 1 USD at the least."""
    usd, scale = nano_usd / NANO_PER_USD, 1
    while usd > _STEPS[-1] * scale:
        scale *= 10
    return next(step for step in _STEPS if step * scale >= usd) * scale * NANO_PER_USD
