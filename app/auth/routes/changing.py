"""A change of the own account: columns, the password, or the address, which both addresses have to confirm."""

from typing import Annotated, Any

from fastapi import Depends, Response

from app.audit.writing import audit
from app.auth.access_claims import shown_email
from app.auth.accounts import EmailInvalid, EmailTaken, id_of_address, normal_email, readdress, set_columns
from app.auth.auth_server import AuthServer, AuthServerDep
from app.auth.confirming import address_of, tell_changed
from app.auth.counted import CodeLimited, MailLimited, count_try
from app.auth.factors import SecondFactorNeeded
from app.auth.failures import TooManyFailures
from app.auth.identity import Identity
from app.auth.in_force import RedirectUnlisted
from app.auth.mailing import MailUnavailable
from app.auth.mails import Mailer
from app.auth.one_time import LinkInvalid, OneTime, end_change, hold_person, spend_code, tried
from app.auth.password_change import (
    Holder,
    NewPassword,
    NonceInvalid,
    PasswordMissing,
    PasswordWrong,
    chosen,
    given,
    holder,
    replace_password,
)
from app.auth.passwords import PasswordRefused, SentPassword, UserPassword
from app.auth.refused_ways import noted
from app.auth.routes.answering import MailerDep, found_account, own_columns
from app.auth.routes.asking import PkceFields, RedirectTo, begun
from app.auth.routes.client import Client, ClientDep
from app.auth.routes.factors import hold_own_level
from app.auth.routes.shapes import user_object
from app.auth.routes.signed_in import SignedIn, SignInNeeded
from app.auth.sign_up_hooks import LetIn, SignUpRefused, let_in
from app.database.connection import Connection
from app.database.faults import WRITE_REFUSALS
from app.http.fixed_bodies import JsonBody
from app.http.fixed_routes import InputInvalid, answer, refuses

_IS_RECOVERY = """SELECT amr @> '[{"method": "recovery"}]' FROM rowgate.sessions WHERE id = $1"""


class UserBody(PkceFields):
    """What auth-js sends to change the own account; `current_password` or a `nonce` goes with a new password."""

    email: str | None = None
    data: dict[str, Any] | None = None
    password: UserPassword | None = None
    current_password: SentPassword | None = None
    nonce: str | None = None


@refuses(
    EmailInvalid, EmailTaken, PasswordRefused, PasswordWrong, NonceInvalid, TooManyFailures, CodeLimited, MailLimited,
    MailUnavailable, RedirectUnlisted, SecondFactorNeeded, SignUpRefused, *WRITE_REFUSALS,
)  # fmt: skip
async def put_user(
    server: AuthServerDep,
    client: ClientDep,
    identity: SignedIn,
    mailer: MailerDep,
    body: Annotated[UserBody, Depends(JsonBody(UserBody))],
    redirect_to: RedirectTo = None,
) -> Response:
    """Change the columns that one may change oneself, the password, or the address."""
    user_id = str(identity.user_id)
    columns: dict[str, object] = own_columns(server, body.data or {}, new=False)
    who = await _let_in(server, identity, body.email, columns)
    halves = [] if who is None else await _halves(server, identity, mailer, body, who, redirect_to)
    at_once = None if halves else who
    if body.password is not None and at_once is None and identity.env["is_anonymous"]:
        raise InputInvalid("An anonymous user has no password.", hint="Give an address first, and confirm it.")
    new = await _chosen(server, client, mailer, identity, body)
    async with server.pool.lease() as connection, connection.transaction():
        if body.email is not None or new is not None:
            await hold_own_level(connection, mailer.in_force, identity)
        await set_columns(connection, user_id, columns)
        if at_once is not None:
            before = await address_of(connection, user_id)
            await readdress(connection, user_id, at_once)
            await tell_changed(connection, mailer, user_id, before, str(at_once.email))
        if new is not None:
            await replace_password(connection, new, keep=identity.session_id)
            await mailer.notify(connection, "password_changed", new.holder.email)
        if halves:  # behind the password, which ends a change of before
            await _ask_both(connection, mailer, halves)
        done = sorted([*columns, *(["email"] if at_once is not None else [])])
        done += ["password"] if new is not None else []
        await audit(connection, f"user:{user_id}", "user.change", user_id, {"changed": done})
        found = await found_account(connection, user_id)
    return answer(user_object(found))


async def _let_in(server: AuthServer, identity: Identity, said: str | None, columns: dict[str, object]) -> LetIn | None:
    """Ask whether somebody may have the address; None where none is said, or the one that is there already."""
    email = None if said is None else normal_email(said)
    if email is None or email == shown_email(identity.columns["email"]):
        return None
    async with server.pool.lease() as connection:
        return await let_in(server.hooks, connection, email, columns)


async def _halves(
    server: AuthServer, identity: Identity, mailer: Mailer, body: UserBody, who: LetIn, redirect_to: str | None
) -> list[OneTime]:
    """Give what both addresses of a change are asked, where a new address has to be confirmed."""
    if not mailer.in_force.confirm_email:
        return []
    old, new = shown_email(identity.columns["email"]), str(who.email)
    _, to = await begun(server, mailer, new, redirect_to)
    user_id = str(identity.user_id)
    if not old:  # nobody to be asked but the new one
        return [OneTime("email_change", user_id, new, new, body.challenge, to, columns={"confirmed": True})]
    await begun(server, mailer, old, redirect_to)
    return [OneTime("email_change", user_id, email, new, body.challenge, to) for email in (old, new)]


async def _ask_both(connection: Connection, mailer: Mailer, halves: list[OneTime]) -> None:
    """Write to both addresses; to one that has an account nothing goes, and the answer is the same."""
    *old, new = halves
    await hold_person(connection, new.user_id)
    await end_change(connection, str(new.user_id))
    for one in old:
        await mailer.send_link(connection, one)
    is_taken = await id_of_address(connection, new.email) is not None
    await mailer.send_link(connection, OneTime(new.kind, None, new.email, new.new_email) if is_taken else new)


async def _chosen(
    server: AuthServer, client: Client, mailer: Mailer, identity: Identity, body: UserBody
) -> NewPassword | None:
    """Hash another password, if one was sent; what shows whose it is has to be right, asked for or not."""
    if body.password is None:
        return None
    async with server.pool.lease() as connection:
        of = await holder(connection, "user", str(identity.user_id))
        is_recovery = await connection.fetchval(_IS_RECOVERY, identity.session_id)
    if of is None:
        raise SignInNeeded
    passwords, said = server.auth.passwords, mailer.in_force.said.password
    by = "code" if body.nonce is not None else "password"
    told = {"actor": f"user:{of.id}", "action": "user.change_refused"}
    async with noted(server.pool, client.address, PasswordWrong, NonceInvalid, by=by, **told):
        if body.nonce is not None:
            await _show(server, client, of, body.nonce)
        elif body.current_password is not None:
            return await chosen(
                server.pool, passwords, of, body.current_password, body.password, client.address, least=said.min_length
            )
    if body.nonce is None and said.current and not is_recovery:
        raise PasswordMissing
    return await given(passwords, of, body.password, said.min_length)


async def _show(server: AuthServer, client: Client, of: Holder, nonce: str) -> None:
    """Use the code of a mail that shows who one is; raises NonceInvalid."""
    kinds = ("reauthentication",)
    await count_try(server.pool, of.email, client.address)
    async with server.pool.lease() as connection:
        await tried(connection, of.email, kinds)
        try:
            async with connection.transaction():
                spent = await spend_code(connection, server.mailing, of.email, kinds, nonce)
        except LinkInvalid:
            raise NonceInvalid from None
    if spent.user_id != of.id:
        raise NonceInvalid
