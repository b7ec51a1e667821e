"""`respond`: answers and ends; whatever was written is committed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import Field

from app.database.faults import AnswerTooLarge
from app.database.statement import Evaluator
from app.expressions.syntax import Name
from app.expressions.trees import term
from app.expressions.types import BOOL, INT, STRING, UUID, Enum, ListOf, Record
from app.http.json_answer import to_json
from app.relations.fused import Shown
from app.relations.values import Value
from app.steps.context import Context, Step
from app.steps.fusable import Fusable
from app.steps.kind import Asks, Fields, Kind, Means, Reader, Stated, StepBody
from app.steps.running import Answer, Call

# What frames the answer, or is decided by the server itself, is not an admin's to set.
_KEPT = frozenset({
    "connection", "content-encoding", "content-length", "content-type", "date", "keep-alive", "server", "trailer",
    "transfer-encoding", "upgrade", "x-request-id",
})  # fmt: skip
_BODILESS = frozenset({204, 205, 304})


class RespondBody(StepBody):
    """`status`, `body`, `headers`."""

    status: Annotated[int, Means.LOOKS] = Field(default=200, ge=200, le=599)
    body: Annotated[Any, Means.SHOWS] = None
    headers: Annotated[dict[str, Any], Means.SHOWS] = Field(default_factory=dict)


def _compile(body: RespondBody, context: Context) -> Step | None:
    has_body = "body" in body.model_fields_set
    if has_body and body.status in _BODILESS:
        context.report("body", f"an answer with status {body.status} has no body")
        return None
    _check_text(body.body, context)
    value = context.value("body", body.body, whole=True)
    headers = _headers(body, context)
    if value is None or headers is None:
        return None
    if value.is_literal and len(to_json(value.literal)) > context.max_bytes:
        context.report("body", "this is more than max_bytes lets the answer have")
        return None
    context.answering(body.status, value.type if has_body else None)
    # A whole value that was measured when it was read, or a literal, can't fail.
    whole = None if value.expression is None else value.expression.text.strip()
    plain = value.is_literal or whole in context.measured
    status, evaluate, most = body.status, value.evaluate, None if plain else context.max_bytes

    def answer(call: Call, content: bytes | None) -> None:
        if content is not None:
            call.db.carried(len(content))
            if most is not None and len(content) > most:
                raise AnswerTooLarge
        said = tuple((name, _text(given(call.env))) for name, given in headers) if headers else ()
        call.answer = Answer(status, content, said)

    def respond(call: Call) -> None:
        answer(call, to_json(evaluate(call.env)) if has_body else None)

    row = _row(value) if plain and not headers else None
    part = None if row is None else Fusable(Shown(row), shows=answer)
    return Step(respond, may_refuse=bool(headers) or not (plain or not has_body), fusable=part)


def _check_text(said: object, context: Context) -> None:
    if isinstance(said, str) and said in context.scope.names:
        hint = f"write ={said} for its value, or ='{said}' if the text is meant"
        context.report("body", f"this is the text {said!r}, and {said} is bound here", hint, stricter=True)


def _row(value: Value) -> str | None:
    """Name the row, or the rows, that are the whole answer: they were measured, and need not become values."""
    tree = None if value.expression is None else value.expression.tree
    kind = None if tree is None else tree.type.element if isinstance(tree.type, ListOf) else tree.type
    return tree.name if isinstance(tree, Name) and isinstance(kind, Record) else None


def _headers(body: RespondBody, context: Context) -> list[tuple[str, Evaluator]] | None:
    compiled: list[tuple[str, Evaluator]] = []
    for name, said in body.headers.items():
        if not name.replace("-", "").isalnum() or not name.isascii() or name.lower() in _KEPT:
            context.report(f"headers.{name}", "this header can't be set", "use a header of your own, such as X-Total")
            return None
        value = context.value(f"headers.{name}", said, whole=True)
        if value is None:
            return None
        if value.type not in (STRING, INT, BOOL, UUID) and not isinstance(value.type, Enum):
            context.report(f"headers.{name}", "a header is a text, a whole number or a boolean", "use string(…)")
            return None
        compiled.append((name, value.evaluate))
    return compiled


def _text(value: Any) -> str:
    """Write a header's value; what could end the header line, or is not printable ASCII, becomes a space or `?`."""
    if isinstance(value, bool) or value is None:
        return "" if value is None else str(value).lower()
    return "".join(c if " " <= c <= "~" else " " if c.isspace() or c < " " else "?" for c in str(value)).strip()


def _rules(said: Fields, _read: Reader) -> Iterator[Stated]:
    # A `fail` in its place is stricter, since it undoes what was written.
    yield Stated(term("answered by a refusal"), f"respond {said.get('status')}")


RESPOND = Kind(
    body=RespondBody,
    compile=_compile,
    refuses=lambda said: said.get("status", 200) >= 400,
    asks=Asks.FAILS,
    rules=_rules,
    does=None,
    answers=True,
    pauses=None,
)
