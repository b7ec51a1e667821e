"""Who somebody is elsewhere, and people without an address."""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_UP = (
    """
    CREATE TABLE rowgate.identities (
        id uuid PRIMARY KEY DEFAULT rowgate.uuid7(),
        user_id uuid NOT NULL REFERENCES data.users ON DELETE CASCADE,
        provider text NOT NULL,
        issuer text NOT NULL,
        subject text NOT NULL,
        email text,
        created_at timestamptz NOT NULL DEFAULT now(),
        last_sign_in_at timestamptz
    )""",
    "CREATE UNIQUE INDEX identities_subject ON rowgate.identities (issuer, subject)",
    "CREATE INDEX identities_user ON rowgate.identities (user_id)",
    "CREATE TRIGGER rowgate_authority AFTER INSERT OR UPDATE OF user_id, issuer, subject OR DELETE"
    " ON rowgate.identities FOR EACH ROW EXECUTE FUNCTION rowgate.authority_by_user_id()",
    "CREATE TRIGGER rowgate_authority_of_all AFTER TRUNCATE ON rowgate.identities"
    " FOR EACH STATEMENT EXECUTE FUNCTION rowgate.authority_of_all()",
    "ALTER TABLE data.users ALTER COLUMN email DROP NOT NULL",
)


def upgrade() -> None:
    """Make the table."""
    run = op.get_bind().exec_driver_sql
    for statement in _UP:
        run(statement)


def downgrade() -> None:
    """Forget who somebody is elsewhere; people without an address go."""
    run = op.get_bind().exec_driver_sql
    run("DROP TABLE rowgate.identities")
    run("DELETE FROM data.users WHERE email IS NULL")
    run("ALTER TABLE data.users ALTER COLUMN email SET NOT NULL")
