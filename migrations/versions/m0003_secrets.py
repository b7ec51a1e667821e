"""Secrets: sealed, with the hosts that each may be sent to."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.get_bind().exec_driver_sql("""
    CREATE TABLE rowgate.secrets (
        name text PRIMARY KEY,
        hosts text[] NOT NULL,
        description text,
        key_id text NOT NULL,
        nonce bytea NOT NULL,
        ciphertext bytea NOT NULL,
        version bigint NOT NULL DEFAULT 1,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now()
    )""")


def downgrade() -> None:
    """Drop every secret."""
    op.get_bind().exec_driver_sql("DROP TABLE rowgate.secrets")
