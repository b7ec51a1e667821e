"""The files that manage the definitions: the one in force, and those before it."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    run = op.get_bind().exec_driver_sql
    run("""
    CREATE TABLE rowgate.managed (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        file text NOT NULL,
        digest text NOT NULL,
        since timestamptz NOT NULL DEFAULT now(),
        until timestamptz
    )""")
    run("CREATE UNIQUE INDEX managed_in_force ON rowgate.managed ((true)) WHERE until IS NULL")


def downgrade() -> None:
    """Forget every mark: the definitions are managed by nothing."""
    op.get_bind().exec_driver_sql("DROP TABLE rowgate.managed")
