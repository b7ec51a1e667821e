"""Deliveries of webhooks that were carried out, so that none of them is twice."""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    run = op.get_bind().exec_driver_sql
    run("""
    CREATE TABLE rowgate.deliveries (
        id bytea PRIMARY KEY,
        created_at timestamptz NOT NULL DEFAULT now()
    )""")
    run("CREATE INDEX deliveries_created_at ON rowgate.deliveries (created_at)")


def downgrade() -> None:
    """Forget every delivery."""
    op.get_bind().exec_driver_sql("DROP TABLE rowgate.deliveries")
