"""Every table. Times are milliseconds since 1970 (UTC), money nano-USD, prices pico-USD.

A closed row of `calls` never changes, and goes only when the policy says how long calls are kept; then
`limit_periods.pruned` remembers what it counted there, so that the books can still be added up. `prices.figures`
is `core.money.Price` in JSON.
"""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    column,
    func,
    text,
)

from keyhouse.store.metadata import METADATA
from keyhouse.store.ordering import AsSearched, by_bytes
from keyhouse.store.rollup_tables import (
    day_tables,
    foldings_table,
    hour_tables,
    ranking_table,
    recent_tables,
    refused_table,
    rollup_tables,
)
from keyhouse.store.schema_admin import audit_events, audit_heads, model_permissions, models, spend_alerts, upstreams
from keyhouse.store.schema_keys import key_notices, key_secrets, policies, repeats
from keyhouse.store.schema_people import (
    REWRITTEN,
    ROW_ID,
    group_members,
    groups,
    invites,
    memberships,
    organizations,
    project_members,
    projects,
    role_assignments,
    roles,
    sessions,
    sign_in_attempts,
    users,
)

__all__ = [
    "METADATA",
    "ROW_ID",
    "audit_events",
    "audit_heads",
    "group_members",
    "groups",
    "invites",
    "key_notices",
    "key_secrets",
    "memberships",
    "model_permissions",
    "models",
    "organizations",
    "policies",
    "project_members",
    "projects",
    "repeats",
    "role_assignments",
    "roles",
    "sessions",
    "sign_in_attempts",
    "spend_alerts",
    "upstreams",
    "users",
]
# Those of other files too: whoever reads or writes rows finds every table here.

CALL_ID: Final = Text().with_variant(Text(collation="C"), "postgresql")
"""A call's id, in the order of its bytes on every server: that is the order in which calls began."""

installation = Table(
    "installation",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("master_key_check", LargeBinary, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("wrapped_root", LargeBinary),
)

service_accounts = Table(
    "service_accounts",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("organization_id", ForeignKey("organizations.id"), nullable=False),
    Column("project_id", ForeignKey("projects.id"), nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("deleted_at_ms", BigInteger),
)

_STATUS: Final = ("revoked_at_ms", "expires_at_ms", "disabled_at_ms")

keys = Table(
    "api_keys",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("organization_id", ForeignKey("organizations.id"), nullable=False),
    Column("project_id", ForeignKey("projects.id")),
    Column("owner_id", Text, nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("permissions", Text, nullable=False),
    Column("models", Text),
    Column("endpoints", Text),
    Column("ip_allowlist", Text, nullable=False, server_default="[]"),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("expires_at_ms", BigInteger),
    Column("disabled_at_ms", BigInteger),
    Column("disabled_by", Text),
    Column("revoked_at_ms", BigInteger),
    Column("revoked_by", Text),
    Column("last_used_at_ms", BigInteger),
    Column("access_lost_at_ms", BigInteger),
    Column("parent_id", Text),
    # Made by the database, so that a search need not make 100,000 names small.
    Column("searched_name", Text, AsSearched("name")),
    Index("api_keys_by_parent", "parent_id"),
    Index("api_keys_by_status", "organization_id", "kind", *_STATUS),
    Index("api_keys_by_project", "organization_id", "project_id", "created_at_ms", "id", *_STATUS),
    Index("api_keys_by_creation", "organization_id", "created_at_ms", "id"),
    Index("api_keys_by_use", "organization_id", "last_used_at_ms", "created_at_ms", "id"),
    Index("api_keys_by_name", "organization_id", by_bytes(func.lower(column("name", Text))), "id"),
    postgresql_with=REWRITTEN,
)

_LIVE: Final = text("deleted_at_ms IS NULL")

limits = Table(
    "limits",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("organization_id", ForeignKey("organizations.id"), nullable=False),
    Column("scope_type", Text, nullable=False),
    Column("scope_id", Text, nullable=False),
    Column("unit", Text, nullable=False),
    Column("window", Text, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("model", Text),
    Column("refuse_when_short", Integer, nullable=False, server_default="0"),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("deleted_at_ms", BigInteger),
    Index("limits_by_scope", "scope_id", "scope_type"),
    Index("limits_by_kind_of_scope", "organization_id", "scope_type", "scope_id", "deleted_at_ms"),
    Index("limits_in_order", "organization_id", "deleted_at_ms", "scope_type", "created_at_ms", "id"),
    Index(
        "limits_one_of_a_kind",
        "scope_type",
        "scope_id",
        "unit",
        "window",
        text("coalesce(model, '')"),
        unique=True,
        sqlite_where=_LIVE,
        postgresql_where=_LIVE,
    ),
)

limit_periods = Table(
    "limit_periods",
    METADATA,
    Column("id", ROW_ID, primary_key=True),
    Column("limit_id", ForeignKey("limits.id"), nullable=False),
    Column("period", Text, nullable=False),
    Column("starts_at_ms", BigInteger, nullable=False),
    Column("ends_at_ms", BigInteger),
    Column("settled", BigInteger, nullable=False, server_default="0"),
    Column("reserved", BigInteger, nullable=False, server_default="0"),
    Column("overrun", BigInteger, nullable=False, server_default="0"),
    Column("peak", BigInteger, nullable=False, server_default="0"),
    Column("pruned", BigInteger, nullable=False, server_default="0"),
    UniqueConstraint("limit_id", "period"),
    # Every batch writes these rows again.
    postgresql_with={"fillfactor": 50, "autovacuum_vacuum_scale_factor": 0.02},
)

prices = Table(
    "prices",
    METADATA,
    Column("id", ROW_ID, primary_key=True),
    Column("model", Text, nullable=False),
    Column("upstream", Text, nullable=False),
    Column("figures", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
)

instances = Table(
    "instances",
    METADATA,
    Column("id", ROW_ID, primary_key=True),
    Column("started_at_ms", BigInteger, nullable=False),
    Column("heartbeat_at_ms", BigInteger, nullable=False),
    Column("dead_at_ms", BigInteger),
    postgresql_with=REWRITTEN,
)

calls = Table(
    "calls",
    METADATA,
    Column("id", CALL_ID, primary_key=True),
    Column("request_id", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("organization_id", Text, nullable=False),
    Column("project_id", Text, nullable=False),
    Column("owner_type", Text, nullable=False, server_default="user"),
    Column("owner_id", Text, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("secret_version", Integer, nullable=False),
    Column("instance_id", BigInteger, nullable=False),
    Column("model", Text, nullable=False),
    Column("upstream", Text, nullable=False),
    Column("endpoint", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("agent", Text, nullable=False),
    Column("price_id", BigInteger),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("rollup_at_ms", BigInteger, nullable=False),
    Column("period_ids", Text, nullable=False),
    Column("reserved_nano_usd", BigInteger, nullable=False),
    Column("reserved_tokens", BigInteger, nullable=False),
    Column("reserved_tokens_estimate", BigInteger, nullable=False),
    Column("reserved_images", BigInteger, nullable=False, server_default="0"),
    Column("reserved_audio_seconds", BigInteger, nullable=False, server_default="0"),
    Column("reserved_characters", BigInteger, nullable=False, server_default="0"),
    Column("output_tokens_max", BigInteger),
    Column("state", Text, nullable=False),
    Column("basis", Text),
    Column("tier", Text, nullable=False, server_default="default"),
    Column("charged_nano_usd", BigInteger),
    Column("input_tokens", BigInteger, nullable=False, server_default="0"),
    Column("cached_input_tokens", BigInteger, nullable=False, server_default="0"),
    Column("cache_write_tokens", BigInteger, nullable=False, server_default="0"),
    Column("output_tokens", BigInteger, nullable=False, server_default="0"),
    Column("reasoning_tokens", BigInteger, nullable=False, server_default="0"),
    Column("audio_input_tokens", BigInteger, nullable=False, server_default="0"),
    Column("audio_output_tokens", BigInteger, nullable=False, server_default="0"),
    Column("image_input_tokens", BigInteger, nullable=False, server_default="0"),
    Column("image_output_tokens", BigInteger, nullable=False, server_default="0"),
    Column("images", BigInteger, nullable=False, server_default="0"),
    Column("audio_seconds", BigInteger, nullable=False, server_default="0"),
    Column("characters", BigInteger, nullable=False, server_default="0"),
    Column("status", Integer, nullable=False, server_default="0"),
    Column("first_byte_ms", BigInteger),
    Column("duration_ms", BigInteger),
    Column("closed_at_ms", BigInteger),
    Column("flags", Text, nullable=False, server_default=""),
    # SQLite's index of a table without row ids holds its primary key by itself.
    Index("calls_by_key", "key_id").ddl_if(dialect="sqlite"),
    Index("calls_by_key", "key_id", "id").ddl_if(dialect="postgresql"),
    Index("calls_held", "instance_id", sqlite_where=text("state = 'held'"), postgresql_where=text("state = 'held'")),
    sqlite_with_rowid=False,
)

adjustments = Table(
    "adjustments",
    METADATA,
    Column("call_id", CALL_ID, ForeignKey("calls.id"), primary_key=True),
    Column("at_ms", BigInteger, nullable=False),
    Column("nano_usd", BigInteger, nullable=False),
    Column("requests", BigInteger, nullable=False),
    Column("tokens", BigInteger, nullable=False),
    Column("tokens_estimate", BigInteger, nullable=False),
    Column("images", BigInteger, nullable=False, server_default="0"),
    Column("audio_seconds", BigInteger, nullable=False, server_default="0"),
    Column("characters", BigInteger, nullable=False, server_default="0"),
    Column("reason", Text, nullable=False),
)

pruned_calls = Table(
    "pruned_calls",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("last_id", CALL_ID, nullable=False),
    Column("last_slot_ms", BigInteger, nullable=False),
)
"""One row once calls have been pruned: the newest id and the newest rollup slot (`calls.rollup_at_ms`) among them.
After that slot every call is still there, and a rollup can be added up again from the calls."""

objects = Table(
    "objects",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("upstream", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("organization_id", Text, nullable=False),
    Column("project_id", Text, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Index("objects_by_project", "project_id", "kind", "created_at_ms", "id"),
    sqlite_with_rowid=False,
)
"""What an upstream keeps for a project, by the id that the upstream gave it. Whose it is never changes."""

usage_hour, usage_minute = rollup_tables(METADATA)
refused_hour = refused_table(METADATA)
usage_whole_hour, folded_hours = hour_tables(METADATA)
usage_whole_hour_by_owner, usage_whole_hour_by_key, folded_recent_hours = recent_tables(METADATA)
usage_day, usage_day_by_owner, usage_day_by_key, folded_days = day_tables(METADATA)
foldings = foldings_table(METADATA)
rankings = ranking_table(METADATA)
