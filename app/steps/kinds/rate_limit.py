"""`rate_limit`: so many requests in a time, counted by the user, else the address, or by what the admin says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Annotated, Any, Literal

from pydantic import Field

from app.database.statement import Evaluator
from app.definitions.expression_text import OptionalExpression
from app.expressions.evaluate import compile_value
from app.expressions.nulls import ALL
from app.expressions.operations import EvaluationError
from app.expressions.trees import less, literal, term
from app.expressions.types import INT, STRING
from app.limits.headers import limit_headers
from app.limits.limit import BadLimit, Limit, Outcome, StoreUnavailable, parse_limit
from app.relations.values import Value
from app.steps.context import Context, Step
from app.steps.kind import Asks, Fields, Kind, Means, Reader, Stated, StepBody
from app.steps.refusals import RateLimited
from app.steps.running import Call, Counting

_read_limit = lru_cache(maxsize=1024)(parse_limit)


class RateLimitBody(StepBody):
    """`limit` such as 10/minute, `by`, `scope` (a name under which steps count together), `cost`, `message`.

    `count` says which requests count: all, or those that fail behind this step. `dry_run` counts and never refuses;
    `on_store_failure` says what happens where nothing can be counted.
    """

    limit: Annotated[Any, Means.VALUE]
    by: Annotated[OptionalExpression, Means.RULE] = None
    scope: Annotated[str | None, Means.VALUE] = Field(default=None, pattern=r"^[a-z][a-z0-9_.-]{0,62}$")
    cost: Annotated[Any, Means.VALUE] = None
    count: Annotated[Literal["all", "failures"], Means.VALUE] = "all"
    message: Annotated[str, Means.LOOKS] = "Too many requests."
    dry_run: Annotated[bool, Means.VALUE] = False
    on_store_failure: Annotated[Literal["refuse", "allow"], Means.VALUE] = "refuse"


@dataclass(frozen=True, slots=True)
class _Told:
    """Takes what a hit came to: it is noted for the headers, and is the refusal if it is one."""

    name: str
    scope: str
    message: str
    dry_run: bool

    def __call__(self, call: Call, wanted: Limit, outcome: Outcome) -> RateLimited | None:
        if self.dry_run and outcome.retry_after is not None:
            outcome = Outcome(True, outcome.remaining, outcome.retry_after, None)
        call.counted[self.scope] = (self.name, wanted, outcome)
        if outcome.allowed:
            return None
        return RateLimited(self.message, headers=limit_headers(list(call.counted.values())))


def _compile(body: RateLimitBody, context: Context) -> Step | None:
    limit = _limit(body, context)
    cost = context.value("cost", 1 if body.cost is None else body.cost, INT)
    by = None if body.by is None else context.sure_of(frozenset({ALL})).expression("by", body.by)
    if limit is None or cost is None or (body.by is not None and by is None):
        return None
    key_of = _caller if by is None else _key(compile_value(by))
    scope = body.scope or context.place
    name = body.scope or (context.inside[-1] if context.inside else context.owner)
    told = _Told(name, scope, body.message, body.dry_run)
    lenient, failures = body.dry_run or body.on_store_failure == "allow", body.count == "failures"

    async def rate_limit(call: Call) -> None:
        if scope in call.counted:
            return  # a request that is run again is one request
        wanted = _read_limit(limit.evaluate(call.env))
        counting = Counting(wanted, scope, key_of(call), cost.evaluate(call.env) or 1, partial(told, call, wanted))
        try:
            outcome = await (call.limiter.look if failures else call.limiter.hit)(*counting.hit)
        except StoreUnavailable:
            if lenient:
                return
            raise
        if failures and outcome.allowed:
            # Counted when it fails; how many are left is not told, since that is for who guesses to find out.
            call.failures.append(counting)
        elif refusal := told(call, wanted, outcome):
            raise refusal

    return Step(rate_limit, at_end=failures and not body.dry_run)


def _limit(body: RateLimitBody, context: Context) -> Value | None:
    value = context.value("limit", body.limit, STRING)
    if value is None:
        return None
    literal = value.literal if value.is_literal else _argument(body.limit, context)
    if isinstance(literal, str):
        try:
            parse_limit(literal)
        except BadLimit as error:
            context.report("limit", f"{literal!r} is no rate limit", error.hint)
            return None
    return value


def _argument(said: str, context: Context) -> Any:
    """Give the literal that a middleware's parameter stands for here, so that it is checked when it is saved."""
    root, _, name = said.removeprefix("=").strip().partition(".")
    return context.arguments.get(name) if root == "params" else None


def _caller(call: Call) -> str:
    identity = call.identity
    return identity.user_id or identity.key_id or call.address


def _key(evaluate: Evaluator) -> Any:
    def key(call: Call) -> str:
        try:
            value = evaluate(call.env)
        except EvaluationError:
            value = None
        # Who has no key of the kind asked for is counted by address: a limit never ends by being unknown.
        return _caller(call) if value is None else str(value)

    return key


def _rules(said: Fields, read: Reader) -> Iterator[Stated]:
    by = literal(None) if said.get("by") is None else read.rule(said["by"])
    rest = [read.value(said.get(key)) for key in ("scope", "cost", "count", "on_store_failure")]
    limit, told = read.value(said["limit"]), f"rate_limit {said['limit']}"
    try:
        known = parse_limit(getattr(limit, "value", None))
    except BadLimit:
        yield Stated(less(term("hits", by, *rest), limit), told)
        return
    yield Stated(less(term("hits", by, *rest, literal(known.period)), literal(known.amount)), told)


RATE_LIMIT = Kind(
    body=RateLimitBody,
    compile=_compile,
    refuses=lambda said: not said.get("dry_run"),
    asks=Asks.LIMIT,
    rules=_rules,
    does=None,
    answers=False,
    pauses=None,
    by_caller=True,
)
