"""Locks that stand for rows of a table: who counts them takes one, and triggers take it for every row written."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# Of a column there are 256 locks, each for many values, so that a bulk write can't exhaust the table of locks. Of a
# null there is none: no row is found by comparing with it. An empty name stands for the whole table.
_KEY = """
CREATE FUNCTION rowgate.hold_key(held oid, named text, value text) RETURNS bigint
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT hashtextextended(held::text || '.' || named, 0) # (hashtextextended(value, 0) & 255)
$$
"""

_WRITES = """
CREATE FUNCTION rowgate.hold_writer(a_row anyelement) RETURNS void LANGUAGE sql VOLATILE AS $$
    SELECT pg_advisory_xact_lock_shared(rowgate.hold_key(
        (SELECT typrelid FROM pg_type WHERE oid = pg_typeof(a_row)), '', ''))
$$
"""

_TABLE = """
CREATE FUNCTION rowgate.hold_table() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(rowgate.hold_key(TG_RELID, '', ''));
    RETURN NULL;
END $$
"""

# What a row was and what it becomes: it may leave a set of rows that somebody has counted, or come into it.
# Assignments and no PERFORM: an expression by itself costs half of what a query does.
_ROWS = """
CREATE FUNCTION rowgate.hold_rows() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    was jsonb;
    becomes jsonb;
    named text;
    held boolean;
BEGIN
    IF TG_OP <> 'INSERT' THEN
        was := to_jsonb(OLD);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        becomes := to_jsonb(NEW);
    END IF;
    FOREACH named IN ARRAY TG_ARGV LOOP
        held := pg_advisory_xact_lock_shared(rowgate.hold_key(TG_RELID, named, was ->> named)) IS NULL;
        IF becomes ->> named IS DISTINCT FROM was ->> named THEN
            held := pg_advisory_xact_lock_shared(rowgate.hold_key(TG_RELID, named, becomes ->> named)) IS NULL;
        END IF;
    END LOOP;
    IF TG_OP = 'DELETE' THEN
        RETURN OLD;
    END IF;
    RETURN NEW;
END $$
"""


def upgrade() -> None:
    """Make the functions; which tables have the triggers follows from the definitions."""
    for function in (_KEY, _WRITES, _TABLE, _ROWS):
        op.get_bind().exec_driver_sql(function)


def downgrade() -> None:
    """Drop the functions, and every trigger that runs them."""
    run = op.get_bind().exec_driver_sql
    run("DROP FUNCTION rowgate.hold_table, rowgate.hold_rows CASCADE")
    run("DROP FUNCTION rowgate.hold_writer, rowgate.hold_key")
