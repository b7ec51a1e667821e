"""Passkeys, and the challenges that they answer."""

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables; a challenge of nobody's is to sign in by."""
    run = op.get_bind().exec_driver_sql
    run("""
    CREATE TABLE rowgate.passkeys (
        id uuid PRIMARY KEY DEFAULT rowgate.uuid7(),
        user_id uuid NOT NULL REFERENCES data.users ON DELETE CASCADE,
        credential_id bytea NOT NULL UNIQUE,
        public_key bytea NOT NULL,
        sign_count bigint NOT NULL,
        name text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        last_used_at timestamptz
    )""")
    run("CREATE INDEX passkeys_user ON rowgate.passkeys (user_id)")
    run("""
    CREATE TABLE rowgate.passkey_challenges (
        id uuid PRIMARY KEY DEFAULT rowgate.uuid7(),
        user_id uuid REFERENCES data.users ON DELETE CASCADE,
        challenge bytea NOT NULL,
        expires_at timestamptz NOT NULL
    )""")
    run("CREATE INDEX passkey_challenges_end ON rowgate.passkey_challenges (expires_at)")


def downgrade() -> None:
    """Take them away."""
    op.get_bind().exec_driver_sql("DROP TABLE rowgate.passkey_challenges, rowgate.passkeys")
