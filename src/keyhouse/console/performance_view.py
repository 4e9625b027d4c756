"""Performance as the page shows it: four charts and a table, all from the same rows. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from keyhouse.console import wording
from keyhouse.console.periods import Period, bucket_label, bucket_title, label_every
from keyhouse.console.plots import Plot, Series, Unit
from keyhouse.console.wording import Times
from keyhouse.reporting.performance import Speed, speed_of
from keyhouse.reporting.usage import OTHERS
from keyhouse.store.timings import NOTHING, GroupTimings, Timings

GROUPS: Final = (("model", "Model", "models"), ("upstream", "Upstream", "upstreams"), ("api_key_id", "Key", "keys"))
HEADS: Final = (
    "Requests",
    "First token p50",
    "p95",
    "Whole answer p50",
    "p95",
    "Tokens a second",
    "Errors",
    "Caller’s",  # noqa: RUF001  as the page writes it
    "Our 429",
    "Upstream’s 429",  # noqa: RUF001
    "Faults",
)
"""The columns of the tables; `cells` fills them."""

Read = Callable[[Speed], float | None]


class Total(msgspec.Struct, frozen=True):
    """One number above the charts, and the same of the period before."""

    title: str
    value: str
    before: str
    is_worse: bool
    has_changed: bool


class Drawn(msgspec.Struct, frozen=True):
    """One chart with its name, its id on the page, and a sentence that says what it counts."""

    id: str
    title: str
    hint: str
    plot: Plot


class Report(msgspec.Struct, frozen=True):
    """A whole page of performance."""

    totals: tuple[Total, ...]
    charts: tuple[Drawn, ...]
    lines: tuple[tuple[str, ...], ...]
    whole: tuple[str, ...]
    buckets: tuple[tuple[str, ...], ...]
    has_calls: bool


class Gathered(msgspec.Struct, frozen=True):
    """Rows of both periods, and the bounds of the buckets."""

    rows: Sequence[GroupTimings]
    rows_before: Sequence[GroupTimings]
    buckets: Sequence[tuple[int, int]]


def report(gathered: Gathered, period: Period, by: str, names: Mapping[str, str], times: Times) -> Report:
    """Sum the rows into everything the page shows."""
    starts = [start_ms for start_ms, _ in gathered.buckets]
    by_start = _summed((row.starts_at_ms, row.timings) for row in gathered.rows)
    by_group = _summed((row.group[0], row.timings) for row in gathered.rows)
    speeds = [speed_of(by_start.get(start_ms, NOTHING)) for start_ms in starts]
    whole = speed_of(sum((row.timings for row in gathered.rows), NOTHING))
    before = speed_of(sum((row.timings for row in gathered.rows_before), NOTHING))
    ranked = sorted(by_group, key=lambda group: (group == OTHERS, -by_group[group].requests, names.get(group, group)))
    return Report(
        totals=_totals(whole, before),
        charts=_charts(speeds, period, starts, times),
        lines=tuple((names.get(group, group), *cells(speed_of(by_group[group]))) for group in ranked),
        whole=whole_line(by, whole),
        buckets=tuple(
            (bucket_label(period.bucket, start_ms, times), *cells(speed))
            for start_ms, speed in zip(starts, speeds, strict=True)
        ),
        has_calls=bool(gathered.rows),
    )


def whole_line(by: str, speed: Speed) -> tuple[str, ...]:
    """The last line of the table: all groups together."""
    many = next(several for name, _, several in GROUPS if name == by)
    return f"All {many}", *cells(speed)


def cells(speed: Speed) -> tuple[str, ...]:
    """A line of a table, under `HEADS`."""
    return (
        wording.count(speed.requests),
        took(speed.first_byte_p50_ms),
        took(speed.first_byte_p95_ms),
        took(speed.duration_p50_ms),
        took(speed.duration_p95_ms),
        _rate(speed.output_tokens_per_second),
        _percent(speed.error_share),
        wording.count(speed.caller_errors),
        wording.count(speed.own_429),
        wording.count(speed.upstream_429),
        wording.count(speed.faults),
    )


def took(ms: float | None) -> str:
    """A time as people read it: `386 ms`, `1.24 s`, `2 min 5 s`."""
    if ms is None:
        return "–"  # noqa: RUF001  a dash for nothing
    if ms < 1000:
        return f"{ms:.0f} ms"
    if ms < 60_000:
        return f"{ms / 1000:.2f} s"
    minutes, seconds = divmod(round(ms / 1000), 60)
    return f"{minutes} min {seconds} s"


def _rate(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"  # noqa: RUF001


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share * 100:.2f}%"  # noqa: RUF001


def _summed(pairs: Iterable[tuple[str, Timings]] | Iterable[tuple[int, Timings]]) -> dict[Any, Timings]:
    sums: dict[Any, Timings] = {}
    for place, found in pairs:
        sums[place] = sums[place] + found if place in sums else found
    return sums


def _totals(now: Speed, before: Speed) -> tuple[Total, ...]:
    def total(title: str, read: Read, say: Callable[[float | None], str], *, more_is_worse: bool = True) -> Total:
        one, other = read(now), read(before)
        has_changed = one is not None and other is not None and say(one) != say(other)
        is_more = (one or 0) > (other or 0)
        return Total(title, say(one), say(other), is_more is more_is_worse and has_changed, has_changed)

    return (
        total("First token, median", lambda speed: speed.first_byte_p50_ms, took),
        total("First token, p95", lambda speed: speed.first_byte_p95_ms, took),
        total("Whole answer, median", lambda speed: speed.duration_p50_ms, took),
        total("Whole answer, p95", lambda speed: speed.duration_p95_ms, took),
        total("Tokens a second", lambda speed: speed.output_tokens_per_second, _rate, more_is_worse=False),
        total("Errors", lambda speed: speed.error_share, _percent),
    )


def _charts(speeds: Sequence[Speed], period: Period, starts: Sequence[int], times: Times) -> tuple[Drawn, ...]:
    def drawn(name: str, title: str, hint: str, unit: Unit, series: list[Series]) -> Drawn:
        plot = Plot(
            unit=unit,
            labels=[bucket_label(period.bucket, start_ms, times) for start_ms in starts],
            titles=[bucket_title(period.bucket, start_ms, times) for start_ms in starts],
            label_every=label_every(period.bucket, len(starts)),
            series=series,
            description=f"{title} per {period.bucket}. {hint} The table below has the same numbers.",
        )
        return Drawn(f"{name}-plot", title, hint, plot)

    def line(name: str, color: str, read: Read) -> Series:
        return Series(name, color, [read(speed) for speed in speeds], "line")

    def errors(name: str, color: str, read: Callable[[Speed], int]) -> Series:
        return Series(name, color, [_of_all(read(speed), speed) for speed in speeds])

    return (
        drawn(
            "first-token",
            "Time to first token",
            "From admission to the first byte.",
            "ms",
            [
                line("p95", "c2", lambda speed: speed.first_byte_p95_ms),
                line("Median", "c1", lambda speed: speed.first_byte_p50_ms),
            ],
        ),
        drawn(
            "answer",
            "Whole answer",
            "From admission to the last byte.",
            "ms",
            [
                line("p95", "c2", lambda speed: speed.duration_p95_ms),
                line("Median", "c1", lambda speed: speed.duration_p50_ms),
            ],
        ),
        drawn(
            "speed",
            "Output speed",
            "Output tokens a second, from first to last byte.",
            "rate",
            [line("Tokens a second", "c1", lambda speed: speed.output_tokens_per_second)],
        ),
        drawn(
            "errors",
            "Errors",
            "Share of requests by cause.",
            "percent",
            [
                errors("Faults and timeouts", "bad", lambda speed: speed.faults),
                errors("Upstream’s 429", "warned", lambda speed: speed.upstream_429),  # noqa: RUF001
                errors("Our 429", "c3", lambda speed: speed.own_429),
                errors("Caller’s mistakes", "c5", lambda speed: speed.caller_errors),  # noqa: RUF001
            ],
        ),
    )


def _of_all(errors: int, speed: Speed) -> float:
    return round(errors * 100 / speed.asked, 4) if speed.asked else 0.0
