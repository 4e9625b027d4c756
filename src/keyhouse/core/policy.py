"""An organization's policy on its keys. It holds for keys that are made or changed; what older keys break of it is
shown, and kills none of them.
"""

from enum import StrEnum
from typing import Final

import msgspec

from keyhouse.core.key import ApiKey
from keyhouse.core.limit import Unit, Window

DAY_MS: Final = 24 * 3_600_000


class Makers(StrEnum):
    """Who may create keys: owners of the organization alone, or everyone whose role allows it."""

    MEMBERS = "members"
    OWNERS = "owners"


class LimitDraft(msgspec.Struct, frozen=True):
    """A limit without its scope. `amount` is nano-USD for usd, whole units for all others; zero lets nothing pass."""

    unit: Unit
    window: Window
    amount: int
    model: str | None = None
    refuse_when_short: bool = False


class Policy(msgspec.Struct, frozen=True):
    """The policy. None where nothing is said; `key_limits` are put on each new key that has none of their kind.

    A key may live `key_days_max` days at most; one without an end gets `key_days_default`, else the most it may.
    `rotation_days` says how old a secret should become: an older one is warned about, and works on.
    """

    key_days_max: int | None = None
    key_days_default: int | None = None
    rotation_days: int | None = None
    key_makers: Makers = Makers.MEMBERS
    models: tuple[str, ...] | None = None
    key_limits: tuple[LimitDraft, ...] = ()

    @property
    def key_days(self) -> int | None:
        """How many days a key lives whose end nobody named."""
        return self.key_days_max if self.key_days_default is None else self.key_days_default


NONE: Final = Policy()
"""The policy of an organization that has set none."""


def violations(key: ApiKey, policy: Policy, now_ms: int) -> tuple[str, ...]:
    """What a living key breaks of the policy, as sentences; nothing of one that is revoked."""
    if key.revoked_at_ms is not None:
        return ()
    found = []
    days = policy.key_days_max
    if days is not None and (key.expires_at_ms is None or key.expires_at_ms > key.created_at_ms + days * DAY_MS):
        found.append(f"It lives longer than the {_days(days)} that the organization's policy allows.")
    if policy.models is not None:
        others = None if key.models is None else [model for model in key.models if model not in policy.models]
        if others is None:
            found.append("It may use every model, and the organization's policy allows some.")
        elif others:
            found.append(f"It may use {', '.join(others)}, which the organization's policy does not allow.")
    if rotation_due(key, policy, now_ms):
        found.append(f"Its secret is older than the {_days(policy.rotation_days or 0)} of the organization's policy.")
    return tuple(found)


def rotation_due(key: ApiKey, policy: Policy, now_ms: int) -> bool:
    """Whether the key's newest secret is older than the policy wants."""
    days = policy.rotation_days
    return days is not None and key.current.created_at_ms + days * DAY_MS <= now_ms


def _days(days: int) -> str:
    return "day" if days == 1 else f"{days} days"
