"""An entry of the audit log as OpenAI's API shows it: its type is always one of OpenAI's. Pure.

`type` and the details under its name are what OpenAI's clients read, strict ones too; where OpenAI has no type for what
happened here, it is the nearest, and `event` has Keyhouse's own name for it. `details` is all that was recorded.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from keyhouse.admin.shapes import Json, seconds
from keyhouse.reporting.audit import EntryPage
from keyhouse.store.audit import ChainedEntry, Event
from keyhouse.store.groups import GROUP_ID

NEAREST: Final[Mapping[Event, str]] = {
    Event.ADMIN_API_KEY_CREATED: "api_key.created",
    Event.ADMIN_API_KEY_DELETED: "api_key.deleted",
    Event.API_KEY_DISABLED: "api_key.updated",
    Event.API_KEY_ENABLED: "api_key.updated",
    Event.API_KEY_EXPIRING: "api_key.updated",
    Event.API_KEY_LEAKED: "api_key.updated",
    Event.API_KEY_ROTATED: "api_key.updated",
    Event.API_KEY_ROTATION_DUE: "api_key.updated",
    Event.API_KEY_SECRET_ENDED: "api_key.updated",
    Event.AUDIT_LOG_CHAINED: "organization.updated",
    Event.GROUP_USER_ADDED: "group.updated",
    Event.GROUP_USER_REMOVED: "group.updated",
    Event.LIMIT_DELETED: "rate_limit.deleted",
    Event.LIMIT_SET: "rate_limit.updated",
    Event.MASTER_KEY_ROTATED: "organization.updated",
    Event.MODEL_CREATED: "organization.updated",
    Event.MODEL_DELETED: "organization.updated",
    Event.MODEL_PERMISSIONS_DELETED: "project.updated",
    Event.MODEL_PERMISSIONS_UPDATED: "project.updated",
    Event.MODEL_UPDATED: "organization.updated",
    Event.ORGANIZATION_CREATED: "organization.updated",
    Event.PASSWORD_CHANGED: "user.updated",
    Event.PASSWORD_RESET_LINK_MADE: "user.updated",
    Event.POLICIES_UPDATED: "organization.updated",
    Event.PRICE_CREATED: "organization.updated",
    Event.PRICE_UPDATED: "organization.updated",
    Event.SPEND_ALERT_CREATED: "tenant.billing.alerts.updated",
    Event.SPEND_ALERT_CROSSED: "tenant.billing.alerts.updated",
    Event.SPEND_ALERT_DELETED: "tenant.billing.alerts.updated",
    Event.SPEND_ALERT_UPDATED: "tenant.billing.alerts.updated",
    Event.UPSTREAM_CREATED: "organization.updated",
    Event.UPSTREAM_DELETED: "organization.updated",
    Event.UPSTREAM_UPDATED: "organization.updated",
}
"""OpenAI's type for what it has no name for. All other events have OpenAI's own names."""

_CREATED: Final = frozenset({"created", "added", "sent"})
_UPDATED: Final = frozenset({"updated"})


def type_of(event: str) -> str:
    """OpenAI's type of an event."""
    return NEAREST.get(Event(event), event) if event in _KNOWN else event


_KNOWN: Final = frozenset(Event)


def events_of(names: tuple[str, ...]) -> tuple[str, ...]:
    """The events that these names mean, OpenAI's types or Keyhouse's own."""
    return tuple(event for event in Event if event in names or type_of(event) in names)


def entries(found: EntryPage) -> list[Json]:
    """A page's entries."""
    return [_entry(each, found.project_names) for each in found.entries]


def _entry(entry: ChainedEntry, project_names: Mapping[str, str]) -> Json:
    details = msgspec.json.decode(entry.details)
    kind = type_of(entry.event)
    shown: Json = {
        "id": entry.id,
        "object": "organization.audit_log",
        "type": kind,
        "effective_at": seconds(entry.at_ms),
        "actor": _actor(entry),
        kind: _details(entry, kind, details),
        "event": entry.event,
        "sequence": entry.sequence,
        "resource_id": entry.resource_id or None,
        "details": details,
    }
    if entry.project_id is not None:
        shown["project"] = {"id": entry.project_id, "name": project_names.get(entry.project_id, "")}
    return shown


def _details(entry: ChainedEntry, kind: str, details: object) -> Json:
    """The details in OpenAI's form: what was made, what was to change, or only the id."""
    fields: Json = details if isinstance(details, dict) else {}
    action = kind.rpartition(".")[2]
    if action == "failed":
        return {"error_code": fields.get("reason"), "error_message": None}
    if kind.startswith("role.assignment."):
        principal_type = "group" if entry.resource_id.startswith(GROUP_ID) else "user"
        principal = {"principal_id": entry.resource_id, "principal_type": principal_type}
        return {"id": entry.resource_id, **principal, **_bound_to(entry)}
    if kind == "role.created":
        made = {name: fields.get(name) for name in ("role_name", "permissions")}
        return {"id": entry.resource_id, **made, **_bound_to(entry)}
    if action in _CREATED:
        return {"id": entry.resource_id, "data": _known(kind, fields)}
    if action in _UPDATED:
        return {"id": entry.resource_id, "changes_requested": _known(kind, fields)}
    return {"id": entry.resource_id}


def _known(kind: str, fields: Json) -> Json:
    """The fields that OpenAI has for this type, by its names. All that was recorded is beside them."""
    subject = kind.partition(".")[0]
    if subject == "role":
        return _changed_role(fields)
    known: Json = {}
    if subject == "project" and isinstance(fields.get("name"), str):
        known |= {"name": fields["name"], "title": fields["name"]}
    for name in ("role", "email", "group_name"):
        value = fields.get(name)
        value = value.get("to") if isinstance(value, dict) else value
        if isinstance(value, str):
            known[name] = value
    return known


def _changed_role(fields: Json) -> Json:
    """What was to change of a role: each field has what it was and what it shall be."""
    changed: Json = {
        wanted: fields[field]["to"]
        for field, wanted in (("name", "role_name"), ("description", "description"))
        if field in fields
    }
    if "permissions" in fields:
        before, after = (set(fields["permissions"][side]) for side in ("from", "to"))
        changed |= {"permissions_added": sorted(after - before), "permissions_removed": sorted(before - after)}
    return changed


def _bound_to(entry: ChainedEntry) -> Json:
    """Where a role counts: in a project, or in the whole organization."""
    if entry.project_id is None:
        return {"resource_id": entry.organization_id, "resource_type": "api.organization"}
    return {"resource_id": entry.project_id, "resource_type": "api.project"}


def _actor(entry: ChainedEntry) -> Json | None:
    """Who did it; nobody where Keyhouse did it by itself."""
    person = {"id": entry.actor_user_id, "email": entry.actor_email}
    if entry.actor_type == "session":
        return {"type": "session", "session": {"user": person, "ip_address": entry.address}}
    if entry.actor_type == "api_key":
        key: Json = {"id": entry.actor_id, "type": "user", "user": person}
        return {"type": "api_key", "api_key": key, "ip_address": entry.address}
    return None
