"""What a transaction locks as it begins, which depends on what all chains of the project hold."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from app.compiler.runtime import Chained, CompiledEndpoint, CompiledHook, CompiledView, ViewWriting
from app.relations.locks import Held
from app.relations.schema import Table

Made = TypeVar("Made", CompiledEndpoint, CompiledHook, CompiledView, ViewWriting, Chained)


def held_by(
    endpoints: Sequence[CompiledEndpoint], views: Sequence[CompiledView], hooks: Iterable[CompiledHook]
) -> frozenset[Held]:
    """Give all rows that some chain holds: what the triggers of the tables are for."""
    chains = [*(one.chained for one in endpoints), *(one.chained for one in views), *(one.chained for one in hooks)]
    chains += [one.writing.chained for one in views if one.writing is not None]
    return frozenset[Held]().union(*(chained.held for chained in chains))


def endpoint_with_locks(
    endpoint: CompiledEndpoint, held: frozenset[Held], tables: Mapping[str, Table]
) -> CompiledEndpoint:
    """Give the endpoint with its locks."""
    if endpoint.definition.isolation != "serializable":
        return _with(endpoint, chained=_sharing(endpoint.chained, held, tables))
    # What a serializable transaction sees is settled by its first statement: it has to wait for others before.
    names = ", ".join(tables[name].sql for name in sorted({one.table for one in endpoint.chained.held}))
    locks = (f"LOCK TABLE {names} IN SHARE ROW EXCLUSIVE MODE",) if names else ()
    return _with(endpoint, chained=_with(endpoint.chained, locks=locks))


def hook_with_locks(hook: CompiledHook, held: frozenset[Held], tables: Mapping[str, Table]) -> CompiledHook:
    """Give the hook with the locks that it begins by."""
    return _with(hook, chained=_sharing(hook.chained, held, tables))


def view_with_locks(view: CompiledView, held: frozenset[Held], tables: Mapping[str, Table]) -> CompiledView:
    """Give the view with the locks of reading and writing it."""
    writing = view.writing
    if writing is not None:
        writing = _with(writing, chained=_sharing(writing.chained, held, tables))
    return _with(view, chained=_sharing(view.chained, held, tables), writing=writing)


def _sharing(chained: Chained, held: frozenset[Held], tables: Mapping[str, Table]) -> Chained:
    """Have a transaction wait at once for who holds whole tables that it will write, and not first with rows locked.

    Each would then wait for the other. Who holds the table itself doesn't take part in it before.
    """
    whole = {one.table for one in held if not one.column} - {one.table for one in chained.held if not one.column}
    names = sorted(whole & chained.writes)
    return _with(chained, locks=tuple(f"SELECT rowgate.hold_writer(NULL::{tables[name].sql})" for name in names))


def _with(one: Made, **parts: Any) -> Made:
    """Give it with these parts; itself, where it has them."""
    return one if all(getattr(one, name) == part for name, part in parts.items()) else replace(one, **parts)
