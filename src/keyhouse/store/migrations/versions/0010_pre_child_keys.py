"""pre child keys: which key made a key."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("api_keys", sa.Column("parent_id", sa.Text(), nullable=True))
    op.create_index("api_keys_by_parent", "api_keys", ["parent_id"])
