"""pre wrapped root: what the first master key was the root of, encrypted with the one that took its place."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """No master key was changed so far: the present one is the root itself."""
    op.add_column("installation", sa.Column("wrapped_root", sa.LargeBinary(), nullable=True))
