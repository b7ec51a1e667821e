"""Identities: who somebody is elsewhere, by issuer and subject and never by an address."""

from collections.abc import Mapping
from typing import Any

from app.audit.writing import audit
from app.auth.accounts import EmailInvalid, create_user, id_of_address, normal_email
from app.database.connection import Connection

_FIND = "SELECT user_id::text FROM rowgate.identities WHERE issuer = $1 AND subject = $2"
_ADD = """
INSERT INTO rowgate.identities (user_id, provider, issuer, subject, email) VALUES ($1, $2, $3, $4, $5)
"""


async def find_user(connection: Connection, issuer: str, subject: str) -> str | None:
    """Give the person whom an issuer calls so."""
    found: str | None = await connection.fetchval(_FIND, issuer, subject)
    return found


async def hold_subject(connection: Connection, issuer: str, subject: str) -> None:
    """Let whoever comes for the first time at the same moment wait until this transaction ends."""
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 7))", f"{issuer} {subject}")


async def add_identity(
    connection: Connection, user_id: str, provider: str, issuer: str, subject: str, email: str | None
) -> None:
    """Keep that an issuer calls a person so."""
    await connection.execute(_ADD, user_id, provider, issuer, subject, email)


def verified_email(claims: Mapping[str, Any]) -> str | None:
    """Give the address that an issuer says it has verified, in its normal form; None for any other."""
    email = claims.get("email")
    if claims.get("email_verified") is not True or not isinstance(email, str):
        return None
    try:
        return normal_email(email)
    except EmailInvalid:
        return None


async def make_user(
    connection: Connection, provider: str, issuer: str, subject: str, email: str | None, columns: Mapping[str, Any]
) -> str:
    """Make a person whom an issuer calls so, inside a transaction, and give the id; of two at once it is one person.

    An address that somebody has here already stays with that account: nobody is joined by an address.
    """
    await hold_subject(connection, issuer, subject)
    if (known := await find_user(connection, issuer, subject)) is not None:
        return known
    if email is not None and await id_of_address(connection, email) is not None:
        email = None
    user_id = await create_user(connection, email, None, columns, confirmed=email is not None)
    await add_identity(connection, user_id, provider, issuer, subject, email)
    await audit(connection, f"user:{user_id}", "sign_up", user_id, {"provider": provider})
    return user_id
