"""What an update and a delete share: which rows they touch, and what they give back of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from app.database.statement import Statement
from app.definitions.names import Name
from app.expressions.check import Expression
from app.expressions.types import ListOf, Type
from app.relations.fused import WrittenRow
from app.relations.locks import Reading
from app.relations.schema import Table
from app.relations.source import table_source
from app.relations.values import Value
from app.steps.chosen import ChosenRows
from app.steps.context import Context, Step
from app.steps.fusable import Fusable
from app.steps.holding import NOTHING, holding
from app.steps.kind import MayBind, Means
from app.steps.refusals import RowNotFound, TooManyRows
from app.steps.running import Call


class WrittenRows(ChosenRows):
    """`table`, `id` or `where`, `expect`, `as`; `expect: one` makes none a 404 and is the default with `id`."""

    unsaid: ClassVar[str] = "say which rows: either by id or by where (`where: true` is all of them)"
    table: Annotated[Name, Means.TABLE]
    expect: Annotated[Literal["one", "any"] | None, Means.EXPECTS] = None
    as_: MayBind = Field(default=None, alias="as")

    @property
    def is_one(self) -> bool:
        """Say whether one row is expected."""
        return self.expect == "one" or (self.expect is None and self.id is not None)


def compile_written(
    body: WrittenRows,
    context: Context,
    table: Table,
    condition: Expression,
    statement: Statement,
    values: Mapping[str, Value] | None = None,
) -> Step:
    """Compile a step whose statement writes the rows that a condition holds for, and returns them.

    `values` are what an update sets.
    """
    one, name = body.is_one, body.as_
    # Whether it found any, a later step can ask where the chain goes on without.
    reading = Reading(table_source(table), condition)
    held = NOTHING if one or name is None else holding(context, reading)

    async def write(call: Call) -> None:
        await held.take(call)
        rows = _given(await call.db.rows(statement, call.env), one=one)
        if name is not None:
            call.env[name] = rows

    undoes = one and body.where is not None
    binds = _binds(name, table, one=one)
    part = None
    if one and body.id is not None:
        part = Fusable(WrittenRow(name, table, condition, body.id, values, context.max_bytes))
    sends = (*held.sends, statement)
    return Step(
        write, binds, statements=len(sends), writes=True, undoes=undoes, measured=True, sends=sends, fusable=part
    )


def _given(rows: Sequence[Any], *, one: bool) -> object:
    """Give the row or the rows; where one was expected, none is a 404 and more are refused."""
    if not one:
        return [dict(row) for row in rows]
    if not rows:
        raise RowNotFound
    if len(rows) > 1:
        raise TooManyRows
    return dict(rows[0])


def _binds(name: str | None, table: Table, *, one: bool) -> Mapping[str, Type]:
    if name is None:
        return {}
    return {name: table.record if one else ListOf(table.record)}
