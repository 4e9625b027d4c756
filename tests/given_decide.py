"""Periods and rows for the decision, and one operation at a time."""

from collections.abc import Sequence

from given import NOON
from keyhouse.core.decide import HeldCall, Operation, Period, Rows, decide
from keyhouse.core.key import Standing
from keyhouse.core.limit import Limit, ScopeType, Unit, Window

SCOPES = {
    ScopeType.KEY: "key_1",
    ScopeType.USER: "user-1",
    ScopeType.PROJECT: "proj_1",
    ScopeType.ORGANIZATION: "org-1",
}
"""What a call by `given.an_opening` passes on its way, by the id of each."""

IDS = SCOPES | {ScopeType.SERVICE_ACCOUNT: "svc_acct_1"}


def a_period(
    amount: int,
    *,
    unit: Unit = Unit.USD,
    window: Window = Window.MONTH,
    scope: ScopeType = ScopeType.KEY,
    period_id: int = 1,
    model: str | None = None,
    refuse_when_short: bool = False,
) -> Period:
    """A period of `limit_<period_id>` that ends in a second."""
    limit = Limit(f"limit_{period_id}", "org-1", scope, IDS[scope], unit, window, amount, model, refuse_when_short)
    return Period(period_id, limit, NOON + 1000)


def rows_of(periods: Sequence[Period], *, standing: Standing | None = None, calls: Sequence[HeldCall] = ()) -> Rows:
    """These periods in force, beside `key_1` and the calls to be closed."""
    in_force: dict[tuple[str, str], list[Period]] = {}
    for period in periods:
        in_force.setdefault((period.limit.scope_type, period.limit.scope_id), []).append(period)
    return Rows(
        {("key_1", 1): standing or Standing()},
        in_force,
        {period.id: period for period in periods},
        {call.id: call for call in calls},
    )


def one(operation: Operation, rows: Rows) -> object:
    """The verdict on a batch of one operation."""
    return decide([operation], rows, NOON).verdicts[0]
