"""pre keys by status: an index by which keys are counted."""

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add it."""
    columns = ["organization_id", "kind", "revoked_at_ms", "expires_at_ms", "disabled_at_ms"]
    op.create_index("api_keys_by_status", "api_keys", columns)
