"""What was spent: a month against its budget, where it is going, and its statement. All from the rollups of usage."""

from collections.abc import Sequence
from datetime import datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from keyhouse.core.clock import Clock
from keyhouse.core.limit import LimitState, ScopeType, Unit, Window, instant_ms
from keyhouse.reporting.limits import LimitQuestions
from keyhouse.reporting.usage import DAY_MS, UsageQuery, UsageQuestions, UsageRow, buckets

PACE_DAYS: Final = 7
"""A forecast goes on as the last full days went: a week, so that weekends count as they do."""


class Month(msgspec.Struct, frozen=True):
    """A calendar month in the organization's zone, up to now. Money is nano-USD.

    `days` are the bounds of all its days, `spent` what each of those that began has cost. `pace` is the average
    of the last full days, None if there were none; `expected` is what the month costs if it goes on like that.
    """

    start_ms: int
    end_ms: int
    days: tuple[tuple[int, int], ...]
    spent: tuple[int, ...]
    pace: int | None
    expected: int | None
    budgets: tuple[LimitState, ...]

    @property
    def spent_so_far(self) -> int:
        """What it has cost until now."""
        return sum(self.spent)

    @property
    def budget(self) -> LimitState | None:
        """The tightest limit on money of a month, if there is one."""
        return min(self.budgets, key=lambda state: state.limit.amount, default=None)


class CostQuestions:
    """Asks what was spent."""

    def __init__(self, usage: UsageQuestions, limits: LimitQuestions, clock: Clock) -> None:
        self._usage = usage
        self._limits = limits
        self._clock = clock

    async def month(self, organization_id: str, zone: str, project_ids: tuple[str, ...] = ()) -> Month:
        """The present month of the organization, or of some of its projects, with the budgets of the one scope that it
        is of: of the organization, or of the only project.
        """
        now_ms = self._clock.now_ms()
        start_ms, end_ms = month_at(now_ms, zone)
        first_ms = _days_before(start_ms, PACE_DAYS, zone)
        rows = await self._usage.rows(
            UsageQuery(organization_id, first_ms, now_ms + 1, zone=zone, project_ids=project_ids)
        )
        limits: tuple[LimitState, ...] = ()
        if not project_ids:
            limits = await self._limits.list(organization_id, ScopeType.ORGANIZATION, organization_id)
        elif len(project_ids) == 1:
            limits = await self._limits.list(organization_id, ScopeType.PROJECT, project_ids[0])
        budgets = tuple(
            state
            for state in limits
            if state.limit.unit is Unit.USD and state.limit.window is Window.MONTH and state.limit.model is None
        )
        return month_of(rows, (start_ms, end_ms), now_ms, zone, budgets)

    async def statement(
        self, organization_id: str, zone: str, start_ms: int, end_ms: int, project_ids: tuple[str, ...] = ()
    ) -> list[UsageRow]:
        """What each project, or each of these, spent with each model between two midnights: one row each, `group`
        (project, model).
        """
        groups = ("project_id", "model")
        rows = await self._usage.rows(
            UsageQuery(organization_id, start_ms, end_ms, zone=zone, group_by=groups, project_ids=project_ids)
        )
        sums: dict[tuple[str | None, ...], UsageRow] = {}
        for row in rows:
            sums[row.group] = _added(sums[row.group], row) if row.group in sums else row
        return [sums[group] for group in sorted(sums, key=lambda group: tuple(part or "" for part in group))]


def month_of(
    rows: Sequence[UsageRow], bounds: tuple[int, int], now_ms: int, zone: str, budgets: tuple[LimitState, ...] = ()
) -> Month:
    """A month from its days' rows and those of the week before. Pure."""
    start_ms, end_ms = bounds
    cost = {row.bucket_start_ms: row.cost_nano_usd for row in rows}
    days = tuple(buckets(start_ms, end_ms, "day", zone))
    spent = tuple(cost.get(day, 0) for day, _ in days if day <= now_ms)
    pace = _pace(cost, now_ms, zone)
    expected = None
    if pace is not None:
        # Today counts for the part of it that is still to come.
        expected = sum(spent) + pace * (end_ms - now_ms) // DAY_MS
    return Month(start_ms, end_ms, days, spent, pace, expected, budgets)


def month_at(at_ms: int, zone: str) -> tuple[int, int]:
    """The first millisecond of the month that holds this instant, and the first one after it."""
    start = datetime.fromtimestamp(at_ms / 1000, ZoneInfo(zone)).replace(
        day=1, hour=0, minute=0, second=0, microsecond=0, fold=0
    )
    return instant_ms(start), instant_ms((start + timedelta(days=32)).replace(day=1))


def _pace(cost: dict[int, int], now_ms: int, zone: str) -> int | None:
    """The average of the last full days, from the first of them on that cost anything."""
    today_ms = _days_before(now_ms, 0, zone)
    days = [start for start, _ in buckets(_days_before(now_ms, PACE_DAYS, zone), today_ms, "day", zone)]
    used = [start for start in days if cost.get(start, 0)]
    if not used:
        return None
    counted = [start for start in days if start >= used[0]]
    return sum(cost.get(start, 0) for start in counted) // len(counted)


def _days_before(at_ms: int, count: int, zone: str) -> int:
    """The midnight that began the day so many days before the one that holds this instant."""
    place = ZoneInfo(zone)
    day = datetime.fromtimestamp(at_ms / 1000, place).date() - timedelta(days=count)
    return instant_ms(datetime.combine(day, time(), tzinfo=place))


def _added(one: UsageRow, other: UsageRow) -> UsageRow:
    counted = UsageRow.__struct_fields__[2:]
    return msgspec.structs.replace(one, **{name: getattr(one, name) + getattr(other, name) for name in counted})
