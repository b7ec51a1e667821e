"""A test made of a request that came: who asked, the rows that it was about, as live now, and what came of it."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, ClassVar, get_args
from urllib.parse import unquote

from app.compiler.runtime import Runtime
from app.compiler.test_labels import is_uuid
from app.data_plane.seeing.hidden import hidden_in_query
from app.data_plane.seeing.recent import RecentRequest
from app.database.connection import Connection
from app.database.faults import FAULTS, translated
from app.database.opening import DatabaseUnavailable
from app.database.quoting import quoted
from app.definitions.column_types import KEY
from app.definitions.endpoints import EndpointDef
from app.definitions.names import NAME_PATTERN
from app.definitions.policy_tests import ANONYMOUS, CALLER, RequestDef
from app.definitions.views import ViewDef
from app.errors import RowgateError
from app.expressions.types import STRING
from app.http.query_string import query_pairs
from app.relations.schema import Table
from app.review.links import Path, Place, links_of_one
from app.steps.redaction import is_hidden, redacted, without
from app.steps.refusals import OutsideWindow

MOST_ROWS = 25
_ROWS_OF_A_VALUE = 3
_METHODS = get_args(RequestDef.model_fields["method"].annotation)
_READ = re.compile(r"\.([a-z][a-z0-9_]*)")
_OPERATOR = re.compile(r"(?:eq|in)\.\(?([^()]*)\)?")
_BRACES = re.compile(r"\{([a-z][a-z0-9_]{0,62})\}")
_LONGEST_NAME = 60


class RequestUntestable(RowgateError):
    """What came of the request was up to the machine or the client, which no rule decides."""

    status: ClassVar[int] = 409
    code: ClassVar[str] = "requests.untestable"


Wanted = tuple[str, tuple[tuple[str, str], ...]]
"""A table, and columns of it with a value of each, as text."""


@dataclass(slots=True)
class _Given:
    """The rows by table and id, as JSON has them, and what each is called.

    `read` are names of columns that something in the project reads, `compared` the columns that the target's rules hold
    against something.
    """

    rows: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    read: Set[str] = frozenset()
    compared: Set[Place] = frozenset()


async def made_test(
    connection: Connection, runtime: Runtime, seen: RecentRequest, body: object, taken: Iterable[str]
) -> dict[str, Any]:
    """Give the definition of a test; `body` is what was sent, which isn't kept, and `taken` the names of other tests.

    Rows hold what rules read, what they refer to, and what a row needs: other texts are made up, and no credential is
    among them. Raises RequestUntestable.
    """
    if seen.status >= HTTPStatus.INTERNAL_SERVER_ERROR or seen.code == "request.client_gone":
        raise RequestUntestable("What came of it was up to the machine or the client: no rule decides that again.")
    if seen.method not in _METHODS:
        raise RequestUntestable(f"A test sends {', '.join(_METHODS)}, and no {seen.method}.")
    caller = seen.caller.user_id if seen.caller is not None else None
    given = _Given()
    await _fetch(connection, runtime, given, [*_wanted(runtime, seen, body), *_own(caller)])
    await _fetch(connection, runtime, given, _ties(runtime, given, caller))
    _name_rows(runtime, given, caller)
    _note_read(runtime, seen, given)
    who = _who(runtime, seen, given)
    test = {
        "name": _name(seen, frozenset(taken)),
        **({} if who is None else {"as": who}),
        **({"now": datetime.fromtimestamp(seen.at, UTC).isoformat()} if _goes_by_time(seen) else {}),
        "given": _rows_said(runtime, given, caller),
        "request": _request(seen, body, given),
        "expect": {"status": seen.status} | ({} if seen.code is None else {"code": seen.code}),
    }
    return {name: value for name, value in test.items() if value != {}}


def _said_at(runtime: Runtime, seen: RecentRequest) -> EndpointDef | ViewDef | None:
    kind, _, name = (seen.target or "").partition("/")
    found = runtime.endpoints.get(name) if kind == "endpoints" else runtime.views.get(name)
    return None if found is None else found.definition


def _note_read(runtime: Runtime, seen: RecentRequest, given: _Given) -> None:
    given.read = frozenset(_READ.findall(runtime.project.model_dump_json(exclude={"tests"})))
    if (said := _said_at(runtime, seen)) is not None:
        given.compared = links_of_one(runtime.project, said)[1]


def _own(caller: str | None) -> list[Wanted]:
    return [] if caller is None else [("users", ((KEY, caller),))]


def _wanted(runtime: Runtime, seen: RecentRequest, body: object) -> Iterator[Wanted]:
    """Give the rows that the request names, by what its inputs stand for: keys of a table, or references to one."""
    query, said = query_pairs(seen.query) if seen.query else [], _said_at(runtime, seen)
    tables = runtime.schema.tables
    if isinstance(said, EndpointDef):
        named = ((tables[table], column, value) for table, column, value in _inputs(runtime, seen, said, query, body))
    elif said is not None:
        named = ((tables[said.table], column, value) for column, value in (*_tests(query), *_members(body)))
    else:
        return
    for table, column, value in named:
        if column in table.columns:
            yield from _by_key(table, column, value)


def _inputs(
    runtime: Runtime, seen: RecentRequest, said: EndpointDef, query: Sequence[tuple[str, str]], body: object
) -> Iterator[tuple[str, str, str]]:
    """Give the columns that an endpoint's inputs stand for, with the values that were sent."""
    links = links_of_one(runtime.project, said)[0]
    parts = [unquote(part) for part in seen.path.decode("latin-1").removeprefix("/api").split("/")]
    named = zip(said.path.split("/"), parts, strict=False)
    path = {one.strip("{}"): part for one, part in named if one.startswith("{")}
    for at, value in (*_leaves({**dict(query), **path}), *_leaves(body)):
        yield from ((table, column, value) for table, column in links.get(at, ()))


def _tests(query: Sequence[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Give what a view's columns are held against for equality."""
    for column, asked in query:
        if found := _OPERATOR.fullmatch(asked):
            yield from ((column, value.strip('" ')) for value in found[1].split(","))


def _members(body: object) -> Iterator[tuple[str, str]]:
    return ((at[-1], value) for at, value in _leaves(body) if at)


def _by_key(table: Table, column: str, value: str) -> Iterator[Wanted]:
    if table.has_one([column]):
        yield table.name, ((column, value),)
    for key in table.references:
        if key.columns == (column,):
            yield key.target, ((key.to[0], value),)


def _leaves(value: object, at: Path = ()) -> Iterator[tuple[Path, str]]:
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _leaves(item, (*at, str(name)))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _leaves(item, (*at, "[]"))
    elif isinstance(value, str | int) and not isinstance(value, bool):
        yield at, str(value)


async def _fetch(connection: Connection, runtime: Runtime, given: _Given, wanted: Iterable[Wanted]) -> None:
    """Read the rows, and those that they refer to."""
    waiting, known = list(wanted), set[Wanted]()
    while waiting and len(given.rows) < MOST_ROWS:
        one = waiting.pop(0)
        if one in known or one[0] not in runtime.schema.tables:
            continue
        known.add(one)
        table = runtime.schema.tables[one[0]]
        for row in await _rows(connection, table, one[1]):
            given.rows[table.name, str(row[KEY])] = row
            waiting += [
                (key.target, ((key.to[0], str(row[key.columns[0]])),))
                for key in table.references
                if len(key.columns) == 1 and row[key.columns[0]] is not None
            ]


async def _rows(connection: Connection, table: Table, held: Sequence[tuple[str, str]]) -> Sequence[dict[str, Any]]:
    """Read rows that have these values; of a text that is no such value there are none."""
    tests = " AND ".join(
        f"t.{quoted(name)} = ${number}::text::{table.columns[name].pg}" for number, (name, _) in enumerate(held, 1)
    )
    sql = f"SELECT to_jsonb(t.*)::text AS said FROM {table.sql} t WHERE {tests} LIMIT {_ROWS_OF_A_VALUE}"  # noqa: S608 - quoted names
    try:
        return [json.loads(row["said"]) for row in await connection.fetch(sql, *(value for _, value in held))]
    except FAULTS as error:
        if isinstance(refusal := translated(error), DatabaseUnavailable):
            raise refusal from error
        return []


def _ties(runtime: Runtime, given: _Given, caller: str | None) -> Iterator[Wanted]:
    """Give the rows by which the caller belongs to what was found, such as a membership."""
    for table in runtime.schema.tables.values():
        keys = [one for one in table.references if len(one.columns) == 1]
        own = [one.columns[0] for one in keys if one.target == "users" and one.is_by_id]
        for to in keys:
            found = [str(row[to.to[0]]) for (name, _), row in given.rows.items() if name == to.target]
            if caller is not None and own and to.columns[0] not in own:
                yield from ((table.name, ((own[0], caller), (to.columns[0], value))) for value in found)


def _name_rows(runtime: Runtime, given: _Given, caller: str | None) -> None:
    """Call each row whose id is one that the database makes: the caller `me`, others by their table."""
    for table, id_ in given.rows:
        if not is_uuid(id_) or id_ in given.labels:
            continue
        names = set(given.labels.values())
        singular = table.removesuffix("s") or table
        called = (singular, *(f"{singular}_{number}" for number in range(2, MOST_ROWS * _ROWS_OF_A_VALUE)))
        label = next(one for one in called if one not in names and one not in {CALLER, ANONYMOUS})
        is_label = NAME_PATTERN.fullmatch(label) and runtime.schema.tables[table].columns[KEY].target is None
        if id_ == caller:
            given.labels[id_] = CALLER
        elif is_label:
            given.labels[id_] = label


def _who(runtime: Runtime, seen: RecentRequest, given: _Given) -> Any:
    caller = seen.caller
    if caller is None or caller.kind == ANONYMOUS:
        return None
    roles = {"roles": sorted(caller.roles)} if caller.roles else {}
    if caller.kind == "key":
        return {"key": True, **roles}
    row = given.rows.get(("users", str(caller.user_id)))
    columns = {} if row is None else _cells(runtime.schema.tables["users"], row, given)
    said = {**roles, **({"columns": columns} if columns else {})}
    return said or CALLER


def _rows_said(runtime: Runtime, given: _Given, caller: str | None) -> dict[str, list[dict[str, Any]]]:
    said: dict[str, list[dict[str, Any]]] = {}
    for (name, id_), row in given.rows.items():
        if (name, id_) == ("users", caller):
            continue
        table = runtime.schema.tables[name]
        key = given.labels.get(id_, row[KEY])
        said.setdefault(name, []).append({KEY: key, **_cells(table, row, given)})
    return said


def _cells(table: Table, row: Mapping[str, Any], given: _Given) -> dict[str, Any]:
    """Give what of a row a test says: what it refers to, what rules read, and what can't be left out."""
    found: dict[str, Any] = {}
    single = {one.columns[0] for one in table.references if len(one.columns) == 1}
    for name, column in table.columns.items():
        value = row.get(name)
        if name == KEY or column.definition is None or value is None:
            continue
        is_told = name in given.read if column.type != STRING else (table.name, name) in given.compared
        if name in single:
            found[name] = given.labels.get(str(value), value)
        elif is_told and not is_hidden(name) and not (isinstance(value, str) and value.startswith("=")):
            found[name] = redacted(value)
        elif column.required:
            found[name] = value if column.type != STRING else f"{name} {len(given.labels) + len(found)}"
    return found


def _request(seen: RecentRequest, body: object, given: _Given) -> dict[str, Any]:
    hidden = hidden_in_query(seen.query)
    query: dict[str, Any] = {}
    for name, value in query_pairs(seen.query) if seen.query else ():
        said = _said(without(redacted(value, name), hidden), given)
        query[name] = said if name not in query else [*_list(query[name]), said]
    return {
        **({} if seen.method == "GET" else {"method": seen.method}),
        "path": _said(seen.shown_path, given),
        **({"query": query} if query else {}),
        **({} if body is None else {"body": _said(redacted(body), given)}),
    }


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _said(value: Any, given: _Given) -> Any:
    """Put labels in the place of ids, however deep; braces that are none of ours are doubled."""
    if isinstance(value, Mapping):
        return {name: _said(item, given) for name, item in value.items()}
    if isinstance(value, list):
        return [_said(item, given) for item in value]
    if not isinstance(value, str):
        return value
    text = _BRACES.sub(r"{{\1}}", value)
    for id_, label in given.labels.items():
        text = text.replace(id_, f"{{{label}}}")
    return text


def _goes_by_time(seen: RecentRequest) -> bool:
    """Say whether a rule that ran reads the time, or the refusal came of it."""
    paths = {path.partition(".")[0] for step, _ in seen.ran for rule in step.rules for path in rule.paths}
    return "now" in paths or seen.code == OutsideWindow.code


def _name(seen: RecentRequest, taken: Set[str]) -> str:
    """Name the test by who may do what, or may not."""
    caller = seen.caller
    who = "nobody" if caller is None or caller.kind == ANONYMOUS else "a_key" if caller.kind == "key" else "a_user"
    if caller is not None and caller.roles:
        who = f"a_{min(caller.roles)}"
    target = (seen.target or "/nothing").partition("/")[2]
    does = {"HEAD": "get"}.get(seen.method, seen.method.lower()) if (seen.target or "").startswith("views") else "call"
    name = f"{who}_{'may' if seen.code is None else 'may_not'}_{does}_{target}"[:_LONGEST_NAME]
    return next(one for one in (name, *(f"{name}_{n}" for n in range(2, len(taken) + 3))) if one not in taken)
