"""Keys as pages show them: status, tightest limit and days of use, in words and in lengths of bars. Pure."""

from collections.abc import Sequence
from typing import Final

import msgspec

from keyhouse.console import wording
from keyhouse.console.wording import Times
from keyhouse.core.key import ApiKey, SecretVersion, Status
from keyhouse.core.limit import LimitState, Unit
from keyhouse.core.secret import Kind
from keyhouse.reporting.keys import KeyRow

NEAR_SHARE: Final = 0.8
"""From this share on a limit is shown as near its end."""

_EXPIRES_SOON_MS: Final = 14 * wording.DAY_MS
_SPARK_HEIGHT: Final = 22


class StatusView(msgspec.Struct, frozen=True):
    """A shape and its color (`look`), a word, and when."""

    look: str
    word: str
    when: str = ""
    exact: str = ""


class MeterView(msgspec.Struct, frozen=True):
    """A limit as a bar; widths are percent of it."""

    id: str
    tone: str
    used_width: str
    reserved_width: str
    used: str
    used_exact: str
    reserved: str
    has_reserved: bool
    left: str
    size: str
    window: str
    every: str
    model: str
    resets: str
    resets_in: str
    sentence: str


class Bar(msgspec.Struct, frozen=True):
    """One day of a sparkline."""

    x: int
    y: int
    height: int
    is_today: bool


class KeyLine(msgspec.Struct, frozen=True):
    """A key as one line of the list, and as the head of its page."""

    id: str
    name: str
    secret: str
    is_machine: bool
    status: StatusView
    is_live: bool
    is_disabled: bool
    is_revoked: bool
    owner: str
    creator: str
    project: str
    permissions: str
    limit: MeterView | None
    created: str
    created_exact: str
    last_used: str
    last_used_exact: str
    spark: tuple[Bar, ...]


class SecretLine(msgspec.Struct, frozen=True):
    """One version of a key's secret."""

    version: int
    secret: str
    status: StatusView
    made: str
    by: str
    ends: str
    requests: int
    is_ended: bool


def key_line(row: KeyRow, times: Times) -> KeyLine:
    """One key."""
    key = row.key
    status = key.status(times.now_ms)
    is_live = status in (Status.ACTIVE, Status.DISABLED)
    used_at_ms = key.last_used_at_ms
    tightest = max(row.limits, key=lambda state: state.share, default=None)
    return KeyLine(
        id=key.id,
        name=key.name,
        secret=wording.secret(key),
        is_machine=key.kind is Kind.SERVICE_ACCOUNT,
        status=status_view(row, times),
        is_live=is_live,
        is_disabled=status is Status.DISABLED,
        is_revoked=status is Status.REVOKED,
        owner=row.owner_name,
        creator=row.creator_name,
        project=row.project_name,
        permissions=wording.permissions(key.permissions),
        limit=meter_view(tightest, times, is_on=status is Status.ACTIVE) if tightest else None,
        created=times.day(key.created_at_ms),
        created_exact=times.exact(key.created_at_ms),
        last_used="Never used" if used_at_ms is None else times.ago(used_at_ms),
        last_used_exact="" if used_at_ms is None else times.exact(used_at_ms),
        spark=spark(row.daily_requests),
    )


def status_view(row: KeyRow, times: Times) -> StatusView:
    """The one status that matters most: what is final, then what refuses calls, then what ends soon."""
    return standing(row.key, row.limits, times)


def standing(key: ApiKey, limits: Sequence[LimitState], times: Times) -> StatusView:
    """The same, of any key with these limits."""
    match key.status(times.now_ms):
        case Status.REVOKED:
            return _since("ended", "Revoked", "", key.revoked_at_ms, times)
        case Status.EXPIRED:
            return _since("ended", "Expired", "", key.expires_at_ms, times)
        case Status.DISABLED:
            return _since("disabled", "Disabled", "since ", key.disabled_at_ms, times)
        case Status.ACTIVE:
            return _active_status(key, limits, times)


def _since(look: str, word: str, lead: str, at_ms: int | None, times: Times) -> StatusView:
    if at_ms is None:
        return StatusView(look, word)
    return StatusView(look, word, lead + times.short_day(at_ms), times.exact(at_ms))


def _active_status(key: ApiKey, limits: Sequence[LimitState], times: Times) -> StatusView:
    full = _full_budget(limits)
    if full is not None:
        resets = f"Resets {times.short_day(full.resets_at_ms)}" if full.resets_at_ms else "It never resets"
        return StatusView("over", "Over budget" if full.limit.unit is Unit.USD else "Over limit", resets)
    old = key.previous_secret(times.now_ms)
    if old is not None and old.ends_at_ms is not None:
        when = f"Old secret ends in {times.left(old.ends_at_ms)}"
        return StatusView("rotating", "Rotating", when, times.exact(old.ends_at_ms))
    ends_at_ms = key.expires_at_ms
    if ends_at_ms is not None and ends_at_ms - times.now_ms < _EXPIRES_SOON_MS:
        when = f"{times.short_day(ends_at_ms)}, {times.clock(ends_at_ms)}"
        return StatusView("expires", f"Expires in {times.left(ends_at_ms)}", when, times.exact(ends_at_ms))
    return StatusView("active", "Active")


def _full_budget(limits: Sequence[LimitState]) -> LimitState | None:
    """A limit with nothing left for longer than a moment."""
    return next((state for state in limits if state.left == 0 and not state.limit.is_rate), None)


def meter_view(state: LimitState, times: Times, *, is_on: bool = True) -> MeterView:
    """A limit and where it stands. Calls that run are what a limit on them has used."""
    limit = state.limit
    sentence = wording.standing(state)
    if limit.unit is Unit.CONCURRENCY:
        state = msgspec.structs.replace(state, used=state.reserved, reserved=0)
    elif state.reserved:
        sentence += f", {wording.amount(limit, state.reserved)} more reserved"
    tone = "off" if not is_on else "full" if state.left == 0 else "near" if state.share >= NEAR_SHARE else "live"
    used_share = 1.0 if limit.amount == 0 else min(1.0, state.used / limit.amount)
    reserved_share = 0.0 if limit.amount == 0 else min(1.0 - used_share, state.reserved / limit.amount)
    used_short = wording.money(state.used) if limit.unit is Unit.USD else wording.short(state.used)
    return MeterView(
        id=limit.id,
        tone=tone,
        used_width=f"{used_share * 100:.2f}%",
        reserved_width=f"{reserved_share * 100:.2f}%",
        used=used_short,
        used_exact=wording.amount(limit, state.used),
        reserved=wording.amount(limit, state.reserved),
        has_reserved=bool(state.reserved),
        left=wording.amount(limit, state.left),
        size=wording.limit_size(limit),
        window=wording.window(limit),
        every=wording.every(limit),
        model=f"{limit.model} only" if limit.model else "Every model",
        resets=_resets(state, times),
        resets_in="" if state.resets_at_ms is None else f"in {times.left(state.resets_at_ms)}",
        sentence=sentence,
    )


def _resets(state: LimitState, times: Times) -> str:
    if state.limit.unit is Unit.CONCURRENCY:
        return "When a call ends"
    return "Never" if state.resets_at_ms is None else wording.sentence(times.moment(state.resets_at_ms))


def secret_line(
    key: ApiKey, version: SecretVersion, times: Times, names: dict[str, str], requests: dict[int, int]
) -> SecretLine:
    """One version of the key's secret."""
    ends_at_ms = version.ends_at_ms
    is_ended = key.revoked_at_ms is not None or (ends_at_ms is not None and ends_at_ms <= times.now_ms)
    if is_ended:
        status = StatusView("ended", "Ended")
    elif ends_at_ms is not None:
        status = StatusView("expires", f"Ends in {times.left(ends_at_ms)}", exact=times.exact(ends_at_ms))
    else:
        status = StatusView("active", "Current")
    at_ms = ends_at_ms if ends_at_ms is not None else key.revoked_at_ms
    return SecretLine(
        version=version.version,
        secret=wording.secret(key, version),
        status=status,
        made=times.day(version.created_at_ms),
        by=names.get(version.created_by, ""),
        ends="No end date" if at_ms is None else f"{times.day(at_ms)}, {times.clock(at_ms)}",
        requests=requests.get(version.version, 0),
        is_ended=is_ended,
    )


def spark(days: Sequence[int]) -> tuple[Bar, ...]:
    """Bars 2 wide and 1 apart, the last one today; empty if there was nothing."""
    most = max(days, default=0)
    if most == 0:
        return ()
    heights = [0 if day == 0 else max(2, round(day / most * _SPARK_HEIGHT)) for day in days]
    last = len(days) - 1
    return tuple(Bar(at * 3, 24 - height, height, at == last) for at, height in enumerate(heights))
