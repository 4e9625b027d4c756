"""`keyhouse limits`: set, list, delete."""

from typing import Annotated, Any, Final

from cyclopts import App, Parameter

from keyhouse.cli import lookup
from keyhouse.cli.client import Client, Json, part, require_id
from keyhouse.cli.lookup import ProjectOption
from keyhouse.cli.talk import AsJson, Exit, Failure, moment, show_fields, show_json, show_table

limits_app: Final = App(
    name="limits", help="Budgets and rate limits on keys, users, service accounts, projects and the organization."
)

KeyOption = Annotated[str | None, Parameter(name="--key", help="The key it is on, by its id.")]
UserOption = Annotated[str | None, Parameter(name="--user", help="The user whose keys it is on, by their id.")]
AccountOption = Annotated[
    str | None, Parameter(name="--service-account", help="The service account whose keys it is on, by its id.")
]
OrganizationOption = Annotated[
    bool, Parameter(name="--organization", show_default=False, help="It is on the organization.")
]

UNITS: Final = "usd, requests, tokens, images, audio_seconds, characters, or concurrency: calls that run at once."
WINDOWS: Final = "minute, day, week, month or total; concurrency has none."
_SCOPES: Final = "--key, --user, --service-account, --project or --organization"


@limits_app.command(name="set")
def set_limit(
    *,
    key: KeyOption = None,
    user: UserOption = None,
    service_account: AccountOption = None,
    project: ProjectOption = None,
    organization: OrganizationOption = False,
    unit: Annotated[str, Parameter(help=UNITS)],
    window: Annotated[str | None, Parameter(help=WINDOWS)] = None,
    amount: Annotated[str, Parameter(help="How much of it, such as 25.00; zero lets nothing pass.")],
    model: Annotated[str | None, Parameter(help="Count only calls of this model.")] = None,
    refuse_when_short: Annotated[
        bool,
        Parameter(
            show_default=False, help="Refuse a call whose longest answer does not fit, instead of shortening it."
        ),
    ] = False,
    json: AsJson = False,
) -> None:
    """Set a limit; one of the same kind gets the new amount, at once.

    For example:

        keyhouse limits set --key key_7Qm2x9FaLk --unit usd --window month --amount 25.00

        keyhouse limits set --project Research --unit images --window week --amount 50

        keyhouse limits set --service-account svc_acct_4fQ2mZ7nT1xK9cV3bR8s --unit concurrency --amount 8

        keyhouse limits set --organization --unit tokens --window minute --amount 40000 --model tiny-1 --json
    """
    client = Client()
    scope = _scope(client, key, user, service_account, project, organization)
    if scope is None:
        raise Failure(f"name what the limit is on: {_SCOPES}.", Exit.USAGE)
    body: dict[str, Any] = {"scope": scope, "unit": unit, "amount": amount}
    if window is not None:
        body["window"] = window
    if model is not None:
        body["model"] = model
    if refuse_when_short:
        body["refuse_when_short"] = True
    made = client.post("/limits", body)
    if json:
        show_json(made)
        return
    show_fields(_fields(made))


@limits_app.command(name="list")
def list_limits(
    *,
    key: KeyOption = None,
    user: UserOption = None,
    service_account: AccountOption = None,
    project: ProjectOption = None,
    organization: OrganizationOption = False,
    json: AsJson = False,
) -> None:
    """List the limits and where each stands: all of them, or those on what is named.

    For example:

        keyhouse limits list

        keyhouse limits list --key key_7Qm2x9FaLk --json
    """
    client = Client()
    scope = _scope(client, key, user, service_account, project, organization) or {}
    found = client.every("/limits", {f"scope_{name}": value for name, value in scope.items()})
    if json:
        show_json({"object": "list", "data": found})
        return
    rows = [
        (
            each["id"],
            f"{each['scope']['type']} {each['scope']['id']}",
            each["model"] or "all",
            each["unit"],
            each["window"],
            each["amount"],
            each["used"],
            each["reserved"],
            each["left"],
            moment(each["resets_at"]),
        )
        for each in found
    ]
    headers = ("ID", "ON", "MODEL", "UNIT", "WINDOW", "AMOUNT", "USED", "RESERVED", "LEFT", "RESETS")
    show_table(headers, rows, numbers=("AMOUNT", "USED", "RESERVED", "LEFT"))


@limits_app.command
def delete(limit: Annotated[str, Parameter(help="The limit, by its id.")], /, *, json: AsJson = False) -> None:
    """Take a limit out of force, at once.

    For example:

        keyhouse limits delete limit_4fQ2mZ7nT1xK9cV3bR8s
    """
    gone = Client().delete(f"/limits/{part(limit)}")
    if json:
        show_json(gone)
        return
    show_fields({"id": gone["id"], "status": "deleted"})


def _scope(
    client: Client,
    key: str | None,
    user: str | None,
    service_account: str | None,
    project: str | None,
    organization: bool,
) -> dict[str, str] | None:
    by_id = {"key": key, "user": user, "service_account": service_account}
    chosen = [{"type": kind, "id": require_id(named)} for kind, named in by_id.items() if named is not None]
    if len(chosen) + (project is not None) + organization > 1:
        raise Failure(f"name one thing that the limit is on: {_SCOPES}.", Exit.USAGE)
    if chosen:
        return chosen[0]
    if project is not None:
        return {"type": "project", "id": lookup.project(client, project)}
    return {"type": "organization"} if organization else None


def _fields(found: Json) -> dict[str, object]:
    return {
        "id": found["id"],
        "on": f"{found['scope']['type']} {found['scope']['id']}",
        "model": found["model"] or "all",
        "limit": _size(found),
        "used": found["used"],
        "reserved": found["reserved"],
        "left": found["left"],
        "resets": moment(found["resets_at"]),
    }


def _size(found: Json) -> str:
    if found["unit"] == "concurrency":
        return f"{found['amount']} calls at once"
    each = f"{found['amount']} {found['unit'].replace('_', ' ')}"
    return f"{each} in total" if found["window"] == "total" else f"{each} a {found['window']}"
