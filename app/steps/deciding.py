"""Conditions of steps: known in process, or, where they read other rows, told by one statement of the transaction.

Conditions that stand next to each other are asked together: nothing can have happened between them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.database.statement import statement
from app.expressions.check import Expression
from app.expressions.evaluate import compile_condition
from app.expressions.to_sql import Parameters, compile_sql
from app.relations.locks import Held, hold_of_rules
from app.steps.context import Asked, Context
from app.steps.holding import HeldRead, Holding
from app.steps.running import Call


@dataclass(frozen=True, slots=True)
class Deciding:
    """Whether a condition holds: `here` says it of an environment, else it is `asked`."""

    here: Callable[[Mapping[str, Any]], bool] | None
    asked: Asked | None

    @property
    def statements(self) -> int:
        """Count the statements that it sends."""
        return 0 if self.asked is None else self.asked.statements

    async def holds(self, call: Call) -> bool:
        """Say whether it holds; what has no answer doesn't."""
        if self.asked is not None:
            return await self.asked.holds(call)
        return self.here is not None and self.here(call.env)


class AskedRule(Asked):
    """A condition that reads other rows; where it is one of several `together`, the first of them asks for all."""

    def __init__(self, context: Context, expression: Expression) -> None:
        """Compile it; the rows that it reads are held where a later step writes their table."""
        self.expression, self._around = expression, _Around(context.later_writes, context.held, context.serializable)
        self.together: Sequence[AskedRule] = (self,)
        self.read = self._around.read((expression,))

    @property
    def statements(self) -> int:
        """Count the statements that it sends."""
        return self.read.statements if self.together[0] is self else 0

    async def holds(self, call: Call) -> bool:
        """Say whether it holds, which the first that was asked together with it has found out."""
        if self.together[0] is self:
            (row,) = await self.read.rows(call)
            for index, one in enumerate(self.together):
                call.decided[one] = row[f"v{index}"] is True
        return call.decided[self]

    def ask_for(self, rules: "Sequence[AskedRule]") -> None:
        """Ask for all of these, of which it is the first."""
        self.read = self._around.read([one.expression for one in rules])
        for one in rules:
            one.together = rules


@dataclass(frozen=True, slots=True)
class _Around:
    """What a statement needs to know of the chain that it stands in."""

    later_writes: frozenset[str]
    held: set[Held]
    serializable: bool

    def read(self, rules: Sequence[Expression]) -> HeldRead:
        parameters = Parameters()
        values = [f"{compile_sql(one, _no_column, parameters)} AS v{index}" for index, one in enumerate(rules)]
        sql = statement(f"SELECT {', '.join(values)}", parameters.evaluators)
        hold = hold_of_rules(rules, self.later_writes)
        if hold is not None:
            self.held.update(hold.held)
        return HeldRead(sql, Holding(hold, self.serializable), locks=False)


def deciding(context: Context, expression: Expression) -> Deciding:
    """Compile a condition."""
    if not expression.reads:
        return Deciding(compile_condition(expression), None)
    return Deciding(None, AskedRule(context, expression))


def ask_together(rules: Sequence[Asked]) -> None:
    """Have conditions told by one statement, which the first of them sends: it is always asked before the others."""
    asked = tuple(one for one in rules if isinstance(one, AskedRule))
    asked[0].ask_for(asked)


def _no_column(root: str, name: str) -> str:
    msg = f"{root}.{name} is no row of the statement"
    raise LookupError(msg)
