"""First answers to requests with an Idempotency-Key, to be sent again."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    run = op.get_bind().exec_driver_sql
    run("""
    CREATE TABLE rowgate.first_answers (
        id bytea PRIMARY KEY,
        fingerprint bytea NOT NULL,
        key_id text NOT NULL,
        nonce bytea NOT NULL,
        ciphertext bytea NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now()
    )""")
    run("CREATE INDEX first_answers_created_at ON rowgate.first_answers (created_at)")


def downgrade() -> None:
    """Forget every answer."""
    op.get_bind().exec_driver_sql("DROP TABLE rowgate.first_answers")
