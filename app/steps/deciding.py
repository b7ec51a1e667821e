"""Conditions of steps: known in process, or, where they read other rows, told by one statement of the transaction."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from app.database.statement import Statement, statement
from app.expressions.check import Expression
from app.expressions.evaluate import compile_condition
from app.expressions.to_sql import Parameters, compile_sql
from app.relations.locks import hold_of_rule
from app.steps.context import Context
from app.steps.holding import HeldRead, Holding
from app.steps.running import Call


@dataclass(frozen=True, slots=True)
class Deciding:
    """Whether a condition holds: `here` says it of an environment, else `asked` reads it."""

    here: Callable[[Mapping[str, Any]], bool] | None
    asked: HeldRead | None

    @property
    def statements(self) -> int:
        """Count the statements that it sends."""
        return 0 if self.asked is None else self.asked.statements

    @property
    def sends(self) -> tuple[Statement, ...]:
        """Give the statements that it sends."""
        return () if self.asked is None else self.asked.sends

    async def holds(self, call: Call) -> bool:
        """Say whether it holds; what has no answer doesn't."""
        if self.asked is not None:
            return (await self.asked.rows(call))[0]["value"] is True
        return self.here is not None and self.here(call.env)


def deciding(context: Context, expression: Expression) -> Deciding:
    """Compile a condition; the rows that it reads are held where a later step writes their table."""
    if not expression.reads:
        return Deciding(compile_condition(expression), None)
    parameters = Parameters()
    sql = statement(f"SELECT {compile_sql(expression, _no_column, parameters)} AS value", parameters.evaluators)
    hold = hold_of_rule(expression, context.later_writes)
    if hold is not None:
        context.held.update(hold.held)
    return Deciding(None, HeldRead(sql, Holding(hold, context.serializable), locks=False))


def _no_column(root: str, name: str) -> str:
    msg = f"{root}.{name} is no row of the statement"
    raise LookupError(msg)
