"""pre pruned calls: how far calls were pruned; call ids in the order of their bytes, and storage, on PostgreSQL."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_REWRITTEN = ("sessions", "api_keys", "instances")


def upgrade() -> None:
    op.create_table(
        "pruned_calls",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("last_id", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("last_slot_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    if op.get_bind().dialect.name != "postgresql":
        return
    op.alter_column("adjustments", "call_id", type_=sa.Text(collation="C"))
    op.alter_column("calls", "id", type_=sa.Text(collation="C"))
    op.execute("ALTER TABLE limit_periods SET (autovacuum_vacuum_scale_factor = 0.02)")
    for table in _REWRITTEN:
        op.execute(f"ALTER TABLE {table} SET (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05)")
