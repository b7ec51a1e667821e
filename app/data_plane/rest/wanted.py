"""What a write through a view asks for besides its rows: preferences, columns, what comes back, and who may ask it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from app.auth.identity import Identity
from app.compiler.runtime import CompiledView, ViewWriting
from app.data_plane.admission import admit, is_admitted
from app.data_plane.request import Request
from app.data_plane.rest.dialect.embedding import Reachable
from app.data_plane.rest.dialect.headers import READ, preferences, refuse_other_schema
from app.data_plane.rest.dialect.lexis import split, unquoted
from app.data_plane.rest.dialect.parse import parse_query
from app.data_plane.rest.dialect.refusals import ColumnUnknown, PutLimited, QueryRefused, QueryUnsupported
from app.data_plane.rest.read import view_params
from app.data_plane.rest.sent_rows import refuse_unknown
from app.definitions.column_types import KEY
from app.definitions.names import WRITE_KEYS
from app.errors import near
from app.http.query_string import query_pairs
from app.relations.query import Operand, Picked, Query, hidden
from app.relations.view_writes import reads_rows


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a write asks for besides its rows; `params` are the view's own, `seen` says that the caller may read it."""

    query: Query
    prefer: Mapping[str, str]
    columns: tuple[str, ...] | None
    on_conflict: tuple[str, ...] | None
    params: Mapping[str, Any]
    seen: bool
    identity: Identity

    @property
    def representation(self) -> bool:
        """Say whether the rows are wanted back."""
        return self.prefer.get("return") == "representation"


def begin_write(view: CompiledView, request: Request, identity: Identity) -> tuple[ViewWriting, Wanted]:
    """Read what a write asks for besides its rows, and raise what keeps the caller from it."""
    writing = view.writing
    if writing is None:
        raise QueryUnsupported("This view is only read.")
    wanted = wanted_of(view, request, identity)
    if wanted.representation and "select" not in view.definition.allow:
        raise QueryUnsupported("This view shows no rows: leave out return=representation.")
    if request.method != "PUT" and reads_rows(view.source, wanted.query):
        refuse_reading(view, wanted)
    merges = request.method == "POST" and wanted.prefer.get("resolution") == "merge-duplicates"
    if merges or request.method == "PUT":
        _refuse_updates(view, identity)
    return writing, wanted


def _refuse_updates(view: CompiledView, identity: Identity) -> None:
    """Raise what keeps the caller from updating, by which an upsert may end, before anything is read of its rows."""
    if "update" not in view.definition.allow:
        raise QueryUnsupported("Rows are not updated through this view.", hint="Use resolution=ignore-duplicates.")
    admit(view.access["update"], identity)


def refuse_reading(view: CompiledView, wanted: Wanted) -> None:
    """Raise what keeps the caller from reading, as a write does that holds a row against what was sent."""
    if "select" not in view.definition.allow:
        hint = f"Name the rows by {KEY}=eq.… or {KEY}=in.(…), and leave out what stays as it is."
        raise QueryUnsupported("This view shows no rows, so nothing in them is compared.", hint=hint)
    admit(view.access["select"], wanted.identity)


def wanted_of(view: CompiledView, request: Request, identity: Identity) -> Wanted:
    """Read what a write asks for, whatever its rows are."""
    headers = request.joined(READ)
    refuse_other_schema(headers)
    pairs = query_pairs(request.query) if request.query else []
    prefer = preferences(headers.get(b"prefer", ""))
    listed = [pair for pair in pairs if pair[0] in WRITE_KEYS]
    for_writes = dict(listed)
    if len(for_writes) != len(listed):
        raise QueryRefused("columns and on_conflict stand once in a query.")
    asked = [pair for pair in pairs if pair[0] not in WRITE_KEYS]
    follow = Reachable(view.related, identity).follow
    query, own = parse_query(asked, headers, view.source, view.params.names, follow)
    read = query.read
    if (shown := _shown_of(prefer.get("return"), view)) is not None:
        query = replace(query, read=replace(hidden(read), items=(*shown, *hidden(read).embeds)))
    _refuse_in_writes(request.method, query, prefer)
    params = view_params(view, own)
    columns = _names(for_writes.get("columns"))
    refuse_unknown(view, columns or ())
    target = _names(for_writes.get("on_conflict"))
    for name in target or ():
        if name not in view.source.shown:
            raise ColumnUnknown("The view has no such column.", hint=near(name[:64], view.source.shown))
    seen = "select" in view.definition.allow and is_admitted(view.access["select"], identity)
    return Wanted(query, prefer, columns, target, params, seen, identity)


def _refuse_in_writes(method: str, query: Query, prefer: Mapping[str, str]) -> None:
    """Refuse what of a query means nothing in a write, or something else than it says."""
    read = query.read
    if query.limit is not None or query.offset:
        if method == "PUT":
            raise PutLimited
        hint = "Say by tests which rows are meant."
        raise QueryUnsupported("limit and offset don't go with writes.", hint=hint)
    if read.order and prefer.get("return") != "representation":
        raise QueryUnsupported("An order goes with the rows that come back: Prefer: return=representation.")
    if read.aggregates or any(embed.inner for embed in read.embeds):
        raise QueryUnsupported("Aggregates and !inner don't go with writes.", hint="Read what was written afterwards.")
    if read.conditions and method == "POST":
        raise QueryUnsupported("Tests don't go with an insert.")


def _shown_of(wanted: str | None, view: CompiledView) -> tuple[Picked, ...] | None:
    """Give what of the rows is made into JSON where they are not wanted back: of one new row its id, for Location."""
    if wanted == "representation":
        return None
    return (Picked(KEY, Operand(KEY)),) if wanted == "headers-only" and KEY in view.source.shown else ()


def _names(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(dict.fromkeys(unquoted(part) for part in split(text)))
