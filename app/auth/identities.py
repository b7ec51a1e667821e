"""Identities: who somebody is elsewhere, by issuer and subject and never by an address."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from app.audit.writing import audit
from app.auth.accounts import EmailInvalid, create_user, id_of_address, normal_email
from app.auth.sign_up_hooks import SignUpHooks, let_in
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


@dataclass(frozen=True, slots=True)
class Stranger:
    """Somebody whom an issuer calls so, and whom nobody here knows yet; `provider` is what the issuer is called."""

    provider: str
    issuer: str
    subject: str
    email: str | None
    columns: Mapping[str, Any] = field(default_factory=dict)


async def make_user(connection: Connection, hooks: SignUpHooks, of: Stranger) -> str:
    """Make a person whom an issuer calls so, inside a transaction, and give the id; of two at once it is one person.

    An address that somebody has here already stays with that account: nobody is joined by an address.
    Raises SignUpRefused.
    """
    await hold_subject(connection, of.issuer, of.subject)
    if (known := await find_user(connection, of.issuer, of.subject)) is not None:
        return known
    who = await let_in(hooks, connection, of.email, of.columns, of.provider)
    if of.email is not None and await id_of_address(connection, of.email) is not None:
        who = who.without_address
    user_id = await create_user(connection, who, None, of.columns, confirmed=who.email is not None)
    await add_identity(connection, user_id, of.provider, of.issuer, of.subject, who.email)
    await audit(connection, f"user:{user_id}", "sign_up", user_id, {"provider": of.provider})
    return user_id
