"""Signing in by what a provider says of somebody: the identity is found, joined or made."""

import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import asyncpg

from app.audit.writing import audit
from app.auth.accounts import id_of_address, readdress
from app.auth.foreign_keys import ForeignKeys, read_token
from app.auth.foreign_tokens import begun, check_address, moment
from app.auth.identities import Stranger, add_identity, find_user, hold_subject, make_user, verified_email
from app.auth.sign_up_hooks import SignUpHooks, let_in
from app.auth.tokens import TokenInvalid
from app.database.connection import Connection
from app.definitions.auth_providers import ProviderDef
from app.errors import RowgateError
from app.expressions.evaluate import EvaluationError, compile_value
from app.expressions.scope import Scope
from app.expressions.types import DYN
from app.relations.findings import Findings
from app.relations.schema import Table

_SCOPE = Scope({"claims": DYN})
_JOINED = """
SELECT u.id::text FROM data.users u JOIN rowgate.accounts a ON a.user_id = u.id
WHERE lower(u.email) = lower($1) AND a.email_confirmed_at IS NOT NULL AND a.disabled_at IS NULL
    AND NOT EXISTS (SELECT FROM rowgate.factors f WHERE f.user_id = u.id AND f.verified_at IS NOT NULL)
FOR NO KEY UPDATE OF a
"""
_NO_LONGER_ANONYMOUS = "DELETE FROM rowgate.anonymous_users WHERE user_id = $1 RETURNING user_id"


class FoundPerson(NamedTuple):
    """Whom an identity is, and whether it was joined to an account that was there already."""

    user_id: str
    is_joined: bool = False


class ProviderUnknown(RowgateError):
    """No provider of this name signs people in here."""

    status: ClassVar[int] = 400
    code: ClassVar[str] = "auth.provider_unknown"


class IdTokenRefused(RowgateError):
    """The ID token isn't the provider's for this backend, is over, or is of another sign-in."""

    status: ClassVar[int] = 400
    code: ClassVar[str] = "auth.id_token_refused"

    def __init__(self) -> None:
        """Say one sentence for every cause."""
        super().__init__("The ID token is not valid for this sign-in.", hint="Sign in at the provider again.")


class IdentityTaken(RowgateError):
    """The identity is another account's already."""

    status: ClassVar[int] = 422
    code: ClassVar[str] = "auth.identity_taken"


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider as run; `columns` are what reads columns of users from claims."""

    said: ProviderDef
    columns: Mapping[str, Callable[[Mapping[str, Any]], Any]]

    def columns_of(self, claims: Mapping[str, Any]) -> dict[str, Any]:
        """Give the columns that claims tell; what they don't tell, or tell in another type, is left out."""
        found: dict[str, Any] = {}
        for name, read in self.columns.items():
            try:
                value = read({"claims": claims})
            except EvaluationError:
                continue
            if value is not None:
                found[name] = value
        return found


@dataclass(frozen=True, slots=True)
class Proven:
    """What a verified ID token says: whom it is about, the address that is verified, and every claim."""

    provider: Provider
    subject: str
    email: str | None
    claims: Mapping[str, Any] = field(repr=False)


def compile_providers(
    said: Sequence[ProviderDef], users: Table, allowed: Sequence[str], findings: Findings
) -> dict[str, Provider]:
    """Give the providers by their names, with findings; `allowed` is what may be called beside the public internet."""
    found: dict[str, Provider] = {}
    given = {name: column for name, column in users.columns.items() if column.definition is not None}
    for number, one in enumerate(said):
        place = f"auth.providers.{number}"
        others = said[:number]
        if one.name in {"email", "phone"} or any(one.name == other.name for other in others):
            findings.report(f"{place}.name", f"the name {one.name} is taken", "give it another name")
        if any(one.issuer == other.issuer for other in others):
            findings.report(f"{place}.issuer", "another provider has this issuer", "say it once")
        check_address(f"{place}.issuer", one.issuer, allowed, findings)
        missing = [name for name, column in given.items() if column.required and name not in one.columns]
        if missing:
            message = f"a new account needs {', '.join(missing)}, which nothing gives"
            findings.report(f"{place}.columns", message, "take them from claims, or give them a default")
        columns: dict[str, Callable[[Mapping[str, Any]], Any]] = {}
        for name, text in one.columns.items():
            if name not in given:
                findings.unknown(f"{place}.columns.{name}", "column", name, list(given))
                continue
            expression = findings.expression(f"{place}.columns.{name}", text, _SCOPE, given[name].type)
            if expression is not None:
                columns[name] = compile_value(expression)
        found[one.name] = Provider(one, columns)
    return found


async def proven(
    keys: ForeignKeys, provider: Provider, token: str, nonce: str | None, now: float, *, hashed: bool = False
) -> Proven:
    """Verify an ID token (OpenID Connect Core 1.0, 3.1.3.7); raises IdTokenRefused or IssuerUnreachable.

    `nonce` is what the sign-in was begun with, `hashed` that the provider was told its SHA-256, as auth-js does.
    """
    said = provider.said
    try:
        header, _ = read_token(token)
        claims = await keys.verified(token, said.issuer)
        begun(claims, now)
        expires = moment(claims.get("exp"))
    except TokenInvalid:
        raise IdTokenRefused from None
    audience = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    party = claims.get("azp", audiences[0] if len(audiences) == 1 else None)
    for_us = said.client_id in audiences and party == said.client_id
    is_access_token = header.get("typ", "JWT").lower() != "jwt"  # RFC 9068, 2.1
    if not for_us or is_access_token or now >= expires:
        raise IdTokenRefused
    wanted = hashlib.sha256(nonce.encode()).hexdigest() if hashed and nonce is not None else nonce
    told, subject = claims.get("nonce"), claims.get("sub")
    if (wanted is None) != (told is None) or not hmac.compare_digest(str(wanted).encode(), str(told).encode()):
        raise IdTokenRefused
    if not isinstance(subject, str) or not 0 < len(subject) <= 255:
        raise IdTokenRefused
    return Proven(provider, subject, verified_email(claims), claims)


async def person_of(
    connection: Connection, hooks: SignUpHooks, said: Proven, *, may_be_made: Callable[[], None]
) -> FoundPerson:
    """Give the person whom an identity is, inside a transaction: known, joined by an address that both trust, or made.

    `may_be_made` raises where nobody signs up by themselves. Raises SignUpRefused.
    """
    provider = said.provider.said
    await hold_subject(connection, provider.issuer, said.subject)
    known = await find_user(connection, provider.issuer, said.subject)
    if known is not None:
        return FoundPerson(known)
    if provider.trust_email and said.email is not None:
        joined: str | None = await connection.fetchval(_JOINED, said.email)
        if joined is not None:
            await add_identity(connection, joined, provider.name, provider.issuer, said.subject, said.email)
            await audit(connection, f"user:{joined}", "identity.join", joined, {"provider": provider.name})
            return FoundPerson(joined, is_joined=True)
    may_be_made()
    columns = said.provider.columns_of(said.claims)
    stranger = Stranger(provider.name, provider.issuer, said.subject, said.email, columns)
    return FoundPerson(await make_user(connection, hooks, stranger))


async def link(connection: Connection, hooks: SignUpHooks, said: Proven, user_id: str) -> None:
    """Let a person sign in by this identity too, inside a transaction; raises IdentityTaken or SignUpRefused."""
    provider = said.provider.said
    try:
        async with connection.transaction():
            await add_identity(connection, user_id, provider.name, provider.issuer, said.subject, said.email)
    except asyncpg.UniqueViolationError:
        raise IdentityTaken("This identity is linked to an account already.") from None
    await _make_permanent(connection, hooks, said, user_id)
    await audit(connection, f"user:{user_id}", "identity.link", user_id, {"provider": provider.name})


async def _make_permanent(connection: Connection, hooks: SignUpHooks, said: Proven, user_id: str) -> None:
    """Let an anonymous user who can sign in now be one no longer, with the address if nobody has it."""
    if await connection.fetchval(_NO_LONGER_ANONYMOUS, user_id) is None:
        return
    who = await let_in(hooks, connection, said.email, {}, said.provider.said.name)
    if said.email is not None and await id_of_address(connection, said.email) is not None:
        who = who.without_address
    await readdress(connection, user_id, who)
    await connection.execute(
        "UPDATE rowgate.accounts SET email_confirmed_at = CASE WHEN $2 THEN now() END WHERE user_id = $1",
        user_id,
        who.email is not None,
    )
