"""Says in words why the ledger refused a call: which limit, what was needed, what is left, when it resets."""

from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from keyhouse.core.call import Opening
from keyhouse.core.decide import Refused
from keyhouse.core.errors import Code, Refusal
from keyhouse.core.key import dead_key
from keyhouse.core.limit import Limit, ScopeType, Unit, Window, format_amount

_PER: Final = {
    Window.MINUTE: "a minute",
    Window.DAY: "a day",
    Window.WEEK: "a week",
    Window.MONTH: "a month",
    Window.TOTAL: "in all",
}

_SCOPES: Final = {ScopeType.USER: "user", ScopeType.SERVICE_ACCOUNT: "service account", ScopeType.PROJECT: "project"}
_NOUNS: Final = {Unit.AUDIO_SECONDS: "seconds of audio", Unit.CONCURRENCY: "calls"}

LIMITED: Final = frozenset({Code.LIMIT_RATE, Code.LIMIT_RATE_TOO_LARGE, Code.LIMIT_QUOTA})
"""What is refused because a limit is full, and answered with 429."""

CONCURRENCY_RETRY_MS: Final = 1_000
"""When to try again where other calls have to end first: nobody knows when they do."""


def refusal(refused: Refused, opening: Opening, now_ms: int) -> Refusal:
    """The refusal that the caller gets."""
    if refused.code is Code.PRICE_UNKNOWN and refused.limit is not None:
        return Refusal(
            Code.PRICE_UNKNOWN,
            f"A limit in {_NOUNS[Unit.AUDIO_SECONDS]} applies, and how long the audio is on {opening.model} "
            "cannot be bounded.",
            hint="Set the model's max_audio_seconds in keyhouse.toml, or use a key without such a limit.",
            param="model",
        )
    if refused.code is Code.PRICE_UNKNOWN:
        return Refusal(
            Code.PRICE_UNKNOWN,
            f"A limit in usd applies, and what this request may cost on {opening.model} cannot be bounded.",
            hint="Set the model's price in keyhouse.toml, leave out the parts that are not text, "
            "or use a key without a limit in usd.",
            param="model",
        )
    limit = refused.limit
    if limit is None:
        return dead_key(refused.code, opening.redacted, refused.dead_at_ms)
    retry_after_ms = None if refused.resets_at_ms is None else max(1, refused.resets_at_ms - now_ms)
    if limit.unit is Unit.CONCURRENCY:
        retry_after_ms = CONCURRENCY_RETRY_MS
    return Refusal(
        refused.code,
        _message(refused, limit, opening),
        hint=_hint(refused, limit, opening.time_zone),
        facts={
            "limit_id": limit.id,
            "unit": limit.unit,
            "window": limit.window,
            "scope": limit.scope_type,
            "scope_id": limit.scope_id,
            "amount": format_amount(limit.unit, limit.amount),
            "needed": format_amount(limit.unit, refused.needed),
            "left": format_amount(limit.unit, refused.left),
            "resets_at": None if refused.resets_at_ms is None else refused.resets_at_ms // 1000,
        },
        retry_after_ms=retry_after_ms,
    )


def _message(refused: Refused, limit: Limit, opening: Opening) -> str:
    for_model = f" for {limit.model}" if limit.model else ""
    if limit.unit is Unit.CONCURRENCY:
        return (
            f"{_scope(limit, opening)} is limited to {_say(limit, limit.amount)} at once{for_model}: all are running."
        )
    return (
        f"{_scope(limit, opening)} is limited to {_say(limit, limit.amount)} {_PER[limit.window]}{for_model}: "
        f"{_say(limit, refused.left)} left, and this call may need {_say(limit, refused.needed)}."
    )


def _scope(limit: Limit, opening: Opening) -> str:
    if limit.scope_type is ScopeType.KEY:
        if limit.scope_id != opening.key_id:
            return f"The API key {limit.scope_id}, which made this one,"
        return f"The API key {opening.redacted}"
    if limit.scope_type is ScopeType.ORGANIZATION:
        return "The organization"
    return f"The {_SCOPES[limit.scope_type]} {limit.scope_id}"


def _say(limit: Limit, amount: int) -> str:
    if limit.unit is Unit.USD:
        return f"${format_amount(Unit.USD, amount)}"
    noun = _NOUNS.get(limit.unit, limit.unit.value)
    return f"{amount:,} {noun if amount != 1 else noun.replace('seconds', 'second').removesuffix('s')}"


def _hint(refused: Refused, limit: Limit, time_zone: str) -> str:
    if refused.code is Code.LIMIT_RATE_TOO_LARGE:
        return "It can never fit: send less text, ask for a shorter answer, or have the limit raised."
    if limit.unit is Unit.CONCURRENCY:
        return "Try again when one of them has ended."
    if refused.resets_at_ms is None:
        return f"This limit never resets; an owner can raise it ({limit.id})."
    if limit.is_rate:
        return "Try again when the minute is over."
    moment = datetime.fromtimestamp(refused.resets_at_ms / 1000, UTC).astimezone(ZoneInfo(time_zone))
    return f"It resets on {moment:%d %B %Y at %H:%M} ({time_zone}); an owner can raise it before ({limit.id})."
