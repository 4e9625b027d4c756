"""Alembic's entry: runs on the connection that `upgrade` hands over, in one transaction."""

from alembic import context

from keyhouse.store.schema import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    render_as_batch=True,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
