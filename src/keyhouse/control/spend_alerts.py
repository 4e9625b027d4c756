"""Spend alerts: creating, changing and deleting them, and noticing what is crossed.

Crossing one is an entry in the audit log, once a month, and whoever runs Keyhouse is told. Letters to the recipients
are not sent yet.
"""

from collections.abc import Callable, Iterable
from zoneinfo import ZoneInfo

import msgspec

from keyhouse.control.authority import OWNER, Place, Task, act, admit
from keyhouse.control.fields import LIST_LENGTH_MAX, read_email, read_name
from keyhouse.control.limits import require_active_project
from keyhouse.core.clock import Clock, Entropy
from keyhouse.core.errors import Code, Refusal
from keyhouse.core.identifiers import identifier
from keyhouse.core.limit import Span, Window, span_at
from keyhouse.core.money import AMOUNT_MAX, NANO_PER_CENT, format_usd
from keyhouse.store import rollups
from keyhouse.store import spend_alerts as rows
from keyhouse.store.audit import Event
from keyhouse.store.engine import Actor, Change, Connection, Database
from keyhouse.store.rollups import Selection
from keyhouse.store.spend_alerts import SpendAlert


class AlertDraft(msgspec.Struct, frozen=True):
    """An alert without its place. The threshold is US cents in a month."""

    threshold_cents: int
    recipients: tuple[str, ...]
    subject_prefix: str | None = None


class SpendAlerts:
    """The verbs on spend alerts, of a project or, where that is None, of the organization."""

    def __init__(self, database: Database, entropy: Entropy) -> None:
        self._database = database
        self._entropy = entropy

    async def create(self, actor: Actor, project_id: str | None, draft: AlertDraft) -> SpendAlert:
        """A new alert. Raises Refusal(NOT_FOUND, CONFLICT if the project was archived, PARAMETER_INVALID,
        NOT_PERMITTED).
        """
        await admit(self._database, actor, Task.SPEND_ALERTS, Place(project_id))
        draft = _read(draft)

        def write(change: Change) -> SpendAlert:
            if project_id is not None:
                require_active_project(change.connection, actor.organization_id, project_id)
            alert = SpendAlert(
                id=identifier("alert_", self._entropy(20)),
                organization_id=actor.organization_id,
                project_id=project_id,
                created_at_ms=change.now_ms,
                created_by=actor.user_id,
                **msgspec.structs.asdict(draft),
            )
            rows.insert_spend_alert(change.connection, alert)
            _record(change, Event.SPEND_ALERT_CREATED, alert)
            return alert

        return await act(self._database, actor, Task.SPEND_ALERTS, write, where=Place(project_id))

    async def update(self, actor: Actor, project_id: str | None, alert_id: str, draft: AlertDraft) -> SpendAlert:
        """Change an alert as a whole; it may be crossed anew. Raises Refusal like `create`."""
        await admit(self._database, actor, Task.SPEND_ALERTS, Place(project_id))
        draft = _read(draft)

        def write(change: Change) -> SpendAlert:
            if project_id is not None:
                require_active_project(change.connection, actor.organization_id, project_id)
            before = rows.get_spend_alert(
                change.connection, actor.organization_id, project_id, alert_id, for_update=True
            )
            crossed = before.crossed_month if before.threshold_cents == draft.threshold_cents else None
            alert = msgspec.structs.replace(before, crossed_month=crossed, **msgspec.structs.asdict(draft))
            rows.update_spend_alert(change.connection, alert)
            old, new = _described(before), _described(alert)
            details = {name: {"from": old[name], "to": new[name]} for name in new}
            change.record(Event.SPEND_ALERT_UPDATED, alert.id, project_id=project_id, details=details)
            return alert

        return await act(self._database, actor, Task.SPEND_ALERTS, write, where=Place(project_id))

    async def delete(self, actor: Actor, project_id: str | None, alert_id: str) -> None:
        """Delete an alert. Raises Refusal(NOT_FOUND, NOT_PERMITTED)."""

        def write(change: Change) -> None:
            alert = rows.get_spend_alert(
                change.connection, actor.organization_id, project_id, alert_id, for_update=True
            )
            rows.delete_spend_alert(change.connection, alert.id)
            _record(change, Event.SPEND_ALERT_DELETED, alert)

        await act(self._database, actor, Task.SPEND_ALERTS, write, where=Place(project_id))


class SpendWatch:
    """Looks whether alerts are crossed, round by round. `tell` gets an alert and what was spent, in nano-USD, once a
    month for each, on one of the gateways of a database.
    """

    def __init__(self, database: Database, clock: Clock, tell: Callable[[SpendAlert, int], None]) -> None:
        self._database = database
        self._clock = clock
        self._tell = tell

    async def round(self) -> None:
        """Look at every alert once. Raises what the database raises."""
        now_ms = self._clock.now_ms()
        for alert, month, spent_nano_usd in await self._database.read(lambda c: _crossed(c, now_ms)):
            actor = Actor("system", alert.organization_id, "", "", OWNER)
            try:
                await self._database.change(
                    actor,
                    lambda change, found=(alert, month, spent_nano_usd): _cross(change, *found),  # type: ignore[misc]
                )
            except _Elsewhere:
                continue
            self._tell(alert, spent_nano_usd)


class _Elsewhere(Exception):  # noqa: N818  it is an answer, not a fault
    """Another gateway has noticed it, or the alert is another one now."""


def _crossed(connection: Connection, now_ms: int) -> list[tuple[SpendAlert, str, int]]:
    """The alerts that are crossed and were not yet in this month, the month, and what was spent in it in nano-USD."""
    found = []
    spent: dict[tuple[str, str | None], int] = {}
    for watched in rows.list_watched(connection):
        alert = watched.alert
        month = span_at(Window.MONTH, now_ms, ZoneInfo(watched.time_zone))
        if alert.crossed_month == month.key:
            continue
        place = (alert.organization_id, alert.project_id)
        if place not in spent:
            spent[place] = _spent_nano_usd(connection, *place, month)
        # An alert at nothing is crossed by the first call that costs anything.
        if spent[place] > 0 and spent[place] >= alert.threshold_cents * NANO_PER_CENT:
            found.append((alert, month.key, spent[place]))
    return found


def _spent_nano_usd(connection: Connection, organization_id: str, project_id: str | None, month: Span) -> int:
    selection = Selection(organization_id, project_ids=() if project_id is None else (project_id,))
    ends_at_ms = month.ends_at_ms or month.starts_at_ms
    sums = rollups.list_spans(connection, selection, [(month.starts_at_ms, ends_at_ms)])
    return sum(each.sums.cost_nano_usd for each in sums)


def _cross(change: Change, seen: SpendAlert, month: str, spent_nano_usd: int) -> None:
    alert = rows.find_spend_alert(change.connection, seen.organization_id, seen.id, for_update=True)
    if alert != seen:
        raise _Elsewhere
    rows.update_spend_alert(change.connection, msgspec.structs.replace(alert, crossed_month=month))
    _record(change, Event.SPEND_ALERT_CROSSED, alert, month=month, spent_usd=format_usd(spent_nano_usd))


def _record(change: Change, event: Event, alert: SpendAlert, **more: object) -> None:
    change.record(event, alert.id, project_id=alert.project_id, details=_described(alert) | more)


def _described(alert: SpendAlert) -> dict[str, object]:
    """An alert as the audit log tells it."""
    return {
        "threshold_usd": format_usd(alert.threshold_cents * NANO_PER_CENT),
        "recipients": alert.recipients,
        "subject_prefix": alert.subject_prefix,
    }


def _read(draft: AlertDraft) -> AlertDraft:
    if not 0 <= draft.threshold_cents <= AMOUNT_MAX // NANO_PER_CENT:
        raise Refusal(
            Code.PARAMETER_INVALID,
            f"The field threshold_amount is {draft.threshold_cents}.",
            hint=f"It is an amount in cents, from 0 to {AMOUNT_MAX // NANO_PER_CENT}.",
            param="threshold_amount",
        )
    prefix = draft.subject_prefix
    return AlertDraft(
        draft.threshold_cents,
        _read_recipients(draft.recipients),
        None if prefix is None or not prefix.strip() else read_name(prefix, "notification_channel.subject_prefix"),
    )


def _read_recipients(recipients: Iterable[str]) -> tuple[str, ...]:
    param = "notification_channel.recipients"
    read = tuple(dict.fromkeys(read_email(each, param) for each in recipients))
    if not 1 <= len(read) <= LIST_LENGTH_MAX:
        raise Refusal(
            Code.PARAMETER_INVALID,
            f"The alert has {len(read)} recipients.",
            hint=f"Name from 1 to {LIST_LENGTH_MAX} e-mail addresses.",
            param=param,
        )
    return read
