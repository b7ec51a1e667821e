"""`aggregate`: sums, counts and the like over rows, of all of them or by group."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from app.definitions.expression_text import OptionalExpression
from app.definitions.names import BoundName, Definition, Items, Name
from app.expressions.types import ListOf, Record, Type, describe
from app.relations.aggregate import UNDECIDED, Aggregated, aggregate_rows, aggregated_type, undecided
from app.relations.locks import Reading
from app.relations.rules import has_sql
from app.relations.select import may_be_undecided
from app.relations.source import Source
from app.steps.chosen import SomeRows
from app.steps.context import Context, Step
from app.steps.holding import held_read
from app.steps.kind import READS, Kind, Means, never
from app.steps.running import Call

MOST_GROUPS = 1000
_TAKES = {"sum": "numbers", "avg": "numbers", "min": "numbers, texts and times", "max": "numbers, texts and times"}


class AggregateValue(Definition):
    """One of `sum`, `count`, `min`, `max` and `avg`, with an expression over `item`."""

    sum: OptionalExpression = None
    count: OptionalExpression = None
    min: OptionalExpression = None
    max: OptionalExpression = None
    avg: OptionalExpression = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if len(self.model_fields_set) != 1 or None in self.said:
            msg = "say one of sum, count, min, max and avg"
            raise ValueError(msg)
        return self

    @property
    def said(self) -> tuple[Literal["sum", "count", "min", "max", "avg"], str]:
        """Give the function and its expression."""
        (function,) = self.model_fields_set
        return function, getattr(self, function)  # type: ignore[return-value]  # the fields are those


class AggregateBody(SomeRows):
    """`from`, `where`, `group_by`, `values`, `as`."""

    group_by: Annotated[Items[Name], Means.SHAPE] = ()
    values: Annotated[dict[BoundName, AggregateValue], Means.SHAPE] = Field(min_length=1)


def _compile(body: AggregateBody, context: Context) -> Step | None:
    source = context.source(body.from_)
    if source is None:
        return None
    before = context.findings.refusing
    condition = context.counted(body.where, source, body.as_)
    for column in body.group_by:
        if column not in source.item.fields:
            context.findings.unknown(f"{context.place}.group_by", "column", column, list(source.item.fields))
    values = {name: _value(name, said, source, context) for name, said in body.values.items()}
    if repeated := [name for name in body.group_by if name in body.values]:
        context.report(f"values.{repeated[0]}", f"{repeated[0]!r} is a column of group_by too", "give one another name")
    if context.findings.refusing > before:
        return None
    found = {name: value for name, value in values.items() if value is not None}
    statement = aggregate_rows(source, condition, body.group_by, found, MOST_GROUPS, context.max_bytes)
    expressions = tuple(value.expression for value in found.values())
    read = held_read(context, statement, Reading(source, condition, expressions, body.group_by))
    name, grouped = body.as_, bool(body.group_by)

    async def aggregate(call: Call) -> None:
        rows = [dict(row) for row in await read.rows(call)]
        if grouped and any(row.pop(UNDECIDED, False) for row in rows):
            call.env[name] = None
        else:
            call.env[name] = rows if grouped else rows[0]

    columns: dict[str, Type] = {column: source.item.fields[column] for column in body.group_by}
    unknown = may_be_undecided(source, condition)
    nullable = frozenset(found) if unknown else frozenset(key for key, one in found.items() if undecided(one, source))
    record = Record(name, columns | {key: value.type for key, value in found.items()}, nullable=nullable)
    return Step(
        aggregate,
        {name: ListOf(record) if grouped else record},
        statements=read.statements,
        measured=True,
        undecided=frozenset({name}) if grouped and unknown else frozenset(),
        sends=read.sends,
    )


def _value(name: str, value: AggregateValue, source: Source, context: Context) -> Aggregated | None:
    function, text = value.said
    place = f"{context.place}.values.{name}.{function}"
    expression = context.findings.expression(place, text, context.over_items(source.item))
    if expression is None or not has_sql(place, expression, context.findings):
        return None
    kind = aggregated_type(function, expression.type)
    if kind is None:
        context.findings.report(place, f"{function} takes {_TAKES[function]}, and this is {describe(expression.type)}")
        return None
    return Aggregated(function, expression, kind)


AGGREGATE = Kind(
    body=AggregateBody,
    compile=_compile,
    refuses=never,
    asks=None,
    rules=None,
    does=READS,
    answers=False,
    pauses=None,
)
