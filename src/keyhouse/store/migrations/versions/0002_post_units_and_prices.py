"""post units and prices: every unit in calls and rollups, prices as figures, service accounts, what was pruned.

It is a post migration because an older program could not read the prices.
"""

import json

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_RESERVED = ("reserved_images", "reserved_audio_seconds", "reserved_characters")
_UNITS = ("images", "audio_seconds", "characters")
_COUNTS = ("audio_input_tokens", "audio_output_tokens", *_UNITS)


def upgrade() -> None:
    op.create_table(
        "service_accounts",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("organization_id", sa.Text(), nullable=False),
        sa.Column("project_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("deleted_at_ms", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"]),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_service_accounts_project_id", "service_accounts", ["project_id"])
    op.add_column("calls", sa.Column("owner_type", sa.Text(), nullable=False, server_default="user"))
    op.add_column("calls", sa.Column("tier", sa.Text(), nullable=False, server_default="default"))
    op.add_column("calls", sa.Column("output_tokens_max", sa.BigInteger(), nullable=True))
    _add_sums("calls", _RESERVED + _COUNTS)
    _add_sums("adjustments", _UNITS)
    _add_sums("usage_hour", _COUNTS)
    _add_sums("usage_minute", _COUNTS)
    _add_sums("limit_periods", ("pruned",))
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE limit_periods SET (fillfactor = 50)")
    _rewrite_prices()


def _add_sums(table: str, names: tuple[str, ...]) -> None:
    for name in names:
        op.add_column(table, sa.Column(name, sa.BigInteger(), nullable=False, server_default="0"))


def _rewrite_prices() -> None:
    """Each price keeps its id: the calls name it."""
    connection = op.get_bind()
    old = sa.table(
        "prices",
        *(sa.column(name) for name in ("id", "model", "upstream", "input", "cached_input", "cache_write", "output")),
        sa.column("source"),
        sa.column("created_at_ms"),
    )
    kept = connection.execute(sa.select(old)).mappings().all()
    op.drop_table("prices")
    prices = op.create_table(
        "prices",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("upstream", sa.Text(), nullable=False),
        sa.Column("figures", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    rates = ("input", "cached_input", "cache_write", "output")
    rows = [
        {name: row[name] for name in ("id", "model", "upstream", "source", "created_at_ms")}
        | {"figures": json.dumps({"rates": [{name: row[name] for name in rates}]})}
        for row in kept
    ]
    if rows:
        op.bulk_insert(prices, rows)
