"""Runs the migrations on the connection that `app.store.migrate` opened, all of them in its one transaction."""

from alembic import context
from sqlalchemy import text

connection = context.config.attributes["connection"]
connection.execute(text("CREATE SCHEMA IF NOT EXISTS rowgate"))
context.configure(connection=connection, version_table_schema="rowgate", transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
