"""post audit chain: entries get a number and a code, each organization a head; the next start makes their codes.

The numbers and codes need the master key, which a migration does not have (`store/audit_chains.py`). What an older
program would write beside this one would have neither.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_ACTOR = """
    UPDATE audit_events SET actor_user_id = CASE actor_type
      WHEN 'api_key' THEN coalesce((SELECT k.owner_id FROM api_keys AS k WHERE k.id = audit_events.actor_id), '')
      ELSE actor_id END
"""
_HEADS = "INSERT INTO audit_heads (organization_id, sequence, last_code) SELECT id, 0, :beginning FROM organizations"


def upgrade() -> None:
    op.add_column("audit_events", sa.Column("actor_user_id", sa.Text(), nullable=False, server_default=""))
    op.add_column("audit_events", sa.Column("sequence", sa.BigInteger(), nullable=True))
    op.add_column("audit_events", sa.Column("code", sa.LargeBinary(), nullable=True))
    op.create_index("audit_events_by_sequence", "audit_events", ["organization_id", "sequence"], unique=True)
    op.create_table(
        "audit_heads",
        sa.Column("organization_id", sa.Text(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("last_code", sa.LargeBinary(), nullable=False),
        sa.Column("code", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"]),
        sa.PrimaryKeyConstraint("organization_id"),
    )
    op.execute(_ACTOR)
    op.get_bind().execute(sa.text(_HEADS), {"beginning": b""})
