"""Entries of the audit log in words: what was done, to what, and what changed. Pure."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from keyhouse.console import wording
from keyhouse.console.wording import Times
from keyhouse.store.audit import ChainedEntry, Event

_SUBJECTS: Final = {
    "admin_api_key": "admin key",
    "api_key": "API key",
    "audit_log": "audit log",
    "login": "sign-in",
    "logout": "sign-out",
    "scim": "SCIM",
}
_VALUE_CHARACTERS_MAX: Final = 200
_PAGES: Final = {"key_": "/api-keys/"}
_ADMIN_KEY: Final = "admin_api_key."
_ADMIN_KEYS: Final = "/settings/admin-keys"
_NAMES: Final = ("name", "role_name", "group_name", "email")
"""The fields by which an entry names what it is about, where nothing here has that id."""
_UNITS: Final = ("_at_ms", "_nano_usd")
"""What a field's name ends with to say its unit: the value shows it."""


class Change(msgspec.Struct, frozen=True):
    """One field of what was recorded: its name, and its value or what it was before and after."""

    field: str
    value: str
    before: str | None = None


class AuditLine(msgspec.Struct, frozen=True):
    """One entry. `path` leads to what it is about, where a page shows that."""

    id: str
    what: str
    subject: str
    subject_id: str
    path: str | None
    by: str
    by_how: str
    address: str
    project: str
    at: str
    at_exact: str
    is_failure: bool
    changes: tuple[Change, ...]


def subject_title(subject: str) -> str:
    """What the events of a subject are about: `API keys` for `api_key`."""
    return wording.sentence(_SUBJECTS.get(subject, subject.replace(".", " ").replace("_", " ")))


def subjects() -> tuple[tuple[str, str], ...]:
    """What a list can be narrowed to: subject and title, in the order of the titles."""
    found = {str(event).rpartition(".")[0] for event in Event}
    return tuple(sorted(((one, subject_title(one)) for one in found), key=lambda pair: pair[1].lower()))


def events_of(subject: str) -> tuple[str, ...]:
    """The events about a subject."""
    return tuple(str(event) for event in Event if str(event).rpartition(".")[0] == subject)


def event_words(event: str) -> str:
    """`API key rotated` for `api_key.rotated`."""
    subject, _, action = event.rpartition(".")
    return f"{subject_title(subject)} {action.replace('_', ' ')}"


def audit_line(
    entry: ChainedEntry, names: Mapping[str, str], project_names: Mapping[str, str], times: Times
) -> AuditLine:
    """An entry as a line of the list."""
    details = msgspec.json.decode(entry.details)
    fields: dict[str, Any] = details if isinstance(details, dict) else {}
    subject = names.get(entry.resource_id) or _named(fields)
    return AuditLine(
        id=entry.id,
        what=event_words(entry.event),
        subject=subject,
        subject_id=entry.resource_id,
        path=_path(entry) if entry.resource_id in names else None,
        by=entry.actor_email or ("Keyhouse" if entry.actor_type == "system" else entry.actor_id),
        by_how=f"by key {entry.actor_id}" if entry.actor_type == "api_key" else "",
        address=entry.address,
        project="" if entry.project_id == entry.resource_id else project_names.get(entry.project_id or "", ""),
        at=times.ago(entry.at_ms),
        at_exact=times.exact(entry.at_ms),
        is_failure=entry.event.endswith(".failed"),
        changes=tuple(_change(name, value, times) for name, value in fields.items()),
    )


def _path(entry: ChainedEntry) -> str | None:
    """The page that shows what it is about. Admin keys share one, on which those that were revoked are not."""
    if entry.event.startswith(_ADMIN_KEY):
        return _ADMIN_KEYS if entry.event == Event.ADMIN_API_KEY_CREATED else None
    root = next((path for start, path in _PAGES.items() if entry.resource_id.startswith(start)), None)
    return None if root is None else f"{root}{entry.resource_id}"


def _named(fields: Mapping[str, Any]) -> str:
    """What the entry itself calls its subject; empty where it does not."""
    for field in _NAMES:
        told = fields.get(field)
        told = told.get("to") if isinstance(told, dict) else told
        if isinstance(told, str):
            return told
    return ""


def _change(name: str, value: object, times: Times) -> Change:
    ending = next((unit for unit in _UNITS if name.endswith(unit)), "")
    title = wording.sentence(name.removesuffix(ending).replace("_", " ")).replace("Ip ", "IP ")
    if isinstance(value, dict) and set(value) == {"from", "to"}:
        return Change(title, _shown(name, value["to"], times), _shown(name, value["from"], times))
    return Change(title, _shown(name, value, times))


def _shown(name: str, value: object, times: Times) -> str:
    if value is None or value == []:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int) and name.endswith("_at_ms"):
        return times.exact(value)
    if isinstance(value, int) and name.endswith("_nano_usd"):
        return wording.money(value)
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text if len(text) <= _VALUE_CHARACTERS_MAX else text[:_VALUE_CHARACTERS_MAX] + "…"
