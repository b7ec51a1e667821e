"""What the role that serves may do, where another one owns the system tables: all but change the audit log."""

import base64
import hashlib
import hmac
import os
from typing import Any, ClassVar

from sqlalchemy import text

from app.database.quoting import DATA_SCHEMA, quoted
from app.errors import RowgateError

_ITERATIONS = 4096
_THERE = text("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = :role)")
_OWN = text(
    "SELECT relname FROM pg_class WHERE relnamespace = CAST(:schema AS regnamespace) AND relkind = 'r'"
    " AND pg_get_userbyid(relowner) <> :role"
)
# The admins' tables are the serving role's own, since it changes them while it runs.
_GRANTS = (
    "GRANT USAGE ON SCHEMA rowgate TO {role}",
    "GRANT USAGE ON ALL SEQUENCES IN SCHEMA rowgate TO {role}",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA rowgate TO {role}",
    "REVOKE ALL ON rowgate.audit, rowgate.audit_heads, rowgate.alembic_version FROM {role}",
    "GRANT SELECT, INSERT ON rowgate.audit TO {role}",
    "GRANT SELECT, UPDATE ON rowgate.audit_heads TO {role}",
    "GRANT SELECT ON rowgate.alembic_version TO {role}",
    "GRANT USAGE, CREATE ON SCHEMA {schema} TO {role}",
)


class ServeRoleMissing(RowgateError):
    """The role that is to serve isn't there, and can't be made."""

    code: ClassVar[str] = "migrate.serve_role"


def grant(connection: Any, role: str, password: str | None) -> None:
    """Give the role what `rowgate serve` needs, on a synchronous connection inside its transaction.

    With a password the role is made, or gets that one.
    """
    there = connection.execute(_THERE, {"role": role}).scalar()
    if not there and password is None:
        raise ServeRoleMissing(
            f"There is no role {role} in the database.",
            hint="Make it (CREATE ROLE … LOGIN), or set ROWGATE_SERVE_PASSWORD to have it made.",
        )
    run, named, schema = connection.exec_driver_sql, quoted(role), quoted(DATA_SCHEMA)
    if password is not None:
        verifier = scram_verifier(password, os.urandom(16))  # Base64 and `$`: no quote, and no parameter is taken there
        run(f"{'ALTER' if there else 'CREATE'} ROLE {named} LOGIN PASSWORD '{verifier}'")
    for statement in _GRANTS:
        run(statement.format(role=named, schema=schema))
    for table in connection.execute(_OWN, {"schema": DATA_SCHEMA, "role": role}).scalars().all():
        run(f"ALTER TABLE {schema}.{quoted(table)} OWNER TO {named}")


def scram_verifier(password: str, salt: bytes) -> str:
    """Give what Postgres keeps of a password, so that none of its logs ever has the password itself (RFC 5803)."""
    salted = hashlib.pbkdf2_hmac("sha256", password.encode("ascii"), salt, _ITERATIONS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    salt64, stored64, server64 = (base64.b64encode(part).decode() for part in (salt, stored, server))
    return f"SCRAM-SHA-256${_ITERATIONS}:{salt64}${stored64}:{server64}"
