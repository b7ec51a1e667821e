"""The outbox: calls that are made once the transaction that asked for them has committed."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    run = op.get_bind().exec_driver_sql
    run("""
    CREATE TABLE rowgate.outbox (
        id uuid PRIMARY KEY,
        created_at timestamptz NOT NULL DEFAULT now(),
        step text NOT NULL,
        method text NOT NULL,
        host text NOT NULL,
        key_id text NOT NULL,
        nonce bytea NOT NULL,
        ciphertext bytea NOT NULL,
        attempts integer NOT NULL DEFAULT 0,
        next_at timestamptz NOT NULL DEFAULT now(),
        last_error text,
        dead_at timestamptz
    )""")
    run("CREATE INDEX outbox_due ON rowgate.outbox (next_at) WHERE dead_at IS NULL")


def downgrade() -> None:
    """Drop every call that waits."""
    op.get_bind().exec_driver_sql("DROP TABLE rowgate.outbox")
