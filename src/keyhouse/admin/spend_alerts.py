"""`/spend_alerts` and `/projects/{project_id}/spend_alerts`: list, create, retrieve, update, delete."""

from typing import Final

import msgspec
from litestar import delete, get, post
from litestar.params import FromPath

from keyhouse.admin import shapes
from keyhouse.admin.bodies import read
from keyhouse.admin.door import Visit, actor_of
from keyhouse.admin.office import Office, TheOffice
from keyhouse.admin.policy import ROOT
from keyhouse.admin.queries import query_of
from keyhouse.admin.shapes import Json
from keyhouse.admin.spend_limits import Spend, require_usd_a_month
from keyhouse.control.spend_alerts import AlertDraft
from keyhouse.core.errors import Code, Refusal
from keyhouse.store.spend_alerts import SpendAlert

_ALERTS: Final = f"{ROOT}/spend_alerts"
_ALERT: Final = f"{_ALERTS}/{{alert_id:str}}"
_PROJECT_ALERTS: Final = f"{ROOT}/projects/{{project_id:str}}/spend_alerts"
_PROJECT_ALERT: Final = f"{_PROJECT_ALERTS}/{{alert_id:str}}"


class Channel(msgspec.Struct):
    """Who is told, by e-mail; OpenAI has no other way."""

    type: str
    recipients: list[str]
    subject_prefix: str | None = None


class SpendAlertFields(Spend, kw_only=True):
    """A whole alert, its threshold in cents."""

    notification_channel: Channel


@get(_ALERTS)
async def list_organization_spend_alerts(request: Visit, office: TheOffice) -> Json:
    """The organization's own alerts, oldest first unless asked otherwise."""
    return await _list(request, office, None)


@post(_ALERTS, status_code=200)
async def create_organization_spend_alert(request: Visit, office: TheOffice) -> Json:
    """A new alert on what the organization spends in a month."""
    return await _create(request, office, None)


@get(_ALERT)
async def retrieve_organization_spend_alert(request: Visit, office: TheOffice, alert_id: FromPath[str]) -> Json:
    """One of the organization's alerts."""
    return await _retrieve(request, office, None, alert_id)


@post(_ALERT, status_code=200)
async def update_organization_spend_alert(request: Visit, office: TheOffice, alert_id: FromPath[str]) -> Json:
    """Change one of the organization's alerts as a whole."""
    return await _update(request, office, None, alert_id)


@delete(_ALERT, status_code=200)
async def delete_organization_spend_alert(request: Visit, office: TheOffice, alert_id: FromPath[str]) -> Json:
    """Delete one of the organization's alerts."""
    return await _delete(request, office, None, alert_id)


@get(_PROJECT_ALERTS)
async def list_project_spend_alerts(request: Visit, office: TheOffice, project_id: FromPath[str]) -> Json:
    """A project's alerts, oldest first unless asked otherwise."""
    return await _list(request, office, project_id)


@post(_PROJECT_ALERTS, status_code=200)
async def create_project_spend_alert(request: Visit, office: TheOffice, project_id: FromPath[str]) -> Json:
    """A new alert on what a project spends in a month."""
    return await _create(request, office, project_id)


@get(_PROJECT_ALERT)
async def retrieve_project_spend_alert(
    request: Visit, office: TheOffice, project_id: FromPath[str], alert_id: FromPath[str]
) -> Json:
    """One of a project's alerts."""
    return await _retrieve(request, office, project_id, alert_id)


@post(_PROJECT_ALERT, status_code=200)
async def update_project_spend_alert(
    request: Visit, office: TheOffice, project_id: FromPath[str], alert_id: FromPath[str]
) -> Json:
    """Change one of a project's alerts as a whole."""
    return await _update(request, office, project_id, alert_id)


@delete(_PROJECT_ALERT, status_code=200)
async def delete_project_spend_alert(
    request: Visit, office: TheOffice, project_id: FromPath[str], alert_id: FromPath[str]
) -> Json:
    """Delete one of a project's alerts."""
    return await _delete(request, office, project_id, alert_id)


async def _list(request: Visit, office: Office, project_id: str | None) -> Json:
    query = query_of(request)
    after, before, limit = query.text("after"), query.text("before"), query.page_limit()
    found = await office.spend_alert_questions.list(actor_of(request).organization_id, project_id)
    if query.choice("order", ("asc", "desc"), "asc") == "desc":
        found = found[::-1]
    rows, has_more = shapes.page_around(found, lambda row: row.id, after, before, limit)
    return shapes.page([_shown(row) for row in rows], has_more=has_more)


async def _create(request: Visit, office: Office, project_id: str | None) -> Json:
    draft = _draft(await read(request, SpendAlertFields))
    return _shown(await office.spend_alerts.create(actor_of(request), project_id, draft))


async def _retrieve(request: Visit, office: Office, project_id: str | None, alert_id: str) -> Json:
    return _shown(await office.spend_alert_questions.one(actor_of(request).organization_id, project_id, alert_id))


async def _update(request: Visit, office: Office, project_id: str | None, alert_id: str) -> Json:
    draft = _draft(await read(request, SpendAlertFields))
    return _shown(await office.spend_alerts.update(actor_of(request), project_id, alert_id, draft))


async def _delete(request: Visit, office: Office, project_id: str | None, alert_id: str) -> Json:
    await office.spend_alerts.delete(actor_of(request), project_id, alert_id)
    return shapes.deleted(_kind(project_id), alert_id)


def _draft(body: SpendAlertFields) -> AlertDraft:
    require_usd_a_month(body)
    channel = body.notification_channel
    if channel.type != "email":
        raise Refusal(
            Code.PARAMETER_INVALID,
            f"The field notification_channel.type is {channel.type[:60]!r}.",
            hint="It is email.",
            param="notification_channel.type",
        )
    return AlertDraft(body.threshold_amount, tuple(channel.recipients), channel.subject_prefix)


def _shown(alert: SpendAlert) -> Json:
    return {
        "object": _kind(alert.project_id),
        "id": alert.id,
        "threshold_amount": alert.threshold_cents,
        "currency": "USD",
        "interval": "month",
        "notification_channel": {
            "type": "email",
            "recipients": list(alert.recipients),
            "subject_prefix": alert.subject_prefix,
        },
        "created_at": shapes.seconds(alert.created_at_ms),
        "last_crossed_month": alert.crossed_month,
    }


def _kind(project_id: str | None) -> str:
    return "organization.spend_alert" if project_id is None else "project.spend_alert"
