"""Calls as they are read back: a page of them, one of them, and the limits it counted on. Nothing here writes.

A call's id begins with the time of its request, so a stretch of time is a range of the primary key, and of the
index by key. A page never reads more than about `ROWS_READ_MAX` rows, however many there are and however few of
them the filters let through: it then ends early and says where to go on.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, Connection, RowMapping, Select, bindparam, or_, select

from keyhouse.core.call import Basis, State
from keyhouse.core.decide import Adjusted, Reserved
from keyhouse.core.errors import Code, Refusal
from keyhouse.core.identifiers import call_id
from keyhouse.core.limit import Limit, ScopeType, Unit, Window
from keyhouse.core.money import Counts
from keyhouse.store.schema import adjustments, calls, limit_periods, limits

ROWS_READ_MAX: Final = 20_000
"""About how many rows are read for one page."""

CHUNK: Final = 2_000
"""How many rows are looked through at once."""

KEYS_MAX: Final = 50
"""The most keys of one selection: each is a range of its own."""

ERROR_STATUS_MIN: Final = 400

_NO_RANDOM: Final = bytes(10)
_DECODE_PERIODS: Final = msgspec.json.Decoder(list[int]).decode


class Adjustment(msgspec.Struct, frozen=True):
    """What was given back when a call that had been closed for a gateway settled after all. Figures are below zero."""

    at_ms: int
    given: Adjusted
    reason: str


class Call(msgspec.Struct, frozen=True):
    """A call's row. `charged_nano_usd` is None while it runs, and where the price is unknown.

    `duration_ms` is None where nobody knows it: the call runs, or its gateway died.
    `output_tokens_max` was written into the request, None where no limit depends on an answer's length;
    `status` is 0 if the client saw none; `flags` name what was odd.
    """

    id: str
    request_id: str
    attempt: int
    organization_id: str
    project_id: str
    owner_type: str
    owner_id: str
    key_id: str
    secret_version: int
    instance_id: int
    model: str
    upstream: str
    endpoint: str
    address: str
    agent: str
    price_id: int | None
    created_at_ms: int
    reserved: Reserved
    output_tokens_max: int | None
    state: State
    basis: Basis | None
    tier: str
    charged_nano_usd: int | None
    counts: Counts
    status: int
    first_byte_ms: int | None
    duration_ms: int | None
    closed_at_ms: int | None
    flags: tuple[str, ...]
    adjustment: Adjustment | None = None

    @property
    def cost_nano_usd(self) -> int | None:
        """What it was charged in the end, with what was given back; None while it runs, or unpriced."""
        if self.charged_nano_usd is None or self.adjustment is None:
            return self.charged_nano_usd
        return self.charged_nano_usd + self.adjustment.given.nano_usd


class CallSelection(msgspec.Struct, frozen=True):
    """Which calls: those that began from `start_ms` up to `end_ms`, None for no end. An empty filter lets all pass.

    `errors_only` are those that ended with a status of 400 or more, or with their gateway.
    """

    start_ms: int
    end_ms: int | None = None
    project_ids: tuple[str, ...] = ()
    owner_ids: tuple[str, ...] = ()
    key_ids: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    upstreams: tuple[str, ...] = ()
    endpoints: tuple[str, ...] = ()
    states: tuple[State, ...] = ()
    secret_versions: tuple[int, ...] = ()
    errors_only: bool = False


class CallPage(msgspec.Struct, frozen=True):
    """One page, newest first. The next one begins behind `go_on_after`, None where nothing follows.

    A page may hold fewer calls than asked for, or none, and still be followed by others.
    """

    calls: tuple[Call, ...]
    go_on_after: str | None = None


class CountedPeriod(msgspec.Struct, frozen=True):
    """A limit's period that a call counted on. The limit is as it is now, or as it was when it was deleted."""

    period_id: int
    limit: Limit
    period: str
    starts_at_ms: int
    ends_at_ms: int | None
    deleted_at_ms: int | None


class _Range(msgspec.Struct, frozen=True):
    """A range of an index: of the one by key, or, without a key, of the primary key. `below_id` is outside."""

    from_id: str
    below_id: str | None
    key_id: str | None = None


def find_call(connection: Connection, organization_id: str, call_id: str) -> Call | None:
    """The call with this id in this organization."""
    statement = _CALLS.where(calls.c.id == call_id, calls.c.organization_id == organization_id)
    row = connection.execute(statement).mappings().one_or_none()
    return None if row is None else _call(row)


def find_organization_id(connection: Connection, call_id: str) -> str | None:
    """The organization that a call is of: for whoever holds the database itself."""
    return connection.execute(select(calls.c.organization_id).where(calls.c.id == call_id)).scalar_one_or_none()


def list_calls(
    connection: Connection,
    organization_id: str,
    selection: CallSelection,
    after: str | None,
    limit: int,
    *,
    rows_max: int = ROWS_READ_MAX,
    chunk: int = CHUNK,
) -> CallPage:
    """At most `limit` calls, newest first, older than the one called `after`, which need not be there.

    It reads about `rows_max` rows at most, `chunk` at a time.

    Raises Refusal(PARAMETER_INVALID) for more than `KEYS_MAX` keys.
    """
    if len(selection.key_ids) > KEYS_MAX:
        raise Refusal(
            Code.PARAMETER_INVALID,
            f"These are {len(selection.key_ids)} keys.",
            hint=f"Ask for at most {KEYS_MAX} at once.",
            param="api_key_ids",
        )
    from_id = call_id(max(0, selection.start_ms), _NO_RANDOM)
    ends = [] if selection.end_ms is None else [call_id(max(0, selection.end_ms), _NO_RANDOM)]
    below_id = min(ends + ([] if after is None else [after]), default=None)
    ranges = [_Range(from_id, below_id, key_id) for key_id in selection.key_ids or (None,)]
    chunk = max(1, min(chunk, rows_max // len(ranges)))
    chunks = max(1, rows_max // chunk // len(ranges))
    chosen = _chosen(organization_id, selection)
    found: list[Call] = []
    horizon = ""
    for stretch in ranges:
        rows, reached = _walk(connection, stretch, chosen, limit + 1, chunks, chunk)
        found += rows
        horizon = max(horizon, reached or "")
    # What is older than the horizon was not looked through in every range.
    known = sorted((call for call in found if call.id >= horizon), key=lambda call: call.id, reverse=True)
    if len(known) > limit:
        return CallPage(tuple(known[:limit]), known[limit - 1].id if limit else None)
    return CallPage(tuple(known), horizon or None)


def list_counted_periods(
    connection: Connection, organization_id: str, period_ids: Iterable[int]
) -> tuple[CountedPeriod, ...]:
    """Those of these periods that are still kept, in this order. A minute's is not kept for long."""
    wanted = tuple(period_ids)
    if not wanted:
        return ()
    names = [limits.c[name] for name in (*Limit.__struct_fields__, "deleted_at_ms")]
    statement = (
        select(
            limit_periods.c.id.label("period_id"),
            limit_periods.c.period,
            limit_periods.c.starts_at_ms,
            limit_periods.c.ends_at_ms,
            *names,
        )
        .join(limits, limits.c.id == limit_periods.c.limit_id)
        .where(limit_periods.c.id.in_(wanted), limits.c.organization_id == organization_id)
    )
    found = {row["period_id"]: _counted(row) for row in connection.execute(statement).mappings()}
    return tuple(found[period_id] for period_id in wanted if period_id in found)


_CALLS: Final[Select[Any]] = select(
    calls, *(column.label(f"given_{column.name}") for column in adjustments.columns)
).outerjoin(adjustments, adjustments.c.call_id == calls.c.id)


def _walk(
    connection: Connection,
    stretch: _Range,
    chosen: Sequence[ColumnElement[bool]],
    wanted: int,
    chunks: int,
    chunk: int,
) -> tuple[list[Call], str | None]:
    """Up to `wanted` calls from the new end of a range, and the last id that was looked at, None at its old end."""
    found: list[Call] = []
    rest = stretch
    for _ in range(chunks):
        edge = select(calls.c.id).where(*_within(rest)).order_by(calls.c.id.desc()).offset(chunk - 1).limit(1)
        edge_id = connection.execute(edge).scalar_one_or_none()
        # One lower bound in place of the other: of two, SQLite would walk the index down to whichever comes first.
        within = _within(msgspec.structs.replace(rest, from_id=edge_id or rest.from_id))
        statement = _CALLS.where(*within, *chosen).order_by(calls.c.id.desc()).limit(bindparam("wanted"))
        rows = connection.execute(statement, {"wanted": wanted - len(found)}).mappings()
        found += [_call(row) for row in rows]
        if len(found) == wanted:
            return found, found[-1].id
        if edge_id is None:
            return found, None
        rest = msgspec.structs.replace(rest, below_id=edge_id)
    return found, rest.below_id


def _within(stretch: _Range) -> list[ColumnElement[bool]]:
    within: list[ColumnElement[bool]] = [calls.c.id >= stretch.from_id]
    if stretch.below_id is not None:
        within.append(calls.c.id < stretch.below_id)
    if stretch.key_id is not None:
        within.append(calls.c.key_id == stretch.key_id)
    return within


def _chosen(organization_id: str, selection: CallSelection) -> list[ColumnElement[bool]]:
    wanted: dict[str, tuple[object, ...]] = {
        "project_id": selection.project_ids,
        "owner_id": selection.owner_ids,
        "model": selection.models,
        "upstream": selection.upstreams,
        "endpoint": selection.endpoints,
        "state": tuple(map(str, selection.states)),
        "secret_version": selection.secret_versions,
    }
    chosen = [calls.c.organization_id == organization_id]
    chosen += [calls.c[name].in_(values) for name, values in wanted.items() if values]
    if selection.errors_only:
        chosen.append(or_(calls.c.status >= ERROR_STATUS_MIN, calls.c.state == State.ORPHANED))
    return chosen


def _call(row: RowMapping) -> Call:
    fields: dict[str, Any] = {name: row[name] for name in Call.__struct_fields__ if name in row}
    fields["state"] = State(row["state"])
    fields["basis"] = None if row["basis"] is None else Basis(row["basis"])
    if fields["state"] is State.ORPHANED:
        fields["duration_ms"] = None  # the row says 0, because nobody was there to look at a clock
    fields["flags"] = tuple(row["flags"].split())
    fields["reserved"] = Reserved(
        row["reserved_nano_usd"],
        row["reserved_tokens"],
        row["reserved_tokens_estimate"],
        tuple(_DECODE_PERIODS(row["period_ids"])),
        row["reserved_images"],
        row["reserved_audio_seconds"],
        row["reserved_characters"],
    )
    fields["counts"] = Counts(
        row["input_tokens"],
        row["cached_input_tokens"],
        row["cache_write_tokens"],
        row["output_tokens"],
        row["reasoning_tokens"],
        row["audio_input_tokens"],
        row["audio_output_tokens"],
        row["images"],
        row["audio_seconds"],
        row["characters"],
        row["image_input_tokens"],
        row["image_output_tokens"],
    )
    if row["given_call_id"] is not None:
        given = Adjusted(*(row[f"given_{name}"] for name in Adjusted.__struct_fields__))
        fields["adjustment"] = Adjustment(row["given_at_ms"], given, row["given_reason"])
    return Call(**fields)


def _counted(row: RowMapping) -> CountedPeriod:
    fields: dict[str, Any] = {name: row[name] for name in Limit.__struct_fields__}
    fields["scope_type"] = ScopeType(row["scope_type"])
    fields["unit"] = Unit(row["unit"])
    fields["window"] = Window(row["window"])
    fields["refuse_when_short"] = bool(row["refuse_when_short"])
    return CountedPeriod(
        row["period_id"], Limit(**fields), row["period"], row["starts_at_ms"], row["ends_at_ms"], row["deleted_at_ms"]
    )
