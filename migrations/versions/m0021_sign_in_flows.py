"""Sign-ins that are under way in a browser, between the page that began one, the provider, and the page it ends at."""

from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

_UP = (
    """
    CREATE TABLE rowgate.sign_in_flows (
        token bytea PRIMARY KEY,
        stage text NOT NULL,
        expires_at timestamptz NOT NULL,
        browser bytea,
        provider text NOT NULL,
        issuer text NOT NULL,
        challenge text,
        redirect_to text NOT NULL,
        user_id uuid REFERENCES data.users ON DELETE CASCADE,
        session_id uuid,
        subject text,
        email text
    )""",
    "CREATE INDEX sign_in_flows_expires ON rowgate.sign_in_flows (expires_at)",
    "CREATE INDEX sign_in_flows_user ON rowgate.sign_in_flows (user_id)",
)


def upgrade() -> None:
    """Make the table."""
    run = op.get_bind().exec_driver_sql
    for statement in _UP:
        run(statement)


def downgrade() -> None:
    """Forget what is under way."""
    op.get_bind().exec_driver_sql("DROP TABLE rowgate.sign_in_flows")
