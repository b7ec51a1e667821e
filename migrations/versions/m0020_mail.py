"""Mail that waits, the links and codes that it holds, and what is counted for an address."""

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

_TABLES = """
CREATE TABLE rowgate.mail (
    id uuid PRIMARY KEY,
    created_at timestamptz NOT NULL DEFAULT now(),
    kind text NOT NULL,
    recipient text,
    key_id text,
    nonce bytea,
    ciphertext bytea,
    attempts integer NOT NULL DEFAULT 0,
    next_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    last_error text,
    sent_at timestamptz,
    dead_at timestamptz
);
CREATE INDEX mail_due ON rowgate.mail (next_at) WHERE sent_at IS NULL AND dead_at IS NULL;
CREATE TABLE rowgate.one_time_tokens (
    id uuid PRIMARY KEY DEFAULT rowgate.uuid7(),
    created_at timestamptz NOT NULL DEFAULT now(),
    kind text NOT NULL,
    user_id uuid REFERENCES data.users (id) ON DELETE CASCADE,
    email text NOT NULL,
    new_email text,
    link bytea,
    code bytea,
    code_tries integer NOT NULL DEFAULT 0,
    code_expires_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    exchange bytea,
    challenge text,
    redirect_to text,
    password_hash text,
    columns jsonb
);
CREATE UNIQUE INDEX one_time_tokens_link ON rowgate.one_time_tokens (link);
CREATE UNIQUE INDEX one_time_tokens_exchange ON rowgate.one_time_tokens (exchange);
CREATE INDEX one_time_tokens_email ON rowgate.one_time_tokens (email, kind);
CREATE INDEX one_time_tokens_user ON rowgate.one_time_tokens (user_id);
CREATE INDEX one_time_tokens_expires ON rowgate.one_time_tokens (expires_at);
CREATE TABLE rowgate.counted (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    what text NOT NULL,
    who bytea NOT NULL,
    at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX counted_who ON rowgate.counted (what, who, at);
CREATE INDEX counted_at ON rowgate.counted (at)
"""


def upgrade() -> None:
    """Make the tables."""
    for statement in _TABLES.split(";"):
        op.get_bind().exec_driver_sql(statement)


def downgrade() -> None:
    """Forget what waits."""
    run = op.get_bind().exec_driver_sql
    run("DROP TABLE rowgate.counted, rowgate.one_time_tokens, rowgate.mail")
