"""pre days of owners: an index by which a person's days are found among those of all keys."""

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add it."""
    op.create_index("usage_day_of_owner", "usage_day_by_key", ["owner_id"])
