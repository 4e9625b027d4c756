"""The form of a limit: read as typed, checked field by field, turned into a draft on a scope. Pure."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from keyhouse.console.key_form import FaultsError, read_amount
from keyhouse.control.limits import LimitDraft
from keyhouse.core.limit import Limit, ScopeType, Unit, Window, require_window

UNITS: Final = (
    ("usd", "US dollars"),
    ("requests", "requests"),
    ("tokens", "tokens"),
    ("images", "images"),
    ("audio_seconds", "seconds of audio"),
    ("characters", "characters"),
    ("concurrency", "calls at once"),
)
WINDOWS: Final = (
    ("minute", "a minute"),
    ("day", "a day"),
    ("week", "a week"),
    ("month", "a month"),
    ("total", "in all"),
)
KEY: Final = "key"
"""What is chosen where the limit is for a key, which is then named."""

FIELD_OF: Final = {"scope": "on", "unit": "unit", "window": "window", "amount": "amount", "model": "model"}
"""Which field of the form a parameter of the verb was typed into."""

_PREFIXES: Final = {
    "org-": ScopeType.ORGANIZATION,
    "proj_": ScopeType.PROJECT,
    "user-": ScopeType.USER,
    "svc_acct_": ScopeType.SERVICE_ACCOUNT,
    "key_": ScopeType.KEY,
}
_FIELD_LENGTH_MAX: Final = 200


class Typed(msgspec.Struct, frozen=True):
    """What stands in the form, as text. `on` is an id, or `key` for the key that `key` names."""

    on: str = ""
    key: str = ""
    unit: str = "usd"
    window: str = "month"
    amount: str = ""
    model: str = ""
    strict: str = ""


def read_typed(form: Mapping[str, Any]) -> Typed:
    """The form, or the address, as it was sent."""
    given = {name: str(form.get(name, "")).strip()[:_FIELD_LENGTH_MAX] for name in Typed.__struct_fields__}
    return Typed(**{name: value for name, value in given.items() if value})


def scope_of(on: str) -> tuple[ScopeType, str]:
    """What an id names, by its prefix; raises FaultsError for anything else."""
    for prefix, scope_type in _PREFIXES.items():
        if on.startswith(prefix):
            return scope_type, on
    raise FaultsError({"on": "Choose what the limit is for."})


def draft_of(typed: Typed) -> LimitDraft:
    """The limit that the form asks for. Raises FaultsError with a sentence for each field that is wrong."""
    faults: dict[str, str] = {}
    unit = Unit(typed.unit) if typed.unit in dict(UNITS) else None
    window = Window(typed.window) if typed.window in dict(WINDOWS) else None
    if unit is Unit.CONCURRENCY:
        window = Window.TOTAL  # what runs at once is in no window
    amount = 0
    if unit is None:
        faults["unit"] = "Choose a unit of the list."
    else:
        try:
            amount = read_amount(unit, typed.amount)
        except ValueError:
            faults["amount"] = f"Write it as {'1500 or 1,500.00' if unit is Unit.USD else '1500 or 1,500'}."
    if window is None:
        faults["window"] = "Choose a window of the list."
    elif unit is not None and not faults:
        require_window(unit, window)
    if faults or unit is None or window is None:
        raise FaultsError(faults)
    return LimitDraft(unit, window, amount, typed.model or None, refuse_when_short=bool(typed.strict))


def limit_of(draft: LimitDraft, organization_id: str, scope_type: ScopeType, scope_id: str) -> Limit:
    """A limit that nobody has set, to be replayed."""
    return Limit("", organization_id, scope_type, scope_id, draft.unit, draft.window, draft.amount, draft.model)
