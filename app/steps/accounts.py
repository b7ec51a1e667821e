"""What the steps of custom sign-in share: the auth core, sessions as rules see them, the rows of people."""

from collections.abc import Callable, Mapping
from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from app.auth.access_claims import told_of
from app.auth.accounts import roles_of, ways_in
from app.database.statement import Evaluator, Statement
from app.expressions.evaluate import compile_value
from app.expressions.types import INT, STRING, Record, Type
from app.relations.schema import Table
from app.relations.select import select_by_id
from app.relations.source import table_source
from app.relations.values import Value
from app.steps.context import Context
from app.steps.kind import Fields, Pause
from app.steps.refusals import RowNotFound
from app.steps.running import Call
from app.steps.settings import compile_settings

if TYPE_CHECKING:
    from app.auth.sessions import OpenedSession

SESSION = Record("session", {"access_token": STRING, "refresh_token": STRING, "expires_at": INT})
_WHO = "rowgate_user"


def signed_in_type(users: Table) -> Type:
    """Give the type of what `sign_up` and `sign_in` bind."""
    return Record("signed_in", {"user": users.record, "session": SESSION})


def text_of(key: str, said: str, context: Context) -> Evaluator | None:
    """Compile a field that gives a text."""
    expression = context.expression(key, said, STRING)
    return None if expression is None else compile_value(expression)


def hashes(applies: Callable[[Fields], bool]) -> Pause:
    """Say of a kind that a password is hashed, for which the transaction is let go."""
    told = (
        "a password is hashed here, and rows would stay locked meanwhile",
        "put it before the first step that writes or locks",
    )
    return Pause(applies=applies, write=told, lock=told)


async def let_go(call: Call) -> None:
    """Confirm that nothing has changed, and hold no connection while a password is hashed."""
    await call.db.confirm()
    await call.db.pause()


def compile_columns(said: Mapping[str, Any], context: Context) -> dict[str, Value] | None:
    """Compile `set`: columns of users; None after findings."""
    values = compile_settings(said, context.schema.tables["users"], context, over_row=False)
    return values if len(values) == len(said) else None


def columns_given(values: Mapping[str, Value], env: Mapping[str, Any]) -> dict[str, Any]:
    """Give the columns; one that is an optional input which was not sent is left out."""
    return {name: value.evaluate(env) for name, value in values.items() if value.is_sent(env)}


async def session_of(call: Call, row: Mapping[str, Any], opened: "OpenedSession") -> dict[str, Any]:
    """Give a session as rules see it, of the person with this row; `expires_at` is in seconds since 1970."""
    roles = await call.db.use(partial(roles_of, user_id=opened.user_id))
    ways = await call.db.use(partial(ways_in, user_id=opened.user_id))
    lifetime = 60 * call.accounts.in_force().said.sessions.access_minutes
    await call.accounts.tokens.read()
    issued = call.accounts.tokens.issue(opened.user_id, opened.id, told_of(row, roles, opened, ways), lifetime)
    return {
        "access_token": issued.token,
        "refresh_token": opened.refresh_token,
        "expires_at": issued.expires_at,
    }


def person_statement(users: Table) -> Statement:
    """Read the row of the person whom `person` names."""
    return select_by_id(table_source(users), itemgetter(_WHO))


async def person(call: Call, read: Statement, user_id: str) -> dict[str, Any]:
    """Give the row of a person; raises RowNotFound."""
    rows = await call.db.rows(read, {**call.env, _WHO: user_id})
    if not rows:
        raise RowNotFound
    return dict(rows[0])
