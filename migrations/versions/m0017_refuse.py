"""The function by which a statement refuses what a rule of a view doesn't let be written."""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_REFUSE = """
CREATE FUNCTION rowgate.refuse(state text, constraint_name text) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    RAISE EXCEPTION 'a rule of a view refuses this row' USING ERRCODE = state, CONSTRAINT = constraint_name;
END $$
"""


def upgrade() -> None:
    """Make the function."""
    op.get_bind().exec_driver_sql(_REFUSE)


def downgrade() -> None:
    """Drop it."""
    op.get_bind().exec_driver_sql("DROP FUNCTION rowgate.refuse")
