"""What `insert` and `update` set: columns of the table, each with a value of the column's type."""

from collections.abc import Mapping

from app.relations.rules import has_sql
from app.relations.schema import Table
from app.relations.values import Value, compile_field
from app.relations.write import unwritable
from app.steps.context import Context


def compile_settings(
    said: Mapping[str, object], table: Table, context: Context, *, over_row: bool, key: str = "set"
) -> dict[str, Value]:
    """Compile the entries of `set`, or of the field `key`; `over_row` lets them read the row before as `item`."""
    scope = context.over_items(table.record) if over_row else context.scope
    kept = unwritable(table, list(said))
    values = {}
    for name, item in said.items():
        place = f"{context.place}.{key}.{name}"
        column = table.columns.get(name)
        if column is None:
            context.findings.unknown(place, "column", name, list(table.columns))
        elif name in kept:
            context.findings.report(place, f"{name!r} is kept by the database", "leave it out")
        elif (value := compile_field(item, place, scope, context.findings, column.type)) is not None:
            said_in_sql = value.expression
            if said_in_sql and said_in_sql.rows and not has_sql(place, said_in_sql, context.findings):
                continue
            if value.is_literal and value.literal is None and column.definition and column.definition.required:
                context.findings.report(place, f"{name!r} is required and can't be null", None)
            values[name] = value
    return values
