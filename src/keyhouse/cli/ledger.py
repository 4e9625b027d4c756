"""`keyhouse ledger`: questions to the books that need no running server."""

from typing import Annotated, Final

import msgspec
from cyclopts import App, Parameter

from keyhouse.admin.call_shapes import explained_call
from keyhouse.cli.client import require_id
from keyhouse.cli.explained import show_call
from keyhouse.cli.place import Data, Database, database_url, wait_for
from keyhouse.cli.talk import AsJson, Exit, Failure, show_json
from keyhouse.core.errors import Refusal
from keyhouse.ledger.auditor import Report, audit
from keyhouse.reporting.calls import explained_anywhere
from keyhouse.store.opening import ask_newest

ledger_app: Final = App(name="ledger", help="Check the books.")


@ledger_app.command
def verify(
    *,
    data: Data = None,
    database: Database = None,
    json: Annotated[bool, Parameter(negative="", help="Print the report as JSON.")] = False,
) -> int:
    """Add the books up again from the calls; exit 1 with what disagrees. It only reads, also beside a running server.

    For example:

        keyhouse ledger verify --data data

        keyhouse ledger verify --database sqlite:////var/lib/keyhouse/keyhouse.db --json

        keyhouse ledger verify --database postgresql://keyhouse@db.example.com/keyhouse
    """
    report = wait_for(ask_newest(database_url(data, database), audit))
    _print(report, as_json=json)
    return 0 if report.passes else 1


@ledger_app.command
def explain(
    call: Annotated[str, Parameter(help="The call, by its id.")],
    /,
    *,
    data: Data = None,
    database: Database = None,
    json: AsJson = False,
) -> None:
    """Explain a call's charge from the books: counts times price, what was reserved, limits and times. It only reads.

    For example:

        keyhouse ledger explain call_035388PKZfldAlvlZiwc2S --data data

        keyhouse ledger explain call_035388PKZfldAlvlZiwc2S --data data --json
    """
    call_id = require_id(call)
    try:
        found = wait_for(
            ask_newest(database_url(data, database), lambda connection: explained_anywhere(connection, call_id))
        )
    except Refusal as refusal:
        raise Failure(refusal.text, Exit.NOT_FOUND) from None
    if json:
        show_json(explained_call(found))
        return
    show_call(explained_call(found))


def _print(report: Report, *, as_json: bool) -> None:
    if as_json:
        body = {"object": "ledger.report", "passes": report.passes, **msgspec.to_builtins(report)}
        print(msgspec.json.format(msgspec.json.encode(body), indent=2).decode())
        return
    totals = report.totals
    print(f"calls        {totals.calls:>12,}  ({totals.held:,} running)")
    print(f"periods      {totals.periods:>12,}")
    print(f"rollups      {totals.rollups:>12,}")
    print(f"folded       {totals.folded:>12,}  (hours and days)")
    print(f"adjustments  {totals.adjustments:>12,}")
    for line in report.disagreements:
        print(f"WRONG        {line}")
    print("The books agree." if report.passes else f"The books disagree in {len(report.disagreements)} places.")
