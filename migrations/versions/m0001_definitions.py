"""Definitions, revisions, the audit log, and the schema of the admins' tables with its users."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# A body is json and not jsonb, which would forget the order in which an admin wrote the keys.
_TABLES = """
CREATE SCHEMA data;

CREATE TABLE rowgate.definitions (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL,
    name text NOT NULL,
    position integer NOT NULL,
    body json NOT NULL,
    valid_from bigint NOT NULL,
    valid_to bigint
);
CREATE UNIQUE INDEX definitions_active ON rowgate.definitions (kind, name) WHERE valid_to IS NULL;

CREATE TABLE rowgate.revisions (
    number bigint PRIMARY KEY,
    created_at timestamptz NOT NULL DEFAULT now(),
    author text NOT NULL,
    comment text,
    changes jsonb NOT NULL
);

CREATE TABLE rowgate.live (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    revision bigint NOT NULL
);
INSERT INTO rowgate.live (revision) VALUES (0);

CREATE TABLE rowgate.audit (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    actor text NOT NULL,
    action text NOT NULL,
    target text,
    detail jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX audit_at ON rowgate.audit (at);
"""

# RFC 9562, 5.7: 48 bits of milliseconds, then the version, then random bits. Postgres has its own only since 18.
_UUID7 = """
CREATE FUNCTION rowgate.uuid7() RETURNS uuid LANGUAGE sql VOLATILE PARALLEL SAFE AS $$
    SELECT encode(set_bit(set_bit(overlay(
        uuid_send(gen_random_uuid())
        PLACING substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3)
        FROM 1 FOR 6), 52, 1), 53, 1), 'hex')::uuid
$$
"""

_TOUCH = """
CREATE FUNCTION rowgate.touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := now();
    RETURN NEW;
END $$
"""

_STALE = """
CREATE FUNCTION rowgate.stale() RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    RAISE EXCEPTION 'the definitions or the caller changed' USING ERRCODE = 'RG001';
END $$
"""

_USERS = """
CREATE TABLE data.users (
    id uuid PRIMARY KEY DEFAULT rowgate.uuid7(),
    email text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX users_email ON data.users (lower(email));
"""


def upgrade() -> None:
    """Make everything."""
    run = op.get_bind().exec_driver_sql
    for function in (_UUID7, _TOUCH, _STALE):
        run(function)
    for statement in (_TABLES + _USERS).split(";\n"):
        if statement.strip():
            run(statement)


def downgrade() -> None:
    """Drop everything, the data of the backend included."""
    run = op.get_bind().exec_driver_sql
    run("DROP SCHEMA data CASCADE")
    run("DROP TABLE rowgate.audit, rowgate.live, rowgate.revisions, rowgate.definitions")
    run("DROP FUNCTION rowgate.stale, rowgate.touch, rowgate.uuid7")
