"""Signing in by a provider's ID token, and the identities of one's own account."""

from contextlib import AsyncExitStack
from typing import Any, ClassVar
from uuid import UUID

from fastapi import Request, Response

from app.audit.writing import audit
from app.auth.auth_server import AuthServer, AuthServerDep
from app.auth.factors import SecondFactorNeeded, hold_required
from app.auth.mails import Mailer
from app.auth.password_sign_in import AccountDisabled
from app.auth.providers import IdTokenRefused, Proven, Provider, ProviderUnknown, link, person_of, proven
from app.auth.refused_ways import noted
from app.auth.routes.answering import MailerDep
from app.auth.routes.factors import hold_own_level
from app.auth.routes.grants import IdTokenBody
from app.auth.routes.signed_in import SignedIn, signed_in
from app.auth.sessions import OpenedSession, open_session
from app.database.connection import Connection
from app.errors import RowgateError
from app.http.fixed_routes import Declared, answer, refuses

_OPEN = "SELECT disabled_at IS NULL FROM rowgate.accounts WHERE user_id = $1 FOR NO KEY UPDATE"
_SEEN = """
UPDATE rowgate.identities SET last_sign_in_at = now() WHERE issuer = $1 AND subject = $2 AND user_id = $3 RETURNING id
"""
_WAYS = """
SELECT (a.password_hash IS NOT NULL)::int
    + (SELECT count(*) FROM rowgate.identities i WHERE i.user_id = a.user_id AND i.id <> $2)
FROM rowgate.accounts a WHERE a.user_id = $1
"""
_HOLD = "SELECT FROM rowgate.accounts WHERE user_id = $1 FOR UPDATE"
_UNLINK = "DELETE FROM rowgate.identities WHERE id = $2 AND user_id = $1 RETURNING provider"


class IdentityNotThere(RowgateError):
    """There is no such identity of the own account that could be unlinked."""

    status: ClassVar[int] = 404
    code: ClassVar[str] = "auth.identity_not_found"


class LastIdentity(RowgateError):
    """Without this identity nobody could sign in to the account any more."""

    status: ClassVar[int] = 422
    code: ClassVar[str] = "auth.last_identity"


async def by_id_token(
    request: Request, server: AuthServer, client: tuple[str | None, str], mailer: Mailer, body: IdTokenBody
) -> OpenedSession:
    """Open a session for whom an ID token proves, or, with `link_identity`, link that to the account that is signed in.

    No connection is held while the provider's keys are asked for.
    """
    provider, auth, in_force = provider_named(server, body.provider), server.auth, mailer.in_force
    owner = None
    if body.link_identity:
        owner = await signed_in(request, server, None, None)
        hold_required(in_force.said, owner)
    if auth.foreign.keys is None:
        raise ProviderUnknown("No provider signs people in here.")
    refused = noted(server.pool, client[1], IdTokenRefused, AccountDisabled, by=provider.said.name)
    async with refused, AsyncExitStack() as stack:
        said = await proven(auth.foreign.keys, provider, body.id_token, body.nonce, auth.clock.seconds(), hashed=True)
        connection = await stack.enter_async_context(server.pool.lease())
        await stack.enter_async_context(connection.transaction())
        if owner is None:
            user_id, is_linked = await person_of(connection, server.hooks, said, may_be_made=in_force.refuse_sign_up)
        else:
            user_id, is_linked = str(owner.user_id), True
            await hold_own_level(connection, in_force, owner)
            await link(connection, server.hooks, said, user_id)
        return await session_by_provider(connection, client, mailer, said, user_id, is_linked=is_linked)


async def session_by_provider(
    connection: Connection,
    client: tuple[str | None, str],
    mailer: Mailer,
    said: Proven,
    user_id: str,
    *,
    is_linked: bool,
) -> OpenedSession:
    """Open the session of a person whom a provider has named, inside a transaction.

    `is_linked` says that the account had another way in before, whose owner is told. Raises AccountDisabled, or
    IdTokenRefused where the identity was unlinked since the provider named the person.
    """
    provider = said.provider.said
    if is_linked:
        await mailer.notify_user(connection, "identity_linked", user_id, provider=provider.name)
    await hold_open(connection, user_id)
    if await connection.fetchval(_SEEN, provider.issuer, said.subject, user_id) is None:
        raise IdTokenRefused
    sessions = mailer.in_force.said.sessions
    opened = await open_session(connection, user_id, *client, sessions, method="oauth", provider=provider.name)
    await audit(connection, f"user:{user_id}", "sign_in", None, {"provider": provider.name})
    return opened


def provider_named(server: AuthServer, name: str) -> Provider:
    """Give a provider of those that are served; raises ProviderUnknown."""
    found: Provider | None = server.live.runtime.providers.get(name)
    if found is None:
        raise ProviderUnknown("No provider of this name signs people in here.")
    return found


async def hold_open(connection: Connection, user_id: str) -> None:
    """Let nobody disable the account until the session is there; raises AccountDisabled where somebody has."""
    if not await connection.fetchval(_OPEN, user_id):
        raise AccountDisabled


class Unlinked(Declared):
    """Nothing; auth-js reads an answer here."""


@refuses(IdentityNotThere, LastIdentity, SecondFactorNeeded)
async def delete_identity(server: AuthServerDep, identity: SignedIn, mailer: MailerDep, identity_id: str) -> Response:
    """Unlink an identity, so that nobody signs in by it any more; the last way in stays."""
    user_id = str(identity.user_id)
    async with server.pool.lease() as connection, connection.transaction():
        await hold_own_level(connection, mailer.in_force, identity)
        await connection.execute(_HOLD, user_id)  # first, so that of two at once the second counts without the first's
        others = await connection.fetchval(_WAYS, user_id, _id(identity_id))
        provider: Any = await connection.fetchval(_UNLINK, user_id, _id(identity_id))
        if provider is None:
            raise IdentityNotThere("There is no such identity of yours.")
        if not others:
            raise LastIdentity("This is the last way in to the account.", hint="Set a password first.")
        await mailer.notify_user(connection, "identity_unlinked", user_id, provider=provider)
        await audit(connection, f"user:{user_id}", "identity.unlink", user_id, {"provider": provider})
    return answer(Unlinked())


def _id(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        raise IdentityNotThere("There is no such identity of yours.") from None
