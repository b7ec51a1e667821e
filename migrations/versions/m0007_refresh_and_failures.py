"""Sealed successors of refresh tokens, those of admins a row each, and wrong passwords counted in the database."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_UP = (
    "ALTER TABLE rowgate.refresh_tokens ADD COLUMN successor bytea",
    """
    CREATE TABLE rowgate.admin_refresh_tokens (
        digest bytea PRIMARY KEY,
        session_id uuid NOT NULL REFERENCES rowgate.admin_sessions ON DELETE CASCADE,
        created_at timestamptz NOT NULL DEFAULT now(),
        used_at timestamptz,
        successor bytea
    )""",
    "CREATE INDEX admin_refresh_tokens_session ON rowgate.admin_refresh_tokens (session_id)",
    """
    INSERT INTO rowgate.admin_refresh_tokens (digest, session_id, created_at, used_at)
    SELECT refresh_digest, id, refreshed_at, NULL FROM rowgate.admin_sessions
    UNION ALL
    SELECT previous_digest, id, created_at, refreshed_at FROM rowgate.admin_sessions WHERE previous_digest IS NOT NULL
    """,
    "ALTER TABLE rowgate.admin_sessions DROP COLUMN refresh_digest, DROP COLUMN previous_digest",
    *(
        f"CREATE INDEX {table}_successor ON rowgate.{table} (used_at) WHERE successor IS NOT NULL"
        for table in ("refresh_tokens", "admin_refresh_tokens")
    ),
    """
    CREATE TABLE rowgate.sign_in_failures (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        kind text NOT NULL,
        account text NOT NULL,
        address text NOT NULL,
        at timestamptz NOT NULL DEFAULT now(),
        forgiven boolean NOT NULL DEFAULT false
    )""",
    "CREATE INDEX sign_in_failures_account ON rowgate.sign_in_failures (kind, account, at)",
    "CREATE INDEX sign_in_failures_address ON rowgate.sign_in_failures (kind, address, at)",
    "CREATE INDEX sign_in_failures_at ON rowgate.sign_in_failures (at)",
)

# Admins sign in again: a session had one token before, and has a row for each now.
_DOWN = (
    "DROP TABLE rowgate.sign_in_failures",
    "DROP TABLE rowgate.admin_refresh_tokens",
    "DELETE FROM rowgate.admin_sessions",
    """
    ALTER TABLE rowgate.admin_sessions
        ADD COLUMN refresh_digest bytea NOT NULL UNIQUE, ADD COLUMN previous_digest bytea UNIQUE
    """,
    "ALTER TABLE rowgate.refresh_tokens DROP COLUMN successor",
)


def upgrade() -> None:
    """Add them."""
    run = op.get_bind().exec_driver_sql
    for statement in _UP:
        run(statement)


def downgrade() -> None:
    """Take them away; every session of an admin ends."""
    run = op.get_bind().exec_driver_sql
    for statement in _DOWN:
        run(statement)
