"""`keyhouse spend-limits` and `keyhouse spend-alerts`, of the organization or of a project: dollars a month."""

from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Final

from cyclopts import App, Parameter

from keyhouse.cli import lookup
from keyhouse.cli.client import Client, Json, part
from keyhouse.cli.talk import AsJson, Exit, Failure, show_list, show_one

spend_limits_app: Final = App(name="spend-limits", help="What may be spent in a month.")
spend_alerts_app: Final = App(name="spend-alerts", help="Amounts that are told of when they are spent in a month.")

On = Annotated[
    str | None, Parameter(name="--project", help="On a project, by its id or name; else on the organization.")
]
AmountOption = Annotated[str, Parameter(help="Dollars a month, in whole cents, such as 250.00.")]
AlertId = Annotated[str, Parameter(help="The alert, by its id.")]
TellOption = Annotated[
    tuple[str, ...], Parameter(name="--tell", show_default=False, help="Who is told, by e-mail address; repeat.")
]
_MONTH: Final = {"currency": "USD", "interval": "month"}


@spend_limits_app.command(name="show")
def show_limit(*, project: On = None, json: AsJson = False) -> None:
    """Show the spend limit; ends with 3 if there is none.

    For example:

        keyhouse spend-limits show --project Research
    """
    client = Client()
    _show_limit(client.get(f"{_place(client, project)}/spend_limit"), as_json=json)


@spend_limits_app.command(name="set")
def set_limit(*, amount: AmountOption, project: On = None, json: AsJson = False) -> None:
    """Set the spend limit: a call that could cost more than is left is refused, at once.

    For example:

        keyhouse spend-limits set --amount 1000

        keyhouse spend-limits set --amount 250.00 --project Research
    """
    client = Client()
    body = {"threshold_amount": _cents(amount), **_MONTH}
    _show_limit(client.post(f"{_place(client, project)}/spend_limit", body), as_json=json)


@spend_limits_app.command(name="delete")
def delete_limit(*, project: On = None, json: AsJson = False) -> None:
    """Take the spend limit out of force, at once.

    For example:

        keyhouse spend-limits delete --project Research
    """
    client = Client()
    gone = client.delete(f"{_place(client, project)}/spend_limit")
    show_one(gone, {"status": "deleted"}, as_json=json)


@spend_alerts_app.command(name="list")
def list_alerts(*, project: On = None, json: AsJson = False) -> None:
    """List the spend alerts.

    For example:

        keyhouse spend-alerts list

        keyhouse spend-alerts list --project Research --json
    """
    client = Client()
    show_list(
        client.every(f"{_place(client, project)}/spend_alerts"),
        ("ID", "USD A MONTH", "TELL", "LAST CROSSED"),
        lambda each: (
            each["id"],
            _dollars(each),
            each["notification_channel"]["recipients"],
            each["last_crossed_month"],
        ),
        as_json=json,
        numbers=("USD A MONTH",),
    )


@spend_alerts_app.command(name="create")
def create_alert(*, amount: AmountOption, tell: TellOption = (), project: On = None, json: AsJson = False) -> None:
    """Create a spend alert.

    For example:

        keyhouse spend-alerts create --amount 200 --tell ada@example.com --project Research
    """
    client = Client()
    _show_alert(client.post(f"{_place(client, project)}/spend_alerts", _alert(amount, tell)), as_json=json)


@spend_alerts_app.command(name="show")
def show_alert(alert: AlertId, /, *, project: On = None, json: AsJson = False) -> None:
    """Show a spend alert.

    For example:

        keyhouse spend-alerts show alert_4fQ2mZ7nT1xK9cV3bR8s
    """
    client = Client()
    _show_alert(client.get(f"{_place(client, project)}/spend_alerts/{part(alert)}"), as_json=json)


@spend_alerts_app.command(name="update")
def update_alert(
    alert: AlertId,
    /,
    *,
    amount: Annotated[str | None, Parameter(help="Dollars a month, in whole cents.")] = None,
    tell: TellOption = (),
    project: On = None,
    json: AsJson = False,
) -> None:
    """Change a spend alert; what is not named stays.

    For example:

        keyhouse spend-alerts update alert_4fQ2mZ7nT1xK9cV3bR8s --amount 300
    """
    if amount is None and not tell:
        raise Failure("nothing to change: give --amount or --tell.", Exit.USAGE)
    client = Client()
    path = f"{_place(client, project)}/spend_alerts/{part(alert)}"
    before = client.get(path)
    channel = before["notification_channel"]
    body = {
        "threshold_amount": before["threshold_amount"] if amount is None else _cents(amount),
        "notification_channel": channel | {"recipients": list(tell) or channel["recipients"]},
        **_MONTH,
    }
    _show_alert(client.post(path, body), as_json=json)


@spend_alerts_app.command(name="delete")
def delete_alert(alert: AlertId, /, *, project: On = None, json: AsJson = False) -> None:
    """Delete a spend alert.

    For example:

        keyhouse spend-alerts delete alert_4fQ2mZ7nT1xK9cV3bR8s
    """
    client = Client()
    gone = client.delete(f"{_place(client, project)}/spend_alerts/{part(alert)}")
    show_one(gone, {"id": gone["id"], "status": "deleted"}, as_json=json)


def _place(client: Client, project: str | None) -> str:
    return "" if project is None else f"/projects/{part(lookup.project(client, project))}"


def _alert(amount: str, tell: tuple[str, ...]) -> dict[str, Any]:
    channel = {"type": "email", "recipients": list(tell)}
    return {"threshold_amount": _cents(amount), "notification_channel": channel, **_MONTH}


def _cents(amount: str) -> int:
    """Whole cents from dollars as they are written, never by way of a float."""
    try:
        cents = Decimal(amount.strip().removeprefix("$")) * 100
    except InvalidOperation:
        cents = Decimal("NaN")
    if not cents.is_finite() or cents != cents.to_integral_value():
        raise Failure(f"--amount: expected dollars in whole cents such as 250.00, not {amount!r}.", Exit.USAGE)
    return int(cents)


def _dollars(found: Json) -> str:
    return f"{Decimal(found['threshold_amount']) / 100:.2f}"


def _show_limit(found: Json, *, as_json: bool) -> None:
    fields = {"limit": found["limit_id"], "USD a month": _dollars(found), "status": found["enforcement"]["status"]}
    show_one(found, fields, as_json=as_json)


def _show_alert(found: Json, *, as_json: bool) -> None:
    told = found["notification_channel"]["recipients"]
    fields = {"id": found["id"], "USD a month": _dollars(found), "tell": told}
    show_one(found, fields | {"last crossed": found["last_crossed_month"]}, as_json=as_json)
