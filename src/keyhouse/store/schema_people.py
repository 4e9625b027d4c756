"""The tables of who is here: organizations, projects, people, what they may do, and how they come in."""

from typing import Final

from sqlalchemy import BigInteger, Column, ForeignKey, Integer, LargeBinary, Table, Text

from keyhouse.store.metadata import METADATA

ROW_ID: Final = BigInteger().with_variant(Integer(), "sqlite")
"""A 64-bit row number; SQLite counts by itself only in a column whose type is INTEGER."""

REWRITTEN: Final = {"fillfactor": 80, "autovacuum_vacuum_scale_factor": 0.05}
"""For tables whose rows are written again and again on PostgreSQL: room in the page for the new version of a row
beside the old one, and old versions are cleared away before they are a fifth of the table."""

organizations = Table(
    "organizations",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("time_zone", Text, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
)

projects = Table(
    "projects",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("organization_id", ForeignKey("organizations.id"), nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("external_key_id", Text),
    Column("is_default", Integer, nullable=False, server_default="0"),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("archived_at_ms", BigInteger),
)

users = Table(
    "users",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("email", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("password_hash", Text),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("disabled_at_ms", BigInteger),
    Column("last_sign_in_at_ms", BigInteger),
)

memberships = Table(
    "memberships",
    METADATA,
    Column("organization_id", ForeignKey("organizations.id"), primary_key=True),
    Column("user_id", ForeignKey("users.id"), primary_key=True, index=True),
    Column("role", Text, nullable=False),
    Column("added_at_ms", BigInteger, nullable=False),
    Column("removed_at_ms", BigInteger),
)

project_members = Table(
    "project_members",
    METADATA,
    Column("project_id", ForeignKey("projects.id"), primary_key=True),
    Column("user_id", ForeignKey("users.id"), primary_key=True, index=True),
    Column("organization_id", ForeignKey("organizations.id"), nullable=False),
    Column("role", Text, nullable=False),
    Column("added_at_ms", BigInteger, nullable=False),
)

groups = Table(
    "groups",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("organization_id", ForeignKey("organizations.id"), nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
)

group_members = Table(
    "group_members",
    METADATA,
    Column("group_id", ForeignKey("groups.id"), primary_key=True),
    Column("user_id", ForeignKey("users.id"), primary_key=True, index=True),
    Column("added_at_ms", BigInteger, nullable=False),
)

roles = Table(
    "roles",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("organization_id", ForeignKey("organizations.id"), nullable=False, index=True),
    Column("project_id", ForeignKey("projects.id")),
    Column("name", Text, nullable=False),
    Column("description", Text),
    Column("permissions", Text, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("updated_at_ms", BigInteger, nullable=False),
    Column("created_by", Text, nullable=False),
)
"""Roles that an organization made for itself, or for one of its projects. Those that are always there have no row."""

role_assignments = Table(
    "role_assignments",
    METADATA,
    Column("principal_id", Text, primary_key=True),
    Column("role_id", Text, primary_key=True),
    Column("project_id", Text, primary_key=True, server_default=""),
    Column("organization_id", ForeignKey("organizations.id"), primary_key=True),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("created_by", Text, nullable=False),
)
"""Who holds which role beside the one in the organization: a principal is a user or a group, and an empty
`project_id` means the whole organization."""

invites = Table(
    "invites",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("organization_id", ForeignKey("organizations.id"), nullable=False, index=True),
    Column("email", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("projects", Text, nullable=False),
    Column("token_hash", LargeBinary, nullable=False, unique=True),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("expires_at_ms", BigInteger, nullable=False),
    Column("accepted_at_ms", BigInteger),
    Column("accepted_by", Text),
    Column("deleted_at_ms", BigInteger),
)

sessions = Table(
    "sessions",
    METADATA,
    Column("id_hash", LargeBinary, primary_key=True),
    Column("user_id", ForeignKey("users.id"), nullable=False, index=True),
    Column("organization_id", ForeignKey("organizations.id"), nullable=False),
    Column("csrf_token", Text, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("authenticated_at_ms", BigInteger, nullable=False),
    Column("last_seen_at_ms", BigInteger, nullable=False),
    Column("expires_at_ms", BigInteger, nullable=False),
    Column("address", Text, nullable=False),
    Column("agent", Text, nullable=False),
    Column("ended_at_ms", BigInteger),
    postgresql_with=REWRITTEN,
)

sign_in_attempts = Table(
    "sign_in_attempts",
    METADATA,
    Column("id", ROW_ID, primary_key=True),
    Column("at_ms", BigInteger, nullable=False, index=True),
    Column("person", Text, nullable=False),
    Column("address", Text, nullable=False),
)
