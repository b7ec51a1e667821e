"""A table as an admin reads and writes it: a view of all its columns and rows, which nobody defined."""

from dataclasses import replace

from app.compiler.chain import with_what_goes
from app.compiler.locks import Met, locked_by, view_with_locks
from app.compiler.runtime import AccessLevel, Chained, CompiledView, RelatedViews, Runtime
from app.compiler.view_writing import view_writing
from app.definitions.actions import ACTIONS, ActionDef
from app.definitions.tables import GENERATEDS
from app.definitions.validation import object_validator
from app.definitions.views import ViewDef
from app.relations.query_sql import Shapes
from app.relations.relationships import Relationships
from app.relations.schema import Table
from app.relations.source import OrderBy, table_source
from app.relations.writable import Writable
from app.steps.running import RunStep

_ALONE = RelatedViews(Relationships({}, {}), {})
_ANYBODY = AccessLevel(public=True, roles=frozenset())


def table_view(runtime: Runtime, table: Table, before_writes: tuple[RunStep, ...]) -> CompiledView:
    """Give a view of a whole table, in the order of its ids, from which no other view is reached.

    Columns that the database keeps can't be set, only sent back as they are, and those that a person's account rests on
    not even that. `before_writes` is the chain of each write. Who may ask is for whoever serves it to say.
    """
    said = ViewDef(name=table.name, table=table.name, access="public", allow=dict.fromkeys(ACTIONS, ActionDef()))
    order = (OrderBy("id"),) if "id" in table.columns else ()
    source = replace(table_source(table), order=order, max_rows=said.max_rows)
    settable = {name: column.definition for name, column in table.columns.items() if column.definition is not None}
    columns = [table.columns[name] for name in GENERATEDS if name in table.columns]
    kept = {one.name: one.said for one in columns if one.definition is None}
    writable = Writable(settable, {}, settable, kept)
    writes = Chained(writes=with_what_goes({table.name}, runtime.schema.tables))
    writing = view_writing(source, writable, runtime.keys, before_writes, writes)
    params = object_validator({}, runtime.keys, text=True)
    access: dict[str, AccessLevel] = dict.fromkeys(ACTIONS, _ANYBODY)
    shapes = Shapes(source)
    view = CompiledView(said.name, said, access, params, source, shapes, _ALONE, writing, (), None, reads_request=False)
    return view_with_locks(view, Met(runtime.held, locked_by(runtime.endpoints.values())), runtime.schema.tables)
