"""Friendly ways to write things, turned into the API's own words: `90d`, `25/month`, `chat_only`. Pure."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from keyhouse.cli.talk import Exit, Failure

_SECONDS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 7 * 86_400}
_DURATION: Final = re.compile(r"([0-9]{1,9})([smhdw])", re.ASCII)
_BUDGET: Final = re.compile(r"\$?([0-9.]+)/(minute|day|week|month|total)", re.ASCII)


def duration(text: str, option: str) -> int:
    """Seconds from `90d`, `24h`, `30m`, `45s` or `2w`; a bare 0 is allowed."""
    match = _DURATION.fullmatch(text.strip())
    if match is not None:
        return int(match[1]) * _SECONDS[match[2]]
    if text.strip() == "0":
        return 0
    raise Failure(f"{option}: expected a duration such as 90d, 24h or 30m, not {text!r}.", Exit.USAGE)


def instant(text: str, option: str, now: datetime, *, direction: int = 1) -> int:
    """Unix seconds from a date, a date with a time, or a duration from now; `direction` -1 counts it back.

    A date alone is its first moment; without a zone it is UTC.
    """
    try:
        if _DURATION.fullmatch(text.strip()):
            moment = now + direction * timedelta(seconds=duration(text, option))
        else:
            moment = datetime.fromisoformat(text.strip())
    except (ValueError, OverflowError):
        raise Failure(
            f"{option}: expected a date such as 2027-01-31, or a duration such as 90d, not {text!r}.", Exit.USAGE
        ) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return int(moment.timestamp())


def budget(text: str) -> dict[str, Any]:
    """A limit in usd from `25/month`."""
    match = _BUDGET.fullmatch(text.strip())
    if match is None:
        raise Failure(
            f"--budget: expected an amount and a window such as 25/month, not {text!r}; "
            "the window is minute, day, week, month or total.",
            Exit.USAGE,
        )
    return {"unit": "usd", "window": match[2], "amount": match[1]}


def permissions(text: str) -> str | dict[str, str]:
    """A preset's name, or grants such as `chat_completions=write,models=read`."""
    if "=" not in text:
        return text.strip()
    grants: dict[str, str] = {}
    for grant in text.split(","):
        name, _, access = grant.partition("=")
        grants[name.strip()] = access.strip()
    return grants
