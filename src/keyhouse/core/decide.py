"""The ledger's decision: a batch of operations and the rows they touch in, verdicts and new rows out.

The law of this file: everything that decides about money is here, and nothing here knows where rows come
from. First in first out; closings first, so that what they free can be reserved in the same batch. A call
is admitted if its worst case fits every limit on its way, and then counts on all of them; if it does not
fit one, it counts on none.

    invariant I1   settled + reserved <= peak + overrun, for each period, after each batch
                   (peak: the highest amount in force at an admission)
"""

from collections.abc import Hashable, Mapping, Sequence
from math import inf
from operator import attrgetter
from typing import Final

import msgspec

from keyhouse.core.bound import OUTPUT_TOKENS_MIN, Need
from keyhouse.core.call import Closing, Opening, State, alike_in, scopes_of
from keyhouse.core.errors import Code
from keyhouse.core.key import Standing, died_at_ms, why_dead
from keyhouse.core.limit import Limit, Unit, Window
from keyhouse.core.money import Counts


class Reserve(msgspec.Struct, frozen=True, gc=False):
    """Asks for a call to be admitted."""

    opening: Opening
    need: Need


Operation = Reserve | Closing


class Period(msgspec.Struct):
    """One period of one limit, while a batch works on it. `id` is the row's, `ends_at_ms` None for a total."""

    id: int
    limit: Limit
    ends_at_ms: int | None
    settled: int = 0
    reserved: int = 0
    overrun: int = 0
    peak: int = 0

    @property
    def left(self) -> int:
        """What may still be reserved; below zero after an amount was lowered."""
        return self.limit.amount - self.settled - self.reserved


class Reserved(msgspec.Struct, frozen=True, gc=False):
    """What a call holds on the limits it counts on, one figure per way of counting, and those limits' periods."""

    nano_usd: int
    tokens: int
    tokens_estimate: int
    period_ids: tuple[int, ...]
    images: int = 0
    audio_seconds: int = 0
    characters: int = 0


class HeldCall(msgspec.Struct, gc=False):
    """A call's row as a closing finds it."""

    id: str
    state: State
    reserved: Reserved
    is_adjusted: bool = False
    is_priced: bool = True


class Rows(msgspec.Struct):
    """What a batch may touch: each key's standing by (key id, secret version), the periods in force on each
    scope by (scope type, scope id), every period by id, and the calls to be closed by id.
    """

    standings: Mapping[tuple[str, int], Standing]
    in_force: Mapping[tuple[str, str], Sequence[Period]]
    periods: Mapping[int, Period]
    calls: Mapping[str, HeldCall]


class Remaining(msgspec.Struct, frozen=True, gc=False):
    """Where a limit stands after an admission, for the `x-ratelimit-*` headers."""

    unit: Unit
    amount: int
    left: int
    resets_at_ms: int | None


class Admitted(msgspec.Struct, frozen=True, gc=False):
    """The call may go upstream once the batch is committed.

    `output_tokens_max` must be written into the request unless it is None: then no limit depends on the
    answer's length. `is_shortened` says that it is less than what was asked for.
    """

    reserved: Reserved
    output_tokens_max: int | None
    is_shortened: bool
    remaining: tuple[Remaining, ...]


class Refused(msgspec.Struct, frozen=True):
    """The call may not go upstream, and nothing was consumed. With a limit: what it needed and what was left. Of a
    dead key: since when it is, as far as that is known.
    """

    code: Code
    limit: Limit | None = None
    needed: int = 0
    left: int = 0
    resets_at_ms: int | None = None
    dead_at_ms: int | None = None


class Closed(msgspec.Struct, frozen=True, gc=False):
    """The call is closed."""


class Ignored(msgspec.Struct, frozen=True):
    """The call was closed before, or never admitted; nothing was changed."""

    state: State | None


class Adjusted(msgspec.Struct, frozen=True):
    """The call had been closed at what it reserved; what it really used is less, and was given back.

    The figures are what is given back, each zero or below, by way of counting.
    """

    nano_usd: int
    requests: int
    tokens: int
    tokens_estimate: int
    images: int = 0
    audio_seconds: int = 0
    characters: int = 0


Verdict = Admitted | Refused | Closed | Ignored | Adjusted


class Decision(msgspec.Struct, frozen=True):
    """A verdict for each operation, in the batch's order, and the periods that changed."""

    verdicts: tuple[Verdict, ...]
    changed: tuple[Period, ...]


# By their own names: finding a member through its enumeration takes ten times as long, and a call asks often.
_USD, _REQUESTS, _TOKENS, _CONCURRENCY = Unit.USD, Unit.REQUESTS, Unit.TOKENS, Unit.CONCURRENCY
_IMAGES, _AUDIO_SECONDS = Unit.IMAGES, Unit.AUDIO_SECONDS
_MINUTE = Window.MINUTE
_RELEASED, _ORPHANED = State.RELEASED, State.ORPHANED
_LEFT: Final = attrgetter("left")
_CLOSED: Final = Closed()


def decide(batch: Sequence[Operation], rows: Rows, now_ms: int) -> Decision:
    """Decide the whole batch. Changes the periods and calls in `rows` as it goes; nothing else."""
    verdicts: dict[int, Verdict] = {}
    changed: dict[int, Period] = {}
    ways: dict[Hashable, _Way] = {}
    for place, operation in enumerate(batch):
        if isinstance(operation, Closing):
            verdicts[place] = _close(operation, rows, changed)
    for place, operation in enumerate(batch):
        if isinstance(operation, Reserve):
            opening = operation.opening
            alike = alike_in(opening)
            way = ways.get(alike)
            if way is None:
                way = ways[alike] = _Way(opening, rows, now_ms)
            verdicts[place] = way.refused or _reserve(operation.need, way, changed)
    return Decision(tuple(verdicts[place] for place in range(len(batch))), tuple(changed.values()))


def reserved_on(limit: Limit, reserved: Reserved) -> int:
    """What a call that reserved this holds on this limit."""
    unit = limit.unit
    if unit is _USD:
        return reserved.nano_usd
    if unit is _REQUESTS or unit is _CONCURRENCY:
        return 1
    if unit is _TOKENS:
        return reserved.tokens_estimate if limit.window is _MINUTE else reserved.tokens
    if unit is _IMAGES:
        return reserved.images
    return reserved.audio_seconds if unit is _AUDIO_SECONDS else reserved.characters


def charged_on(limit: Limit, closing: Closing) -> int:
    """What a call that settles so counts on this limit: nothing on one that counts what runs right now."""
    unit, counts = limit.unit, closing.counts
    if unit is _USD:
        return closing.charged_nano_usd or 0
    if unit is _REQUESTS or unit is _CONCURRENCY:
        return 1 if unit is _REQUESTS else 0
    if unit is _TOKENS:
        return counts.tokens
    if unit is _IMAGES:
        return counts.images
    return counts.audio_seconds if unit is _AUDIO_SECONDS else counts.characters


class _Way:
    """What calls that are alike have in common: whether their key is dead, the periods they count on, and what those
    ask of them. It is worked out once a batch.
    """

    __slots__ = (
        "audio",
        "by_unit",
        "depends_on_length",
        "needs_price",
        "period_ids",
        "periods",
        "refused",
        "shortening",
    )

    def __init__(self, opening: Opening, rows: Rows, now_ms: int) -> None:
        self.refused = _refused_dead(rows.standings.get((opening.key_id, opening.secret_version)), now_ms)
        self.periods = _on_the_way(opening, rows.in_force)
        self.period_ids = tuple(period.id for period in self.periods)
        self.by_unit: dict[Unit, list[Period]] = {}
        for period in self.periods:
            self.by_unit.setdefault(period.limit.unit, []).append(period)
        self.needs_price = _USD in self.by_unit
        self.audio = next(iter(self.by_unit.get(_AUDIO_SECONDS, ())), None)
        self.depends_on_length = any(_counts_length(period.limit) for period in self.periods)
        self.shortening = [
            period for period in self.periods if _counts_length(period.limit) and not period.limit.refuse_when_short
        ]


def _refused_dead(standing: Standing | None, now_ms: int) -> Refused | None:
    if standing is None:
        return Refused(Code.KEY_UNKNOWN)
    dead = why_dead(standing, now_ms)
    if dead is not None:
        return Refused(dead, dead_at_ms=died_at_ms(standing, dead))
    return None


def _reserve(need: Need, way: _Way, changed: dict[int, Period]) -> Admitted | Refused:
    if way.needs_price and (need.base_pico is None or need.unbounded is not None):
        return Refused(Code.PRICE_UNKNOWN)
    if way.audio is not None and not need.audio_is_bounded:
        return Refused(Code.PRICE_UNKNOWN, way.audio.limit)
    output_tokens = need.output_tokens_max
    for period in way.shortening:
        fitting = _output_that_fits(period, need)
        if fitting is not None and fitting < output_tokens:
            output_tokens = fitting
    if output_tokens < OUTPUT_TOKENS_MIN:
        output_tokens = min(OUTPUT_TOKENS_MIN, need.output_tokens_max)
    reserved = Reserved(
        need.nano_usd(output_tokens),
        need.tokens(output_tokens),
        need.tokens_estimate,
        way.period_ids,
        need.images,
        need.audio_seconds,
        need.characters,
    )
    counting = [(period, reserved_on(period.limit, reserved)) for period in way.periods]
    # What is overrun, or was lowered below what is used, stops whoever needs more of it, and nobody else.
    full = [each for each in counting if each[1] > max(0, each[0].left)]
    if full:
        # Of several, the one that stays full the longest: after the others the call would still not fit.
        return _refused(*max(full, key=lambda each: _opens_again_ms(each[0])))
    for period, amount in counting:
        period.reserved += amount
        period.peak = max(period.peak, period.limit.amount)
        changed[period.id] = period
    return Admitted(
        reserved,
        output_tokens if way.depends_on_length else None,
        output_tokens < need.output_tokens_max,
        _remaining(way.by_unit),
    )


def _on_the_way(opening: Opening, in_force: Mapping[tuple[str, str], Sequence[Period]]) -> list[Period]:
    """The periods a call counts on: those for every model and for this one."""
    return [
        period
        for scope in scopes_of(opening)
        for period in in_force.get(scope, ())
        if period.limit.model is None or period.limit.model == opening.model
    ]


def _counts_length(limit: Limit) -> bool:
    return limit.unit is _USD or (limit.unit is _TOKENS and limit.window is not _MINUTE)


def _output_that_fits(period: Period, need: Need) -> int | None:
    """The longest answer that fits this period, which counts its length; None where length costs nothing."""
    if period.limit.unit is _USD:
        if not need.output_token_pico:
            return None
        return max(0, period.left * 1000 - (need.base_pico or 0)) // need.output_token_pico
    return max(0, period.left - need.input_tokens) // need.choices


def _refused(period: Period, needed: int) -> Refused:
    limit = period.limit
    code = Code.LIMIT_QUOTA
    if limit.is_rate:
        code = Code.LIMIT_RATE_TOO_LARGE if needed > limit.amount else Code.LIMIT_RATE
    return Refused(code, limit, needed, max(0, period.left), period.ends_at_ms)


def _opens_again_ms(period: Period) -> float:
    """When waiting would help: at once for what runs right now, never for a total."""
    if period.limit.unit is _CONCURRENCY:
        return 0
    return inf if period.ends_at_ms is None else period.ends_at_ms


def _remaining(by_unit: Mapping[Unit, Sequence[Period]]) -> tuple[Remaining, ...]:
    """For each unit that is limited, the limit with the least left."""
    remaining = []
    for unit, periods in by_unit.items():
        tightest = periods[0] if len(periods) == 1 else min(periods, key=_LEFT)
        remaining.append(Remaining(unit, tightest.limit.amount, max(0, tightest.left), tightest.ends_at_ms))
    return tuple(remaining)


def _close(closing: Closing, rows: Rows, changed: dict[int, Period]) -> Closed | Ignored | Adjusted:
    call = rows.calls.get(closing.call_id)
    if call is None or call.state in (State.SETTLED, _RELEASED):
        return Ignored(None if call is None else call.state)
    if call.state is _ORPHANED:
        return _adjust(closing, call, rows, changed)
    for period_id in call.reserved.period_ids:
        period = rows.periods[period_id]
        held = reserved_on(period.limit, call.reserved)
        charged = _final_charge(period.limit, closing, held)
        period.reserved -= held
        period.settled += charged
        if charged > held:
            period.overrun += charged - held
        changed[period.id] = period
    call.state = closing.state
    return _CLOSED


def _final_charge(limit: Limit, closing: Closing, held: int) -> int:
    if closing.state is _RELEASED:
        return 0
    return _orphan_charge(limit, held) if closing.state is _ORPHANED else charged_on(limit, closing)


def _orphan_charge(limit: Limit, held: int) -> int:
    """What a call counts that was closed for a gateway that died: all it held, but it does not run any more."""
    return 0 if limit.unit is _CONCURRENCY else held


def _adjust(closing: Closing, call: HeldCall, rows: Rows, changed: dict[int, Period]) -> Adjusted | Ignored:
    """A gateway that was only paused settles a call that was closed for it: correct downwards, never upwards."""
    if closing.state is _ORPHANED or call.is_adjusted:
        return Ignored(call.state)
    call.is_adjusted = True
    for period_id in call.reserved.period_ids:
        period = rows.periods.get(period_id)
        if period is None:
            continue  # a minute's row that is no longer kept
        held = reserved_on(period.limit, call.reserved)
        period.settled -= max(0, _orphan_charge(period.limit, held) - _final_charge(period.limit, closing, held))
        changed[period.id] = period
    released, reserved = closing.state is _RELEASED, call.reserved
    counts = Counts() if released else closing.counts
    return Adjusted(
        min(0, (0 if released else closing.charged_nano_usd or 0) - reserved.nano_usd),
        -1 if released else 0,
        min(0, counts.tokens - reserved.tokens),
        min(0, counts.tokens - reserved.tokens_estimate),
        min(0, counts.images - reserved.images),
        min(0, counts.audio_seconds - reserved.audio_seconds),
        min(0, counts.characters - reserved.characters),
    )
