"""pre keys by use: an index by which keys are put in the order of their last use; a key's calls and days by their time.

SQLite's indexes of tables without row ids have the time already, as a part of the primary key: they stay as they are,
because to build one anew takes minutes beside ten million calls.
"""

from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add it, and let PostgreSQL's others hold the time."""
    op.create_index("api_keys_by_use", "api_keys", ["organization_id", "last_used_at_ms", "created_at_ms", "id"])
    if op.get_bind().dialect.name == "sqlite":
        return
    for name, table, column in (
        ("calls_by_key", "calls", "id"),
        ("usage_day_of_key", "usage_day_by_key", "starts_at_ms"),
    ):
        op.drop_index(name, table)
        op.create_index(name, table, ["key_id", column])
