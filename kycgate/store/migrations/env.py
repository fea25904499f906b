"""Runs the revisions on the connection it is handed, inside the caller's transaction."""

from __future__ import annotations

from alembic import context

from kycgate.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
)
context.run_migrations()
