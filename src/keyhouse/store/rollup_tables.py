"""The tables of the usage rollups: what is added up of calls by the hour and by the minute, and of hours once they are
over: by the day, and by the hour whoever called, or lately by owner and key, too.
"""

from typing import Final

from sqlalchemy import BigInteger, Column, Index, MetaData, Table, Text

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


SLOT_GROUPS: Final = ("organization_id", "project_id", "owner_id", "key_id", "model", "upstream", "endpoint")
"""Whose usage a slot's row is, and of what."""

WHOLE_GROUPS: Final = ("organization_id", "project_id", "model", "upstream", "endpoint")
"""The same of a whole hour's or day's row, whoever called."""

OWNER_GROUPS: Final = ("organization_id", "project_id", "owner_id")
"""The same of one owner, whatever their keys called."""

KEY_GROUPS: Final = ("organization_id", "project_id", "owner_id", "key_id")
"""The same of one key, whatever it called."""

HOUR_SUMS: Final = ROLLUP_SUMS + ROLLUP_HISTOGRAMS + ROLLUP_CAUSES


def rollup_tables(metadata: MetaData) -> tuple[Table, Table]:
    """The rollup by the hour, or by a quarter of one, and the one by the minute."""
    return (
        _rollup("usage_hour", metadata, SLOT_GROUPS, HOUR_SUMS, Index("usage_hour_by_key", "key_id", "starts_at_ms")),
        _rollup("usage_minute", metadata, SLOT_GROUPS, ROLLUP_SUMS),
    )


def refused_table(metadata: MetaData) -> Table:
    """What limits refused, by the same hours: these requests never became calls, and no other rollup knows of them."""
    return _rollup("refused_hour", metadata, SLOT_GROUPS, ("requests",))


def hour_tables(metadata: MetaData) -> tuple[Table, Table]:
    """Whole hours of an organization's time zone added up, whoever called; and which hours those are."""
    return _rollup("usage_whole_hour", metadata, WHOLE_GROUPS, HOUR_SUMS), _marks("folded_hours", metadata)


def recent_tables(metadata: MetaData) -> tuple[Table, Table, Table]:
    """The same hours by owner and by key, as long as pages show hours; and which hours those are."""
    return (
        _by_owner("usage_whole_hour_by_owner", metadata),
        _by_key("usage_whole_hour_by_key", metadata, "usage_whole_hour"),
        _marks("folded_recent_hours", metadata),
    )


def day_tables(metadata: MetaData) -> tuple[Table, Table, Table, Table]:
    """Whole days of an organization's time zone added up, by what was called, by owner and by key; and which days those
    are.
    """
    return (
        _rollup("usage_day", metadata, WHOLE_GROUPS, HOUR_SUMS),
        _by_owner("usage_day_by_owner", metadata),
        _by_key("usage_day_by_key", metadata, "usage_day"),
        _marks("folded_days", metadata),
    )


def _by_owner(name: str, metadata: MetaData) -> Table:
    return _rollup(name, metadata, OWNER_GROUPS, HOUR_SUMS, Index(f"{name}_of_owner", "owner_id"))


def _by_key(name: str, metadata: MetaData, what: str) -> Table:
    return _rollup(
        name,
        metadata,
        KEY_GROUPS,
        HOUR_SUMS,
        # SQLite's index of a table without row ids holds its primary key by itself.
        Index(f"{what}_of_key", "key_id").ddl_if(dialect="sqlite"),
        Index(f"{what}_of_key", "key_id", "starts_at_ms").ddl_if(dialect="postgresql"),
        Index(f"{what}_of_owner", "owner_id"),
    )


def _marks(name: str, metadata: MetaData) -> Table:
    return Table(
        name,
        metadata,
        Column("organization_id", Text, primary_key=True),
        Column("starts_at_ms", BigInteger, primary_key=True),
        Column("ends_at_ms", BigInteger, nullable=False),
        Column("folded_at_ms", BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )


def foldings_table(metadata: MetaData) -> Table:
    """Which hours and days are being folded, `fold` the table of their marks, and since when."""
    return Table(
        "usage_foldings",
        metadata,
        Column("organization_id", Text, primary_key=True),
        Column("fold", Text, primary_key=True),
        Column("starts_at_ms", BigInteger, primary_key=True),
        Column("ends_at_ms", BigInteger, nullable=False),
        Column("begun_at_ms", BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )


def _rollup(name: str, metadata: MetaData, groups: tuple[str, ...], sums: tuple[str, ...], *indexes: Index) -> Table:
    return Table(
        name,
        metadata,
        Column("starts_at_ms", BigInteger, primary_key=True),
        *(Column(column, Text, primary_key=True) for column in groups),
        *(Column(column, BigInteger, nullable=False, server_default="0") for column in sums),
        *indexes,
        sqlite_with_rowid=False,
    )


def ranking_table(metadata: MetaData) -> Table:
    """Who used most in what pages ask for, as `store/rankings.py` reads and writes it."""
    return Table(
        "usage_rankings",
        metadata,
        Column("organization_id", Text, primary_key=True),
        Column("name", Text, primary_key=True),
        Column("project_id", Text, primary_key=True),
        Column("measure", Text, primary_key=True),
        Column("starts_at_ms", BigInteger, primary_key=True),
        Column("ends_at_ms", BigInteger, nullable=False),
        Column("made_at_ms", BigInteger, nullable=False),
        Column("leaders", Text, nullable=False),
        Column("seen", Text, nullable=False),
    )
