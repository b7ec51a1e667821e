"""What the routes of /auth/v1 share: who calls from where, and a session as their answer."""

from typing import Annotated

from fastapi import Depends

from app.auth.accounts import Account, account
from app.auth.auth_server import AuthServer, AuthServerDep
from app.auth.in_force import InForce, InForceDep
from app.auth.mails import Mailer, mailer_by
from app.auth.routes.shapes import SessionObject, issued_session
from app.auth.routes.signed_in import SignInNeeded
from app.auth.sessions import OpenedSession
from app.database.connection import Connection
from app.definitions.validation import object_validator
from app.errors import FieldError
from app.http.fixed_routes import InputInvalid


async def _mailer(server: AuthServerDep, in_force: InForceDep) -> Mailer:
    return mailer_of(server, in_force)


MailerDep = Annotated[Mailer, Depends(_mailer)]


def mailer_of(server: AuthServer, in_force: InForce) -> Mailer:
    """Give what writes mails by the definitions that are served now."""
    return mailer_by(server.mailing, in_force.settings, server.live.runtime.project)


def own_columns(server: AuthServer, data: dict[str, object], *, new: bool) -> dict[str, object]:
    """Check columns that people may set themselves; raises InputInvalid with every one that isn't or doesn't fit.

    `new` asks for the required ones too.
    """
    served = server.live.runtime
    fields = {one.name: one for one in served.project.users.columns if one.self_editable}
    found, errors = object_validator(fields, served.keys).read(data)
    wrong = [
        FieldError(("body", "data", *one.loc), one.code, one.message)
        for one in errors
        if new or one.code != "input.required" or one.loc[0] in data
    ]
    if wrong:
        raise InputInvalid("The data is not what a person may set.", errors=wrong)
    return {name: found[name] for name in data}


async def found_account(connection: Connection, user_id: str) -> Account:
    """Read an account; raises SignInNeeded where it is gone."""
    found = await account(connection, user_id)
    if found is None:
        raise SignInNeeded
    return found


def session_answer(server: AuthServer, found: Account, opened: OpenedSession) -> SessionObject:
    """Give a session with its user as clients read it."""
    return issued_session(server.auth.tokens, server.live.runtime.project.auth.sessions, found, opened)
