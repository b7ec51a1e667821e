"""An admin's second factors, the links that invite one or let one come back, and where each sign-in came from."""

from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

_UP = (
    "ALTER TABLE rowgate.admin_sessions ADD COLUMN user_agent text",
    "CREATE INDEX admin_sessions_admin ON rowgate.admin_sessions (admin_id)",
    """
    CREATE TABLE rowgate.admin_factors (
        id uuid PRIMARY KEY DEFAULT rowgate.uuid7(),
        admin_id uuid NOT NULL REFERENCES rowgate.admins ON DELETE CASCADE,
        kind text NOT NULL,
        name text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now(),
        verified_at timestamptz,
        last_step bigint,
        key_id text,
        nonce bytea,
        ciphertext bytea
    )""",
    "CREATE INDEX admin_factors_admin ON rowgate.admin_factors (admin_id)",
    """
    CREATE TABLE rowgate.admin_recovery_codes (
        admin_id uuid NOT NULL REFERENCES rowgate.admins ON DELETE CASCADE,
        digest bytea NOT NULL,
        PRIMARY KEY (admin_id, digest)
    )""",
    """
    CREATE TABLE rowgate.admin_factor_tries (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        admin_id uuid NOT NULL REFERENCES rowgate.admins ON DELETE CASCADE,
        at timestamptz NOT NULL DEFAULT now()
    )""",
    "CREATE INDEX admin_factor_tries_admin ON rowgate.admin_factor_tries (admin_id, at)",
    """
    CREATE TABLE rowgate.admin_links (
        id uuid PRIMARY KEY DEFAULT rowgate.uuid7(),
        kind text NOT NULL CHECK (kind IN ('invite', 'recovery')),
        digest bytea NOT NULL,
        email text NOT NULL,
        admin_id uuid REFERENCES rowgate.admins ON DELETE CASCADE,
        role text CHECK (role IN ('owner', 'editor', 'viewer')),
        invited_by text,
        created_at timestamptz NOT NULL DEFAULT now(),
        expires_at timestamptz NOT NULL
    )""",
    "CREATE UNIQUE INDEX admin_links_digest ON rowgate.admin_links (digest)",
    "CREATE UNIQUE INDEX admin_links_invite ON rowgate.admin_links (email) WHERE kind = 'invite'",
    "CREATE INDEX admin_links_admin ON rowgate.admin_links (admin_id)",
    "CREATE INDEX admin_links_expires ON rowgate.admin_links (expires_at)",
    """
    CREATE INDEX audit_admin_sign_ins ON rowgate.audit ((detail ->> 'admin'), id)
    WHERE action IN ('admin.sign_in', 'admin.sign_in_refused')
    """,
)
_DOWN = (
    "DROP INDEX rowgate.audit_admin_sign_ins",
    "DROP TABLE rowgate.admin_links, rowgate.admin_factor_tries, rowgate.admin_recovery_codes, rowgate.admin_factors",
    "DROP INDEX rowgate.admin_sessions_admin",
    "ALTER TABLE rowgate.admin_sessions DROP COLUMN user_agent",
)


def upgrade() -> None:
    """Make them; nobody has a second factor yet."""
    run = op.get_bind().exec_driver_sql
    for statement in _UP:
        run(statement)


def downgrade() -> None:
    """Take them away; every admin signs in by a password alone again."""
    run = op.get_bind().exec_driver_sql
    for statement in _DOWN:
        run(statement)
