"""The tables around keys: their secrets, what requests made, what is wanted of keys, and what was told of them."""

from typing import Final

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, LargeBinary, Table, Text, text

from keyhouse.store.metadata import METADATA

_ENDS: Final = text("ends_at_ms IS NOT NULL")

key_secrets = Table(
    "key_secrets",
    METADATA,
    Column("key_id", ForeignKey("api_keys.id"), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("pepper_version", Integer, nullable=False),
    Column("last_four", Text, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("ends_at_ms", BigInteger),
    Index("key_secrets_by_last_four", "last_four"),
    Index("key_secrets_by_end", "ends_at_ms", sqlite_where=_ENDS, postgresql_where=_ENDS),
)

repeats = Table(
    "repeats",
    METADATA,
    Column("actor_id", Text, primary_key=True),
    Column("idempotency_key", Text, primary_key=True),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("seed", LargeBinary),
    Column("created_at_ms", BigInteger, nullable=False, index=True),
    sqlite_with_rowid=False,
)
"""What requests with an `Idempotency-Key` made, for a day; `seed` for some minutes only (`control.repeats`)."""

policies = Table(
    "policies",
    METADATA,
    Column("organization_id", ForeignKey("organizations.id"), primary_key=True),
    Column("settings", Text, nullable=False),
    Column("updated_at_ms", BigInteger, nullable=False),
)
"""Organizations' policies on keys; `settings` is `core.policy.Policy` in JSON."""

key_notices = Table(
    "key_notices",
    METADATA,
    Column("key_id", ForeignKey("api_keys.id"), primary_key=True),
    Column("event", Text, primary_key=True),
    Column("mark", BigInteger, primary_key=True),
)
"""What was told of a key, once: `mark` is the end that was warned of, or the version of the secret."""
