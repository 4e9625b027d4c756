"""The ledger's rows: a batch is loaded, decided and written in one transaction.

What the decision may be is `core/decide.py`; this room only brings the rows and takes them away. What both
engines share is here: the port, what a batch asks for, and how rows become the decision's terms and back.
Batches travel as JSON arrays, one for each kind of row, so that a statement takes a whole batch in one step.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, Final, Protocol
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import Select, literal_column, select

from keyhouse.core.call import Closing, State, alike_in, scopes_of
from keyhouse.core.decide import (
    Adjusted,
    Admitted,
    Closed,
    Decision,
    HeldCall,
    Operation,
    Period,
    Reserve,
    Reserved,
    Rows,
)
from keyhouse.core.key import Standing
from keyhouse.core.limit import Limit, ScopeType, Span, Unit, Window, span_at
from keyhouse.core.rollup import slot_ms
from keyhouse.store.schema import calls, instances

_STATES: Final = {state.value: state for state in State}
_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder().decode


class Books(Protocol):
    """What the ledger needs of an engine."""

    async def begin(self) -> int:
        """Register this process as a running gateway; returns its instance id."""
        ...

    async def run(self, batch: Sequence[Operation]) -> Decision:
        """Decide the batch and write it, durably, before returning.

        Raises Unavailable if the database cannot do it now, and whatever else went wrong; then nothing was
        written, or it is not known whether it was.
        """
        ...

    async def beat(self, silent_ms: int | None) -> None:
        """Say that this gateway lives, and declare those dead that have not said so for `silent_ms`, None for nobody.

        A gateway that was declared dead itself registers anew. Raises Unavailable.
        """
        ...

    async def held_by_the_dead(self, after: str, most: int) -> list[str]:
        """Ids of calls that dead gateways left held, in order from `after` on, at most `most`. Raises Unavailable."""
        ...

    async def end(self) -> None:
        """Mark this gateway as ended."""
        ...


class Calendar:
    """The present period of each window in each time zone, computed once for as long as it lasts."""

    def __init__(self) -> None:
        self._spans: dict[tuple[str, Window], Span] = {}

    def span(self, zone: str, window: Window, now_ms: int) -> Span:
        """The period of `window` that holds this instant, in the zone of this name."""
        span = self._spans.get((zone, window))
        if span is None or not span.holds(now_ms):
            span = self._spans[zone, window] = span_at(window, now_ms, _zone(zone))
        return span


class Wanted:
    """What a batch must have in hand, as the `load` statements take it: four JSON arrays.

    `standings` [[key id, secret version]], `scopes` [[scope type, scope id]], `periods` [[organization, window,
    period]], `calls` [call id].
    """

    __slots__ = ("calls", "periods", "scopes", "spans", "standings")

    def __init__(self, batch: Sequence[Operation], calendar: Calendar, now_ms: int) -> None:
        # Of calls that are alike, one says what all of them want.
        openings = {
            alike_in(operation.opening): operation.opening for operation in batch if isinstance(operation, Reserve)
        }.values()
        zones = {opening.organization_id: opening.time_zone for opening in openings}
        self.spans = {
            (organization_id, window): calendar.span(zone, window, now_ms)
            for organization_id, zone in zones.items()
            for window in Window
        }
        self.standings = text_of(list({(opening.key_id, opening.secret_version) for opening in openings}))
        self.scopes = text_of(list({scope for opening in openings for scope in scopes_of(opening)}))
        self.periods = text_of(
            [[organization_id, window, span.key] for (organization_id, window), span in self.spans.items()]
        )
        self.calls = text_of([operation.call_id for operation in batch if isinstance(operation, Closing)])

    def missing(self, in_force: str) -> str | None:
        """The rows of `insert_periods` for limits that have none for the present yet; None if all have one."""
        fresh = []
        for row in _decode(in_force):
            if row[9] is None:
                span = self.spans[row[1], Window(row[5])]
                fresh.append([row[0], span.key, span.starts_at_ms, span.ends_at_ms])
        return text_of(sorted(fresh)) if fresh else None


def read_rows(standings: str, in_force: str, calls: str, closing: str) -> Rows:
    """The decision's terms from the four JSON arrays that `load` gives back."""
    periods: dict[int, Period] = {row[9]: _period(row) for row in _decode(closing)}
    by_scope: dict[tuple[str, str], list[Period]] = {}
    for row in _decode(in_force):
        period = periods.setdefault(row[9], _period(row))
        by_scope.setdefault((row[2], row[3]), []).append(period)
    return Rows(
        standings={(row[0], row[1]): Standing(*row[2:]) for row in _decode(standings)},
        in_force=by_scope,
        periods=periods,
        calls={row[0]: _held(row) for row in _decode(calls)},
    )


class Written:
    """What a decision writes, as the statements take it: JSON arrays, `EMPTY` where there is nothing of a kind, and the
    calls that are opened and closed as rows, in the order of the statements' columns without the last ones, which
    are the same for all of them.
    """

    __slots__ = ("adjusted", "adjusted_ids", "closed", "closed_ids", "counters", "keys", "opened")

    def __init__(self, batch: Sequence[Operation], decision: Decision, rows: Rows, now_ms: int) -> None:
        opened: list[list[object]] = []
        closed: list[list[object]] = []
        adjusted: list[list[object]] = []
        for operation, verdict in zip(batch, decision.verdicts, strict=True):
            if isinstance(verdict, Admitted) and isinstance(operation, Reserve):
                opened.append(_opened(operation, verdict, now_ms))
            elif isinstance(verdict, Closed) and isinstance(operation, Closing):
                closed.append(_closed(operation, rows.calls[operation.call_id]))
            elif isinstance(verdict, Adjusted) and isinstance(operation, Closing):
                adjusted.append([operation.call_id, *msgspec.structs.astuple(verdict), "settled late"])
        counters = [[p.id, p.settled, p.reserved, p.overrun, p.peak] for p in decision.changed]
        self.opened = opened
        self.keys = text_of(sorted({str(row[7]) for row in opened}))
        self.closed = closed
        self.closed_ids = text_of([row[0] for row in closed])
        self.adjusted = text_of(adjusted)
        self.adjusted_ids = text_of([row[0] for row in adjusted])
        self.counters = text_of(counters)


def held_by_the_dead(after: str, most: int) -> Select[str]:
    """Ids of calls that dead gateways left held, in order from `after` on, at most `most`.

    `held` stands in the statement itself: with a parameter in its place the index of held calls would not be used,
    and every look, one every few seconds, would read all calls there are.
    """
    dead = select(instances.c.id).where(instances.c.dead_at_ms.is_not(None))
    return (
        select(calls.c.id)
        .where(calls.c.state == literal_column("'held'"), calls.c.instance_id.in_(dead), calls.c.id > after)
        .order_by(calls.c.id)
        .limit(most)
    )


EMPTY: Final = "[]"
"""What `Written` has where there is nothing to write."""


def text_of(rows: Iterable[object]) -> str:
    """The JSON array of these rows."""
    return _encode(rows).decode()


def _period(row: list[Any]) -> Period:
    limit = Limit(
        id=row[0],
        organization_id=row[1],
        scope_type=ScopeType(row[2]),
        scope_id=row[3],
        unit=Unit(row[4]),
        window=Window(row[5]),
        amount=row[6],
        model=row[7],
        refuse_when_short=bool(row[8]),
    )
    return Period(row[9], limit, *row[10:])


def _held(row: list[Any]) -> HeldCall:
    reserved = Reserved(row[2], row[3], row[4], _ids_in(row[5]), row[6], row[7], row[8])
    return HeldCall(row[0], _STATES[row[1]], reserved, is_adjusted=bool(row[9]), is_priced=bool(row[10]))


def _opened(operation: Reserve, verdict: Admitted, now_ms: int) -> list[object]:
    opening, reserved = operation.opening, verdict.reserved
    return [
        opening.id,
        opening.request_id,
        opening.attempt,
        opening.organization_id,
        opening.project_id,
        opening.owner_type,
        opening.owner_id,
        opening.key_id,
        opening.secret_version,
        opening.model,
        opening.upstream,
        opening.endpoint,
        opening.address,
        opening.agent,
        opening.price_id,
        _slot(now_ms // 60_000, opening.time_zone),
        _text_of_ids(reserved.period_ids),
        reserved.nano_usd,
        reserved.tokens,
        reserved.tokens_estimate,
        reserved.images,
        reserved.audio_seconds,
        reserved.characters,
        verdict.output_tokens_max,
    ]


def _closed(closing: Closing, call: HeldCall) -> list[object]:
    charged = closing.charged_nano_usd
    if closing.state is State.ORPHANED:
        # What reserved money had a price, or somebody who said what it costs.
        charged = call.reserved.nano_usd if call.is_priced or call.reserved.nano_usd else None
    counts = closing.counts
    return [
        closing.call_id,
        str(closing.state),
        None if closing.basis is None else str(closing.basis),
        charged,
        counts.input,
        counts.cached_input,
        counts.cache_write,
        counts.output,
        counts.reasoning,
        counts.audio_input,
        counts.audio_output,
        counts.image_input,
        counts.image_output,
        counts.images,
        counts.audio_seconds,
        counts.characters,
        closing.tier,
        closing.status,
        closing.first_byte_ms,
        closing.duration_ms,
        closing.flags,
    ]


# Most calls of a gateway count on the same few periods.
@lru_cache(maxsize=256)
def _ids_in(text: str) -> tuple[int, ...]:
    return tuple(_decode(text))


@lru_cache(maxsize=256)
def _text_of_ids(period_ids: tuple[int, ...]) -> str:
    return text_of(period_ids)


@lru_cache(maxsize=256)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


@lru_cache(maxsize=64)
def _slot(minute: int, zone: str) -> int:
    return slot_ms(minute * 60_000, _zone(zone))
