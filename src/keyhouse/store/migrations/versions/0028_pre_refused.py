"""pre refused: how many requests limits refused, by the hour."""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

GROUPS = ("organization_id", "project_id", "owner_id", "key_id", "model", "upstream", "endpoint")


def upgrade() -> None:
    """Before this nobody counted them."""
    op.create_table(
        "refused_hour",
        sa.Column("starts_at_ms", sa.BigInteger(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in GROUPS),
        sa.Column("requests", sa.BigInteger(), nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("starts_at_ms", *GROUPS),
        sqlite_with_rowid=False,
    )
