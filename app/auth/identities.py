"""Identities: who somebody is elsewhere, by issuer and subject and never by an address."""

from collections.abc import Mapping
from typing import Any

from app.audit.writing import audit
from app.auth.accounts import EmailInvalid, create_user, normal_email
from app.database.connection import Connection

_FIND = "SELECT user_id::text FROM rowgate.identities WHERE issuer = $1 AND subject = $2"
_ADD = """
INSERT INTO rowgate.identities (user_id, provider, issuer, subject, email) VALUES ($1, $2, $3, $4, $5)
"""
_TAKEN = "SELECT EXISTS (SELECT FROM data.users WHERE lower(email) = lower($1))"


async def find_user(connection: Connection, issuer: str, subject: str) -> str | None:
    """Give the person whom an issuer calls so."""
    found: str | None = await connection.fetchval(_FIND, issuer, subject)
    return found


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
    # Whoever comes for the first time at the same moment waits here, and then finds this person.
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 7))", f"{issuer} {subject}")
    if (known := await find_user(connection, issuer, subject)) is not None:
        return known
    if email is not None and await connection.fetchval(_TAKEN, email):
        email = None
    user_id = await create_user(connection, email, None, columns, confirmed=email is not None)
    await connection.execute(_ADD, user_id, provider, issuer, subject, email)
    await audit(connection, f"user:{user_id}", "sign_up", user_id, {"provider": provider})
    return user_id
