"""Calls as pages show them: lines of a list, and one with the whole account of its charge. Pure."""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from keyhouse.console import wording
from keyhouse.console.key_view import StatusView
from keyhouse.console.performance_view import took
from keyhouse.console.wording import Times
from keyhouse.core.call import Basis, State
from keyhouse.core.limit import Unit
from keyhouse.core.money import format_usd
from keyhouse.reporting.explanations import CountedLimit, ExplainedCall, Outcome
from keyhouse.store.calls import Call

_PICO_PER_USD: Final = 10**12
_NOTHING: Final = "–"  # noqa: RUF001  a dash for nothing
_ITEMS: Final = {
    "input": "Input tokens",
    "cached_input": "Cached input tokens",
    "cache_write": "Tokens written to the cache",
    "audio_input": "Audio input tokens",
    "image_input": "Image input tokens",
    "output": "Output tokens",
    "audio_output": "Audio output tokens",
    "image_output": "Image output tokens",
    "images": "Images",
    "audio_seconds": "Seconds of audio",
    "characters": "Characters",
    "request": "The request itself",
}
_PER_TOKEN: Final = frozenset(
    {"input", "cached_input", "cache_write", "audio_input", "image_input", "output", "audio_output", "image_output"}
)
_BASES: Final = {
    Basis.UPSTREAM: "What the upstream reported",
    Basis.COUNTED: "What the gateway counted",
    Basis.RESERVED: "What was reserved",
}
ERROR_STATUS_MIN: Final = 400


class CallLine(msgspec.Struct, frozen=True):
    """A call as one line of a list."""

    id: str
    began: str
    began_exact: str
    status: StatusView
    key_id: str
    key: str
    model: str
    upstream: str
    endpoint: str
    input: str
    output: str
    first_byte: str
    duration: str
    cost: str
    cost_exact: str


class ChargeLine(msgspec.Struct, frozen=True):
    """So many of an item, times what each costs: `1,000 x $0.25 per million = $0.00025`."""

    item: str
    count: str
    price: str
    amount: str


class LimitLine(msgspec.Struct, frozen=True):
    """What a call reserved on a limit and was charged on it."""

    scope: str
    size: str
    period: str
    reserved: str
    charged: str


class CallView(msgspec.Struct, frozen=True):
    """One call: facts, charge, hold, limits, times."""

    line: CallLine
    request_id: str
    attempt: int
    project: str
    owner: str
    address: str
    agent: str
    secret_version: int
    basis: str
    charge_lines: tuple[ChargeLine, ...]
    sum: str
    rounded: str
    charged: str
    reserved: str
    reserved_tokens: str
    output_max: str
    limits: tuple[LimitLine, ...]
    forgotten: int
    notes: tuple[str, ...]
    timings: tuple[tuple[str, str, str], ...]


def call_line(call: Call, names: Mapping[str, str], times: Times) -> CallLine:
    """One call."""
    cost = call.cost_nano_usd
    return CallLine(
        id=call.id,
        began=times.ago(call.created_at_ms),
        began_exact=times.exact(call.created_at_ms),
        status=status_of(call),
        key_id=call.key_id,
        key=names.get(call.key_id, call.key_id),
        model=call.model,
        upstream=call.upstream,
        endpoint=call.endpoint,
        input=wording.count(call.counts.input),
        output=wording.count(call.counts.output),
        first_byte=took(call.first_byte_ms),
        duration=took(call.duration_ms),
        cost=_NOTHING if cost is None else single_money(cost),
        cost_exact="" if cost is None else f"${format_usd(cost)}",
    )


def status_of(call: Call) -> StatusView:
    """What became of a call: a shape, a word, and the HTTP status."""
    code = str(call.status) if call.status else ""
    match call.state:
        case State.HELD:
            return StatusView("rotating", "Running")
        case State.ORPHANED:
            return StatusView("over", "Cut off", "its gateway died")
        case State.RELEASED:
            word = "Rate limited" if call.status == 429 else "Failed" if call.status else "Not sent"
            return StatusView("over" if call.status else "ended", word, code)
        case State.SETTLED:
            if call.status >= ERROR_STATUS_MIN:
                return StatusView("over", "Failed", code)
            return StatusView("expires", "Cut short") if call.flags else StatusView("active", "Answered")


def single_money(nano: int) -> str:
    """What a single call cost, to six decimals: `$0.000691`."""
    return wording.money(nano) if nano == 0 or nano >= 10_000_000_000 else f"${nano / 1e9:,.6f}"


def call_view(found: ExplainedCall, names: Mapping[str, str], times: Times) -> CallView:
    """One call with the account of its charge."""
    call, charge = found.call, found.charge
    return CallView(
        line=call_line(call, names, times),
        request_id=call.request_id,
        attempt=call.attempt,
        project=names.get(call.project_id, call.project_id),
        owner=names.get(call.owner_id, call.owner_id),
        address=call.address or _NOTHING,
        agent=call.agent or _NOTHING,
        secret_version=call.secret_version,
        basis=_NOTHING if call.basis is None else _BASES[call.basis],
        charge_lines=tuple(
            ChargeLine(
                _ITEMS.get(line.item, line.item),
                wording.count(line.count),
                _price(line.item, line.each_pico_usd),
                exact_usd(line.pico_usd),
            )
            for line in charge.lines
        ),
        sum=exact_usd(charge.sum_pico_usd),
        rounded=f"${format_usd(charge.rounded_nano_usd)}" if charge.outcome in (Outcome.EXACT, Outcome.CAPPED) else "",
        charged=_NOTHING if charge.charged_nano_usd is None else f"${format_usd(charge.charged_nano_usd)}",
        reserved=f"${format_usd(call.reserved.nano_usd)}",
        reserved_tokens=wording.count(call.reserved.tokens),
        output_max="" if call.output_tokens_max is None else wording.count(call.output_tokens_max),
        limits=tuple(_limit(counted, names) for counted in found.limits),
        forgotten=found.forgotten_limits,
        notes=found.notes,
        timings=_timings(call, times),
    )


def exact_usd(pico: int) -> str:
    """Pico-USD as exact text, with at least two decimals: `$0.00025`."""
    whole, part = divmod(abs(pico), _PICO_PER_USD)
    sign = "−" if pico < 0 else ""  # noqa: RUF001  a true minus
    return f"{sign}${whole:,}.{f'{part:012d}'.rstrip('0').ljust(2, '0')}"


def _price(item: str, each_pico: int) -> str:
    if item in _PER_TOKEN or item == "characters":
        return f"{exact_usd(each_pico * 1_000_000)} per million"
    return exact_usd(each_pico)


def _limit(counted: CountedLimit, names: Mapping[str, str]) -> LimitLine:
    limit = counted.period.limit
    charged = None if counted.charged is None else counted.charged + counted.adjusted

    def amount(value: int) -> str:
        return f"${format_usd(value)}" if limit.unit is Unit.USD else wording.count(value)

    size = f"{wording.limit_size(limit)} {wording.every(limit)}"
    ended = counted.period.deleted_at_ms is not None
    return LimitLine(
        scope=wording.scope(limit, names.get(limit.scope_id, "")),
        size=f"{size}, {limit.model} only" if limit.model else size,
        period=f"{counted.period.period}, deleted since" if ended else counted.period.period,
        reserved=amount(counted.reserved),
        charged="still held" if charged is None else amount(charged),
    )


def _timings(call: Call, times: Times) -> tuple[tuple[str, str, str], ...]:
    """What happened when: a word, a time of day, and how long after the beginning."""
    began = call.created_at_ms
    steps: list[tuple[str, int | None]] = [
        ("Admitted and reserved", 0),
        ("First byte", call.first_byte_ms),
        ("Last byte", call.duration_ms),
        ("Settled" if call.state is State.SETTLED else "Closed", _after(began, call.closed_at_ms)),
    ]
    return tuple(
        (word, times.exact(began + after), "" if after == 0 else f"+{took(after)}")
        for word, after in steps
        if after is not None
    )


def _after(began_ms: int, at_ms: int | None) -> int | None:
    return None if at_ms is None else max(0, at_ms - began_ms)


def ids_in(calls: Sequence[Call]) -> set[str]:
    """The ids in these calls that have names."""
    return {one for call in calls for one in (call.key_id, call.project_id, call.owner_id)}
