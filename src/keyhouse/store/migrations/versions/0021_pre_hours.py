"""pre hours: whole hours added up whoever called, days by owner, and who used most. The server fills the first and the
last of these once it runs.
"""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

BUCKETS = 14
SUMS = (
    *("requests", "errors", "input_tokens", "cached_input_tokens", "cache_write_tokens", "output_tokens"),
    *("reasoning_tokens", "cost_nano_usd", "unpriced_requests", "audio_input_tokens", "audio_output_tokens", "images"),
    *("audio_seconds", "characters", *(f"duration_{place}" for place in range(BUCKETS))),
    *(*(f"first_byte_{place}" for place in range(BUCKETS)), "errors_429", "errors_5xx", "answering_ms"),
)
GROUPS = ("organization_id", "project_id", "model", "upstream", "endpoint")
OWNERS = ("organization_id", "project_id", "owner_id")


def upgrade() -> None:
    _create("usage_whole_hour", GROUPS)
    op.create_table(
        "folded_hours",
        sa.Column("organization_id", sa.Text(), nullable=False),
        sa.Column("starts_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("ends_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("folded_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "starts_at_ms"),
        sqlite_with_rowid=False,
    )
    _create("usage_day_by_owner", OWNERS)
    # What is folded of the days by key is folded of those by owner, too.
    days = sa.table("usage_day_by_key", *map(sa.column, ("starts_at_ms", *OWNERS, *SUMS)))
    columns = [days.c[name] for name in ("starts_at_ms", *OWNERS)]
    sums = [sa.cast(sa.func.sum(days.c[name]), sa.BigInteger()) for name in SUMS]
    by_owner = sa.table("usage_day_by_owner", *map(sa.column, ("starts_at_ms", *OWNERS, *SUMS)))
    op.execute(
        sa.insert(by_owner).from_select(["starts_at_ms", *OWNERS, *SUMS], sa.select(*columns, *sums).group_by(*columns))
    )
    op.create_index("usage_day_by_owner_of_owner", "usage_day_by_owner", ["owner_id"])
    op.create_table(
        "usage_rankings",
        sa.Column("organization_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("project_id", sa.Text(), nullable=False),
        sa.Column("measure", sa.Text(), nullable=False),
        sa.Column("starts_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("ends_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("made_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("leaders", sa.Text(), nullable=False),
        sa.Column("seen", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "name", "project_id", "measure", "starts_at_ms"),
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
