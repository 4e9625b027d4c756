"""`keyhouse ledger`: questions to the books that need no running server."""

import sys
from pathlib import Path
from typing import Annotated, Final

import msgspec
from cyclopts import App, Parameter

from keyhouse.ledger.auditor import Report, audit
from keyhouse.store.engine import CannotOpen
from keyhouse.store.sqlite import read_only

ledger_app: Final = App(name="ledger", help="Check the books.")


@ledger_app.command
def verify(
    *,
    data: Annotated[Path | None, Parameter(help="Folder of the database.")] = None,
    database: Annotated[str | None, Parameter(help="Address of the database, sqlite:///path/to/keyhouse.db.")] = None,
    json: Annotated[bool, Parameter(negative="", help="Print the report as JSON.")] = False,
) -> int:
    """Add the books up again from the calls; exit 1 with what disagrees. It only reads, also beside a running server.

    For example:

        keyhouse ledger verify --data data

        keyhouse ledger verify --database sqlite:////var/lib/keyhouse/keyhouse.db --json
    """
    if (data is None) == (database is None):
        print("keyhouse: name the books by either --data or --database", file=sys.stderr)
        return 2
    if database is not None and not database.startswith("sqlite:///"):
        print("keyhouse: --database: expected sqlite:///path/to/keyhouse.db", file=sys.stderr)
        return 2
    path = Path(database.removeprefix("sqlite:///")) if database is not None else (data or Path()) / "keyhouse.db"
    try:
        engine = read_only(path)
    except CannotOpen as error:
        print(f"keyhouse: {error}", file=sys.stderr)
        return 1
    try:
        with engine.connect() as connection:
            report = audit(connection)
    finally:
        engine.dispose()
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
