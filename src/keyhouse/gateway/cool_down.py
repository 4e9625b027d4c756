"""Which upstreams are in trouble, as this gateway has seen it. They cool down: meanwhile all others are tried first.

An upstream cools down for as long as it asks for (`Retry-After` of a 429 or 503). Otherwise at once if it cannot be
reached, and after three failures in a row if it answers 429 or 5xx, or not at all: first for ten seconds, then twice as
long after each try that fails again. When that time is over, one call tries it, and while nobody knows how that
ended, one more every ten seconds; an answer ends the trouble.

A cool-down changes the order and nothing else: the only upstream of a model gets every call, whatever it did.
"""

from collections import Counter
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from enum import StrEnum
from typing import Final

from keyhouse.core.clock import Clock
from keyhouse.wire.headers import retry_after_ms

FAILURES_MAX: Final = 3
"""How many failures in a row make an upstream cool down: one alone may be the fault of its call."""

COOL_MS: Final = 10_000
COOL_MS_MAX: Final = 160_000
ASKED_COOL_MS_MAX: Final = 600_000
"""The longest cool-down that an upstream can ask for itself."""


class Failure(StrEnum):
    """How an upstream failed a call before its answer began."""

    NO_ANSWER = "no_answer"
    RATE_LIMITED = "rate_limited"
    UNREACHABLE = "unreachable"
    UPSTREAM_ERROR = "upstream_error"


def failure_of(status: int) -> Failure | None:
    """What is wrong with an upstream that answers so; None where the answer is about the request."""
    if status == 429:
        return Failure.RATE_LIMITED
    return Failure.UPSTREAM_ERROR if status >= 500 else None


class _Trouble:
    """What is known of an upstream that failed and has not answered well since."""

    __slots__ = ("cool_ms", "failures", "is_tried", "until_ms")

    def __init__(self) -> None:
        self.failures = 0
        self.cool_ms = 0
        self.until_ms = 0.0
        self.is_tried = False


class CoolDowns:
    """The troubles of all upstreams, by their names. `failures` are counted for whoever operates this."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._troubles: dict[str, _Trouble] = {}
        self.failures: Counter[tuple[str, Failure]] = Counter()

    def cooling(self) -> AbstractSet[str]:
        """The upstreams that cool down right now."""
        if not self._troubles:
            return frozenset()
        now_ms = self._clock.monotonic_ms()
        return {name for name, trouble in self._troubles.items() if now_ms < trouble.until_ms}

    def tries(self, name: str) -> None:
        """A call is about to try this one first. If it has just cooled down, others wait to see how that ends."""
        trouble = self._troubles.get(name)
        if trouble is not None and 0 < trouble.until_ms <= (now_ms := self._clock.monotonic_ms()):
            trouble.is_tried = True
            trouble.until_ms = now_ms + COOL_MS

    def heard(self, name: str, status: int, header: Callable[[str], str | None]) -> Failure | None:
        """An upstream has begun to answer. Returns in which way it fails the call, None if it does not."""
        failure = failure_of(status)
        if failure is not None:
            retry_ms = None
            if status in (429, 503):
                retry_ms = retry_after_ms(header("retry-after-ms"), header("retry-after"), self._clock.now_ms())
            self.failed(name, failure, retry_ms)
        elif self._troubles:
            self._recovered(name)
        return failure

    def failed(self, name: str, failure: Failure, retry_ms: int | None = None) -> None:
        """It has failed a call in this way, and perhaps said when it wants to be asked again."""
        self.failures[name, failure] += 1
        trouble = self._troubles.setdefault(name, _Trouble())
        trouble.failures += 1
        now_ms = self._clock.monotonic_ms()
        if retry_ms:
            trouble.until_ms = max(trouble.until_ms, now_ms + min(retry_ms, ASKED_COOL_MS_MAX))
            trouble.is_tried = False
            return
        if now_ms < trouble.until_ms and not trouble.is_tried:
            return
        if trouble.is_tried or failure is Failure.UNREACHABLE or trouble.failures >= FAILURES_MAX:
            trouble.cool_ms = min(trouble.cool_ms * 2 or COOL_MS, COOL_MS_MAX)
            trouble.until_ms = now_ms + trouble.cool_ms
            trouble.is_tried = False

    def _recovered(self, name: str) -> None:
        trouble = self._troubles.get(name)
        # What was asked before it cooled down says nothing of how it is now.
        if trouble is not None and (trouble.is_tried or self._clock.monotonic_ms() >= trouble.until_ms):
            del self._troubles[name]
