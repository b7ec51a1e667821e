"""The functions that keep values as they are: those that are set once, and those that a client only sends back."""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_IMMUTABLE = """
CREATE FUNCTION rowgate.immutable() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a value that is set once is another one' USING ERRCODE = 'RG003', COLUMN = TG_ARGV[0];
END $$
"""
_UNCHANGED = """
CREATE FUNCTION rowgate.unchanged(same boolean, name text) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    IF same THEN
        RETURN true;
    END IF;
    RAISE EXCEPTION 'a value that is not to be set is another one' USING ERRCODE = 'RG004', COLUMN = name;
END $$
"""


def upgrade() -> None:
    """Make the functions."""
    run = op.get_bind().exec_driver_sql
    run(_IMMUTABLE)
    run(_UNCHANGED)


def downgrade() -> None:
    """Drop them, with the triggers of columns."""
    run = op.get_bind().exec_driver_sql
    run("DROP FUNCTION rowgate.unchanged")
    run("DROP FUNCTION rowgate.immutable CASCADE")
