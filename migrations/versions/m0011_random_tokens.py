"""Random texts that a column may have as its default."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

# gen_random_uuid() draws from the operating system's source, as pgcrypto does, and is there without an extension. Two
# of its sixteen bytes are not wholly random, those of the version and of the variant; the other fourteen are used. The
# letters are those of random_token in rules: base64 for addresses, six bits each.
_FUNCTION = """
CREATE FUNCTION rowgate.random_token(length integer) RETURNS text LANGUAGE sql VOLATILE PARALLEL SAFE
RETURN (
    WITH drawn AS MATERIALIZED (
        SELECT uuid_send(gen_random_uuid()) AS octets FROM generate_series(1, (length * 6 + 111) / 112)
    )
    SELECT left(
        translate(
            encode(
                string_agg(substring(octets FROM 1 FOR 6) || substring(octets FROM 8 FOR 1)
                    || substring(octets FROM 10 FOR 7), ''::bytea),
                'base64'
            ),
            E'+/\\n', '-_'
        ),
        length
    )
    FROM drawn
)
"""


def upgrade() -> None:
    """Make the function."""
    op.get_bind().exec_driver_sql(_FUNCTION)


def downgrade() -> None:
    """Drop it with the defaults that call it."""
    op.get_bind().exec_driver_sql("DROP FUNCTION rowgate.random_token CASCADE")
