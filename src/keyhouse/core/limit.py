"""Limits: an amount of a unit per window on a scope, optionally for one model.

A budget is a limit in usd, a rate limit one in requests or tokens a minute; there is one mechanism.
Windows are calendar periods in the organization's time zone; weeks begin on Monday (ISO 8601). Nothing is
ever reset: the next period is the next row, and a call settles in the period it reserved in.
"""

from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from enum import StrEnum
from typing import Final

import msgspec

from keyhouse.core.money import AMOUNT_MAX, format_usd, parse_usd


class Unit(StrEnum):
    """What is counted. Amounts in usd are nano-USD, all others whole units.

    `concurrency` counts the calls that run at the same moment: it is held while a call runs and never used up.
    """

    USD = "usd"
    REQUESTS = "requests"
    TOKENS = "tokens"
    IMAGES = "images"
    AUDIO_SECONDS = "audio_seconds"
    CHARACTERS = "characters"
    CONCURRENCY = "concurrency"


class Window(StrEnum):
    """How long an amount lasts."""

    MINUTE = "minute"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    TOTAL = "total"


class ScopeType(StrEnum):
    """What a limit stands on."""

    KEY = "key"
    USER = "user"
    SERVICE_ACCOUNT = "service_account"
    PROJECT = "project"
    ORGANIZATION = "organization"


class Limit(msgspec.Struct, frozen=True):
    """One limit. `amount` is nano-USD for usd. With `refuse_when_short` a call whose longest answer does
    not fit is refused; without it, its answer is shortened to what fits.
    """

    id: str
    organization_id: str
    scope_type: ScopeType
    scope_id: str
    unit: Unit
    window: Window
    amount: int
    model: str | None = None
    refuse_when_short: bool = False
    created_at_ms: int = 0

    @property
    def is_rate(self) -> bool:
        """Whether waiting a moment helps: its window is a minute, or it counts what runs right now."""
        return self.window is Window.MINUTE or self.unit is Unit.CONCURRENCY


class LimitState(msgspec.Struct, frozen=True):
    """A limit and where it stands in its present period. `resets_at_ms` is None for a total."""

    limit: Limit
    used: int
    reserved: int
    resets_at_ms: int | None

    @property
    def left(self) -> int:
        """What may still be reserved, never below zero."""
        return max(0, self.limit.amount - self.used - self.reserved)

    @property
    def share(self) -> float:
        """Used and reserved as a share of the amount, 1.0 for a limit of zero: for ordering and bars only."""
        if self.limit.amount == 0:
            return 1.0
        return (self.used + self.reserved) / self.limit.amount


class Span(msgspec.Struct, frozen=True):
    """A period of a window: its key, such as `2026-11`, its first millisecond, and the first one after it."""

    key: str
    starts_at_ms: int
    ends_at_ms: int | None

    def holds(self, now_ms: int) -> bool:
        """Whether this instant lies in it."""
        return self.starts_at_ms <= now_ms and (self.ends_at_ms is None or now_ms < self.ends_at_ms)


_TOTAL: Final = Span("total", 0, None)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def span_at(window: Window, now_ms: int, zone: tzinfo) -> Span:
    """The period of `window` that holds this instant, in `zone`."""
    if window is Window.TOTAL:
        return _TOTAL
    if window is Window.MINUTE:
        start_ms = now_ms - now_ms % 60_000
        key = datetime.fromtimestamp(start_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%MZ")
        return Span(key, start_ms, start_ms + 60_000)
    local = datetime.fromtimestamp(now_ms / 1000, zone)
    if window is Window.DAY:
        start = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
        following = start + timedelta(days=1)
        return Span(start.strftime("%Y-%m-%d"), instant_ms(start), instant_ms(following))
    if window is Window.WEEK:
        midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
        start = midnight - timedelta(days=local.weekday())
        return Span(start.strftime("%G-W%V"), instant_ms(start), instant_ms(start + timedelta(days=7)))
    start = local.replace(day=1, hour=0, minute=0, second=0, microsecond=0, fold=0)
    following = (start + timedelta(days=32)).replace(day=1)
    return Span(start.strftime("%Y-%m"), instant_ms(start), instant_ms(following))


def require_window(unit: Unit, window: Window) -> None:
    """Raise ValueError unless this unit can be counted in this window."""
    if unit is Unit.CONCURRENCY and window is not Window.TOTAL:
        raise ValueError("concurrency counts the calls that run at once, in no window: write total")


def instant_ms(moment: datetime) -> int:
    """An aware datetime in milliseconds since 1970, exactly."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def parse_amount(unit: Unit, value: object) -> int:
    """An amount from JSON: decimal text or a number; whole unless the unit is usd. Raises ValueError."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError("an amount is a decimal number, as text or as a number")
    if isinstance(value, float):
        value = format(Decimal(repr(value)), "f")
    text = str(value).strip()
    if unit is Unit.USD:
        return parse_usd(text)
    if "." in text and text.rstrip("0").endswith("."):
        text = text[: text.index(".")]
    if not text.isascii() or not text.isdigit():
        raise ValueError(f"{text!r} is not a whole number of {unit}")
    if (amount := int(text)) > AMOUNT_MAX:
        raise ValueError(f"{text!r} is too large")
    return amount


def format_amount(unit: Unit, amount: int) -> str:
    """An amount as exact decimal text: `25.00` for usd, `137` for others."""
    return format_usd(amount) if unit is Unit.USD else str(amount)
