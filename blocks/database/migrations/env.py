"""Runs migrations on the connection, and within the transaction, that `blocks.database.schema.upgrade` hands over."""

from alembic import context

from blocks.database import tables as _tables  # noqa: F401 - so that the metadata has every table
from blocks.database.metadata import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
