"""pre limits in order: an index by which limits are counted and put in order."""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "limits_in_order", "limits", ["organization_id", "deleted_at_ms", "scope_type", "created_at_ms", "id"]
    )
