"""pre objects by project: a project's own files, batches and the like are listed, newest first."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("objects_by_project", "objects", ["project_id", "kind", "created_at_ms", "id"])
