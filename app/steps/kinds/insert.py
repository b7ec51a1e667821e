"""`insert`: a row into a table, or many by one statement."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from app.database.statement import Statement
from app.definitions.names import Definition, Items, Name
from app.expressions.check import Expression
from app.expressions.evaluate import compile_value
from app.expressions.syntax import Comprehension, MapLiteral
from app.expressions.syntax import Literal as Constant
from app.expressions.types import ListOf, Record, Type, assignable, describe
from app.relations.fused import Inserted
from app.relations.schema import Table
from app.relations.write import OnConflict, insert_given, insert_row, insert_rows, rows_json, unwritable
from app.steps.context import Context, Step
from app.steps.fusable import Fusable
from app.steps.kind import Asks, Does, Kind, MayBind, Means, Rows, StepBody, always, never
from app.steps.refusals import TooManyItems
from app.steps.running import Call
from app.steps.settings import compile_settings

MOST_ROWS = 1000
_Made = Callable[[str | None], Step]


class ConflictBody(Definition):
    """`on_conflict: {columns: [email], do: nothing}`: what happens where such a row is there."""

    columns: Items[Name] = Field(min_length=1)
    do: Literal["update", "nothing"]


class InsertBody(StepBody):
    """`table`, `set` or `rows`, `on_conflict`, `as`."""

    table: Annotated[Name, Means.TABLE]
    set: Annotated[dict[Name, Any] | None, Means.COLUMNS] = None
    rows: Annotated[str | Items[dict[Name, Any]] | None, Means.COLUMNS] = None
    on_conflict: Annotated[ConflictBody | None, Means.VALUE] = None
    as_: MayBind = Field(default=None, alias="as")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.set is None) == (self.rows is None):
            msg = "say what is inserted: either set for one row, or rows for many"
            raise ValueError(msg)
        if self.rows is not None and not (isinstance(self.rows, str) or 1 <= len(self.rows) <= MOST_ROWS):
            msg = f"rows are a list of 1 to {MOST_ROWS:,}, or an expression that gives one"
            raise ValueError(msg)
        if self.rows is not None and self.on_conflict is not None and self.on_conflict.do == "update":
            msg = "rows can't update on a conflict, since two of them may be in each other's way"
            raise ValueError(msg)
        return self


def _compile(body: InsertBody, context: Context) -> Step | None:
    table = context.table(body.table)
    if table is None:
        return None
    if table.name == "users":
        context.report("table", "people come into users by signing up", "use sign-up, or the admin API")
        return None
    before = context.findings.refusing
    conflict = None if body.on_conflict is None else _conflict(body.on_conflict, table, context)
    if body.set is not None:
        made = _one_row(body.set, table, conflict, context)
    elif isinstance(body.rows, str):
        made = _given_rows(body.rows, table, conflict, context)
    else:
        made = _listed_rows(body.rows or (), table, conflict, context)
    return made(body.as_) if made is not None and context.findings.refusing == before else None


def _one_row(said: Mapping[str, object], table: Table, conflict: OnConflict | None, context: Context) -> _Made | None:
    values = compile_settings(said, table, context, over_row=False)
    if not _complete(said, "set", table, context) or len(values) < len(said):
        return None
    most = context.max_bytes
    statement = insert_row(table, values, most, conflict)
    return lambda name: _one_step(statement, Inserted(name, table, values, conflict, most))


def _one_step(statement: Statement, part: Inserted) -> Step:
    name = part.name
    binds = {name: part.table.record} if name else {}

    async def insert(call: Call) -> None:
        rows = await call.db.rows(statement, call.env)
        if name is not None:
            call.env[name] = dict(rows[0]) if rows else None

    return Step(insert, binds, statements=1, writes=True, measured=True, sends=(statement,), fusable=Fusable(part))


def _listed_rows(
    said: Sequence[Mapping[str, object]], table: Table, conflict: OnConflict | None, context: Context
) -> _Made | None:
    """Compile rows that the definition lists."""
    rows = []
    for index, row in enumerate(said):
        key = f"rows/{index}"
        values = compile_settings(row, table, context, over_row=False, key=key)
        if not _complete(row, key, table, context) or len(values) < len(row):
            return None
        rows.append(values)
    statement = insert_rows(table, rows, context.max_bytes, conflict)
    return lambda name: _many_step(lambda call: call.db.rows(statement, call.env), name, table, statement)


def _given_rows(said: str, table: Table, conflict: OnConflict | None, context: Context) -> _Made | None:
    """Compile rows that an expression gives: what their columns are is known when it is saved, never by what came."""
    if not said.startswith("="):
        context.report("rows", "rows are a list, or an expression that begins with =", f"write ={said}")
        return None
    expression = context.expression("rows", said)
    columns = None if expression is None else _columns_of(expression)
    if expression is None:
        return None
    if columns is None:
        hint = 'say list.map(x, {"column": x}), or declare the input as a list of objects with fields'
        context.report("rows", "it isn't known which columns these rows set", hint)
        return None
    if not _fits(columns, table, context) or not _complete(columns, "rows", table, context):
        return None
    statement = insert_given(table, list(columns), context.max_bytes, conflict)
    evaluate = compile_value(expression)

    async def insert(call: Call) -> list[Any]:
        given = evaluate(call.env) or []
        if len(given) > MOST_ROWS:
            raise TooManyItems(MOST_ROWS)
        return await call.db.rows(statement, call.env, rows_json(given))

    return lambda name: _many_step(insert, name, table, statement)


def _columns_of(expression: Expression) -> Mapping[str, Type] | None:
    """Give the columns of rows with their types; None where they depend on what comes."""
    match expression.type, expression.tree:
        case ListOf(element=Record(fields=fields)), _:
            return fields
        case _, Comprehension(macro="map", body=MapLiteral(entries=entries)):
            keys = [key.value if isinstance(key, Constant) else None for key, _ in entries]
            if all(isinstance(key, str) for key in keys):
                return {str(key): value.type for key, (_, value) in zip(keys, entries, strict=True)}
    return None


def _fits(columns: Mapping[str, Type], table: Table, context: Context) -> bool:
    before = context.findings.refusing
    for name in unwritable(table, list(columns), new=True):
        context.report("rows", f"{name!r} is kept by the database", "leave it out")
    for name, kind in columns.items():
        if name not in table.columns:
            context.findings.unknown(f"{context.place}.rows", "column", name, list(table.columns))
        elif not assignable(kind, table.columns[name].type):
            wanted = describe(table.columns[name].type)
            context.report("rows", f"{name} is {describe(kind)}, and {wanted} is wanted")
    return context.findings.refusing == before


def _many_step(
    insert: Callable[[Call], Awaitable[list[Any]]], name: str | None, table: Table, statement: Statement
) -> Step:
    async def run(call: Call) -> None:
        rows = await insert(call)
        if name is not None:
            call.env[name] = [dict(row) for row in rows]

    binds = {name: ListOf(table.record)} if name else {}
    return Step(run, binds, statements=1, writes=True, measured=True, sends=(statement,))


def _complete(said: Iterable[str], key: str, table: Table, context: Context) -> bool:
    given = set(said)
    missing = [name for name, column in table.columns.items() if column.required and name not in given]
    if missing:
        context.report(key, f"a new row of {table.name} needs {', '.join(missing)}", "set them, or give a default")
    return not missing


def _conflict(said: ConflictBody, table: Table, context: Context) -> OnConflict | None:
    if unknown := [column for column in said.columns if column not in table.columns]:
        context.findings.unknown(f"{context.place}.on_conflict.columns", "column", unknown[0], list(table.columns))
        return None
    if frozenset(said.columns) not in table.unique:
        hint = "declare them in the table's unique, or `unique: true` on the column"
        context.report("on_conflict.columns", f"{', '.join(said.columns)} are not unique in {table.name}", hint)
        return None
    return OnConflict(said.columns, update=said.do == "update")


INSERT = Kind(
    body=InsertBody,
    compile=_compile,
    refuses=always,
    asks=Asks.FAILS,
    rules=None,
    does=Does(words="inserts", rows=Rows.WRITTEN, lasts=never, picks=never, is_beyond=False),
    answers=False,
    pauses=None,
)
