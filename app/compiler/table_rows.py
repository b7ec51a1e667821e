"""A table as an admin reads and writes it: a view of all its columns and rows, which nobody defined."""

from dataclasses import replace
from typing import get_args

from app.compiler.chain import with_what_goes
from app.compiler.locks import view_with_locks
from app.compiler.runtime import AccessLevel, Chained, CompiledView, RelatedViews, Runtime, ViewWriting
from app.definitions.validation import object_validator
from app.definitions.views import Action, ViewDef
from app.relations.query_sql import Shapes
from app.relations.relationships import Relationships
from app.relations.schema import Table
from app.relations.source import OrderBy, table_source
from app.relations.view_writes import Writable, WriteShapes
from app.steps.running import RunStep

_ALONE = RelatedViews(Relationships({}, {}), {})
_ANYBODY = AccessLevel(public=True, roles=frozenset())


def table_view(runtime: Runtime, table: Table, before_writes: tuple[RunStep, ...]) -> CompiledView:
    """Give a view of a whole table, in the order of its ids, from which no other view is reached.

    Columns that the database keeps can't be set, nor can those that a person's account rests on. `before_writes` is the
    chain of each write. Who may ask is for whoever serves it to say.
    """
    said = ViewDef(name=table.name, table=table.name, access="public", allow=get_args(Action))
    order = (OrderBy("id"),) if "id" in table.columns else ()
    source = replace(table_source(table), order=order, max_rows=said.max_rows)
    settable = {name: column.definition for name, column in table.columns.items() if column.definition is not None}
    writable = Writable(settable, {})
    writes = Chained(writes=with_what_goes({table.name}, runtime.schema.tables))
    writing = ViewWriting(
        writable, object_validator(settable, runtime.bigints), WriteShapes(source, writable), before_writes, writes
    )
    params = object_validator({}, runtime.bigints, text=True)
    view = CompiledView(
        said.name, said, _ANYBODY, params, source, Shapes(source), _ALONE, writing, (), None, reads_request=False
    )
    return view_with_locks(view, runtime.held, runtime.schema.tables)
