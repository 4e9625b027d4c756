"""What a limit would have refused in the last days, had it been there: usage replayed against it, slot by slot.

The rollups are replayed, by the minute for limits per minute and by the hour for all others, so that a week of
ten million calls takes no longer than a week. What lies within one slot is taken to have come evenly. A running
call counts with its worst case, which is more than it used in the end: the real limit may refuse a little earlier.
"""

from collections.abc import Sequence
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from keyhouse.core.clock import Clock
from keyhouse.core.errors import Code, Refusal
from keyhouse.core.limit import Limit, ScopeType, Span, Unit, Window, span_at
from keyhouse.core.rollup import HOUR_MS, MINUTE_MS
from keyhouse.reporting.usage import DAY_MS
from keyhouse.store import people, rollups
from keyhouse.store.engine import Connection, Database
from keyhouse.store.rollups import GroupSums, Selection, Sums

DAYS: Final = 7
"""How many days are replayed."""

UNITS: Final = (Unit.USD, Unit.REQUESTS, Unit.TOKENS)
"""What can be replayed: the rollups do not say how many calls ran at once."""


class ReplayedPeriod(msgspec.Struct, frozen=True):
    """A period of the limit: what was asked of it, what would have been refused, and when it would have been full.

    `asked` and `over` are in the limit's unit.
    """

    starts_at_ms: int
    requests: int
    refused: int
    asked: int
    over: int
    full_at_ms: int | None


class Replay(msgspec.Struct, frozen=True):
    """The whole of it: `requests` were made in the last days, about `refused` of them would have been refused."""

    since_ms: int
    requests: int
    refused: int
    periods: tuple[ReplayedPeriod, ...]

    @property
    def first_refused_ms(self) -> int | None:
        """When the first would have been refused, to the slot."""
        return next((period.full_at_ms for period in self.periods if period.full_at_ms is not None), None)


class Replays:
    """Asks the rollups what a limit would have done."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def run(self, limit: Limit) -> Replay:
        """Replay the last days against this limit, which need not exist.

        Raises Refusal(PARAMETER_INVALID) for a unit that the rollups do not know.
        """
        if limit.unit not in UNITS:
            raise Refusal(
                Code.PARAMETER_INVALID,
                f"What a limit in {limit.unit} would have refused is not known afterwards.",
                hint=f"Ask for one in {', '.join(UNITS)}.",
                param="unit",
            )
        now_ms = self._clock.now_ms()
        since_ms = now_ms - now_ms % HOUR_MS - DAYS * DAY_MS

        def ask(connection: Connection) -> Replay:
            zone = ZoneInfo(people.get_organization(connection, limit.organization_id).time_zone)
            if limit.window is Window.MINUTE:
                slots = rollups.list_minutes(connection, selection_of(limit), since_ms, now_ms + 1)
            else:
                # A month that began earlier had used some of it by then. A total is counted from here on.
                span = span_at(limit.window, since_ms, zone)
                start_ms = since_ms if limit.window is Window.TOTAL else span.starts_at_ms
                slots = rollups.list_slots(connection, selection_of(limit), start_ms, now_ms + 1)
            return replay(limit, slots, since_ms, zone)

        return await self._database.read(ask)


def selection_of(limit: Limit) -> Selection:
    """The usage that counts on a limit."""
    scope = limit.scope_id
    return Selection(
        organization_id=limit.organization_id,
        project_ids=(scope,) if limit.scope_type is ScopeType.PROJECT else (),
        owner_ids=(scope,) if limit.scope_type in (ScopeType.USER, ScopeType.SERVICE_ACCOUNT) else (),
        key_ids=(scope,) if limit.scope_type is ScopeType.KEY else (),
        models=(limit.model,) if limit.model else (),
    )


def replay(limit: Limit, slots: Sequence[GroupSums], since_ms: int, zone: ZoneInfo) -> Replay:
    """Slots in their order against a limit. What would have been refused takes nothing of it. Pure."""
    periods: list[_Period] = []
    for slot in slots:
        if not periods or not periods[-1].span.holds(slot.starts_at_ms):
            periods.append(_Period(limit, span_at(limit.window, slot.starts_at_ms, zone)))
        periods[-1].add(slot, counts=slot.starts_at_ms >= since_ms)
    told = tuple(period.told() for period in periods if period.requests)
    return Replay(since_ms, sum(one.requests for one in told), sum(one.refused for one in told), told)


class _Period:
    """One period of the limit while it is replayed."""

    def __init__(self, limit: Limit, span: Span) -> None:
        self._limit = limit
        self.span = span
        self._used = 0
        self.requests = 0
        self._refused = 0
        self._asked = 0
        self._over = 0
        self._full_at_ms: int | None = None

    def add(self, slot: GroupSums, *, counts: bool) -> None:
        """Take a slot's use; only what `counts` is told of."""
        wanted = _amount(self._limit.unit, slot.sums)
        fits = min(wanted, self._limit.amount - self._used)
        self._used += fits
        if not counts:
            return
        over = wanted - fits
        # A call that costs nothing passes a full limit: it asks for none of it.
        refused = -(-slot.sums.requests * over // wanted) if wanted else 0
        self.requests += slot.sums.requests
        self._refused += refused
        self._asked += wanted
        self._over += over
        if over and self._full_at_ms is None:
            width = MINUTE_MS if self._limit.window is Window.MINUTE else HOUR_MS
            self._full_at_ms = slot.starts_at_ms + width * fits // wanted

    def told(self) -> ReplayedPeriod:
        """What there is to say of it."""
        return ReplayedPeriod(
            self.span.starts_at_ms, self.requests, self._refused, self._asked, self._over, self._full_at_ms
        )


def _amount(unit: Unit, sums: Sums) -> int:
    match unit:
        case Unit.USD:
            return sums.cost_nano_usd
        case Unit.TOKENS:
            return sums.input_tokens + sums.output_tokens
        case _:
            return sums.requests
