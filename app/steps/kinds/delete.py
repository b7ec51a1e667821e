"""`delete`: the row with an id, or the rows that a condition holds for."""

from __future__ import annotations

from app.relations.source import table_source
from app.relations.write import delete_rows
from app.steps.context import Context, Step
from app.steps.kind import Asks, Does, Kind, Rows, always, never
from app.steps.written import WrittenRows, compile_written


def _compile(body: WrittenRows, context: Context) -> Step | None:
    table = context.table(body.table)
    condition = None if table is None else context.which(body.id, body.where, table_source(table))
    if table is None or condition is None:
        return None
    return compile_written(body, context, table, condition, delete_rows(table, condition, context.max_bytes))


DELETE = Kind(
    body=WrittenRows,
    compile=_compile,
    refuses=always,
    asks=Asks.FAILS,
    rules=None,
    does=Does(words="deletes", rows=Rows.GONE, lasts=never, picks=never, is_beyond=False),
    answers=False,
    pauses=None,
)
