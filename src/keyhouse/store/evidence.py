"""The rows as the auditor reads them: what the counters say beside what the calls add up to."""

from typing import Any, Final

import msgspec
from sqlalchemy import Connection

from keyhouse.store.folded import FoldedEvidence, count_folded, list_wrong
from keyhouse.store.statements import load_statements


class Totals(msgspec.Struct, frozen=True):
    """How much there was to check. `folded` are the hours and days that were added up once and for all."""

    calls: int
    held: int
    periods: int
    rollups: int
    adjustments: int
    folded: int = 0


class PeriodEvidence(msgspec.Struct, frozen=True):
    """A period whose counters disagree with its calls, or that admitted more than its amount."""

    period_id: int
    limit_id: str
    period: str
    unit: str
    settled: int
    settled_expected: int
    reserved: int
    reserved_expected: int
    overrun: int
    peak: int


class RollupEvidence(msgspec.Struct, frozen=True):
    """An hour's rollup that disagrees with its calls. A side that has no row is all None."""

    starts_at_ms: int
    key_id: str
    model: str
    requests: int | None
    requests_expected: int | None
    input_tokens: int | None
    input_tokens_expected: int | None
    output_tokens: int | None
    output_tokens_expected: int | None
    cost_nano_usd: int | None
    cost_nano_usd_expected: int | None


class Evidence(msgspec.Struct, frozen=True):
    """Everything that was found; the lists hold at most 1,000 rows each and are empty when the books agree."""

    totals: Totals
    periods: tuple[PeriodEvidence, ...]
    rollups: tuple[RollupEvidence, ...]
    strays: tuple[tuple[str, str], ...]
    folded: tuple[FoldedEvidence, ...] = ()


_ENGINES: Final = {"sqlite": "sqlite", "postgresql": "postgres"}


def gather(connection: Connection) -> Evidence:
    """Read it all on one snapshot."""
    sql = load_statements(f"auditor_{_ENGINES[connection.dialect.name]}.sql")

    def rows(name: str) -> list[Any]:
        return list(connection.exec_driver_sql(sql[name]).all())

    return Evidence(
        msgspec.structs.replace(Totals(*rows("totals")[0]), folded=count_folded(connection)),
        tuple(PeriodEvidence(*row) for row in rows("periods")),
        tuple(RollupEvidence(*row) for row in rows("rollups")),
        tuple((str(row[0]), str(row[1])) for row in rows("strays")),
        tuple(list_wrong(connection)),
    )
