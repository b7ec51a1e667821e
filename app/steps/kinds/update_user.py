"""`update_user`: changes the address, the password or the columns of an account."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, Any

from pydantic import Field

from app.audit.writing import audit
from app.auth.accounts import EmailChangeRefused, change_address, normal_email, set_columns
from app.auth.password_change import NewPassword, given, holder, replace_password
from app.database.connection import Connection
from app.database.statement import Evaluator
from app.definitions.expression_text import ExpressionText, OptionalExpression
from app.definitions.names import Name
from app.expressions.evaluate import compile_value
from app.expressions.types import UUID
from app.relations.values import Value
from app.steps.accounts import columns_given, compile_columns, hashes, let_go, person, person_statement, text_of
from app.steps.context import Context, Step
from app.steps.kind import Asks, Does, Kind, MayBind, Means, Rows, StepBody, always, never
from app.steps.refusals import RowNotFound
from app.steps.running import Call


class UpdateUserBody(StepBody):
    """`user`, `email`, `password`, `set`, `as`."""

    user: Annotated[ExpressionText, Means.RULE]
    email: Annotated[OptionalExpression, Means.RULE] = None
    password: Annotated[OptionalExpression, Means.RULE] = None
    set: Annotated[dict[Name, Any], Means.VALUE] = Field(default_factory=dict)
    as_: MayBind = Field(default=None, alias="as")


@dataclass(frozen=True, slots=True)
class _Changed:
    """What the step changes, compiled."""

    user: Evaluator
    email: Evaluator | None
    password: Evaluator | None
    columns: Mapping[str, Value]

    def wanted(self, env: Mapping[str, Any]) -> tuple[dict[str, Any], str | None]:
        """Give the columns, the address among them, and the new password; what wasn't sent is left alone."""
        columns = columns_given(self.columns, env)
        email = None if self.email is None else self.email(env)
        if email is not None:
            columns["email"] = normal_email(email)
        return columns, None if self.password is None else self.password(env)


def _compile(body: UpdateUserBody, context: Context) -> Step | None:
    users = context.schema.tables["users"]
    said = _said(body, context)
    if said is None:
        return None
    read, name = person_statement(users), body.as_

    async def update_user(call: Call) -> None:
        user_id = said.user(call.env)
        if user_id is None:
            raise RowNotFound
        columns, password = said.wanted(call.env)
        before = await person(call, read, user_id)
        email = columns.get("email", before["email"])
        if call.accounts.in_force().confirm_email and email != before["email"]:
            raise EmailChangeRefused
        new = None if password is None else await _new_password(call, user_id, email, password)
        await call.db.use(partial(_change, call=call, user_id=user_id, columns=columns, new=new), writes=True)
        if name is not None:
            call.env[name] = await person(call, read, user_id)

    binds = {name: users.record} if name is not None else {}
    return Step(update_user, binds, statements=3, writes=True, undoes=True)


def _said(body: UpdateUserBody, context: Context) -> _Changed | None:
    before = context.findings.refusing
    user = context.expression("user", body.user, UUID)
    email = None if body.email is None else text_of("email", body.email, context)
    password = None if body.password is None else text_of("password", body.password, context)
    values = compile_columns(body.set, context)
    if not (body.email or body.password or body.set):
        context.report("set", "this changes nothing", "give email, password or set")
    if user is None or values is None or context.findings.refusing > before:
        return None
    return _Changed(compile_value(user), email, password, values)


async def _change(
    connection: Connection, call: Call, user_id: str, columns: Mapping[str, Any], new: NewPassword | None
) -> None:
    own = {name: value for name, value in columns.items() if name != "email"}
    await set_columns(connection, user_id, own)
    if "email" in columns:
        await change_address(connection, call.accounts.hooks, user_id, columns["email"], own)
    if new is not None:
        keep = call.identity.session_id if call.identity.user_id == user_id else None
        await replace_password(connection, new, keep=keep)
    done = [*sorted(columns), *(["password"] if new is not None else [])]
    await audit(connection, f"user:{user_id}", "user.change", user_id, {"changed": done})


async def _new_password(call: Call, user_id: str, email: str, password: str) -> NewPassword:
    """Hash another password; the old one isn't asked for: that is for the chain to do, by `sign_in`."""
    of = await call.db.use(partial(holder, kind="user", person_id=user_id))
    if of is None:
        raise RowNotFound
    await let_go(call)
    least = call.accounts.in_force().said.password.min_length
    return await given(call.accounts.passwords, replace(of, email=email), password, least)


UPDATE_USER = Kind(
    body=UpdateUserBody,
    compile=_compile,
    refuses=always,
    asks=Asks.FAILS,
    rules=None,
    does=Does(words="changes accounts", rows=Rows.PEOPLE, lasts=never, picks=never, is_beyond=True),
    answers=False,
    pauses=hashes(lambda said: said.get("password") is not None),
)
