"""pre days: whole days added up for pages, by what was called and by key; an index to the hours of a key."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

BUCKETS = 14
SUMS = (
    *("requests", "errors", "input_tokens", "cached_input_tokens", "cache_write_tokens", "output_tokens"),
    *("reasoning_tokens", "cost_nano_usd", "unpriced_requests", "audio_input_tokens", "audio_output_tokens", "images"),
    *("audio_seconds", "characters", *(f"duration_{place}" for place in range(BUCKETS))),
    *(*(f"first_byte_{place}" for place in range(BUCKETS)), "errors_429", "errors_5xx", "answering_ms"),
)


def upgrade() -> None:
    _create("usage_day", ("organization_id", "project_id", "model", "upstream", "endpoint"))
    _create("usage_day_by_key", ("organization_id", "project_id", "owner_id", "key_id"))
    op.create_index("usage_day_of_key", "usage_day_by_key", ["key_id"])
    op.create_table(
        "folded_days",
        sa.Column("organization_id", sa.Text(), nullable=False),
        sa.Column("starts_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("ends_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("folded_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "starts_at_ms"),
        sqlite_with_rowid=False,
    )
    op.create_index("usage_hour_by_key", "usage_hour", ["key_id", "starts_at_ms"])


def _create(name: str, groups: tuple[str, ...]) -> None:
    op.create_table(
        name,
        sa.Column("starts_at_ms", sa.BigInteger(), nullable=False),
        *(sa.Column(column, sa.Text(), nullable=False) for column in groups),
        *(sa.Column(column, sa.BigInteger(), nullable=False, server_default="0") for column in SUMS),
        sa.PrimaryKeyConstraint("starts_at_ms", *groups),
        sqlite_with_rowid=False,
    )
