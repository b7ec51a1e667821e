"""Keys that access tokens are signed with, sealed; without any, the one that comes from the secret key signs."""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table; what is sealed is null for the key that comes from the secret key."""
    op.get_bind().exec_driver_sql("""
    CREATE TABLE rowgate.signing_keys (
        kid text PRIMARY KEY,
        algorithm text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        signs_from timestamptz NOT NULL,
        accepted_until timestamptz,
        key_id text,
        nonce bytea,
        ciphertext bytea
    )""")


def downgrade() -> None:
    """Go back to the key that comes from the secret key."""
    op.get_bind().exec_driver_sql("DROP TABLE rowgate.signing_keys")
