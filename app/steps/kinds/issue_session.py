"""`issue_session`: opens a session for a person whom the chain has made sure of by other means."""

from typing import Annotated

from pydantic import Field

from app.audit.writing import audit
from app.auth.password_sign_in import AccountDisabled
from app.auth.sessions import OpenedSession, open_session
from app.database.connection import Connection
from app.definitions.expression_text import ExpressionText
from app.expressions.evaluate import compile_value
from app.expressions.types import UUID
from app.steps.accounts import SESSION, person, person_statement, session_of
from app.steps.context import Context, Step
from app.steps.kind import Asks, Does, Kind, MayBind, Means, Rows, StepBody, always, never
from app.steps.refusals import RowNotFound
from app.steps.running import Call

# The row stays locked until the end, so that a disabling comes before or after.
_OPEN = "SELECT disabled_at IS NOT NULL FROM rowgate.accounts WHERE user_id = $1 FOR NO KEY UPDATE"


class IssueSessionBody(StepBody):
    """`user`, `as`."""

    user: Annotated[ExpressionText, Means.RULE]
    as_: MayBind = Field(default=None, alias="as")


def _compile(body: IssueSessionBody, context: Context) -> Step | None:
    user = context.expression("user", body.user, UUID)
    if user is None:
        return None
    user_of, name, place = compile_value(user), body.as_, context.place
    read = person_statement(context.schema.tables["users"])

    async def issue_session(call: Call) -> None:
        user_id = user_of(call.env)

        async def enter(connection: Connection) -> OpenedSession:
            disabled = None if user_id is None else await connection.fetchval(_OPEN, user_id)
            if disabled is None:
                raise RowNotFound
            if disabled:
                raise AccountDisabled
            said = call.accounts.in_force().said.sessions
            opened = await open_session(connection, str(user_id), call.user_agent, call.address, said)
            await audit(connection, f"user:{user_id}", "session.issue", None, {"by": place})
            return opened

        opened = await call.db.use(enter, writes=True)
        if name is not None:
            call.env[name] = await session_of(call, await person(call, read, opened.user_id), opened)

    return Step(issue_session, {name: SESSION} if name is not None else {}, statements=5, writes=True, undoes=True)


ISSUE_SESSION = Kind(
    body=IssueSessionBody,
    compile=_compile,
    refuses=always,
    asks=Asks.FAILS,
    rules=None,
    does=Does(words="issues sessions", rows=Rows.NONE, lasts=never, picks=never, is_beyond=True),
    answers=False,
    pauses=None,
)
