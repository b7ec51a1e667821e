"""Accounts, roles, sessions, API keys and admins, and the authority versions that every change to them raises."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_TABLES = (
    """
    CREATE TABLE rowgate.authority (
        subject_id uuid PRIMARY KEY,
        version bigint NOT NULL DEFAULT 1
    )""",
    """
    CREATE TABLE rowgate.accounts (
        user_id uuid PRIMARY KEY REFERENCES data.users ON DELETE CASCADE,
        password_hash text,
        password_changed_at timestamptz,
        email_confirmed_at timestamptz,
        last_sign_in_at timestamptz,
        disabled_at timestamptz
    )""",
    """
    CREATE TABLE rowgate.user_roles (
        user_id uuid NOT NULL REFERENCES data.users ON DELETE CASCADE,
        role text NOT NULL,
        PRIMARY KEY (user_id, role)
    )""",
    """
    CREATE TABLE rowgate.sessions (
        id uuid PRIMARY KEY DEFAULT rowgate.uuid7(),
        user_id uuid NOT NULL REFERENCES data.users ON DELETE CASCADE,
        created_at timestamptz NOT NULL DEFAULT now(),
        refreshed_at timestamptz NOT NULL DEFAULT now(),
        expires_at timestamptz NOT NULL,
        revoked_at timestamptz,
        user_agent text,
        ip text
    )""",
    "CREATE INDEX sessions_user ON rowgate.sessions (user_id)",
    """
    CREATE TABLE rowgate.refresh_tokens (
        digest bytea PRIMARY KEY,
        session_id uuid NOT NULL REFERENCES rowgate.sessions ON DELETE CASCADE,
        created_at timestamptz NOT NULL DEFAULT now(),
        used_at timestamptz
    )""",
    "CREATE INDEX refresh_tokens_session ON rowgate.refresh_tokens (session_id)",
    """
    CREATE TABLE rowgate.api_keys (
        id uuid PRIMARY KEY DEFAULT rowgate.uuid7(),
        name text NOT NULL,
        digest bytea NOT NULL UNIQUE,
        roles text[] NOT NULL DEFAULT '{}',
        admin_role text CHECK (admin_role IN ('owner', 'editor', 'viewer')),
        created_at timestamptz NOT NULL DEFAULT now(),
        expires_at timestamptz,
        revoked_at timestamptz
    )""",
    "CREATE UNIQUE INDEX api_keys_name ON rowgate.api_keys (name) WHERE revoked_at IS NULL",
    """
    CREATE TABLE rowgate.admins (
        id uuid PRIMARY KEY DEFAULT rowgate.uuid7(),
        email text NOT NULL,
        role text NOT NULL CHECK (role IN ('owner', 'editor', 'viewer')),
        password_hash text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        disabled_at timestamptz
    )""",
    "CREATE UNIQUE INDEX admins_email ON rowgate.admins (lower(email))",
    """
    CREATE TABLE rowgate.admin_sessions (
        id uuid PRIMARY KEY DEFAULT rowgate.uuid7(),
        admin_id uuid NOT NULL REFERENCES rowgate.admins ON DELETE CASCADE,
        created_at timestamptz NOT NULL DEFAULT now(),
        refreshed_at timestamptz NOT NULL DEFAULT now(),
        expires_at timestamptz NOT NULL,
        revoked_at timestamptz,
        refresh_digest bytea NOT NULL UNIQUE,
        previous_digest bytea UNIQUE,
        ip text
    )""",
    """
    CREATE TABLE rowgate.kept (
        name text PRIMARY KEY,
        value text NOT NULL
    )""",
)

_RAISE = """
CREATE FUNCTION rowgate.raise_authority(subject uuid) RETURNS void LANGUAGE sql AS $$
    INSERT INTO rowgate.authority (subject_id) VALUES (subject)
    ON CONFLICT (subject_id) DO UPDATE SET version = rowgate.authority.version + 1
$$
"""

# One trigger function for each column that names the subject; a changed subject raises the old one and the new one.
_TRIGGER = """
CREATE FUNCTION rowgate.authority_by_{column}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        PERFORM rowgate.raise_authority(OLD.{column});
    END IF;
    IF TG_OP = 'INSERT' OR (TG_OP = 'UPDATE' AND NEW.{column} <> OLD.{column}) THEN
        PERFORM rowgate.raise_authority(NEW.{column});
    END IF;
    RETURN NULL;
END $$
"""

# TRUNCATE tells no trigger which rows it takes: everybody is read afresh.
_TRUNCATED = """
CREATE FUNCTION rowgate.authority_of_all() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE rowgate.authority SET version = version + 1;
    RETURN NULL;
END $$
"""

_WATCHED = (
    ("data.users", "id", "INSERT OR UPDATE OR DELETE"),
    (
        "rowgate.accounts",
        "user_id",
        "INSERT OR UPDATE OF user_id, password_hash, email_confirmed_at, disabled_at OR DELETE",
    ),
    ("rowgate.user_roles", "user_id", "INSERT OR UPDATE OR DELETE"),
    ("rowgate.sessions", "user_id", "UPDATE OF revoked_at, user_id, expires_at OR DELETE"),
    ("rowgate.api_keys", "id", "INSERT OR UPDATE OR DELETE"),
)


def upgrade() -> None:
    """Make everything."""
    run = op.get_bind().exec_driver_sql
    for table in _TABLES:
        run(table)
    run(_RAISE)
    for column in ("id", "user_id"):
        run(_TRIGGER.format(column=column))
    run(_TRUNCATED)
    for table, column, events in _WATCHED:
        run(
            f"CREATE TRIGGER rowgate_authority AFTER {events} ON {table}"
            f" FOR EACH ROW EXECUTE FUNCTION rowgate.authority_by_{column}()"
        )
        run(
            f"CREATE TRIGGER rowgate_authority_of_all AFTER TRUNCATE ON {table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION rowgate.authority_of_all()"
        )


def downgrade() -> None:
    """Drop everything, the accounts included."""
    run = op.get_bind().exec_driver_sql
    run("DROP TRIGGER rowgate_authority ON data.users")
    run("DROP TRIGGER rowgate_authority_of_all ON data.users")
    run(
        "DROP TABLE rowgate.kept, rowgate.admin_sessions, rowgate.admins, rowgate.api_keys,"
        " rowgate.refresh_tokens, rowgate.sessions, rowgate.user_roles, rowgate.accounts, rowgate.authority"
    )
    run(
        "DROP FUNCTION rowgate.authority_by_id, rowgate.authority_by_user_id, rowgate.authority_of_all,"
        " rowgate.raise_authority(uuid)"
    )
