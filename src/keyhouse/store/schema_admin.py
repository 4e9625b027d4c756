"""The tables of what administrators set besides keys and limits, and of the log of what they did."""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, LargeBinary, Table, Text

from keyhouse.store.metadata import METADATA

spend_alerts = Table(
    "spend_alerts",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("organization_id", ForeignKey("organizations.id"), nullable=False, index=True),
    Column("project_id", ForeignKey("projects.id")),
    Column("threshold_cents", BigInteger, nullable=False),
    Column("recipients", Text, nullable=False),
    Column("subject_prefix", Text),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("crossed_month", Text),
)
"""`crossed_month` is the last month, such as 2026-11, in which the threshold was crossed."""

model_permissions = Table(
    "model_permissions",
    METADATA,
    Column("project_id", ForeignKey("projects.id"), primary_key=True),
    Column("mode", Text, nullable=False),
    Column("models", Text, nullable=False),
)
"""No row means every model."""

upstreams = Table(
    "upstreams",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("organization_id", ForeignKey("organizations.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("written", Text, nullable=False),
    Column("credential", LargeBinary),
    Column("credential_key_id", Text),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("created_by", Text, nullable=False),
    Index("upstreams_by_name", "name", unique=True),
)
"""`written` is JSON (`core/written.py`), `credential` sealed (`core/sealing.py`) with the key `credential_key_id`."""

models = Table(
    "models",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("organization_id", ForeignKey("organizations.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("written", Text, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("created_by", Text, nullable=False),
    Index("models_by_name", "name", unique=True),
)
"""`written` is JSON (`core/written.py`)."""

audit_events = Table(
    "audit_events",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("organization_id", Text, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("event", Text, nullable=False),
    Column("actor_type", Text, nullable=False),
    Column("actor_id", Text, nullable=False),
    Column("actor_email", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("project_id", Text),
    Column("resource_id", Text, nullable=False),
    Column("details", Text, nullable=False),
    Column("actor_user_id", Text, nullable=False, server_default=""),
    Column("sequence", BigInteger),
    Column("code", LargeBinary),
    Index("audit_events_by_time", "organization_id", "at_ms"),
    Index("audit_events_by_sequence", "organization_id", "sequence", unique=True),
)
"""Sequence and code are null only for what was written before there were any, until the next start."""

audit_heads = Table(
    "audit_heads",
    METADATA,
    Column("organization_id", ForeignKey("organizations.id"), primary_key=True),
    Column("sequence", BigInteger, nullable=False),
    Column("last_code", LargeBinary, nullable=False),
    Column("code", LargeBinary),
)
"""Where each organization's chain ends (`core.chain.Head`). Its own code is null where there were entries before there
were chains, until the next start."""
