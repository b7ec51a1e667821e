"""The processes that serve this database, as each of them says."""

from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.get_bind().exec_driver_sql("""
    CREATE TABLE rowgate.instances (
        id uuid PRIMARY KEY,
        started_at timestamptz NOT NULL DEFAULT now(),
        seen_at timestamptz NOT NULL DEFAULT now(),
        host text NOT NULL,
        process bigint NOT NULL,
        version text NOT NULL,
        state jsonb NOT NULL
    )""")


def downgrade() -> None:
    """Forget who serves."""
    op.get_bind().exec_driver_sql("DROP TABLE rowgate.instances")
