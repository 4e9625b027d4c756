"""Spend alerts over HTTP, of the organization and of a project, to a strict client."""

from typing import Any

import msgspec
import pytest
from openai import NotFoundError
from openai.types.admin.organization.spend_alert_create_params import NotificationChannel

from admin.town import Town, refusal
from keyhouse.core.errors import Code

PLACES = ("/spend_alerts", "/projects/proj_1/spend_alerts")
CHANNEL: NotificationChannel = {"type": "email", "recipients": ["Ada@Example.com", "ada@example.com", "bo@example.com"]}
BODY = {"threshold_amount": 5000, "currency": "USD", "interval": "month", "notification_channel": CHANNEL}


@pytest.mark.parametrize("place", ["organization", "project"])
def test_a_strict_client_creates_lists_changes_and_deletes_alerts(town: Town, place: str) -> None:
    with town.sdk() as sdk:
        where: dict[str, Any] = {} if place == "organization" else {"project_id": "proj_1"}
        first: tuple[str, ...] = () if place == "organization" else ("proj_1",)
        alerts: Any = (
            sdk.admin.organization.spend_alerts
            if place == "organization"
            else sdk.admin.organization.projects.spend_alerts
        )
        made = []
        for cents in (0, 5000, 9000):
            town.clock.turn(seconds=1)
            made.append(alerts.create(*first, **BODY | {"threshold_amount": cents}))
        assert made[1].object == f"{place}.spend_alert"
        assert made[1].notification_channel.recipients == ["ada@example.com", "bo@example.com"]
        ids = [each.id for each in made]
        assert [each.id for each in alerts.list(*first, limit=1)] == ids
        assert [each.id for each in alerts.list(*first, limit=1, order="desc")] == ids[::-1]
        assert [each.id for each in alerts.list(*first, before=ids[2])] == ids[:2]
        assert list(alerts.list(*first, limit=0)) == []
        assert list(alerts.list(*first, after="after", before="before")) == []
        channel = CHANNEL | {"subject_prefix": "[spend]"}
        alerts.update(ids[0], **where, **BODY | {"threshold_amount": 7, "notification_channel": channel})
        changed = alerts.retrieve(ids[0], **where)
        assert (changed.threshold_amount, changed.notification_channel.subject_prefix) == (7, "[spend]")
        assert alerts.delete(ids[0], **where).object == f"{place}.spend_alert.deleted"
        with pytest.raises(NotFoundError):
            alerts.retrieve(ids[0], **where)
        assert [each.id for each in alerts.list(*first)] == ids[1:]
    updated, deleted = (msgspec.json.decode(row["details"]) for row in town.rows("audit_events")[-2:])
    same = ["ada@example.com", "bo@example.com"]
    assert updated == {
        "threshold_usd": {"from": "0.00", "to": "0.07"},
        "recipients": {"from": same, "to": same},
        "subject_prefix": {"from": None, "to": "[spend]"},
    }
    assert deleted == {"threshold_usd": "0.07", "recipients": same, "subject_prefix": "[spend]"}
    other = PLACES[place == "organization"]
    assert town.ask("GET", other).json()["data"] == []
    assert refusal(town.ask("GET", f"{other}/{ids[1]}")) == (404, None, Code.NOT_FOUND)


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"threshold_amount": -1}, "threshold_amount"),
        ({"currency": "EUR"}, "currency"),
        ({"interval": "day"}, "interval"),
        ({"notification_channel": CHANNEL | {"type": "sms"}}, "notification_channel.type"),
        ({"notification_channel": CHANNEL | {"recipients": []}}, "notification_channel.recipients"),
        ({"notification_channel": CHANNEL | {"recipients": ["ada"]}}, "notification_channel.recipients"),
        ({"notification_channel": CHANNEL | {"subject_prefix": "a\nb"}}, "notification_channel.subject_prefix"),
    ],
)
def test_what_cannot_be_an_alert_is_refused_by_its_field(town: Town, change: dict[str, Any], param: str) -> None:
    for place in PLACES:
        assert refusal(town.ask("POST", place, body=BODY | change)) == (400, param, Code.PARAMETER_INVALID)
    assert town.rows("spend_alerts") == []
