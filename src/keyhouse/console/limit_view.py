"""Limits as pages show them: in groups by what they stand on, and replayed over the last days. Pure."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Final

import msgspec

from keyhouse.console import wording
from keyhouse.console.key_view import MeterView, meter_view
from keyhouse.console.plots import Plot, Series
from keyhouse.console.wording import Times
from keyhouse.core.limit import Limit, ScopeType, Unit, Window
from keyhouse.reporting.limit_pages import NamedLimit
from keyhouse.reporting.replay import DAYS, Replay

_TITLES: Final = {
    ScopeType.ORGANIZATION: "Organization",
    ScopeType.PROJECT: "Projects",
    ScopeType.USER: "People and service accounts",
    ScopeType.SERVICE_ACCOUNT: "People and service accounts",
    ScopeType.KEY: "Keys",
}
_ICONS: Final = {
    ScopeType.ORGANIZATION: "building-2",
    ScopeType.PROJECT: "folder",
    ScopeType.USER: "user",
    ScopeType.SERVICE_ACCOUNT: "bot",
    ScopeType.KEY: "key-round",
}
_LISTED_MAX: Final = 100


class LimitLine(msgspec.Struct, frozen=True):
    """One limit and what it stands on. `address` is empty where that has no page."""

    icon: str
    name: str
    address: str
    size: str
    meter: MeterView


class LimitGroup(msgspec.Struct, frozen=True):
    """The limits on one kind of scope."""

    title: str
    lines: tuple[LimitLine, ...]


class ReplayView(msgspec.Struct, frozen=True):
    """What a limit would have refused: the finding, a chart, and a table of the periods that it would have filled."""

    headline: str
    text: str
    is_harmless: bool
    plot: Plot | None
    rows: tuple[tuple[str, ...], ...]
    more: int


def groups_of(rows: Sequence[NamedLimit], times: Times) -> tuple[LimitGroup, ...]:
    """The limits in groups, in their order."""
    return tuple(
        LimitGroup(title, tuple(_line(row, times) for row in members))
        for title, members in groupby(rows, key=lambda row: _TITLES[row.state.limit.scope_type])
    )


def _line(row: NamedLimit, times: Times) -> LimitLine:
    limit = row.state.limit
    return LimitLine(
        icon=_ICONS[limit.scope_type],
        name=row.scope_name or limit.scope_id,
        address=f"/api-keys/{limit.scope_id}" if limit.scope_type is ScopeType.KEY else "",
        size=size_of(limit),
        meter=meter_view(row.state, times),
    )


def size_of(limit: Limit) -> str:
    """How much a limit allows, exact: `$250`, `1,000,000 tokens`."""
    if limit.unit is Unit.USD:
        return wording.budget(limit.amount)
    if limit.unit is Unit.CONCURRENCY:
        return wording.count(limit.amount)
    return f"{wording.count(limit.amount)} {limit.unit.replace('_', ' ')}"


def replay_view(limit: Limit, found: Replay, times: Times) -> ReplayView:
    """What the replay found."""
    full = [period for period in found.periods if period.refused]
    size = f"{size_of(limit)} {wording.every(limit)}"
    asked = wording.plural(found.requests, "request")
    if not found.requests:
        headline, text = "Nothing was asked of it", f"In the last {DAYS} days there was no request that it counts."
    elif not full:
        headline = "It would have refused nothing"
        most = max((period.asked for period in found.periods), default=0)
        text = (
            f"{asked} in the last {DAYS} days would have fit. The most that one {limit.window} asked was "
            f"{wording.amount(limit, most)}."
        )
    else:
        share = found.refused * 100 / found.requests
        headline = f"About {wording.count(found.refused)} of {asked} refused, {share:.1f}%"
        first = found.first_refused_ms or found.since_ms
        text = f"{size} would first have been full {times.moment(first)}, and in {_periods(limit, len(full))} in all."
    rows = tuple(
        (
            times.exact(period.starts_at_ms) if limit.window is Window.MINUTE else times.day(period.starts_at_ms),
            "" if period.full_at_ms is None else times.moment(period.full_at_ms),
            wording.count(period.requests),
            wording.count(period.refused),
            wording.amount(limit, period.asked),
            wording.amount(limit, period.over),
        )
        for period in full[:_LISTED_MAX]
    )
    return ReplayView(headline, text, not full, _plot(limit, found, times), rows, max(0, len(full) - _LISTED_MAX))


def _periods(limit: Limit, count: int) -> str:
    return wording.plural(count, "period" if limit.window is Window.TOTAL else str(limit.window))


def _plot(limit: Limit, found: Replay, times: Times) -> Plot | None:
    """Requests by day, those that would have been refused above the others. None for one long period."""
    if limit.window not in (Window.MINUTE, Window.DAY) or not found.requests:
        return None
    days: dict[str, list[int]] = {}
    for period in found.periods:
        counted = days.setdefault(times.short_day(period.starts_at_ms), [0, 0])
        counted[0] += period.requests - period.refused
        counted[1] += period.refused
    return Plot(
        unit="count",
        labels=list(days),
        titles=list(days),
        label_every=1,
        series=[
            Series("Let through", "c1", [passed for passed, _ in days.values()]),
            Series("Refused", "bad", [refused for _, refused in days.values()]),
        ],
        description="Requests a day, and how many of them the limit would have refused.",
    )


def choices_of(
    organization: Mapping[str, str],
    projects: Mapping[str, str],
    members: Mapping[str, str],
    accounts: Mapping[str, str],
) -> tuple[tuple[str, tuple[tuple[str, str], ...]], ...]:
    """What a limit can stand on, for the form: groups of ids and names. Keys are named in a field of their own."""
    groups = (
        ("Organization", tuple(organization.items())),
        ("Projects", tuple(projects.items())),
        ("People", tuple(members.items())),
        ("Service accounts", tuple(accounts.items())),
    )
    return tuple((title, choices) for title, choices in groups if choices)
