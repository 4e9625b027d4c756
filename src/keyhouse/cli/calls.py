"""`keyhouse calls`: list, show."""

from datetime import UTC, datetime
from typing import Annotated, Any, Final

from cyclopts import App, Parameter

from keyhouse.cli import forms, lookup
from keyhouse.cli.client import PAGE, Client, Json, part, require_id
from keyhouse.cli.explained import instant, show_call
from keyhouse.cli.lookup import ProjectOption
from keyhouse.cli.talk import AsJson, Exit, Failure, show_json, show_table
from keyhouse.cli.usage import Key, Model, Until

calls_app: Final = App(name="calls", help="Calls, and what each was charged for.")

Owner = Annotated[
    tuple[str, ...],
    Parameter(name="--user", show_default=False, help="Only this user's or service account's, by the id."),
]
Upstream = Annotated[tuple[str, ...], Parameter(name="--upstream", show_default=False, help="Only at this upstream.")]
Endpoint = Annotated[
    tuple[str, ...], Parameter(name="--endpoint", show_default=False, help="Only here, such as /v1/chat/completions.")
]
State = Annotated[
    tuple[str, ...],
    Parameter(name="--state", show_default=False, help="Only in this state: held, settled, released or orphaned."),
]


@calls_app.command(name="list")
def list_calls(
    *,
    since: Annotated[str, Parameter(help="From when on: a date, or so long ago, such as 7d.")] = "24h",
    until: Until = None,
    project: ProjectOption = None,
    keys: Key = (),
    users: Owner = (),
    models: Model = (),
    upstreams: Upstream = (),
    endpoints: Endpoint = (),
    states: State = (),
    errors: Annotated[bool, Parameter(show_default=False, help="Only those that failed.")] = False,
    limit: Annotated[int, Parameter(help="How many at most.")] = 20,
    json: AsJson = False,
) -> None:
    """List calls, newest first.

    For example:

        keyhouse calls list

        keyhouse calls list --key key_7Qm2x9FaLk --errors --since 7d --limit 100

        keyhouse calls list --project Research --model tiny-1 --state held --json
    """
    if limit < 1:
        raise Failure(f"--limit: expected a whole number from 1 on, not {limit}.", Exit.USAGE)
    client, now = Client(), datetime.now(UTC)
    query: dict[str, Any] = {"start_time": forms.instant(since, "--since", now, direction=-1)}
    if until is not None:
        query["end_time"] = forms.instant(until, "--until", now, direction=-1)
    filters = {
        "project_ids": [lookup.project(client, project)] if project else [],
        "api_key_ids": [require_id(key) for key in keys],
        "user_ids": [require_id(user) for user in users],
        "models": list(models),
        "upstreams": list(upstreams),
        "endpoints": list(endpoints),
        "states": list(states),
        "errors_only": ["true"] if errors else [],
    }
    found, has_more = _gather(client, query | {name: values for name, values in filters.items() if values}, limit)
    if json:
        show_json({"object": "list", "data": found, "has_more": has_more})
        return
    _show(found)


@calls_app.command
def show(call: Annotated[str, Parameter(help="The call, by its id.")], /, *, json: AsJson = False) -> None:
    """Show a call: what was counted, times its price, what was reserved and charged on each limit, and when.

    An answer carries the id of its call in the header x-keyhouse-call-id.

    For example:

        keyhouse calls show call_035388PKZfldAlvlZiwc2S

        keyhouse calls show call_035388PKZfldAlvlZiwc2S --json
    """
    found = Client().get(f"/calls/{part(call)}")
    if json:
        show_json(found)
        return
    show_call(found)


def _gather(client: Client, query: dict[str, Any], limit: int) -> tuple[list[Json], bool]:
    """So many calls, page by page. A page may be empty and be followed by others: the API says where to go on."""
    found: list[Json] = []
    while True:
        page = client.get("/calls", query | {"limit": min(PAGE, limit - len(found))})
        found += page["data"]
        if not page["has_more"] or len(found) >= limit:
            return found, page["has_more"]
        query["after"] = page["last_id"]


def _show(found: list[Json]) -> None:
    rows = [
        (
            each["id"],
            instant(each["created_at"]),
            each["state"],
            each["status"],
            each["api_key_id"],
            each["model"],
            each["usage"]["input_tokens"],
            each["usage"]["output_tokens"],
            each["cost_usd"],
            each["duration_ms"],
        )
        for each in found
    ]
    headers = ("ID", "BEGAN", "STATE", "STATUS", "KEY", "MODEL", "INPUT", "OUTPUT", "USD", "MS")
    show_table(headers, rows, numbers=("STATUS", "INPUT", "OUTPUT", "USD", "MS"))
