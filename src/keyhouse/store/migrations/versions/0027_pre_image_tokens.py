"""pre image tokens: how many tokens of a call were images, read and made."""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Of calls before this there are none: they were charged at the rate of text."""
    for name in ("image_input_tokens", "image_output_tokens"):
        op.add_column("calls", sa.Column(name, sa.BigInteger(), nullable=False, server_default="0"))
