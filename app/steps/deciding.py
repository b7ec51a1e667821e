"""Conditions of steps: known in process, or, where they read other rows, told by one statement of the transaction."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.database.statement import Statement, statement
from app.expressions.check import Expression
from app.expressions.evaluate import compile_condition
from app.expressions.to_sql import Parameters, compile_sql
from app.relations.locks import hold_of_rules
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
            return (await self.asked.rows(call))[0]["v0"] is True
        return self.here is not None and self.here(call.env)


def deciding(context: Context, expression: Expression) -> Deciding:
    """Compile a condition; the rows that it reads are held where a later step writes their table, or this one then."""
    if not expression.reads:
        return Deciding(compile_condition(expression), None)
    return Deciding(None, asked_together(context, [expression]))


def asked_together(context: Context, rules: Sequence[Expression]) -> HeldRead:
    """Compile conditions that read other rows to one statement, whose only row has their answers, `v0` and so on."""
    parameters = Parameters()
    values = [f"{compile_sql(one, _no_column, parameters)} AS v{index}" for index, one in enumerate(rules)]
    sql = statement(f"SELECT {', '.join(values)}", parameters.evaluators)
    hold = hold_of_rules(rules, context.later_writes | context.own_writes)
    if hold is not None:
        context.held.update(hold.held)
    return HeldRead(sql, Holding(hold, context.serializable), locks=False)


def _no_column(root: str, name: str) -> str:
    msg = f"{root}.{name} is no row of the statement"
    raise LookupError(msg)
