"""A call as the API shows it, alone with the account of its charge or in a list. Pure.

Money is exact decimal text in USD, times are Unix seconds, how long something took milliseconds, and all that is
counted whole numbers.
"""

from typing import Final

import msgspec

from keyhouse.admin.shapes import Json, seconds
from keyhouse.core.limit import format_amount
from keyhouse.core.money import Rate, format_usd
from keyhouse.reporting.explanations import Charge, CountedLimit, ExplainedCall, Line
from keyhouse.store.calls import Adjustment, Call

KIND: Final = "organization.call"

_PICO_PER_USD: Final = 10**12
_PER_TOKEN: Final = frozenset(
    {"input", "cached_input", "cache_write", "audio_input", "image_input", "output", "audio_output", "image_output"}
)
"""The items of a charge whose prices are told by the million."""


def call(found: Call) -> Json:
    """A call, as a list has it."""
    counts = found.counts
    return {
        "object": KIND,
        "id": found.id,
        "request_id": found.request_id,
        "attempt": found.attempt,
        "created_at": seconds(found.created_at_ms),
        "closed_at": seconds(found.closed_at_ms),
        "state": str(found.state),
        "basis": None if found.basis is None else str(found.basis),
        "status": found.status or None,
        "project_id": found.project_id,
        "owner": {"type": found.owner_type, "id": found.owner_id},
        "api_key_id": found.key_id,
        "secret_version": found.secret_version,
        "model": found.model,
        "upstream": found.upstream,
        "endpoint": found.endpoint,
        "service_tier": found.tier,
        "address": found.address,
        "agent": found.agent,
        "instance_id": found.instance_id,
        "usage": {
            "input_tokens": counts.input,
            "cached_input_tokens": counts.cached_input,
            "cache_write_tokens": counts.cache_write,
            "audio_input_tokens": counts.audio_input,
            "image_input_tokens": counts.image_input,
            "output_tokens": counts.output,
            "reasoning_tokens": counts.reasoning,
            "audio_output_tokens": counts.audio_output,
            "image_output_tokens": counts.image_output,
            "images": counts.images,
            "audio_seconds": counts.audio_seconds,
            "characters": counts.characters,
        },
        "reserved": {
            "usd": format_usd(found.reserved.nano_usd),
            "tokens": found.reserved.tokens,
            "tokens_estimate": found.reserved.tokens_estimate,
            "images": found.reserved.images,
            "audio_seconds": found.reserved.audio_seconds,
            "characters": found.reserved.characters,
            "output_tokens_max": found.output_tokens_max,
        },
        "cost_usd": _usd(found.cost_nano_usd),
        "first_byte_ms": found.first_byte_ms,
        "duration_ms": found.duration_ms,
        "flags": list(found.flags),
    }


def explained_call(found: ExplainedCall) -> Json:
    """A call with the account of its charge and the limits it counted on."""
    return call(found.call) | {
        "charge": _charge(found.call, found.charge),
        "adjustment": None if found.call.adjustment is None else _adjustment(found.call.adjustment),
        "limits": [_limit(counted) for counted in found.limits],
        "limits_forgotten": found.forgotten_limits,
        "notes": list(found.notes),
    }


def exact_usd(pico: int) -> str:
    """Pico-USD as exact decimal text with at least two decimals."""
    sign = "-" if pico < 0 else ""
    whole, part = divmod(abs(pico), _PICO_PER_USD)
    return f"{sign}{whole}.{f'{part:012d}'.rstrip('0').ljust(2, '0')}"


def _charge(of: Call, charge: Charge) -> Json:
    return {
        "outcome": str(charge.outcome),
        "price_id": of.price_id,
        "rate": None if charge.rate is None else _rate(charge.rate),
        "lines": [_line(line) for line in charge.lines],
        "sum_usd": exact_usd(charge.sum_pico_usd),
        "rounding_usd": exact_usd(charge.rounding_pico_usd),
        "rounded_usd": format_usd(charge.rounded_nano_usd),
        "charged_usd": _usd(charge.charged_nano_usd),
        "overrun_usd": format_usd(charge.overrun_nano_usd),
    }


def _rate(rate: Rate) -> Json:
    return {"service_tier": rate.tier, "from_input_tokens": rate.from_input_tokens}


def _line(line: Line) -> Json:
    is_token = line.item in _PER_TOKEN
    return {
        "item": line.item,
        "quantity": line.count,
        "each_usd": exact_usd(line.each_pico_usd),
        "million_usd": exact_usd(line.each_pico_usd * 1_000_000) if is_token else None,
        "amount_usd": exact_usd(line.pico_usd),
    }


def _adjustment(found: Adjustment) -> Json:
    figures = msgspec.structs.asdict(found.given)
    return {
        "created_at": seconds(found.at_ms),
        "reason": found.reason,
        "usd": format_usd(figures.pop("nano_usd")),
        **figures,
    }


def _limit(counted: CountedLimit) -> Json:
    period = counted.period
    limit = period.limit
    return {
        "id": limit.id,
        "scope": {"type": str(limit.scope_type), "id": limit.scope_id},
        "unit": str(limit.unit),
        "window": str(limit.window),
        "model": limit.model,
        "amount": format_amount(limit.unit, limit.amount),
        "period": period.period,
        "starts_at": seconds(period.starts_at_ms),
        "ends_at": seconds(period.ends_at_ms),
        "deleted_at": seconds(period.deleted_at_ms),
        "reserved": format_amount(limit.unit, counted.reserved),
        "charged": None if counted.charged is None else format_amount(limit.unit, counted.charged),
        "adjusted": format_amount(limit.unit, counted.adjusted),
    }


def _usd(nano: int | None) -> str | None:
    return None if nano is None else format_usd(nano)
