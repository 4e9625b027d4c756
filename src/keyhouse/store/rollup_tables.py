"""The tables of the usage rollups: what is added up of calls by the hour and by the minute."""

from typing import Final

from sqlalchemy import BigInteger, Column, MetaData, Table, Text

HISTOGRAM_BOUNDS_MS: Final = (10, 25, 50, 100, 200, 400, 800, 1_500, 3_000, 6_000, 12_000, 30_000, 60_000)
"""Upper bounds of the rollups' latency buckets; a last bucket takes the rest."""

ROLLUP_SUMS: Final = (
    "requests",
    "errors",
    "input_tokens",
    "cached_input_tokens",
    "cache_write_tokens",
    "output_tokens",
    "reasoning_tokens",
    "cost_nano_usd",
    "unpriced_requests",
    "audio_input_tokens",
    "audio_output_tokens",
    "images",
    "audio_seconds",
    "characters",
)
"""What every rollup row adds up."""

ROLLUP_HISTOGRAMS: Final = (
    *(f"duration_{place}" for place in range(len(HISTOGRAM_BOUNDS_MS) + 1)),
    *(f"first_byte_{place}" for place in range(len(HISTOGRAM_BOUNDS_MS) + 1)),
)
"""What an hour's row counts besides: `duration_3` is the number of calls in the fourth latency bucket."""

ROLLUP_CAUSES: Final = ("errors_429", "errors_5xx", "answering_ms")
"""And what of its errors were the upstream's 429 and what faults, dead gateways among them (the others were the
caller's), and how long answers took from their first byte to their last, added up."""


def rollup_tables(metadata: MetaData) -> tuple[Table, Table]:
    """The rollup by the hour, or by a quarter of one, and the one by the minute."""
    return (
        _rollup("usage_hour", metadata, ROLLUP_SUMS + ROLLUP_HISTOGRAMS + ROLLUP_CAUSES),
        _rollup("usage_minute", metadata, ROLLUP_SUMS),
    )


def _rollup(name: str, metadata: MetaData, sums: tuple[str, ...]) -> Table:
    return Table(
        name,
        metadata,
        Column("starts_at_ms", BigInteger, primary_key=True),
        Column("organization_id", Text, primary_key=True),
        Column("project_id", Text, primary_key=True),
        Column("owner_id", Text, primary_key=True),
        Column("key_id", Text, primary_key=True),
        Column("model", Text, primary_key=True),
        Column("upstream", Text, primary_key=True),
        Column("endpoint", Text, primary_key=True),
        *(Column(column, BigInteger, nullable=False, server_default="0") for column in sums),
        sqlite_with_rowid=False,
    )
