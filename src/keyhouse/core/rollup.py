"""Where a call is added up: the first millisecond of its slot in the usage rollups.

A slot is an hour, or a quarter of one where the organization's clock is not whole hours from UTC, so that
hours and days of both UTC and the organization are exact sums of slots.
"""

from datetime import datetime, timedelta, tzinfo
from typing import Final

HOUR_MS: Final = 3_600_000
QUARTER_MS: Final = 900_000
MINUTE_MS: Final = 60_000


def slot_ms(now_ms: int, zone: tzinfo) -> int:
    """The start of the rollup slot that holds this instant, for an organization in `zone`."""
    offset = zone.utcoffset(datetime.fromtimestamp(now_ms / 1000, zone).replace(tzinfo=None)) or timedelta()
    width = HOUR_MS if offset % timedelta(hours=1) == timedelta() else QUARTER_MS
    return now_ms - now_ms % width
