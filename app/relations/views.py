"""Views, checked: which columns come out, which rows, and what their parts mean in SQL."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

from app.database.quoting import DATA_SCHEMA
from app.definitions.access import Access, RolesAccess
from app.definitions.project import Project
from app.definitions.tables import TableDef
from app.definitions.views import ViewColumnDef, ViewDef
from app.expressions.check import Expression, Scope
from app.expressions.types import INT, Record, Type
from app.relations.constraints import check_column
from app.relations.findings import Findings
from app.relations.memory import Compilation
from app.relations.names import base_scope, declared
from app.relations.readable import Readable, tables_alone
from app.relations.related import related_column
from app.relations.rules import has_sql, order_by, rule_expression
from app.relations.schema import Column, Table, key_types, tables_of
from app.relations.source import Related, Source, table_source

FindRelated = Callable[[ViewDef, str, str], Source | None]


@dataclass(frozen=True, slots=True)
class Schema:
    """Every table and view of a project, and the types that its rules are checked with."""

    tables: Mapping[str, Table]
    views: Mapping[str, Source]
    keys: Mapping[str, Type]
    scope: Scope
    params: Mapping[str, Record]

    def source(self, name: str) -> Source | None:
        """Give the view or the table of this name."""
        if name in self.views:
            return self.views[name]
        return table_source(self.tables[name]) if name in self.tables else None

    @property
    def source_names(self) -> list[str]:
        """Name everything that can be read."""
        return [*self.tables, *self.views]


def schema_of(project: Project, findings: Findings, compilation: Compilation, schema: str = DATA_SCHEMA) -> Schema:
    """Check the tables' references and every view; what is wrong with them becomes findings.

    `schema` is where the tables stand in the database.
    """
    said = {"users": project.users, **{table.name: table for table in project.tables}}
    tables = {
        name: compilation.again(f"table/{name}", said[name], table)
        for name, table in tables_of(project, schema).items()
    }
    keys = key_types(project)
    _check_references(project, tables, findings)
    scope = compilation.again("scope", tables["users"], base_scope(tables["users"]))
    _check_rules(project, tables, findings, compilation)
    params = {
        view.name: compilation.again(f"params/{view.name}", view, declared("params", view.params, keys))
        for view in project.views
    }
    views = _Views(project, tables, scope, params, findings, compilation).all()
    return Schema(tables, views, keys, scope, params)


class _Views:
    """Checks views, each behind those that its columns read; a circle of them is refused."""

    def __init__(
        self,
        project: Project,
        tables: Mapping[str, Table],
        scope: Scope,
        params: Mapping[str, Record],
        findings: Findings,
        compilation: Compilation,
    ) -> None:
        self.definitions = {view.name: view for view in project.views}
        self.tables, self.scope, self.params, self.findings = tables, scope, params, findings
        self.compilation = compilation
        self.done: dict[str, Source] = {}
        self.under_way: list[str] = []

    def all(self) -> dict[str, Source]:
        """Give every view that is sound enough to be read, in the order of the project."""
        for name in self.definitions:
            self.view(name)
        return {name: self.done[name] for name in self.definitions if name in self.done}

    def view(self, name: str) -> Source | None:
        """Give a view, checked when it is first asked for."""
        if name in self.done:
            return self.done[name]
        said = self.definitions[name]
        if said.table not in self.tables:
            if not self.under_way:
                self.findings.unknown(f"views/{name}.table", "table", said.table, list(self.tables))
            return None
        self.under_way.append(name)
        world = {"tables": self.tables, "definitions": self.definitions, "views": self}
        named = self.scope.with_names(params=self.params[name])
        self.done[name] = self.compilation.part(
            f"source/{name}",
            said,
            (self.scope, self.params[name]),
            world,
            lambda watched: _view(
                said,
                watched["tables"][said.table],
                replace(named, relations=self.readable(watched, said), related=True),
                self.findings,
                partial(self.related, watched),
            ),
            self.findings,
        )
        self.under_way.pop()
        return self.done[name]

    def get(self, name: str, _default: object = None) -> Source | str | None:
        """Give what a view that asks for another one gets: that, None, or the circle that the two are in."""
        return self._circle(name) if name in self.under_way else self.view(name)

    def _circle(self, name: str) -> str:
        return " > ".join((*self.under_way[self.under_way.index(name) :], name))

    def related(self, world: Mapping[str, Mapping[str, Any]], said: ViewDef, place: str, name: str) -> Source | None:
        """Give the other side of a column: a table, or a view that everybody who may call this one may call."""
        definitions, tables = world["definitions"], world["tables"]
        if name not in definitions:
            if name not in tables:
                self.findings.unknown(place, "table or view", name, [*tables, *definitions])
                return None
            return table_source(tables[name])
        if (problem := self._unreadable(definitions[name], said)) is not None:
            self.findings.report(place, *problem)
            return None
        found: Source | None = world["views"][name]
        return found

    def readable(self, world: Mapping[str, Mapping[str, Any]], said: ViewDef) -> Readable:
        """Give what rows a view's rules may read."""

        def view(name: str) -> Source | str:
            problem = self._unreadable(world["definitions"][name], said)
            if problem is not None:
                return problem[0]
            found: Source | None = world["views"][name]
            return found or f"there is something wrong with the view {name} itself"

        return Readable(world["tables"], world["definitions"], view)

    def _unreadable(self, other: ViewDef, said: ViewDef) -> tuple[str, str | None] | None:
        """Say, with a hint, why a view can't be read inside another; None where it can."""
        if other.name in self.under_way:
            return f"the views read each other in a circle: {self._circle(other.name)}", None
        return unreadable(other, said.access, f"read {said.name}")


def unreadable(other: ViewDef, access: Access, what: str) -> tuple[str, str | None] | None:
    """Say, with a hint, why a view can't be read where those with this access come; None where it can.

    Who may not read it would be told that there are no rows: to a rule, that may be a yes.
    """
    if other.middleware or other.params or "select" not in other.allow:
        lacks = "middleware" if other.middleware else "params" if other.params else "no select in allow"
        return f"the view {other.name} has {lacks}, so it can't be read inside another", None
    if not covers(other.access, access):
        hint = "give the two the same access, or read the table with a where of its own"
        return f"the view {other.name} is not for everybody who may {what}", hint
    return None


def covers(wide: Access, narrow: Access) -> bool:
    """Say whether everybody whom `narrow` lets in is let in by `wide` too."""
    if wide in ("public", narrow):
        return True
    if wide == "authenticated":
        return narrow != "public"
    return isinstance(narrow, RolesAccess) and isinstance(wide, RolesAccess) and set(narrow.roles) <= set(wide.roles)


def _check_references(project: Project, tables: Mapping[str, Table], findings: Findings) -> None:
    bigints = [name for name, kind in key_types(project).items() if kind == INT]
    owners = [("users", project.users.columns)] + [(f"tables/{table.name}", table.columns) for table in project.tables]
    for place, columns in owners:
        for column in columns:
            if column.table is not None and column.table not in tables:
                findings.unknown(f"{place}.columns/{column.name}.table", "table", column.table, list(tables))
            check_column(f"{place}.columns/{column.name}", column, bigints, findings)


def _check_rules(project: Project, tables: Mapping[str, Table], findings: Findings, compilation: Compilation) -> None:
    for table in project.tables:
        given = (tables[table.name],)
        compilation.part(
            f"checks/{table.name}", table, given, {}, partial(_check_table, table, *given, tables, findings), findings
        )


def _check_table(
    said: TableDef, table: Table, tables: Mapping[str, Table], findings: Findings, _world: object
) -> Literal[True]:
    scope = Scope({"row": table.record}, rows=frozenset({"row"}), relations=tables_alone(tables))
    for index, check in enumerate(said.checks):
        rule_expression(f"tables/{said.name}.checks/{index}.rule", check.rule, scope, findings)
    return True


def _view(view: ViewDef, table: Table, scope: Scope, findings: Findings, related: FindRelated) -> Source:
    place = f"views/{view.name}"
    over_row = replace(scope.with_names(row=table.record), rows=frozenset({"row"}))
    shown: dict[str, Type] = {}
    computed: dict[str, Expression | Related] = {}
    if view.columns == "all":
        shown = dict(table.record.fields)
    else:
        for column in view.columns:
            at = f"{place}.columns/{column.name}"
            found = _column(at, column, table, over_row, findings, partial(related, view, at))
            if found is None:
                continue
            shown[column.name] = found.type
            if not isinstance(found, Column):
                computed[column.name] = found
    condition = None
    if view.filter is not None:
        before = len(findings.found)
        condition = rule_expression(f"{place}.filter", view.filter, over_row, findings)
        if condition is None:
            findings.harden(lambda _: True, before)  # a view without its filter shows every row
    fields = {**table.record.fields, **{name: computed[name].type for name in computed}}
    references = {name: one for name, one in table.record.references.items() if name not in computed}
    item = Record(view.name, fields, references=references)
    order = order_by(f"{place}.order", view.order, item, findings)
    return Source(view.name, table, shown, item, computed, condition, order, view.max_rows, view.max_bytes)


def _column(
    at: str,
    column: ViewColumnDef,
    table: Table,
    scope: Scope,
    findings: Findings,
    related: Callable[[str], Source | None],
) -> Column | Expression | Related | None:
    if column.source is None:
        if column.name not in table.columns:
            findings.unknown(at, "column", column.name, list(table.columns))
            return None
        return table.columns[column.name]
    if column.source != "value":
        other = related(str(column.relation))
        return None if other is None else related_column(at, column, other, scope, findings)
    formula = findings.expression(f"{at}.value", column.value or "", scope)
    return formula if formula is not None and has_sql(f"{at}.value", formula, findings) else None
