"""Second factors, and of each session by what somebody signed in."""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_UP = (
    "ALTER TABLE rowgate.sessions ADD COLUMN aal text NOT NULL DEFAULT 'aal1'",
    "ALTER TABLE rowgate.sessions ADD COLUMN amr jsonb NOT NULL DEFAULT '[]'",
    """
    UPDATE rowgate.sessions SET amr = jsonb_build_array(
        jsonb_build_object('method', 'password', 'timestamp', floor(extract(epoch FROM created_at))::bigint))
    """,
    """
    CREATE TABLE rowgate.factors (
        id uuid PRIMARY KEY DEFAULT rowgate.uuid7(),
        user_id uuid NOT NULL REFERENCES data.users ON DELETE CASCADE,
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
    "CREATE INDEX factors_user ON rowgate.factors (user_id)",
    """
    CREATE TABLE rowgate.factor_challenges (
        id uuid PRIMARY KEY DEFAULT rowgate.uuid7(),
        factor_id uuid NOT NULL REFERENCES rowgate.factors ON DELETE CASCADE,
        expires_at timestamptz NOT NULL
    )""",
    "CREATE INDEX factor_challenges_factor ON rowgate.factor_challenges (factor_id)",
    """
    CREATE TABLE rowgate.recovery_codes (
        user_id uuid NOT NULL REFERENCES data.users ON DELETE CASCADE,
        digest bytea NOT NULL,
        PRIMARY KEY (user_id, digest)
    )""",
    """
    CREATE TABLE rowgate.factor_tries (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        user_id uuid NOT NULL REFERENCES data.users ON DELETE CASCADE,
        at timestamptz NOT NULL DEFAULT now()
    )""",
    "CREATE INDEX factor_tries_user ON rowgate.factor_tries (user_id, at)",
)
_DOWN = (
    "DROP TABLE rowgate.factor_tries, rowgate.recovery_codes, rowgate.factor_challenges, rowgate.factors",
    "ALTER TABLE rowgate.sessions DROP COLUMN aal, DROP COLUMN amr",
)


def upgrade() -> None:
    """Add them; who is signed in has signed in by a password."""
    run = op.get_bind().exec_driver_sql
    for statement in _UP:
        run(statement)


def downgrade() -> None:
    """Take them away; everybody signs in by one factor again."""
    run = op.get_bind().exec_driver_sql
    for statement in _DOWN:
        run(statement)
