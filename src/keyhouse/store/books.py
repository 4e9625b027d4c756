"""The ledger's rows: a batch is loaded, decided and written in one transaction.

What the decision may be is `core/decide.py`; this room only brings the rows and takes them away.
"""

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any, Final, Protocol
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import Connection, insert, select, update

from keyhouse.core.call import Closing, State
from keyhouse.core.clock import Clock
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
    decide,
)
from keyhouse.core.key import Standing
from keyhouse.core.limit import Limit, ScopeType, Span, Unit, Window, span_at
from keyhouse.core.rollup import slot_ms
from keyhouse.store.engine import Unavailable
from keyhouse.store.schema import calls, instances
from keyhouse.store.sqlite import SqliteDatabase
from keyhouse.store.statements import load_statements

_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder().decode


class Books(Protocol):
    """What the ledger needs of an engine."""

    async def run(self, batch: Sequence[Operation]) -> Decision:
        """Decide the batch and write it, durably, before returning.

        Raises Unavailable if the database cannot do it now, and whatever else went wrong; then nothing was
        written, or it is not known whether it was.
        """
        ...

    async def begin(self) -> int:
        """Register this process as a running gateway; returns its instance id."""
        ...

    async def held_by_others(self, after: str, most: int) -> list[str]:
        """Ids of calls that gateways other than this one left held, in order from `after` on, at most `most`."""
        ...

    async def end(self) -> None:
        """Mark this gateway as ended."""
        ...


class SqliteBooks:
    """The books in SQLite. `after` runs on the writer's thread before each commit: tests inject faults there."""

    def __init__(self, database: SqliteDatabase, clock: Clock, after: Callable[[], None] = lambda: None) -> None:
        self._database = database
        self._clock = clock
        self._after = after
        self._sql = load_statements("books_sqlite.sql")
        self._instance_id = 0
        self._spans: dict[tuple[str, Window], Span] = {}

    async def begin(self) -> int:
        """Register this process as a running gateway; returns its instance id."""
        now_ms = self._clock.now_ms()

        def register(connection: Connection) -> int:
            row = insert(instances).values(started_at_ms=now_ms, heartbeat_at_ms=now_ms).returning(instances.c.id)
            return int(connection.execute(row).scalar_one())

        self._instance_id = await self._database.write(register)
        return self._instance_id

    async def end(self) -> None:
        """Mark this gateway as ended."""
        ended = update(instances).where(instances.c.id == self._instance_id).values(dead_at_ms=self._clock.now_ms())
        await self._database.write(lambda connection: connection.execute(ended).rowcount)

    async def held_by_others(self, after: str, most: int) -> list[str]:
        """Ids of calls that gateways other than this one left held, in order from `after` on, at most `most`."""
        held = (
            select(calls.c.id)
            .where(calls.c.state == State.HELD, calls.c.instance_id != self._instance_id, calls.c.id > after)
            .order_by(calls.c.id)
            .limit(most)
        )
        return await self._database.read(lambda connection: list(connection.execute(held).scalars()))

    async def run(self, batch: Sequence[Operation]) -> Decision:
        """Decide the batch and write it, durably, before returning."""
        return await self._database.on_writer(lambda: self._run(batch))

    def _run(self, batch: Sequence[Operation]) -> Decision:
        try:
            return self._in_transaction(batch)
        except sqlite3.OperationalError as error:
            raise Unavailable(str(error)) from error

    def _in_transaction(self, batch: Sequence[Operation]) -> Decision:
        cursor = self._database.driver.cursor()
        cursor.execute("BEGIN IMMEDIATE")
        try:
            now_ms = self._clock.now_ms()
            rows = self._load(cursor, batch, now_ms)
            decision = decide(batch, rows, now_ms)
            self._save(cursor, batch, decision, rows, now_ms)
            self._after()
            cursor.execute("COMMIT")
        except BaseException:
            if self._database.driver.in_transaction:
                cursor.execute("ROLLBACK")
            raise
        return decision

    def _load(self, cursor: Any, batch: Sequence[Operation], now_ms: int) -> Rows:
        openings = [operation.opening for operation in batch if isinstance(operation, Reserve)]
        closing = _encode([operation.call_id for operation in batch if isinstance(operation, Closing)]).decode()
        keys = {(opening.key_id, opening.secret_version) for opening in openings}
        scopes = {("key", opening.key_id) for opening in openings}
        scopes |= {("project", opening.project_id) for opening in openings}
        scopes |= {("organization", opening.organization_id) for opening in openings}
        zones = {opening.organization_id: opening.time_zone for opening in openings}
        spans = {
            (organization_id, window): self._span(zone, window, now_ms)
            for organization_id, zone in zones.items()
            for window in Window
        }
        wanted = (
            _encode(list(keys)).decode(),
            _encode(list(scopes)).decode(),
            _encode(
                [[organization_id, window, span.key] for (organization_id, window), span in spans.items()]
            ).decode(),
            closing,
        )
        found = cursor.execute(self._sql["load"], wanted).fetchone()
        in_force = _decode(found[1])
        if missing := [row for row in in_force if row[9] is None]:
            self._insert_periods(cursor, missing, spans)
            found = cursor.execute(self._sql["load"], wanted).fetchone()
            in_force = _decode(found[1])
        periods: dict[int, Period] = {}
        by_scope: dict[tuple[str, str], list[Period]] = {}
        for row in _decode(found[3]):
            periods[row[9]] = _period(row)
        for row in in_force:
            period = periods.setdefault(row[9], _period(row))
            by_scope.setdefault((row[2], row[3]), []).append(period)
        return Rows(
            standings={(row[0], row[1]): Standing(*row[2:]) for row in _decode(found[0])},
            in_force=by_scope,
            periods=periods,
            calls={row[0]: _held(row) for row in _decode(found[2])},
        )

    def _insert_periods(self, cursor: Any, rows: Iterable[list[Any]], spans: dict[tuple[str, Window], Span]) -> None:
        fresh = []
        for row in rows:
            span = spans[row[1], Window(row[5])]
            fresh.append([row[0], span.key, span.starts_at_ms, span.ends_at_ms])
        cursor.execute(self._sql["insert_periods"], (_encode(fresh).decode(),))

    def _span(self, zone: str, window: Window, now_ms: int) -> Span:
        span = self._spans.get((zone, window))
        if span is None or not span.holds(now_ms):
            span = self._spans[zone, window] = span_at(window, now_ms, _zone(zone))
        return span

    def _save(self, cursor: Any, batch: Sequence[Operation], decision: Decision, rows: Rows, now_ms: int) -> None:
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
        sql = self._sql
        if opened:
            cursor.execute(sql["insert_calls"], (_encode(opened).decode(), now_ms, self._instance_id))
            cursor.execute(sql["touch_keys"], (_encode(list({row[6] for row in opened})).decode(), now_ms))
        if closed:
            cursor.execute(sql["close_calls"], (_encode(closed).decode(), now_ms))
            ids = _encode([row[0] for row in closed]).decode()
            cursor.execute(sql["roll_up_hours"], (ids,))
            cursor.execute(sql["roll_up_minutes"], (ids,))
        if adjusted:
            cursor.execute(sql["insert_adjustments"], (_encode(adjusted).decode(), now_ms))
            ids = _encode([row[0] for row in adjusted]).decode()
            cursor.execute(sql["adjust_hours"], (ids,))
            cursor.execute(sql["adjust_minutes"], (ids,))
        if decision.changed:
            counters = [[p.id, p.settled, p.reserved, p.overrun, p.peak] for p in decision.changed]
            cursor.execute(sql["update_periods"], (_encode(counters).decode(),))


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
    reserved = Reserved(nano_usd=row[2], tokens=row[3], tokens_estimate=row[4], period_ids=tuple(_decode(row[5])))
    return HeldCall(row[0], State(row[1]), reserved, is_adjusted=bool(row[6]), is_priced=bool(row[7]))


def _opened(operation: Reserve, verdict: Admitted, now_ms: int) -> list[object]:
    opening, reserved = operation.opening, verdict.reserved
    return [
        opening.id,
        opening.request_id,
        opening.attempt,
        opening.organization_id,
        opening.project_id,
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
        _encode(reserved.period_ids).decode(),
        reserved.nano_usd,
        reserved.tokens,
        reserved.tokens_estimate,
    ]


def _closed(closing: Closing, call: HeldCall) -> list[object]:
    charged = closing.charged_nano_usd
    if closing.state is State.ORPHANED:
        charged = call.reserved.nano_usd if call.is_priced else None
    counts = closing.counts
    return [
        closing.call_id,
        closing.state,
        closing.basis,
        charged,
        counts.input,
        counts.cached_input,
        counts.cache_write,
        counts.output,
        counts.reasoning,
        closing.status,
        closing.first_byte_ms,
        closing.duration_ms,
        closing.flags,
    ]


@lru_cache(maxsize=256)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


@lru_cache(maxsize=64)
def _slot(minute: int, zone: str) -> int:
    return slot_ms(minute * 60_000, _zone(zone))
