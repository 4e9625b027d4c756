"""`keyhouse audit`: the audit log, from the server; and whether it is whole, from the database itself."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

from cyclopts import App, Parameter

from keyhouse.cli import forms, lookup
from keyhouse.cli.client import PAGE, Client, Json, require_id
from keyhouse.cli.lookup import ProjectOption
from keyhouse.cli.place import Data, Database, database_url, master_key_path, wait_for
from keyhouse.cli.talk import AsJson, Exit, Failure, moment, show_json, show_table
from keyhouse.cli.usage import Until
from keyhouse.core.chain import Head, parse_head
from keyhouse.store import audit_chains
from keyhouse.store.audit_chains import Verification
from keyhouse.store.engine import CannotOpen, Connection
from keyhouse.store.master_key import find_keyring
from keyhouse.store.opening import ask_newest

audit_app: Final = App(name="audit", help="The audit log: who changed what, and is it whole.")

Event = Annotated[
    tuple[str, ...],
    Parameter(name="--event", show_default=False, help="Only this, such as api_key.created; repeat it for more."),
]
By = Annotated[
    tuple[str, ...], Parameter(name="--actor", show_default=False, help="Only by this user or key, by the id.")
]
Resource = Annotated[
    tuple[str, ...], Parameter(name="--resource", show_default=False, help="Only what was done to this, by its id.")
]


@audit_app.command(name="list")
def list_entries(
    *,
    since: Annotated[str, Parameter(help="From when on: a date, or so long ago, such as 7d.")] = "30d",
    until: Until = None,
    events: Event = (),
    actors: By = (),
    resources: Resource = (),
    project: ProjectOption = None,
    limit: Annotated[int, Parameter(help="How many at most.")] = 50,
    json: AsJson = False,
) -> None:
    """List what was changed and by whom, newest first.

    For example:

        keyhouse audit list

        keyhouse audit list --event api_key.created --event api_key.deleted --project Research --since 7d --json
    """
    if limit < 1:
        raise Failure(f"--limit: expected a whole number from 1 on, not {limit}.", Exit.USAGE)
    client, now = Client(), datetime.now(UTC)
    query: dict[str, Any] = {"effective_at[gte]": forms.instant(since, "--since", now, direction=-1)}
    if until is not None:
        query["effective_at[lt]"] = forms.instant(until, "--until", now, direction=-1)
    filters = {
        "event_types[]": list(events),
        "actor_ids[]": [require_id(actor) for actor in actors],
        "resource_ids[]": [require_id(resource) for resource in resources],
        "project_ids[]": [lookup.project(client, project)] if project else [],
    }
    query |= {name: values for name, values in filters.items() if values}
    found: list[Json] = []
    while True:
        page = client.get("/audit_logs", query | {"limit": min(PAGE, limit - len(found))})
        found += page["data"]
        if not page["has_more"] or len(found) >= limit:
            break
        query["after"] = page["last_id"]
    if json:
        show_json({"object": "list", "data": found, "has_more": page["has_more"]})
        return
    show_table(("AT", "EVENT", "ON", "BY", "FROM"), [_line(each) for each in found])


@audit_app.command
def verify(
    *,
    data: Data = None,
    database: Database = None,
    master_key: Annotated[Path | None, Parameter(help="File of the master key; else the configured one.")] = None,
    head: Annotated[
        str | None, Parameter(help="A head printed earlier: prove that the log still has all it had then.")
    ] = None,
    json: AsJson = False,
) -> int:
    """Check that no entry was changed, added, moved or taken away; exit 1 with what does not fit. It only reads.

    Keep the heads it prints where nobody who can write to the database can reach them: an old copy of the whole log
    fits as well as the log itself, but does not have the entry that a later head names.

    For example:

        keyhouse audit verify --data data

        keyhouse audit verify --database postgresql://keyhouse@db.example.com/keyhouse --master-key master.key --json
    """
    noted = None if head is None else _read_head(head)
    key_path = master_key_path(data, master_key)
    found = wait_for(ask_newest(database_url(data, database), lambda c: _verified(c, key_path, noted)))
    if json:
        body = {"passes": found.passes, "entries": found.entries, "heads": found.heads, "findings": found.findings}
        show_json({"object": "audit_log.verification"} | body)
    else:
        _show(found)
    return Exit.OK if found.passes else Exit.ERROR


def _verified(connection: Connection, key_path: Path, noted: Head | None) -> Verification:
    try:
        keyring = find_keyring(connection, key_path)
    except CannotOpen as error:
        raise CannotOpen(f"{error} Name the right one by --master-key.") from None
    found = audit_chains.verify(connection, keyring.audit)
    if noted is None or audit_chains.has_entry(connection, noted):
        return found
    lost = f"no log has the entry {noted.sequence} of the head given: it was cut off or replaced"
    return Verification(found.entries, found.heads, (*found.findings, lost))


def _read_head(text: str) -> Head:
    try:
        return parse_head(text)
    except ValueError as fault:
        raise Failure(f"--head: {fault}.", Exit.USAGE) from None


def _line(entry: Json) -> list[object]:
    actor = entry["actor"] or {}
    kind = actor.get("type")
    person = (actor.get("session") or actor.get("api_key") or {}).get("user") or {}
    address = (actor.get("session") or actor).get("ip_address")
    who = person.get("email") or person.get("id") or "keyhouse"
    by = f"{who} ({actor['api_key']['id']})" if kind == "api_key" else who
    return [moment(entry["effective_at"]), entry["event"], entry["resource_id"], by, address]


def _show(found: Verification) -> None:
    for line in found.findings:
        print(f"WRONG    {line}")
    for organization, head in found.heads.items():
        print(f"head     {organization}  {head}")
    print(f"entries  {found.entries:,}")
    print("The audit log is whole." if found.passes else f"The audit log is wrong in {len(found.findings)} places.")
