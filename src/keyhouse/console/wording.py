"""Numbers, dates and ids in words: one form each, the same on every page. Pure.

Money is nano-USD, times are milliseconds since 1970. Near times are relative, far ones dates; whoever shows a
relative time shows the exact one on hover.
"""

from datetime import UTC, datetime, tzinfo
from decimal import ROUND_HALF_UP, Decimal
from typing import Final

from keyhouse.core.key import ApiKey, SecretVersion
from keyhouse.core.limit import Limit, LimitState, ScopeType, Unit, Window
from keyhouse.core.money import NANO_PER_USD
from keyhouse.core.permissions import PRESETS, Permissions
from keyhouse.core.secret import redacted

MINUTE_MS: Final = 60_000
HOUR_MS: Final = 60 * MINUTE_MS
DAY_MS: Final = 24 * HOUR_MS
_SIZES: Final = ((1_000_000_000, "B"), (1_000_000, "M"), (1_000, "k"))
_CENT: Final = Decimal("0.01")
_AT_ONCE: Final = "at once"
_WINDOWS: Final = {
    Window.MINUTE: "min",
    Window.DAY: "day",
    Window.WEEK: "week",
    Window.MONTH: "month",
    Window.TOTAL: "total",
}
_EVERY: Final = {
    Window.MINUTE: "a minute",
    Window.DAY: "a day",
    Window.WEEK: "a week",
    Window.MONTH: "a month",
    Window.TOTAL: "in all",
}
_THIS: Final = {
    Window.MINUTE: "this minute",
    Window.DAY: "today",
    Window.WEEK: "this week",
    Window.MONTH: "this month",
    Window.TOTAL: "in all",
}
_NOUNS: Final = {
    Unit.REQUESTS: ("request", "requests"),
    Unit.TOKENS: ("token", "tokens"),
    Unit.IMAGES: ("image", "images"),
    Unit.AUDIO_SECONDS: ("second of audio", "seconds of audio"),
    Unit.CHARACTERS: ("character", "characters"),
    Unit.CONCURRENCY: ("call", "calls"),
}
_SCOPES: Final = {
    ScopeType.KEY: "API key",
    ScopeType.USER: "Member",
    ScopeType.SERVICE_ACCOUNT: "Service account",
    ScopeType.PROJECT: "Project",
}
_PRESET_NAMES: Final = {
    "all": "All",
    "chat_only": "Chat only",
    "embeddings_only": "Embeddings only",
    "read_only": "Read only",
}


def money(nano: int) -> str:
    """An amount of money: `$182.40`, below a cent to six decimals (`$0.000691`), never in exponents."""
    usd = Decimal(nano) / NANO_PER_USD
    if nano and abs(usd) < _CENT:
        small = usd.quantize(Decimal("0.000001"), rounding=ROUND_HALF_UP)
        return f"${small}" if small else "under $0.000001"
    return f"${usd.quantize(_CENT, rounding=ROUND_HALF_UP):,}"


def budget(nano: int) -> str:
    """The amount of a budget: without cents when round (`$250`), else with all its decimals."""
    whole, part = divmod(nano, NANO_PER_USD)
    if part == 0:
        return f"${whole:,}"
    return f"${whole:,}." + f"{part:09d}".rstrip("0").ljust(2, "0")


def count(number: int) -> str:
    """An exact count: `1,284,310`."""
    return f"{number:,}"


def short(number: int) -> str:
    """A count for totals, three digits long: `2.41B`, `918M`, `412k`; below ten thousand exact."""
    if number < 10_000:
        return count(number)
    for size, letter in _SIZES:
        # From 999.5 of one size on, three digits round up to the next.
        if number >= size * 0.9995:
            value = number / size
            decimals = 0 if value >= 100 else 1 if value >= 10 else 2
            text = f"{value:.{decimals}f}"
            return (text.rstrip("0").rstrip(".") if "." in text else text) + letter
    return count(number)


def amount(limit: Limit, value: int) -> str:
    """A value in a limit's unit, exact for counts."""
    return money(value) if limit.unit is Unit.USD else count(value)


def limit_size(limit: Limit) -> str:
    """How much a limit allows, without its window: `$250`, `1M tokens`, `1 image`, `8 calls`."""
    if limit.unit is Unit.USD:
        return budget(limit.amount)
    one, many = _NOUNS[limit.unit]
    return f"{short(limit.amount)} {one if limit.amount == 1 else many}"


def window(limit: Limit) -> str:
    """A limit's window in a bar: `month`, `min`, and `at once` for what runs right now."""
    return _AT_ONCE if limit.unit is Unit.CONCURRENCY else _WINDOWS[limit.window]


def every(limit: Limit) -> str:
    """A limit's window in a sentence: `a month`, `at once`."""
    return _AT_ONCE if limit.unit is Unit.CONCURRENCY else _EVERY[limit.window]


def standing(state: LimitState) -> str:
    """Where a limit stands: `12 of 50 images this week`, `$3.20 of $25 this month`, `3 of 8 calls at once`."""
    limit = state.limit
    if limit.unit is Unit.CONCURRENCY:
        return f"{count(state.reserved)} of {limit_size(limit)} {_AT_ONCE}"
    return f"{amount(limit, state.used)} of {limit_size(limit)} {_THIS[limit.window]}"


def scope(limit: Limit, name: str) -> str:
    """What a limit stands on, by the name of that: `Service account deploy bot`, `The organization`."""
    if limit.scope_type is ScopeType.ORGANIZATION:
        return "The organization"
    return f"{_SCOPES[limit.scope_type]} {name or limit.scope_id}"


def change(now: int, before: int) -> str | None:
    """How much more or less than before, in percent: `12.4%`. None where there was nothing to compare with."""
    if before == 0:
        return None
    return f"{abs(now - before) * 100 / before:.1f}%"


def permissions(held: Permissions) -> str:
    """Permissions in two words: a preset's name, else `Restricted`."""
    for name, preset in PRESETS.items():
        if held == preset:
            return _PRESET_NAMES[name]
    return "Restricted"


def secret(key: ApiKey, version: SecretVersion | None = None) -> str:
    """What may be shown of a key's secret: `sk-kh_7Qm2…x9Fa`."""
    return redacted(key.kind, key.id, (version or key.current).last_four).replace("...", "…")


def initials(name: str) -> str:
    """Two letters that stand for a person: `MO` for Mira Okafor, `MI` for mira@meridian.example."""
    words = [word for word in name.partition("@")[0].replace(".", " ").split() if word]
    if not words:
        return "?"
    return (words[0][0] + words[-1][0] if len(words) > 1 else words[0][:2]).upper()


def sentence(text: str) -> str:
    """The same with a capital first letter; the others stay."""
    return text[:1].upper() + text[1:]


def plural(number: int, one: str, many: str | None = None) -> str:
    """`1 key`, `12 keys`."""
    return f"{count(number)} {one if number == 1 else many or one + 's'}"


class Times:
    """Times as an organization's people read them: in its zone, seen from one instant."""

    def __init__(self, zone: tzinfo, now_ms: int) -> None:
        self.zone = zone
        self.now_ms = now_ms

    def local(self, at_ms: int) -> datetime:
        """The instant on this zone's clock."""
        return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(self.zone)

    def clock(self, at_ms: int) -> str:
        """`18:40`."""
        return self.local(at_ms).strftime("%H:%M")

    def day(self, at_ms: int) -> str:
        """`12 Mar 2026`."""
        moment = self.local(at_ms)
        return f"{moment.day} {moment:%b %Y}"

    def short_day(self, at_ms: int) -> str:
        """`12 Mar`, with its year when that is another one."""
        moment = self.local(at_ms)
        return f"{moment.day} {moment:%b}" if moment.year == self.local(self.now_ms).year else self.day(at_ms)

    def exact(self, at_ms: int) -> str:
        """`12 Mar 2026, 18:40:07`, for hovering."""
        return f"{self.day(at_ms)}, {self.local(at_ms):%H:%M:%S}"

    def moment(self, at_ms: int) -> str:
        """A time worth acting on: `today at 18:40`, else `30 Nov, 18:00`."""
        days = (self.local(at_ms).date() - self.local(self.now_ms).date()).days
        near = {0: "today", 1: "tomorrow", -1: "yesterday"}.get(days)
        return f"{near} at {self.clock(at_ms)}" if near else f"{self.short_day(at_ms)}, {self.clock(at_ms)}"

    def ago(self, at_ms: int) -> str:
        """How long ago: `just now`, `4 min ago`, `yesterday`, `3 d ago`, and from two weeks on the date."""
        passed_ms = self.now_ms - at_ms
        if passed_ms < MINUTE_MS:
            return "just now"
        if passed_ms < HOUR_MS:
            return f"{passed_ms // MINUTE_MS} min ago"
        days = (self.local(self.now_ms).date() - self.local(at_ms).date()).days
        if days == 0 or passed_ms < 12 * HOUR_MS:
            return f"{passed_ms // HOUR_MS} h ago"
        if days == 1:
            return "yesterday"
        return f"{days} d ago" if days < 14 else self.short_day(at_ms)

    def left(self, until_ms: int) -> str:
        """How much time is left, by its largest part: `6 d`, `3 h`, `12 min`, `41 s`."""
        left_ms = max(0, until_ms - self.now_ms)
        for size, letter in ((DAY_MS, "d"), (HOUR_MS, "h"), (MINUTE_MS, "min")):
            if left_ms >= size:
                return f"{left_ms // size} {letter}"
        return f"{left_ms // 1000} s"
