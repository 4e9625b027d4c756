"""The create sheet's form: read as typed, checked field by field, turned into a draft. Pure.

What is typed is kept as it is, so that a form which comes back has lost nothing.
"""

import ipaddress
import re
from collections.abc import Collection, Sequence
from datetime import date, datetime, time
from typing import Final

import msgspec
from litestar.datastructures import FormMultiDict
from msgspec import UNSET, UnsetType

from keyhouse.console.wording import DAY_MS, Times
from keyhouse.control.keys import KeyChange, KeyDraft, LimitDraft
from keyhouse.core.key import ApiKey
from keyhouse.core.limit import Unit, Window, instant_ms, parse_amount
from keyhouse.core.permissions import PRESETS, Access, Permissions, Resource

GROUPED: Final = re.compile(r"\d{1,3}(,\d{3})+(\.\d+)?", re.ASCII)
EXPIRES: Final = (("7", "7 days"), ("30", "30 days"), ("90", "90 days"), ("365", "1 year"), ("never", "Never"))
KEEP: Final = "keep"
"""What is chosen where a key shall end as it does."""

MACHINE: Final = "machine"
"""Who a key belongs to that is not one's own: a service account."""

NEW: Final = "new"
"""What is chosen where that service account is yet to be made."""

MAY: Final = (
    ("all", "All", "do anything"),
    ("chat_only", "Chat only", "chat"),
    ("embeddings_only", "Embeddings only", "make embeddings"),
    ("read_only", "Read only", "only read"),
    ("restricted", "Restricted", "do what is listed"),
)
WINDOWS: Final = (("month", "a month"), ("week", "a week"), ("day", "a day"), ("total", "in all"))

FIELD_OF: Final = {
    "name": "name",
    "project_id": "project",
    "service_account_name": "account_name",
    "permissions": "may",
    "models": "models",
    "ip_allowlist": "addresses",
    "expires_at": "expires_on",
    "expires_at_ms": "expires_on",
    "limits": "budget",
}
"""Which field of the form a parameter of the verb was typed into."""


class Typed(msgspec.Struct, frozen=True):
    """What stands in the form, as text."""

    name: str = ""
    project: str = ""
    owner: str = "me"
    account: str = ""
    account_name: str = ""
    may: str = "all"
    grants: dict[str, str] = {}
    models: tuple[str, ...] = ()
    expires: str = "90"
    expires_on: str = ""
    budget: str = ""
    budget_window: str = "month"
    requests: str = ""
    tokens: str = ""
    addresses: str = ""


class FaultsError(Exception):
    """The form cannot be taken as it is. `faults` says why, by field."""

    def __init__(self, faults: dict[str, str]) -> None:
        super().__init__(", ".join(faults))
        self.faults = faults


def read_typed(form: FormMultiDict) -> Typed:
    """The form as it was sent."""

    def text(name: str, default: str = "") -> str:
        return str(form.get(name, default)).strip()

    return Typed(
        name=text("name"),
        project=text("project"),
        owner=text("owner", "me"),
        account=text("account"),
        account_name=text("account_name"),
        may=text("may", "all"),
        grants={str(resource): text(f"grant_{resource}", "none") for resource in Resource},
        models=tuple(str(model) for model in form.getall("model", [])),
        expires=text("expires", "90"),
        expires_on=text("expires_on"),
        budget=text("budget"),
        budget_window=text("budget_window", "month"),
        requests=text("requests"),
        tokens=text("tokens"),
        addresses=text("addresses"),
    )


def draft_of(typed: Typed, projects: Collection[str], models: Collection[str], times: Times) -> KeyDraft:
    """The draft that the form asks for. Raises FaultsError with a sentence for each field that is wrong."""
    faults: dict[str, str] = {}
    if not typed.name:
        faults["name"] = "Name the key after what will use it."
    if typed.project not in projects:
        faults["project"] = "Choose a project of the list."
    if not set(typed.models) <= set(models):
        faults["models"] = "Choose models of the list."
    _check_owner(typed, faults)
    permissions = _permissions(typed, faults)
    expires_at_ms = read_expires(typed, times, faults)
    limits = _limits(typed, faults)
    addresses = _addresses(typed.addresses, faults)
    if faults:
        raise FaultsError(faults)
    return KeyDraft(
        name=typed.name,
        project_id=typed.project,
        permissions=permissions,
        models=typed.models or None,
        ip_allowlist=addresses,
        expires_at_ms=expires_at_ms,
        limits=limits,
    )


def _check_owner(typed: Typed, faults: dict[str, str]) -> None:
    if typed.owner != MACHINE:
        return
    if not typed.account:
        faults["account"] = "Choose a service account, or a new one."
    if typed.account == NEW and not typed.account_name:
        faults["account_name"] = "Name the service account after what will use it."


def typed_of(key: ApiKey) -> Typed:
    """The form as it stands for a key that there is: what it may do now."""
    preset = next((name for name, held in PRESETS.items() if held == key.permissions), "restricted")
    held = key.permissions.to_json()
    return Typed(
        name=key.name,
        may=preset,
        grants={str(name): str(access) for name, access in held.items()} if isinstance(held, dict) else {},
        models=tuple(key.models or ()),
        expires=KEEP,
        addresses=", ".join(key.ip_allowlist),
    )


def change_of(typed: Typed, models: Collection[str], times: Times) -> KeyChange:
    """The change that the form asks for. Raises FaultsError with a sentence for each field that is wrong."""
    faults: dict[str, str] = {}
    if not typed.name:
        faults["name"] = "Name the key after what will use it."
    if not set(typed.models) <= set(models):
        faults["models"] = "Choose models of the list."
    permissions = _permissions(typed, faults)
    addresses = _addresses(typed.addresses, faults)
    expires_at_ms: int | UnsetType | None = UNSET
    if typed.expires != KEEP:
        expires_at_ms = read_expires(typed, times, faults)
    if faults:
        raise FaultsError(faults)
    return KeyChange(
        name=typed.name,
        permissions=permissions,
        models=typed.models or None,
        ip_allowlist=addresses,
        expires_at_ms=expires_at_ms,
    )


def _permissions(typed: Typed, faults: dict[str, str]) -> Permissions:
    if typed.may in PRESETS:
        return PRESETS[typed.may]
    accesses = set(Access)
    grants = {Resource(name): Access(access) for name, access in typed.grants.items() if access in accesses}
    if typed.may != "restricted" or not grants:
        faults["may"] = "Choose at least one thing the key may do."
    return Permissions("restricted", grants)


def read_expires(typed: Typed, times: Times, faults: dict[str, str]) -> int | None:
    """When the key ends, None for never; what is wrong is put among the faults."""
    if typed.expires == "never":
        return None
    if typed.expires in {days for days, _ in EXPIRES}:
        return times.now_ms + int(typed.expires) * DAY_MS
    try:
        day = date.fromisoformat(typed.expires_on)
    except ValueError:
        faults["expires_on"] = "Pick the day on which the key ends."
        return None
    ends_at_ms = instant_ms(datetime.combine(day, time(), tzinfo=times.zone))
    if ends_at_ms <= times.now_ms:
        faults["expires_on"] = "Pick a day after today."
    return ends_at_ms


def _limits(typed: Typed, faults: dict[str, str]) -> tuple[LimitDraft, ...]:
    asked: Sequence[tuple[str, str, Unit, str]] = (
        ("budget", typed.budget, Unit.USD, typed.budget_window),
        ("requests", typed.requests, Unit.REQUESTS, Window.MINUTE),
        ("tokens", typed.tokens, Unit.TOKENS, Window.MINUTE),
    )
    limits = []
    for field, text, unit, window in asked:
        if not text:
            continue
        try:
            limits.append(LimitDraft(unit=unit, window=Window(window), amount=read_amount(unit, text)))
        except ValueError:
            example = "1500 or 1,500.00" if unit is Unit.USD else "1500 or 1,500"
            faults[field] = f"Write it as {example}."
    return tuple(limits)


def read_amount(unit: Unit, text: str) -> int:
    """An amount as people write it, `1500` or `1,500.00`; raises ValueError for anything doubtful."""
    return parse_amount(unit, text.replace(",", "") if GROUPED.fullmatch(text) else text)


def _addresses(text: str, faults: dict[str, str]) -> tuple[str, ...]:
    addresses = tuple(part for part in re.split(r"[\s,]+", text) if part)
    for address in addresses:
        try:
            ipaddress.ip_network(address)
        except ValueError:
            faults["addresses"] = f"{address[:64]} is no address and no network such as 10.20.0.0/16."
    return addresses
