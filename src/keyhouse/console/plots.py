"""What a chart draws. The browser reads it as JSON; the table beside it says the same without it. Pure."""

from collections.abc import Sequence
from typing import Literal

import msgspec

Unit = Literal["count", "usd", "ms", "rate", "percent"]
"""What the axis says: `rate` is tokens a second."""

Form = Literal["bar", "line", "dashed", "level"]
"""Bars are stacked; a `level` is a line that nothing should cross."""


class Series(msgspec.Struct, frozen=True):
    """One color of a chart, a value for each bucket, None where there is none."""

    name: str
    color: str
    values: Sequence[float | None]
    form: Form = "bar"


class Plot(msgspec.Struct, frozen=True):
    """A chart. `previous` is the period before, drawn behind as a dashed line."""

    unit: Unit
    labels: list[str]
    titles: list[str]
    label_every: int
    series: list[Series]
    description: str
    previous: list[float] | None = None
    previous_labels: list[str] = []
    previous_name: str = ""
