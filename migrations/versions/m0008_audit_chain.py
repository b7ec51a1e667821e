"""The audit log as chains: each row with a code over itself and the one before it."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

# What stands in the log already has no code: the first row of the chain of changes is bound to a digest of it.
_EARLIER = """
SELECT sha256(coalesce(string_agg(sha256(convert_to(
 jsonb_build_array(id, extract(epoch FROM at), actor, action, target, detail)::text, 'UTF8')), '' ORDER BY id), ''))
FROM rowgate.audit
"""


def upgrade() -> None:
    """Begin the chains."""
    run = op.get_bind().exec_driver_sql
    run("""
    ALTER TABLE rowgate.audit
        ADD COLUMN chain integer,
        ADD COLUMN seq bigint,
        ADD COLUMN key_id text,
        ADD COLUMN mac bytea,
        ADD CONSTRAINT audit_chained CHECK (num_nonnulls(chain, seq, key_id, mac) IN (0, 4))
    """)
    run("CREATE UNIQUE INDEX audit_chain ON rowgate.audit (chain, seq)")
    run("""
    CREATE TABLE rowgate.audit_heads (
        chain integer PRIMARY KEY,
        seq bigint NOT NULL DEFAULT 0,
        mac bytea NOT NULL DEFAULT ''
    )""")
    run("INSERT INTO rowgate.audit_heads (chain) SELECT generate_series(0, 8)")
    run(f"UPDATE rowgate.audit_heads SET mac = ({_EARLIER}) WHERE chain = 0")
    run("""
    CREATE TABLE rowgate.audit_keys (
        id text PRIMARY KEY,
        key_id text NOT NULL,
        nonce bytea NOT NULL,
        ciphertext bytea NOT NULL
    )""")


def downgrade() -> None:
    """Forget the codes; the rows stay."""
    run = op.get_bind().exec_driver_sql
    run("DROP TABLE rowgate.audit_keys, rowgate.audit_heads")
    run("ALTER TABLE rowgate.audit DROP COLUMN chain, DROP COLUMN seq, DROP COLUMN key_id, DROP COLUMN mac")
