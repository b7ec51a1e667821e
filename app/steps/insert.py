"""`insert`: a row into a table."""

from typing import Any, Literal

from pydantic import Field

from app.definitions.names import BoundName, Definition, Items, Name
from app.relations.schema import Table
from app.relations.write import OnConflict, insert_row
from app.steps.context import Context, Kind, Step, StepBody
from app.steps.running import Call
from app.steps.settings import compile_settings


class ConflictBody(Definition):
    """`on_conflict: {columns: [email], do: nothing}`: what happens where such a row is there."""

    columns: Items[Name] = Field(min_length=1)
    do: Literal["update", "nothing"]


class InsertBody(StepBody):
    """`table`, `set`, `on_conflict`, `as`."""

    table: Name
    set: dict[Name, Any]
    on_conflict: ConflictBody | None = None
    as_: BoundName | None = Field(default=None, alias="as")


def _compile(body: InsertBody, context: Context) -> Step | None:
    table = context.table(body.table)
    if table is None:
        return None
    if table.name == "users":
        context.report("table", "people come into users by signing up", "use sign-up, or the admin API")
        return None
    values = compile_settings(body.set, table, context, over_row=False)
    missing = [name for name, column in table.columns.items() if column.required and name not in body.set]
    if missing:
        context.report("set", f"a new row of {table.name} needs {', '.join(missing)}", "set them, or give a default")
    conflict = None if body.on_conflict is None else _conflict(body.on_conflict, table, context)
    if missing or len(values) < len(body.set):
        return None
    statement, name = insert_row(table, values, conflict), body.as_

    async def insert(call: Call) -> None:
        rows = await call.db.rows(statement, call.env)
        if name is not None:
            call.env[name] = dict(rows[0]) if rows else None

    return Step(insert, {name: table.record} if name else {}, statements=1, writes=True)


def _conflict(said: ConflictBody, table: Table, context: Context) -> OnConflict | None:
    if unknown := [column for column in said.columns if column not in table.columns]:
        context.findings.unknown(f"{context.place}.on_conflict.columns", "column", unknown[0], list(table.columns))
        return None
    if frozenset(said.columns) not in table.unique:
        hint = "declare them in the table's unique, or `unique: true` on the column"
        context.report("on_conflict.columns", f"{', '.join(said.columns)} are not unique in {table.name}", hint)
        return None
    return OnConflict(said.columns, update=said.do == "update")


INSERT = Kind(InsertBody, _compile, writes=True)
