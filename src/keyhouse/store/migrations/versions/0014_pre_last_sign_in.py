"""pre last sign-in: when each person last signed in, as far back as the audit log tells."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("users", sa.Column("last_sign_in_at_ms", sa.BigInteger(), nullable=True))
    op.execute(
        "UPDATE users SET last_sign_in_at_ms = ("
        "SELECT max(at_ms) FROM audit_events WHERE event = 'login.succeeded' AND resource_id = users.id)"
    )
