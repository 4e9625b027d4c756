"""Headers: what may cross in either direction, and the ones OpenAI's clients read.

Both ways are lists of what may pass; everything else stays behind. So the client's credential and cookies
never reach an upstream, and an upstream's `Set-Cookie`, `Server`, `Location`, rate limits and hop-by-hop
headers (those its `Connection` names, too) never reach a client. Nothing of the client's own headers goes up
but, on the paths of Anthropic's API, the two that choose its version.
"""

from collections.abc import Iterable
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Final

from keyhouse.core.decide import Remaining
from keyhouse.core.limit import Unit

Headers = list[tuple[bytes, bytes]]

UPWARDS: Final = {
    "accept": "application/json, text/event-stream",
    "accept-encoding": "identity",
    "content-type": "application/json",
}
"""All that is sent to an upstream, beside its own credential, a user agent and the framing. The answer must
come as it is: a compressed one could not be metered."""

ANTHROPIC_VERSION: Final = "2023-06-01"
"""The version of Anthropic's API that is asked for where the client asks for none."""

MESSAGES_UPWARDS: Final = (b"anthropic-version", b"anthropic-beta")
"""What of a client's headers goes up on the paths of Anthropic's API."""

DOWNWARDS: Final[tuple[str, ...]] = ()
"""What of an upstream's answer passes, beside its content type and its request id under another name: nothing."""

DOWNWARDS_OF_ERRORS: Final = (*DOWNWARDS, "retry-after", "retry-after-ms", "x-should-retry")
"""The same for its errors: when to try again is the upstream's to say."""

RATE_LIMITED_UNITS: Final = frozenset({Unit.REQUESTS, Unit.TOKENS})
"""The units that `x-ratelimit-*` knows."""

_NAMES: Final = {
    unit: (
        b"x-ratelimit-limit-" + unit.value.encode(),
        b"x-ratelimit-remaining-" + unit.value.encode(),
        b"x-ratelimit-reset-" + unit.value.encode(),
    )
    for unit in RATE_LIMITED_UNITS
}


def rate_limits(remaining: Iterable[Remaining], now_ms: int) -> Headers:
    """The `x-ratelimit-*` headers of the tightest limits, with Go's durations until they are full again."""
    headers: Headers = []
    for limit in remaining:
        names = _NAMES.get(limit.unit)
        if names is None:
            continue
        headers.append((names[0], b"%d" % limit.amount))
        headers.append((names[1], b"%d" % limit.left))
        if limit.resets_at_ms is not None:
            headers.append((names[2], go_duration(limit.resets_at_ms - now_ms)))
    return headers


def retry_after_ms(milliseconds: str | None, seconds: str | None, now_ms: int) -> int | None:
    """When to try again, from `retry-after-ms` and `Retry-After`; None if neither can be read.

    The latter is seconds or a date (RFC 9110, 10.2.3); fractions of seconds are sent, too, and taken.
    """
    for text, unit_ms in ((milliseconds, 1), (seconds, 1_000)):
        if text is None:
            continue
        try:
            return max(0, round(float(text) * unit_ms))
        except (ValueError, OverflowError):
            pass
    try:
        return max(0, round(parsedate_to_datetime(seconds or "").timestamp() * 1_000) - now_ms)
    except (ValueError, OverflowError):
        return None


# Many calls are answered in the same millisecond, and what is left of a day is said in whole seconds.
@lru_cache(maxsize=64)
def _exactly(ms: int) -> bytes:
    whole, part = divmod(ms, 1_000)
    return f"{whole}.{part:03d}".rstrip("0").rstrip(".").encode() + b"s"


@lru_cache(maxsize=64)
def _roughly(whole_seconds: int) -> bytes:
    minutes, seconds = divmod(whole_seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return b"%dh%dm%ds" % (hours, minutes, seconds) if hours else b"%dm%ds" % (minutes, seconds)


def go_duration(ms: int) -> bytes:
    """Milliseconds as Go prints a duration: `12ms`, `1.54s`, `6m0s`, `1h2m3s`; from a minute on in whole seconds."""
    if ms <= 0:
        return b"0s"
    if ms < 1_000:
        return b"%dms" % ms
    return _exactly(ms) if ms < 60_000 else _roughly(-(-ms // 1_000))
