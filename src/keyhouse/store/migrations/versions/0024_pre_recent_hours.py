"""pre recent hours: the hours of the last days by owner and by key, and what is being folded. The server fills them
once it runs.
"""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

BUCKETS = 14
SUMS = (
    *("requests", "errors", "input_tokens", "cached_input_tokens", "cache_write_tokens", "output_tokens"),
    *("reasoning_tokens", "cost_nano_usd", "unpriced_requests", "audio_input_tokens", "audio_output_tokens", "images"),
    *("audio_seconds", "characters", *(f"duration_{place}" for place in range(BUCKETS))),
    *(*(f"first_byte_{place}" for place in range(BUCKETS)), "errors_429", "errors_5xx", "answering_ms"),
)
OWNERS = ("organization_id", "project_id", "owner_id")


def upgrade() -> None:
    """Add them."""
    is_postgres = op.get_bind().dialect.name == "postgresql"
    _create("usage_whole_hour_by_owner", OWNERS)
    op.create_index("usage_whole_hour_by_owner_of_owner", "usage_whole_hour_by_owner", ["owner_id"])
    _create("usage_whole_hour_by_key", (*OWNERS, "key_id"))
    of_key = ["key_id", "starts_at_ms"] if is_postgres else ["key_id"]
    op.create_index("usage_whole_hour_of_key", "usage_whole_hour_by_key", of_key)
    op.create_index("usage_whole_hour_of_owner", "usage_whole_hour_by_key", ["owner_id"])
    op.create_table(
        "folded_recent_hours",
        sa.Column("organization_id", sa.Text(), nullable=False),
        sa.Column("starts_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("ends_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("folded_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "starts_at_ms"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "usage_foldings",
        sa.Column("organization_id", sa.Text(), nullable=False),
        sa.Column("fold", sa.Text(), nullable=False),
        sa.Column("starts_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("ends_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("begun_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "fold", "starts_at_ms"),
        sqlite_with_rowid=False,
    )


def _create(name: str, groups: tuple[str, ...]) -> None:
    op.create_table(
        name,
        sa.Column("starts_at_ms", sa.BigInteger(), nullable=False),
        *(sa.Column(column, sa.Text(), nullable=False) for column in groups),
        *(sa.Column(column, sa.BigInteger(), nullable=False, server_default="0") for column in SUMS),
        sa.PrimaryKeyConstraint("starts_at_ms", *groups),
        sqlite_with_rowid=False,
    )
