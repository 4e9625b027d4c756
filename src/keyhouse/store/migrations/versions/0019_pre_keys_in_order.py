"""pre keys in order: indexes by which keys are ordered, found by their last characters, and counted by their limits."""

from alembic import op
from sqlalchemy import text

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add them."""
    is_postgres = op.get_bind().dialect.name == "postgresql"
    name = text('(lower(name) COLLATE "C")' if is_postgres else "lower(name)")
    ends = text("ends_at_ms IS NOT NULL")
    op.drop_index("api_keys_by_project", "api_keys")
    status = ["revoked_at_ms", "expires_at_ms", "disabled_at_ms"]
    op.create_index(
        "api_keys_by_project", "api_keys", ["organization_id", "project_id", "created_at_ms", "id", *status]
    )
    op.create_index("api_keys_by_creation", "api_keys", ["organization_id", "created_at_ms", "id"])
    op.create_index("api_keys_by_name", "api_keys", ["organization_id", name, "id"])
    op.create_index("key_secrets_by_last_four", "key_secrets", ["last_four"])
    op.create_index("key_secrets_by_end", "key_secrets", ["ends_at_ms"], sqlite_where=ends, postgresql_where=ends)
    op.create_index("limits_by_kind_of_scope", "limits", ["organization_id", "scope_type", "scope_id", "deleted_at_ms"])
