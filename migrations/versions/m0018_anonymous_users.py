"""Users without an address: since when, and from where they were made."""

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    run = op.get_bind().exec_driver_sql
    run("""
    CREATE TABLE rowgate.anonymous_users (
        user_id uuid PRIMARY KEY REFERENCES data.users ON DELETE CASCADE,
        address text NOT NULL,
        at timestamptz NOT NULL DEFAULT now()
    )""")
    run("CREATE INDEX anonymous_users_address ON rowgate.anonymous_users (address, at)")
    run("CREATE INDEX anonymous_users_at ON rowgate.anonymous_users (at)")


def downgrade() -> None:
    """Forget it; they stay, and nothing takes them away any more."""
    op.get_bind().exec_driver_sql("DROP TABLE rowgate.anonymous_users")
