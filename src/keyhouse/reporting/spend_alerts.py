"""Spend alerts, as they were set."""

from keyhouse.store import projects, spend_alerts
from keyhouse.store.engine import Connection, Database
from keyhouse.store.spend_alerts import SpendAlert


class SpendAlertQuestions:
    """Asks for the alerts of a project or, where that is None, of the organization."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self, organization_id: str, project_id: str | None) -> tuple[SpendAlert, ...]:
        """The alerts, oldest first. Raises Refusal(NOT_FOUND) if there is no such project."""

        def ask(connection: Connection) -> tuple[SpendAlert, ...]:
            if project_id is not None:
                projects.get_project(connection, organization_id, project_id)
            return spend_alerts.list_spend_alerts(connection, organization_id, project_id)

        return await self._database.read(ask)

    async def one(self, organization_id: str, project_id: str | None, alert_id: str) -> SpendAlert:
        """One of them; raises Refusal(NOT_FOUND)."""
        return await self._database.read(
            lambda c: spend_alerts.get_spend_alert(c, organization_id, project_id, alert_id)
        )
