"""How a view is written: the readers of its rows, and its statements."""

from app.compiler.runtime import Chained, ViewWriting
from app.definitions.column_types import Keys
from app.definitions.validation import object_validator
from app.relations.source import Source
from app.relations.view_writes import WriteShapes
from app.relations.writable import Writable
from app.steps.running import RunStep


def view_writing(
    source: Source, writable: Writable, keys: Keys, chain: tuple[RunStep, ...], chained: Chained
) -> ViewWriting:
    """Give it; `keys` are what references hold, and `chain` runs before each write."""
    inserted, updated = writable.columns, {**writable.settable, **writable.compared}
    upserted = {**inserted, **writable.times}
    inserts, updates, upserts = (object_validator(one, keys) for one in (inserted, updated, upserted))
    kinds = {name: said.described_with(keys) for name, said in inserted.items()}
    return ViewWriting(writable, inserts, updates, upserts, WriteShapes(source, writable), chain, chained, kinds)
