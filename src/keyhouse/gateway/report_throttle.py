"""How often reports of leaked secrets are taken: nobody is asked who they are, so addresses are counted."""

from collections import deque
from typing import Final

from keyhouse.core.clock import Clock
from keyhouse.core.errors import Code, Refusal

MINUTE_MS: Final = 60_000.0
REQUESTS_MAX: Final = 300
REQUESTS_OF_ONE_MAX: Final = 30
"""Reports in a minute, of all and of one address. GitHub sends many secrets in one."""


class ReportThrottle:
    """How often reports are taken."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._recent: deque[tuple[float, str]] = deque()

    def admit(self, address: str) -> None:
        """Raise Refusal if there were too many in the last minute."""
        now_ms = self._clock.monotonic_ms()
        while self._recent and self._recent[0][0] <= now_ms - MINUTE_MS:
            self._recent.popleft()
        of_one = [at_ms for at_ms, known in self._recent if known == address]
        oldest_ms = None
        if len(of_one) >= REQUESTS_OF_ONE_MAX:
            oldest_ms = of_one[0]
        elif len(self._recent) >= REQUESTS_MAX:
            oldest_ms = self._recent[0][0]
        if oldest_ms is not None:
            raise Refusal(
                Code.REPORTS_THROTTLED,
                "Too many reports in the last minute.",
                hint="Send several secrets in one report, or try again later.",
                retry_after_ms=max(1, round(oldest_ms + MINUTE_MS - now_ms)),
            )
        self._recent.append((now_ms, address))
