"""`update`: the row with an id, or the rows that a condition holds for."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from app.definitions.names import Name
from app.relations.source import table_source
from app.relations.write import update_rows
from app.steps.context import Context, Step
from app.steps.kind import Asks, Does, Kind, Means, Rows, always, never
from app.steps.settings import compile_settings
from app.steps.written import WrittenRows, compile_written


class UpdateBody(WrittenRows):
    """What is written, and `set`."""

    set: Annotated[dict[Name, Any], Means.COLUMNS] = Field(min_length=1)


def _compile(body: UpdateBody, context: Context) -> Step | None:
    table = context.table(body.table)
    if table is None:
        return None
    condition = context.which(body.id, body.where, table_source(table))
    values = compile_settings(body.set, table, context, over_row=True)
    if condition is None or len(values) < len(body.set):
        return None
    statement = update_rows(table, condition, values, context.max_bytes)
    return compile_written(body, context, table, condition, statement, values)


UPDATE = Kind(
    body=UpdateBody,
    compile=_compile,
    refuses=always,
    asks=Asks.FAILS,
    rules=None,
    does=Does(words="updates", rows=Rows.WRITTEN, lasts=never, picks=never, is_beyond=False),
    answers=False,
    pauses=None,
)
