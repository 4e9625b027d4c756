"""Spend alerts: an amount a month of an organization, or of one of its projects, and who is told when it is reached."""

import msgspec
from sqlalchemy import Connection, RowMapping, delete, insert, select, update

from keyhouse.core.errors import Code, Refusal
from keyhouse.store.schema import organizations, spend_alerts


class SpendAlert(msgspec.Struct, frozen=True):
    """An alert. `threshold_cents` are US cents in a month of the organization's time zone; `project_id` is None for the
    whole organization. `crossed_month` is the last one, such as `2026-11`, in which that much was spent.
    """

    id: str
    organization_id: str
    project_id: str | None
    threshold_cents: int
    recipients: tuple[str, ...]
    subject_prefix: str | None
    created_at_ms: int
    created_by: str
    crossed_month: str | None = None


class WatchedAlert(msgspec.Struct, frozen=True):
    """An alert with its organization's time zone."""

    alert: SpendAlert
    time_zone: str


def insert_spend_alert(connection: Connection, alert: SpendAlert) -> None:
    """Add an alert."""
    connection.execute(insert(spend_alerts).values(_row(alert)))


def update_spend_alert(connection: Connection, alert: SpendAlert) -> None:
    """Write an alert."""
    connection.execute(update(spend_alerts).where(spend_alerts.c.id == alert.id).values(_row(alert)))


def delete_spend_alert(connection: Connection, alert_id: str) -> None:
    """Delete an alert."""
    connection.execute(delete(spend_alerts).where(spend_alerts.c.id == alert_id))


def find_spend_alert(
    connection: Connection, organization_id: str, alert_id: str, *, for_update: bool = False
) -> SpendAlert | None:
    """The alert with this id in this organization."""
    statement = select(spend_alerts).where(
        spend_alerts.c.id == alert_id, spend_alerts.c.organization_id == organization_id
    )
    if for_update:
        statement = statement.with_for_update()
    row = connection.execute(statement).mappings().one_or_none()
    return None if row is None else _alert(row)


def get_spend_alert(
    connection: Connection, organization_id: str, project_id: str | None, alert_id: str, *, for_update: bool = False
) -> SpendAlert:
    """The same; raises Refusal(NOT_FOUND), also for an alert of another project, or of a project if none is named."""
    alert = find_spend_alert(connection, organization_id, alert_id, for_update=for_update)
    if alert is None or alert.project_id != project_id:
        where = "organization" if project_id is None else "project"
        raise Refusal(
            Code.NOT_FOUND,
            f"There is no spend alert {alert_id[:60]} in this {where}.",
            hint=f"List the {where}'s spend alerts to see their ids.",
        )
    return alert


def list_spend_alerts(connection: Connection, organization_id: str, project_id: str | None) -> tuple[SpendAlert, ...]:
    """A project's alerts, or those of the organization as a whole, oldest first."""
    rows = connection.execute(
        select(spend_alerts)
        .where(
            spend_alerts.c.organization_id == organization_id,
            spend_alerts.c.project_id.is_not_distinct_from(project_id),
        )
        .order_by(spend_alerts.c.created_at_ms, spend_alerts.c.id)
    )
    return tuple(_alert(row) for row in rows.mappings())


def list_watched(connection: Connection) -> tuple[WatchedAlert, ...]:
    """The alerts of all organizations."""
    rows = connection.execute(
        select(spend_alerts, organizations.c.time_zone)
        .join(organizations, organizations.c.id == spend_alerts.c.organization_id)
        .order_by(spend_alerts.c.organization_id, spend_alerts.c.id)
    )
    return tuple(WatchedAlert(_alert(row), row["time_zone"]) for row in rows.mappings())


def _row(alert: SpendAlert) -> dict[str, object]:
    return msgspec.structs.asdict(alert) | {"recipients": msgspec.json.encode(alert.recipients).decode()}


def _alert(row: RowMapping) -> SpendAlert:
    fields = {name: row[name] for name in SpendAlert.__struct_fields__}
    return SpendAlert(**fields | {"recipients": msgspec.json.decode(row["recipients"], type=tuple[str, ...])})
