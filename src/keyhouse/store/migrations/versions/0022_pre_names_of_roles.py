"""pre names of roles: those that are always there bear the ids that OpenAI gives them, which its clients write out."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Give what is assigned already its new id."""
    assigned = sa.table("role_assignments", sa.column("role_id", sa.Text()))
    for before, after in (("role-organization-", "role-api-organization-"), ("role-project-", "role-api-project-")):
        op.execute(
            assigned.update()
            .where(assigned.c.role_id.startswith(before))
            .values(role_id=sa.func.replace(assigned.c.role_id, before, after))
        )
