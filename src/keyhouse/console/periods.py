"""The one period picker of the pages with numbers: what the address asks for, and the buckets that it means. Pure."""

from collections.abc import Collection, Mapping
from datetime import date, datetime, time, timedelta
from typing import Any, Final, TypeVar
from urllib.parse import urlencode

import msgspec

from keyhouse.console.wording import HOUR_MS, Times
from keyhouse.core.limit import instant_ms
from keyhouse.reporting.usage import Bucket

CUSTOM: Final = "custom"
PERIODS: Final = (("24h", "24 h"), ("7d", "7 d"), ("30d", "30 d"), ("month", "Month to date"))
CUSTOM_DAYS_MAX: Final = 366
"""The longest period of one's own; a longer one is cut at its old end."""

_HOURLY_DAYS_MAX: Final = 2
_DAYS: Final = {"7d": 7, "30d": 30}
_ID_LENGTH_MAX: Final = 64

T = TypeVar("T", bound="Picked")


class Picked(msgspec.Struct, frozen=True):
    """What an address says of the period: its name and, for a period of one's own, its first and last day.

    Pages add what else they are asked for; what is usual is left out of addresses.
    """

    period: str = "7d"
    first: str = ""
    last: str = ""

    def address(self, path: str, **changes: str) -> str:
        """The address of a page with some of this changed."""
        wanted = msgspec.structs.replace(self, **changes)
        query = wanted.fields()
        return f"{path}?{urlencode(query)}" if query else path

    def fields(self, *, without_period: bool = False) -> dict[str, str]:
        """What an address, or a form, has to carry to mean the same."""
        usual = type(self)()
        wanted = {name: getattr(self, name) for name in self.__struct_fields__}
        if self.period != CUSTOM or without_period:
            wanted |= {"first": usual.first, "last": usual.last}
        if without_period:
            wanted["period"] = usual.period
        return {name: value for name, value in wanted.items() if value != getattr(usual, name)}


def read(kind: type[T], query: Mapping[str, Any], choices: Mapping[str, Collection[str]]) -> T:
    """What the address asks for; what it asks wrongly is as if it were not there."""
    usual = kind()
    values: dict[str, str] = {}
    for name in kind.__struct_fields__:
        value = str(query.get(name, ""))[:_ID_LENGTH_MAX]
        allowed = choices.get(name)
        values[name] = value if value and (allowed is None or value in allowed) else getattr(usual, name)
    names = {name for name, _ in PERIODS}
    if _days(values["first"], values["last"]) is not None:
        names.add(CUSTOM)
    if values["period"] not in names:
        values["period"] = usual.period
    return kind(**values)


class Period(msgspec.Struct, frozen=True):
    """A span of whole buckets and the one before it, of as many."""

    bucket: Bucket
    start_ms: int
    end_ms: int
    before_start_ms: int
    before_end_ms: int
    name: str


def period_at(picked: Picked, times: Times) -> Period:
    """The period that is picked, up to and with the present bucket."""
    if picked.period == "24h":
        end_ms = times.now_ms - times.now_ms % HOUR_MS + HOUR_MS
        start_ms = end_ms - 24 * HOUR_MS
        return Period("hour", start_ms, end_ms, start_ms - 24 * HOUR_MS, start_ms, "Previous 24 h")
    today = times.local(times.now_ms).date()
    if picked.period == "month":
        first = today.replace(day=1)
        first_before = (first - timedelta(days=1)).replace(day=1)
        # The month before may be shorter: then its last days have nobody to stand beside.
        end_before = min(first_before + timedelta(days=today.day), first)
        return _of_days(first, today, first_before, end_before, "Previous month", times)
    if picked.period == CUSTOM and (days := _days(picked.first, picked.last)) is not None:
        first, last = days
        count = (last - first).days + 1
        before = first - timedelta(days=count)
        name = "Day before" if count == 1 else f"Previous {count} d"
        return _of_days(first, last, before, first, name, times)
    count = _DAYS.get(picked.period, 7)
    first = today - timedelta(days=count - 1)
    return _of_days(first, today, first - timedelta(days=count), first, f"Previous {count} d", times)


def _of_days(first: date, last: date, before: date, end_before: date, name: str, times: Times) -> Period:
    def midnight(day: date) -> int:
        return instant_ms(datetime.combine(day, time(), tzinfo=times.zone))

    bucket: Bucket = "hour" if (last - first).days < _HOURLY_DAYS_MAX and name != "Previous month" else "day"
    return Period(
        bucket, midnight(first), midnight(last + timedelta(days=1)), midnight(before), midnight(end_before), name
    )


def _days(first: str, last: str) -> tuple[date, date] | None:
    """Two days in their order, the second today or earlier in this century; None if they are no such days."""
    try:
        days = sorted((date.fromisoformat(first), date.fromisoformat(last)))
    except ValueError:
        return None
    if not date(2000, 1, 1) <= days[0] <= days[1] <= date(2099, 1, 1):
        return None
    return max(days[0], days[1] - timedelta(days=CUSTOM_DAYS_MAX - 1)), days[1]


def bucket_label(bucket: str, start_ms: int, times: Times) -> str:
    """A bucket's name on an axis: `18:00` or `12 Nov`."""
    return times.clock(start_ms) if bucket == "hour" else times.short_day(start_ms)


def bucket_title(bucket: str, start_ms: int, times: Times) -> str:
    """Its name in a sentence of its own: `12 Nov, 18:00 to 19:00` or `Thursday 12 Nov`."""
    moment = times.local(start_ms)
    if bucket == "hour":
        return f"{moment.day} {moment:%b}, {moment:%H:%M} to {times.clock(start_ms + HOUR_MS)}"
    return f"{moment:%A} {moment.day} {moment:%b}"


def label_every(bucket: str, count: int) -> int:
    """Every how many buckets an axis names one."""
    if count <= 7:
        return 1
    if bucket == "hour":
        return 4 if count <= 24 else 8
    return 7 if count <= 62 else 30
