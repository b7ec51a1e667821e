"""Passkeys in the form of auth-js: added, listed, renamed and taken away, and a way in."""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from pydantic import Field

from app.audit.writing import audit
from app.auth import passkeys
from app.auth.accounts import account
from app.auth.auth_server import AuthServer, AuthServerDep
from app.auth.factors import SecondFactorNeeded
from app.auth.in_force import InForce, InForceDep
from app.auth.refused_ways import noted
from app.auth.routes.answering import MailerDep
from app.auth.routes.client import ClientDep
from app.auth.routes.factors import hold_level
from app.auth.routes.shapes import SessionObject, issued_session
from app.auth.routes.signed_in import SignedIn
from app.auth.sessions import open_session
from app.definitions.auth import AAL2
from app.definitions.column_types import read_uuid
from app.definitions.wrong import Wrong
from app.http.fixed_bodies import Body, JsonBody
from app.http.fixed_routes import Declared, answer, refuses


class StartBody(Body):
    """What auth-js sends along, which says nothing."""

    gotrue_meta_security: dict[str, object] | None = None


class PasskeyBody(Body):
    """The challenge, and what `navigator.credentials` gave for it, as JSON."""

    challenge_id: str
    credential: dict[str, Any]


class PasskeyName(Body):
    """What a passkey is called."""

    friendly_name: str = Field(max_length=100)


class PasskeyOptions(Declared):
    """A challenge, and what `navigator.credentials` is given; its end in seconds since 1970."""

    challenge_id: str
    options: dict[str, Any]
    expires_at: int


class PasskeyObject(Declared):
    """A passkey; what it signs by stays on its device."""

    id: str
    friendly_name: str
    created_at: datetime
    last_used_at: datetime | None


def add_passkey_routes(router: APIRouter, at_most: Callable[[str, str], dict[str, Any]]) -> None:
    """Add the routes."""
    add = router.add_api_route
    post, few = partial(add, methods=["POST"]), partial(at_most, "60/minute")
    new, enter, one = "/passkeys/registration", "/passkeys/authentication", "/passkeys/{passkey_id}"
    post(f"{new}/options", ask_to_add_passkey, response_model=PasskeyOptions, **few("ask_to_add_passkey"))
    post(f"{new}/verify", add_passkey, response_model=PasskeyObject, **few("add_passkey"))
    post(f"{enter}/options", ask_to_sign_in_by_passkey, response_model=PasskeyOptions, **few("ask_for_passkey"))
    post(f"{enter}/verify", sign_in_by_passkey, response_model=SessionObject, **few("sign_in_by_passkey"))
    add("/passkeys", list_passkeys, methods=["GET"], response_model=list[PasskeyObject])
    add(one, rename_passkey, methods=["PATCH"], response_model=PasskeyObject)
    add(one, remove_passkey, methods=["DELETE"], status_code=204)


def _site(server: AuthServer, in_force: InForce) -> passkeys.Site:
    if not in_force.said.passkeys:
        raise passkeys.PasskeysOff("There are no passkeys here.")
    said = server.live.runtime.project.project
    return passkeys.site_of(said.name, in_force.site_url, [*said.cors_origins, *server.settings.cors_origins])


@refuses(passkeys.PasskeysOff, passkeys.TooManyPasskeys, SecondFactorNeeded)
async def ask_to_add_passkey(
    server: AuthServerDep,
    identity: SignedIn,
    in_force: InForceDep,
    _body: Annotated[StartBody, Depends(JsonBody(StartBody))],
) -> Response:
    """Begin to add a passkey; who has a second factor needs a session by two."""
    site, user_id = _site(server, in_force), str(identity.user_id)
    async with server.pool.lease() as connection, connection.transaction():
        await hold_level(connection, identity)
        asked = await passkeys.ask_to_add(connection, site, user_id, str(identity.columns["email"] or user_id))
    return _options(asked)


@refuses(passkeys.PasskeysOff, passkeys.PasskeyRefused, SecondFactorNeeded)
async def add_passkey(
    server: AuthServerDep,
    identity: SignedIn,
    mailer: MailerDep,
    body: Annotated[PasskeyBody, Depends(JsonBody(PasskeyBody))],
) -> Response:
    """Keep the passkey that answers the challenge."""
    site, user_id = _site(server, mailer.in_force), str(identity.user_id)
    async with server.pool.lease() as connection:
        challenge = await passkeys.take_challenge(connection, _id(body.challenge_id), user_id)
        async with connection.transaction():
            await hold_level(connection, identity)
            made = await passkeys.add(connection, site, user_id, challenge, body.credential, "Passkey")
            await mailer.notify_user(connection, "factor_changed", user_id, change="a passkey was added")
            await audit(connection, f"user:{user_id}", "passkey.add", made["id"])
    return answer(_shown(made))


@refuses(passkeys.PasskeysOff)
async def ask_to_sign_in_by_passkey(
    server: AuthServerDep, in_force: InForceDep, _body: Annotated[StartBody, Depends(JsonBody(StartBody))]
) -> Response:
    """Begin to sign in by a passkey; who it is, the passkey says."""
    site = _site(server, in_force)
    async with server.pool.lease() as connection, connection.transaction():
        return _options(await passkeys.ask_to_sign_in(connection, site))


@refuses(passkeys.PasskeysOff, passkeys.PasskeyRefused)
async def sign_in_by_passkey(
    server: AuthServerDep,
    client: ClientDep,
    in_force: InForceDep,
    body: Annotated[PasskeyBody, Depends(JsonBody(PasskeyBody))],
) -> Response:
    """Give a session for a passkey; it was unlocked by its holder, so that it counts as two factors."""
    site, said, challenge_id = _site(server, in_force), in_force.said.sessions, _id(body.challenge_id)
    refused = noted(server.pool, client.address, passkeys.PasskeyRefused, by=passkeys.METHOD)
    async with refused, server.pool.lease() as connection:
        challenge = await passkeys.take_challenge(connection, challenge_id, None)
        async with connection.transaction():
            user_id = await passkeys.use(connection, site, challenge, body.credential)
            opened = await open_session(connection, user_id, *client, said, method=passkeys.METHOD, aal=AAL2)
            await audit(connection, f"user:{user_id}", "sign_in", None, {"method": passkeys.METHOD})
            found = await account(connection, user_id)
    if found is None:
        raise passkeys.PasskeyRefused
    return answer(issued_session(server.auth.tokens, said, found, opened))


async def list_passkeys(server: AuthServerDep, identity: SignedIn) -> Response:
    """List the own passkeys."""
    async with server.pool.lease() as connection:
        return answer([_shown(row) for row in await passkeys.passkeys_of(connection, str(identity.user_id))])


@refuses(passkeys.PasskeyNotFound)
async def rename_passkey(
    server: AuthServerDep,
    identity: SignedIn,
    passkey_id: str,
    body: Annotated[PasskeyName, Depends(JsonBody(PasskeyName))],
) -> Response:
    """Call one of the own passkeys something else."""
    async with server.pool.lease() as connection, connection.transaction():
        row = await passkeys.rename(connection, str(identity.user_id), _own(passkey_id), body.friendly_name)
    return answer(_shown(row))


@refuses(passkeys.PasskeyNotFound, SecondFactorNeeded)
async def remove_passkey(server: AuthServerDep, identity: SignedIn, mailer: MailerDep, passkey_id: str) -> Response:
    """Take one of the own passkeys away; who has a second factor needs a session by two."""
    user_id, passkey = str(identity.user_id), _own(passkey_id)
    async with server.pool.lease() as connection, connection.transaction():
        await hold_level(connection, identity)
        await passkeys.remove(connection, user_id, passkey)
        await mailer.notify_user(connection, "factor_changed", user_id, change="a passkey was taken away")
        await audit(connection, f"user:{user_id}", "passkey.remove", passkey)
    return Response(status_code=204)


def _options(asked: passkeys.PasskeyAsked) -> Response:
    return answer(PasskeyOptions(challenge_id=asked.id, options=asked.options, expires_at=int(asked.ends.timestamp())))


def _shown(row: Any) -> PasskeyObject:
    return PasskeyObject(
        id=row["id"], friendly_name=row["name"], created_at=row["created_at"], last_used_at=row["last_used_at"]
    )


def _id(text: str) -> str:
    try:
        return str(read_uuid(text))
    except Wrong:
        raise passkeys.PasskeyRefused from None


def _own(text: str) -> str:
    try:
        return str(read_uuid(text))
    except Wrong:
        raise passkeys.PasskeyNotFound from None
