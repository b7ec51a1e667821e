"""`sign_in`: checks an address and a password under the auth core's limits, and opens a session."""

from typing import Annotated

from pydantic import Field

from app.audit.writing import audit
from app.auth.failures import attempt
from app.auth.password_sign_in import SignInRefused, begin, stored_account, verify_noted
from app.auth.sessions import OpenedSession
from app.database.connection import Connection
from app.definitions.expression_text import ExpressionText
from app.steps.accounts import hashes, let_go, person, person_statement, session_of, signed_in_type, text_of
from app.steps.context import Context, Step
from app.steps.kind import Asks, Does, Kind, MayBind, Means, Rows, StepBody, always, never
from app.steps.running import Call


class SignInBody(StepBody):
    """`email`, `password`, `as`."""

    email: Annotated[ExpressionText, Means.RULE]
    password: Annotated[ExpressionText, Means.RULE]
    as_: MayBind = Field(default=None, alias="as")


def _compile(body: SignInBody, context: Context) -> Step | None:
    users = context.schema.tables["users"]
    email_of, password_of = (text_of(key, getattr(body, key), context) for key in ("email", "password"))
    if email_of is None or password_of is None:
        return None
    read, name = person_statement(users), body.as_

    async def sign_in(call: Call) -> None:
        accounts = call.accounts
        email, password = email_of(call.env) or "", password_of(call.env) or ""
        await let_go(call)
        async with attempt(accounts.pool, "user", email, call.address).counting(SignInRefused):
            async with accounts.pool.lease() as connection:
                stored = await stored_account(connection, email)
            verified = await verify_noted(accounts.pool, accounts.passwords, stored, password, call.address)

        said = accounts.in_force().said.sessions

        async def enter(connection: Connection) -> OpenedSession:
            opened = await begin(connection, verified, call.user_agent, call.address, said)
            await audit(connection, f"user:{opened.user_id}", "sign_in", None)
            return opened

        opened = await call.db.use(enter, writes=True)
        if name is not None:
            row = await person(call, read, opened.user_id)
            call.env[name] = {"user": row, "session": await session_of(call, row, opened)}

    binds = {name: signed_in_type(users)} if name is not None else {}
    return Step(sign_in, binds, statements=4, writes=True, undoes=True)


SIGN_IN = Kind(
    body=SignInBody,
    compile=_compile,
    refuses=always,
    asks=Asks.FAILS,
    rules=None,
    does=Does(words="signs people in", rows=Rows.NONE, lasts=never, picks=never, is_beyond=True),
    answers=False,
    pauses=hashes(always),
)
