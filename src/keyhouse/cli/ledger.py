"""`keyhouse ledger`: questions to the books that need no running server."""

from typing import Annotated, Final

import msgspec
from cyclopts import App, Parameter

from keyhouse.cli.place import Data, Database, database_url, wait_for
from keyhouse.ledger.auditor import Report, audit
from keyhouse.store.opening import look

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
    report = wait_for(look(database_url(data, database), audit))
    _print(report, as_json=json)
    return 0 if report.passes else 1


def _print(report: Report, *, as_json: bool) -> None:
    if as_json:
        body = {"object": "ledger.report", "passes": report.passes, **msgspec.to_builtins(report)}
        print(msgspec.json.format(msgspec.json.encode(body), indent=2).decode())
        return
    totals = report.totals
    print(f"calls        {totals.calls:>12,}  ({totals.held:,} running)")
    print(f"periods      {totals.periods:>12,}")
    print(f"rollups      {totals.rollups:>12,}")
    print(f"adjustments  {totals.adjustments:>12,}")
    for line in report.disagreements:
        print(f"WRONG        {line}")
    print("The books agree." if report.passes else f"The books disagree in {len(report.disagreements)} places.")
