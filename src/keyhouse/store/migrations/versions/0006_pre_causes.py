"""pre causes: what an hour's errors came from, and how long its answers took from first byte to last."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("errors_429", "errors_5xx", "answering_ms"):
        op.add_column("usage_hour", sa.Column(name, sa.BigInteger(), nullable=False, server_default="0"))
