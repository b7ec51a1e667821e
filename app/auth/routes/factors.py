"""Second factors in GoTrue's form: enrolled, challenged, verified and taken away; and codes for when one is lost."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial
from io import BytesIO
from typing import Annotated, Any, Literal
from urllib.parse import quote, urlsplit

import pyotp
from fastapi import APIRouter, Depends, Response
from pydantic import AliasChoices, Field

from app.audit.writing import audit
from app.auth import factors
from app.auth.access_claims import shown_email
from app.auth.accounts import account
from app.auth.auth_server import AuthServer, AuthServerDep
from app.auth.failures import TooManyFailures
from app.auth.identity import Identity
from app.auth.in_force import InForce, InForceDep
from app.auth.one_time import end_change
from app.auth.routes.answering import MailerDep
from app.auth.routes.client import Client, ClientDep
from app.auth.routes.shapes import FactorId, SessionObject, issued_session
from app.auth.routes.signed_in import SignedIn, SignedInAnyhow, SignInNeeded, hold_session
from app.database.connection import Connection
from app.definitions.auth import AAL2
from app.definitions.column_types import read_uuid
from app.definitions.wrong import Wrong
from app.errors import RowgateError
from app.http.fixed_bodies import Body, JsonBody
from app.http.fixed_routes import Declared, answer, refuses

Take = Callable[[Connection], Awaitable[bool]]


class EnrollBody(Body):
    """What auth-js sends to enroll a factor; `issuer` is what an authenticator shows beside the address."""

    factor_type: str
    friendly_name: str | None = Field(default=None, max_length=100)
    issuer: str | None = Field(default=None, max_length=100)
    phone: str | None = None


class ChallengeBody(Body):
    """What the clients send along, which says nothing that the path doesn't."""

    factor_id: str | None = Field(default=None, validation_alias=AliasChoices("factor_id", "factorId"))
    channel: str | None = None


class VerifyBody(Body):
    """The challenge, and the code that an authenticator shows; the Python client repeats the factor."""

    challenge_id: str
    factor_id: str | None = None
    code: str = Field(max_length=100)


class RecoveryBody(Body):
    """A recovery code."""

    code: str = Field(max_length=100)


class TotpObject(Declared):
    """What an authenticator is told, as a picture, as a link, and by hand."""

    qr_code: str
    secret: str
    uri: str


class EnrolledObject(Declared):
    """A factor that counts once a code of it was verified."""

    id: str
    type: Literal["totp"]
    friendly_name: str
    totp: TotpObject


class ChallengeObject(Declared):
    """A challenge, and its end in seconds since 1970."""

    id: str
    type: Literal["totp"]
    expires_at: int


class RecoveryCodes(Declared):
    """Codes that each stand in once for a factor; they are shown this once."""

    codes: list[str]


class RecoveryCodesLeft(Declared):
    """How many of them weren't used."""

    left: int


def add_factor_routes(router: APIRouter, at_most: Callable[[str, str], dict[str, Any]]) -> None:
    """Add the routes; those of recovery codes come before the factors, who are named by what follows the same slash."""
    post = partial(router.add_api_route, methods=["POST"])
    few = partial(at_most, "60/minute")
    codes, one = "/factors/recovery-codes", "/factors/{factor_id}"
    post("/factors", enroll_factor, response_model=EnrolledObject, **few("enroll_factor"))
    post(codes, make_recovery_codes, response_model=RecoveryCodes, **few("make_recovery_codes"))
    router.add_api_route(codes, count_recovery_codes, methods=["GET"], response_model=RecoveryCodesLeft)
    post(f"{codes}/verify", use_recovery_code, response_model=SessionObject, **few("use_recovery_code"))
    post(f"{one}/challenge", challenge_factor, response_model=ChallengeObject, **few("challenge_factor"))
    post(f"{one}/verify", verify_factor, response_model=SessionObject, **few("verify_factor"))
    router.add_api_route(one, unenroll_factor, methods=["DELETE"], response_model=FactorId)


@refuses(factors.FactorsOff, factors.FactorNameTaken, factors.TooManyFactors, factors.SecondFactorNeeded)
async def enroll_factor(
    server: AuthServerDep,
    identity: SignedInAnyhow,
    in_force: InForceDep,
    body: Annotated[EnrollBody, Depends(JsonBody(EnrollBody))],
) -> Response:
    """Make a factor, codes by time (TOTP); where there is one in force, it takes a session by two."""
    if in_force.said.second_factor == "off" or body.factor_type != factors.TOTP:
        raise factors.FactorsOff("Such a factor can't be enrolled here.")
    user_id = str(identity.user_id)
    email = shown_email(identity.columns["email"]) or user_id
    issuer = body.issuer or urlsplit(in_force.site_url or "").hostname or "Rowgate"
    async with server.pool.lease() as connection, connection.transaction():
        await hold_level(connection, identity)
        name = body.friendly_name or ""
        made = await factors.enroll(connection, server.auth.sealing, user_id, name)
        await audit(connection, f"user:{user_id}", "factor.enroll", made.id)
    told = await totp_object(made, email, issuer)
    return answer(EnrolledObject(id=made.id, type="totp", friendly_name=made.name, totp=told))


async def totp_object(made: factors.EnrolledFactor, email: str, issuer: str) -> TotpObject:
    """Give what an authenticator is told of a factor that was just made; to draw it takes long."""
    # A picture holds 2,331 bytes of a link, in which the issuer stands twice.
    totp = pyotp.TOTP(made.secret, name=_beginning(email, 900), issuer=_beginning(issuer, 600))
    uri = totp.provisioning_uri()
    return TotpObject(qr_code=await asyncio.to_thread(_picture, uri), secret=made.secret, uri=uri)


def _beginning(text: str, most: int) -> str:
    """Give as much of a text as takes at most so many bytes in a link; few texts are longer."""
    while len(quote(text, safe="")) > most:
        text = text[:-1]
    return text


def _picture(uri: str) -> str:
    """Draw the link, with the namespace that an image needs; a sign of number would end the data URL of clients."""
    drawn = BytesIO()
    import segno  # noqa: PLC0415 - with its fonts of XML; few ask for a drawn code

    segno.make(uri, error="m").save(drawn, kind="svg", scale=4, border=2, light="white", xmldecl=False, nl=False)
    return drawn.getvalue().decode().replace("#000", "black").replace("#fff", "white")


@refuses(factors.FactorNotFound)
async def challenge_factor(
    server: AuthServerDep,
    identity: SignedInAnyhow,
    factor_id: str,
    _body: Annotated[ChallengeBody, Depends(JsonBody(ChallengeBody))],
) -> Response:
    """Begin to verify a factor; the challenge holds for five minutes, or until a right code came."""
    async with server.pool.lease() as connection, connection.transaction():
        made, ends = await factors.challenge(connection, str(identity.user_id), read_factor_id(factor_id))
    return answer(ChallengeObject(id=made, type="totp", expires_at=_seconds(ends)))


@refuses(
    factors.FactorNotFound, factors.ChallengeExpired, factors.FactorCodeWrong, factors.SecondFactorNeeded,
    TooManyFailures,
)  # fmt: skip
async def verify_factor(
    server: AuthServerDep,
    client: ClientDep,
    identity: SignedInAnyhow,
    mailer: MailerDep,
    factor_id: str,
    body: Annotated[VerifyBody, Depends(JsonBody(VerifyBody))],
) -> Response:
    """Give a session by two factors for a code, in the place of the one that asks; the first time, other ones end.

    A factor that isn't in force yet takes a session by two where there is another that is.
    """
    user_id, factor, said = str(identity.user_id), read_factor_id(factor_id), body

    async def take(connection: Connection) -> bool:
        challenge = read_factor_id(said.challenge_id, factors.ChallengeExpired)
        await hold_session(connection, identity)
        had_one = await factors.has_verified(connection, user_id)
        first = await factors.verify(connection, server.auth.sealing, user_id, factor, challenge, said.code)
        if not first:
            return False
        # What was begun before there was a second factor, by whoever, isn't finished by one.
        if not had_one:
            await end_change(connection, user_id)
        elif identity.aal != AAL2:
            raise factors.SecondFactorNeeded
        await mailer.notify_user(connection, "factor_changed", user_id, change="a second factor was added")
        return True

    return await _stepped_up(server, client, identity, take, method=factors.TOTP, target=factor)


async def _stepped_up(
    server: AuthServer, client: Client, identity: Identity, take: Take, *, method: str, target: str | None
) -> Response:
    """Count the try, take the code, and open the session by two factors."""
    user_id, said = str(identity.user_id), server.live.runtime.project.auth.sessions
    if identity.session_id is None:  # another issuer's token, which nothing here can make another of
        raise SignInNeeded
    async with server.pool.lease() as connection:
        await factors.count_try(connection, user_id)
        try:
            async with connection.transaction():
                first = await take(connection)
                opened = await factors.stepped_up(connection, identity, client, said, method=method, first=first)
                if opened is None:
                    raise SignInNeeded
                await audit(connection, f"user:{user_id}", "factor.verify", target, {"method": method})
                found = await account(connection, user_id)
        except factors.FactorCodeWrong:
            await audit(connection, f"user:{user_id}", "factor.refused", target, {"ip": client.address})
            raise
    if found is None:
        raise SignInNeeded
    return answer(issued_session(server.auth.tokens, said, found, opened))


@refuses(factors.FactorNotFound, factors.SecondFactorNeeded)
async def unenroll_factor(
    server: AuthServerDep, identity: SignedInAnyhow, mailer: MailerDep, factor_id: str
) -> Response:
    """Take a factor away; one in force takes a session by two."""
    user_id, factor = str(identity.user_id), read_factor_id(factor_id)
    async with server.pool.lease() as connection, connection.transaction():
        await hold_session(connection, identity)
        if await factors.unenroll(connection, user_id, factor, by_two=identity.aal == AAL2):
            await mailer.notify_user(connection, "factor_changed", user_id, change=factors.TAKEN_AWAY)
        await audit(connection, f"user:{user_id}", "factor.unenroll", factor)
    return answer(FactorId(id=factor))


@refuses(factors.SecondFactorNeeded)
async def make_recovery_codes(server: AuthServerDep, identity: SignedIn, mailer: MailerDep) -> Response:
    """Draw ten recovery codes, which end those of before; it takes a session by two factors."""
    user_id = str(identity.user_id)
    if identity.aal != AAL2:
        raise factors.SecondFactorNeeded
    async with server.pool.lease() as connection, connection.transaction():
        await hold_session(connection, identity)
        codes = await factors.new_recovery_codes(connection, user_id)
        await mailer.notify_user(connection, "factor_changed", user_id, change="recovery codes were made")
        await audit(connection, f"user:{user_id}", "recovery_codes.make", user_id)
    return answer(RecoveryCodes(codes=codes))


async def count_recovery_codes(server: AuthServerDep, identity: SignedInAnyhow) -> Response:
    """Count the recovery codes that weren't used."""
    async with server.pool.lease() as connection:
        return answer(RecoveryCodesLeft(left=await factors.recovery_codes_left(connection, str(identity.user_id))))


@refuses(factors.FactorCodeWrong, TooManyFailures)
async def use_recovery_code(
    server: AuthServerDep,
    client: ClientDep,
    identity: SignedInAnyhow,
    body: Annotated[RecoveryBody, Depends(JsonBody(RecoveryBody))],
) -> Response:
    """Give a session by two factors for a recovery code, which is used up by that."""
    user_id, said = str(identity.user_id), body

    async def take(connection: Connection) -> bool:
        await factors.use_recovery_code(connection, user_id, said.code)
        return False

    return await _stepped_up(server, client, identity, take, method=factors.RECOVERY_CODE, target=None)


async def hold_level(connection: Connection, identity: Identity) -> None:
    """Hold the caller's session; raises SecondFactorNeeded for one by one factor of somebody who has a second."""
    await hold_session(connection, identity)
    if identity.aal != AAL2 and await factors.has_verified(connection, str(identity.user_id)):
        raise factors.SecondFactorNeeded


async def hold_own_level(connection: Connection, in_force: InForce, identity: Identity) -> None:
    """Hold the session by which the ways in change; refuse one by one factor where the account has a second."""
    await (hold_session if in_force.said.second_factor == "off" else hold_level)(connection, identity)


def read_factor_id(text: str, missing: type[RowgateError] = factors.FactorNotFound) -> str:
    """Give the canonical form of an id; raises `missing` for what can't be one."""
    try:
        return str(read_uuid(text))
    except Wrong:
        raise missing() from None  # type: ignore[call-arg]  # both say their own sentence


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())
