"""`sign_up`: makes an account, and a session where no confirmation of the address is asked for."""

from typing import Annotated, Any

from pydantic import Field

from app.audit.writing import audit
from app.auth.accounts import create_user, new_credentials, normal_email
from app.auth.counted import count_mail_in
from app.auth.one_time import OneTime
from app.auth.sessions import OpenedSession, open_session
from app.auth.sign_up_hooks import let_in
from app.database.connection import Connection
from app.definitions.expression_text import ExpressionText
from app.definitions.names import Name
from app.steps.accounts import (
    columns_given,
    compile_columns,
    hashes,
    let_go,
    person,
    person_statement,
    session_of,
    signed_in_type,
    text_of,
)
from app.steps.context import Context, Step
from app.steps.kind import Asks, Does, Kind, MayBind, Means, Rows, StepBody, always, never
from app.steps.running import Call


class SignUpBody(StepBody):
    """`email`, `password`, `set`, `as`."""

    email: Annotated[ExpressionText, Means.RULE]
    password: Annotated[ExpressionText, Means.RULE]
    set: Annotated[dict[Name, Any], Means.VALUE] = Field(default_factory=dict)
    as_: MayBind = Field(default=None, alias="as")


def _compile(body: SignUpBody, context: Context) -> Step | None:
    users = context.schema.tables["users"]
    email_of, password_of = (text_of(key, getattr(body, key), context) for key in ("email", "password"))
    values = compile_columns(body.set, context)
    missing = [name for name, column in users.columns.items() if column.required and name not in body.set]
    if missing:
        context.report("set", f"a new account needs {', '.join(missing)}", "set them, or give a default")
    if email_of is None or password_of is None or values is None or missing:
        return None
    read, name = person_statement(users), body.as_

    async def sign_up(call: Call) -> None:
        accounts, columns = call.accounts, columns_given(values, call.env)
        email, password = email_of(call.env) or "", password_of(call.env) or ""
        await let_go(call)
        mailer = accounts.mailer()
        in_force = mailer.in_force
        in_force.refuse_sign_up(by_chain=True)
        least = in_force.said.password.min_length
        async with accounts.pool.lease() as connection:
            who = await let_in(accounts.hooks, connection, normal_email(email), columns)
        address, digest = await new_credentials(accounts.passwords, email, password, least)

        async def make(connection: Connection) -> tuple[str, OpenedSession | None]:
            confirmed = not in_force.confirm_email
            user_id = await create_user(connection, who, digest, columns, confirmed=confirmed)
            await audit(connection, f"user:{user_id}", "sign_up", user_id)
            if confirmed:
                said = in_force.said.sessions
                return user_id, await open_session(connection, user_id, call.user_agent, call.address, said)
            mailer.mailing.needed()
            await count_mail_in(connection, address)
            waits = OneTime("confirmation", user_id, address, redirect_to=in_force.site_url, password_hash=digest)
            await mailer.send_link(connection, waits)
            return user_id, None

        user_id, opened = await call.db.use(make, writes=True)
        if name is not None:
            row = await person(call, read, user_id)
            session = None if opened is None else await session_of(call, row, opened)
            call.env[name] = {"user": row, "session": session}

    binds = {name: signed_in_type(users)} if name is not None else {}
    return Step(sign_up, binds, statements=4, writes=True, undoes=True)


SIGN_UP = Kind(
    body=SignUpBody,
    compile=_compile,
    refuses=always,
    asks=Asks.FAILS,
    rules=None,
    does=Does(words="signs people up", rows=Rows.PEOPLE, lasts=never, picks=never, is_beyond=True),
    answers=False,
    pauses=hashes(always),
)
