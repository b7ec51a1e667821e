"""Policy tests compiled: rows with their ids, the request, what it means and what has to come, all checked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from app.compiler.paths import BadPath, MethodNotAllowed, NotFound, Router
from app.compiler.test_labels import Id, Labels, is_uuid, labelled, target_of
from app.compiler.test_targets import Served, path_hint, served
from app.definitions.column_types import KEY, read_moment
from app.definitions.names import NAME_PATTERN
from app.definitions.policy_tests import CALLER, ChangedDef, PolicyTestDef, SignInDef
from app.definitions.project import Project
from app.definitions.validation import plain, reader
from app.definitions.wrong import Wrong
from app.errors import near
from app.expressions.check import Scope
from app.expressions.types import STRING, TIMESTAMP
from app.relations.findings import Findings
from app.relations.schema import Column, Table
from app.relations.values import Value, compile_field, literal_value
from app.relations.views import Schema


@dataclass(frozen=True, slots=True)
class TestCaller:
    """Who asks; `id` is that of a user's row."""

    kind: Literal["anonymous", "user", "key"]
    id: str | None = None
    roles: tuple[str, ...] = ()
    sign_in: SignInDef = field(default_factory=SignInDef)


@dataclass(frozen=True, slots=True)
class GivenRow:
    """A row that is there before the request."""

    place: str
    table: Table
    values: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class MadeRequest:
    """The request, with ids in the place of labels; `body` None is a request without one."""

    method: str
    path: str
    query: Value
    headers: Mapping[str, str]
    body: Value | None


@dataclass(frozen=True, slots=True)
class CompiledTest:
    """A test as run. `rows` stand in an order in which they can be inserted; `labels` says what an id is called."""

    place: str
    said: PolicyTestDef
    caller: TestCaller
    now: datetime | None
    rows: tuple[GivenRow, ...]
    request: MadeRequest
    body: Value | None
    changed: Mapping[str, ChangedDef] | None
    target: Served | None
    labels: Mapping[Id, str]


def compile_tests(project: Project, schema: Schema, findings: Findings) -> tuple[CompiledTest, ...]:
    """Compile every test; what is wrong with one becomes findings."""
    if not project.tests:
        return ()
    router = Router.build((one.method, one.path, one.name) for one in project.endpoints)
    compiled = []
    for said in project.tests:
        before = findings.refusing
        test = _TestCompiler(project, schema, router, findings, said).test()
        if findings.refusing == before:
            compiled.append(test)
    return tuple(compiled)


class _TestCompiler:
    """What compiling one test needs."""

    def __init__(
        self,
        project: Project,
        schema: Schema,
        router: Router[str],
        findings: Findings,
        said: PolicyTestDef,
    ) -> None:
        self.project, self.schema, self.router = project, schema, router
        # Its expressions are no rules of the backend, which others look through.
        self.findings = Findings()
        self.findings.found = findings.found
        self.said = said
        self.place = f"tests/{said.name}"
        self.labels = Labels(self.findings)
        self.scope = Scope({"now": TIMESTAMP})
        self.keys = schema.keys

    def test(self) -> CompiledTest:
        said = self.said
        given = self._given()
        for table, place, row in given:
            self._label(table, place, row.get("id"))
        caller = self._caller()
        rows = [self._row(*one) for one in given if one[0] in self.schema.tables]
        before = self.findings.refusing
        request = self._request()
        target = self._target(request) if self.findings.refusing == before else None
        body = None if said.expect.body is None else self._value(said.expect.body, f"{self.place}.expect.body")
        for table in said.expect.changed or ():
            self._known_table(table, f"{self.place}.expect.changed")
        return CompiledTest(
            self.place,
            said,
            caller,
            self._now(),
            tuple(_in_order(rows)),
            request,
            body,
            said.expect.changed,
            target,
            self.labels.names(),
        )

    def _given(self) -> list[tuple[str, str, dict[str, Any]]]:
        """Give the rows with their tables and places; the caller's own row comes first."""
        found = []
        said = self.said.as_
        for table, rows in self.said.given.items():
            self._known_table(table, f"{self.place}.given")
            for index, row in enumerate(rows):
                label = row.get("id")
                named = label if isinstance(label, str) else index
                found.append((table, f"{self.place}.given.{table}/{named}", dict(row)))
        if said is None or said.key:
            return found
        name, place = said.id or CALLER, f"{self.place}.as.columns"
        people = {row["id"]: row for table, _, row in found if table == "users" and isinstance(row.get("id"), str)}
        own = people.get(name)
        if own is None:
            if name != CALLER:
                hint = near(name, people) or f"add `users: [{{id: {name}}}]` to given"
                self.findings.report(f"{self.place}.as", f"no row of users is called {name!r}", hint)
            own = {"id": name}
            found.insert(0, ("users", place, own))
        for column, value in said.columns.items():
            if column in own:
                self.findings.report(f"{place}.{column}", "this column is said twice", "leave one of the two out")
            own[column] = value
        return found

    def _label(self, table: str, place: str, label: Any) -> None:
        said = self.said.as_
        own = labelled(self.schema.tables, table) == "users"
        if label == CALLER and (said is None or said.key or said.id not in (None, CALLER) or not own):
            hint = "give the row another label"
            self.findings.report(f"{place}.id", f"{CALLER} is who asks, and not this row", hint)
        else:
            self.labels.add(self.schema.tables.get(table), label, f"{place}.id")

    def _caller(self) -> TestCaller:
        said = self.said.as_
        if said is None:
            return TestCaller("anonymous")
        known = [role.name for role in self.project.roles]
        for role in said.roles:
            if role not in known:
                self.findings.unknown(f"{self.place}.as.roles", "role", role, known)
        roles = tuple(sorted(set(said.roles)))
        if said.key:
            return TestCaller("key", roles=roles)
        id_ = self.labels.ids.get(said.id or CALLER)
        if id_ is not None:
            self.labels.ids[CALLER], self.labels.tables[CALLER] = id_, "users"
        return TestCaller("user", None if id_ is None else str(id_), roles, said.sign_in)

    def _row(self, table_name: str, place: str, row: Mapping[str, Any]) -> GivenRow:
        table = self.schema.tables[table_name]
        values = {}
        for name, said in row.items():
            column = table.columns.get(name)
            if column is None:
                self.findings.unknown(f"{place}.{name}", "column", name, list(table.columns))
                continue
            value = self._cell(said, column, f"{place}.{name}", table)
            if value is not None:
                values[name] = value
        missing = [name for name, column in table.columns.items() if column.required and row.get(name) is None]
        if missing:
            hint = "say what they are here, or give the columns a default"
            self.findings.report(place, f"a row of {table_name} needs {', '.join(missing)}", hint)
        if table_name == "users" and "email" not in values:
            label = row.get("id") or place.rpartition("/")[2]
            values["email"] = literal_value(f"{label}@example.com", table.columns["email"].type)
        return GivenRow(place, table, values)

    def _cell(self, said: Any, column: Column, place: str, table: Table) -> Value | None:
        """Read one value of a row; a column that holds ids takes the label of the row that it means."""
        target = target_of(table, column.name)
        before = self.findings.refusing
        if column.name == KEY and target is None and isinstance(said, str) and not is_uuid(said):
            id_ = self.labels.ids.get(said)
            if id_ is not None or column.type != STRING:
                return None if id_ is None else literal_value(id_, column.type)
        if target is not None and isinstance(said, str) and NAME_PATTERN.fullmatch(said):
            wanted = labelled(self.schema.tables, target)
            is_in = self.labels.tables.get(said, wanted)
            if is_in != wanted:
                self.findings.report(place, f"{said!r} is a row of {is_in}, and one of {wanted} is needed")
                return None
            said = f"{{{said}}}"
        said = self.labels.resolved(said, place)
        if self.findings.refusing > before:
            return None
        if said is None or (isinstance(said, str) and said.startswith("=")):
            return compile_field(said, place, self.scope, self.findings, column.type)
        try:
            value = reader(column.said, self.keys)(plain(said))
        except Wrong as wrong:
            self.findings.report(place, wrong.errors[0].message)
            return None
        return literal_value(value, column.type)

    def _request(self) -> MadeRequest:
        said, place = self.said.request, f"{self.place}.request"
        path, _, behind = self.labels.text(said.path, f"{place}.path").partition("?")
        query = self._value({**said.query, "": behind} if behind else said.query, f"{place}.query")
        headers = {name: self.labels.text(text, f"{place}.headers.{name}") for name, text in said.headers.items()}
        body = None if said.body is None else self._value(said.body, f"{place}.body")
        return MadeRequest(said.method, path, query or literal_value({}, TIMESTAMP), headers, body)

    def _target(self, request: MadeRequest) -> Served | None:
        """Say what is asked for. That nothing is served there is a finding, unless that is what the test expects."""
        try:
            return served(self.project, self.router, request.method, request.path)
        except MethodNotAllowed as refusal:
            if self.said.expect.status == refusal.status:
                return None
            self.findings.report(f"{self.place}.request.method", refusal.detail)
        except BadPath as refusal:
            self.findings.report(f"{self.place}.request.path", refusal.detail)
        except NotFound:
            if self.said.expect.code != NotFound.code:
                path = self.said.request.path.partition("?")[0]
                hint = path_hint(self.project, path)
                self.findings.report(f"{self.place}.request.path", f"nothing is served at {path}", hint)
        return None

    def _now(self) -> datetime | None:
        if self.said.now is None:
            return None
        try:
            found: datetime = read_moment(self.said.now)
        except Wrong as wrong:
            self.findings.report(f"{self.place}.now", wrong.errors[0].message)
            return None
        return found

    def _value(self, said: Any, place: str) -> Value | None:
        return compile_field(self.labels.resolved(said, place), place, self.scope, self.findings)

    def _known_table(self, table: str, place: str) -> None:
        if table not in self.schema.tables:
            self.findings.unknown(place, "table", table, list(self.schema.tables))


def _in_order(rows: Sequence[GivenRow]) -> list[GivenRow]:
    """Put each row behind those that it refers to."""
    keys = {one.to for row in rows for one in row.table.references}
    known = {(row.table.name, to, _literals(row, to)): row for row in rows for to in keys}
    ordered: dict[int, GivenRow] = {}
    under_way: set[int] = set()

    def add(row: GivenRow) -> None:
        if id(row) in under_way:
            return
        under_way.add(id(row))
        for one in row.table.references:
            held = _literals(row, one.columns)
            other = known.get((one.target, one.to, held)) if None not in held else None
            if other is not None:
                add(other)
        ordered[id(row)] = row

    for row in rows:
        add(row)
    return list(ordered.values())


def _literals(row: GivenRow, names: Sequence[str]) -> tuple[Any, ...]:
    """Give what a row has in some columns, as far as that is known before it is made."""
    found = [row.values.get(name) for name in names]
    return tuple(repr(one.literal) if one is not None and one.is_literal else None for one in found)
