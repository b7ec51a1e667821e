"""The function by which a statement ends as soon as its answer has more bytes than it may have."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_TOO_LARGE = """
CREATE FUNCTION rowgate.too_large() RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    RAISE EXCEPTION 'the answer has more bytes than it may have' USING ERRCODE = 'RG002';
END $$
"""


def upgrade() -> None:
    """Make the function."""
    op.get_bind().exec_driver_sql(_TOO_LARGE)


def downgrade() -> None:
    """Drop it."""
    op.get_bind().exec_driver_sql("DROP FUNCTION rowgate.too_large")
