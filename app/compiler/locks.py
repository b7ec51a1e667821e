"""What a transaction locks as it begins, which depends on what all chains of the project hold."""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, TypeVar

from app.compiler.runtime import Chained, CompiledEndpoint, CompiledHook, CompiledView, ViewWriting
from app.relations.locks import Held
from app.relations.schema import Table


@dataclass(frozen=True, slots=True)
class Met:
    """What a transaction meets that writes: rows that some chain holds, and tables that serializable endpoints lock."""

    held: frozenset[Held]
    locked: frozenset[str]


Made = TypeVar("Made", CompiledEndpoint, CompiledHook, CompiledView, ViewWriting, Chained)


def held_by(
    endpoints: Sequence[CompiledEndpoint], views: Sequence[CompiledView], hooks: Iterable[CompiledHook]
) -> frozenset[Held]:
    """Give all rows that some chain holds: what the triggers of the tables are for."""
    chains = [*(one.chained for one in endpoints), *(one.chained for one in views), *(one.chained for one in hooks)]
    chains += [one.writing.chained for one in views if one.writing is not None]
    return frozenset[Held]().union(*(chained.held for chained in chains))


def locked_by(endpoints: Iterable[CompiledEndpoint]) -> frozenset[str]:
    """Give the tables that serializable endpoints lock as they begin: those of which they hold rows."""
    return frozenset(one.table for endpoint in endpoints if _is_strict(endpoint) for one in endpoint.chained.held)


def endpoint_with_locks(endpoint: CompiledEndpoint, met: Met, tables: Mapping[str, Table]) -> CompiledEndpoint:
    """Give the endpoint with its locks."""
    if not _is_strict(endpoint):
        return _with(endpoint, chained=_sharing(endpoint.chained, met, tables))
    # What a serializable transaction sees is settled by its first statement: it has to wait for others before.
    own = {one.table for one in endpoint.chained.held}
    locks = _in_turn(own | endpoint.chained.writes & met.locked, own, tables)
    return _with(endpoint, chained=_with(endpoint.chained, locks=locks))


def hook_with_locks(hook: CompiledHook, met: Met, tables: Mapping[str, Table]) -> CompiledHook:
    """Give the hook with the locks that it begins by."""
    return _with(hook, chained=_sharing(hook.chained, met, tables))


def view_with_locks(view: CompiledView, met: Met, tables: Mapping[str, Table]) -> CompiledView:
    """Give the view with the locks of reading and writing it."""
    writing = view.writing
    if writing is not None:
        writing = _with(writing, chained=_sharing(writing.chained, met, tables))
    return _with(view, chained=_sharing(view.chained, met, tables), writing=writing)


def _is_strict(endpoint: CompiledEndpoint) -> bool:
    return endpoint.definition.isolation == "serializable"


def _sharing(chained: Chained, met: Met, tables: Mapping[str, Table]) -> Chained:
    """Have a transaction wait at once for who holds or locks whole tables that it will write, and not with rows locked.

    Each would then wait for the other. Who holds the table itself doesn't take part in it before.
    """
    whole = {one.table for one in met.held if not one.column} - {one.table for one in chained.held if not one.column}
    taking_part = (f"SELECT rowgate.hold_writer(NULL::{tables[name].sql})" for name in sorted(whole & chained.writes))
    return _with(chained, locks=(*_in_turn(chained.writes & met.locked, set(), tables), *taking_part))


def _in_turn(names: Iterable[str], own: Container[str], tables: Mapping[str, Table]) -> tuple[str, ...]:
    """Lock tables in everybody's order: as those do who write, or, those that are its `own`, against them."""
    modes = groupby(sorted(names), lambda name: "SHARE ROW EXCLUSIVE" if name in own else "ROW EXCLUSIVE")
    return tuple(f"LOCK TABLE {', '.join(tables[name].sql for name in part)} IN {mode} MODE" for mode, part in modes)


def _with(one: Made, **parts: Any) -> Made:
    """Give it with these parts; itself, where it has them."""
    return one if all(getattr(one, name) == part for name, part in parts.items()) else replace(one, **parts)
