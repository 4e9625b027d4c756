"""Entries of the audit log in words."""

from zoneinfo import ZoneInfo

import msgspec
import pytest

from given import NOON
from keyhouse.console.audit_view import audit_line, event_words, events_of, subjects
from keyhouse.console.wording import Times
from keyhouse.store.audit import ChainedEntry, Event

TIMES = Times(ZoneInfo("Europe/Berlin"), NOON)


def entry(event: str, details: object = None, **fields: object) -> ChainedEntry:
    usual = {
        "id": "audit_log-1",
        "organization_id": "org-1",
        "at_ms": NOON - 240_000,
        "event": event,
        "actor_type": "session",
        "actor_id": "user-1",
        "actor_user_id": "user-1",
        "actor_email": "ada@example.com",
        "address": "10.20.7.31",
        "project_id": "proj_1",
        "resource_id": "key_1",
        "details": msgspec.json.encode(details).decode(),
    }
    return ChainedEntry(**(usual | fields))  # type: ignore[arg-type]


def test_a_change_is_told_with_what_it_was_before() -> None:
    details = {
        "name": {"from": "old", "to": "new"},
        "expires_at_ms": {"from": None, "to": NOON},
        "limit_nano_usd": 25_000_000_000,
        "models": ["tiny-1"],
    }
    line = audit_line(entry("api_key.updated", details), {"key_1": "new"}, {"proj_1": "Main"}, TIMES)
    assert (line.what, line.subject, line.path, line.by) == (
        "API key updated",
        "new",
        "/api-keys/key_1",
        "ada@example.com",
    )
    assert (line.project, line.at, line.is_failure) == ("Main", "4 min ago", False)
    assert [(change.field, change.before, change.value) for change in line.changes] == [
        ("Name", "old", "new"),
        ("Expires", "none", "24 Nov 2026, 13:00:00"),
        ("Limit", None, "$25.00"),
        ("Models", None, '["tiny-1"]'),
    ]


def test_an_admin_key_leads_to_their_page_until_it_is_revoked() -> None:
    names = {"key_1": "terraform"}
    made = audit_line(entry("admin_api_key.created", {"name": "terraform"}), names, {}, TIMES)
    gone = audit_line(entry("admin_api_key.deleted", {"name": "terraform"}), names, {}, TIMES)
    assert (made.path, gone.path) == ("/settings/admin-keys", None)


def test_who_did_it_is_told_also_where_it_was_a_key_or_keyhouse_itself() -> None:
    by_key = audit_line(entry("project.created", actor_type="api_key", actor_id="key_9"), {}, {}, TIMES)
    assert (by_key.by, by_key.by_how, by_key.path) == ("ada@example.com", "by key key_9", None)
    by_itself = audit_line(entry("spend_alert.crossed", actor_type="system", actor_email=""), {}, {}, TIMES)
    assert by_itself.by == "Keyhouse"
    assert audit_line(entry("login.failed"), {}, {}, TIMES).is_failure


@pytest.mark.parametrize(
    ("details", "subject"),
    [
        ({"role_name": "Keeper", "permissions": []}, "Keeper"),
        ({"group_name": {"from": "Desk", "to": "Front desk"}}, "Front desk"),
        ({"email": "jonas@example.com"}, "jonas@example.com"),
        ({"permissions": []}, ""),
    ],
)
def test_what_has_no_name_here_is_called_as_the_entry_calls_it(details: object, subject: str) -> None:
    assert audit_line(entry("role.created", details, resource_id="role_1"), {}, {}, TIMES).subject == subject


def test_long_values_are_cut() -> None:
    line = audit_line(entry("api_key.updated", {"name": "x" * 300}), {}, {}, TIMES)
    assert len(line.changes[0].value) == 201


@pytest.mark.parametrize("event", list(Event))
def test_every_event_has_words_and_can_be_looked_for(event: Event) -> None:
    subject = str(event).rpartition(".")[0]
    assert subject in dict(subjects())
    assert str(event) in events_of(subject)
    assert "_" not in event_words(event)
