"""Views, checked: which columns come out, which rows, and what their parts mean in SQL."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from app.database.quoting import DATA_SCHEMA
from app.definitions.access import Access
from app.definitions.actions import ActionRule, SaidRule
from app.definitions.column_types import Keys
from app.definitions.keys import keys_of
from app.definitions.project import Project
from app.definitions.tables import TableDef
from app.definitions.views import ViewColumnDef, ViewDef
from app.expressions.check import Expression, Scope
from app.expressions.named import NamedRule
from app.expressions.parameters import Place
from app.expressions.types import Record, Type
from app.relations.checked_references import check_references
from app.relations.constraints import check_column
from app.relations.findings import Findings
from app.relations.memory import Compilation
from app.relations.named_rules import NamedRules
from app.relations.names import base_scope, declared
from app.relations.readable import Readable, tables_alone, unreadable, view_of
from app.relations.related import related_column
from app.relations.rules import has_sql, joined, order_by, rule_expression
from app.relations.schema import Column, Table, tables_of
from app.relations.source import Related, RowRule, Source, table_source

FindRelated = Callable[[ViewDef, str, str], Source | None]
FindReadable = Callable[[tuple[Access, ...]], Readable]


@dataclass(frozen=True, slots=True)
class Schema:
    """Every table and view of a project, and the types that its rules are checked with."""

    tables: Mapping[str, Table]
    views: Mapping[str, Source]
    keys: Keys
    scope: Scope
    params: Mapping[str, Record]
    rules: Mapping[str, NamedRule | str]

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
    keys = keys_of(project)
    check_references(project, tables, keys, findings)
    _check_columns(project, keys, findings)
    scope = compilation.again("scope", tables["users"], base_scope(tables["users"]))
    _check_rules(project, tables, findings, compilation)
    params = {
        view.name: compilation.again(f"params/{view.name}", view, declared("params", view.params, keys))
        for view in project.views
    }
    checked = _Views(project, tables, scope, params, findings, compilation)
    views = checked.all()
    return Schema(tables, views, keys, scope, params, checked.rules.all({**tables, **params}))


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
        self.world = {"tables": self.tables, "definitions": self.definitions, "views": self}
        self.rules = NamedRules(project, keys_of(project), scope, findings, compilation)
        self.rules.world = self.world
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
        world = {**self.world, "rules": self.rules}
        named = self.scope.with_names(params=self.params[name])
        self.done[name] = self.compilation.part(
            f"source/{name}",
            said,
            (self.scope, self.params[name]),
            world,
            lambda watched: _view(
                said,
                watched["tables"][said.table],
                named.but(related=True, rules=watched["rules"]),
                partial(self.readable, watched, said),
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

    def readable(self, world: Mapping[str, Mapping[str, Any]], said: ViewDef, accesses: tuple[Access, ...]) -> Readable:
        """Give what rows the rules of a view may read that those with these accesses come to."""

        def view(name: str) -> Source | str:
            return view_of(world["definitions"][name], accesses, f"read {said.name}", world["views"])

        return Readable(world["tables"], world["definitions"], view)

    def _unreadable(self, other: ViewDef, said: ViewDef) -> tuple[str, str | None] | None:
        """Say, with a hint, why a view can't be read inside another; None where it can."""
        if other.name in self.under_way:
            return f"the views read each other in a circle: {self._circle(other.name)}", None
        return unreadable(other, said.accesses, f"read {said.name}")


def _check_columns(project: Project, keys: Keys, findings: Findings) -> None:
    owners = [("users", project.users.columns)] + [(f"tables/{table.name}", table.defined) for table in project.tables]
    for place, columns in owners:
        for column in columns:
            check_column(f"{place}.columns/{column.name}", column, keys, findings)


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
        rule_expression(f"tables/{said.name}.checks/{index}.rule", check.rule, scope, findings, Place.CHECK)
    for index, one in enumerate(said.unique):
        if one.where is not None:
            rule_expression(f"tables/{said.name}.unique/{index}.where", one.where, scope, findings, Place.INDEX)
    return True


def _view(
    view: ViewDef, table: Table, scope: Scope, readable: FindReadable, findings: Findings, related: FindRelated
) -> Source:
    place = f"views/{view.name}"
    over_row = scope.with_names(row=table.record).but(rows=frozenset({"row"}), relations=readable(view.accesses))
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
    fields = {**table.record.fields, **{name: computed[name].type for name in computed}}
    references = {name: one for name, one in table.record.references.items() if name not in computed}
    item = Record(view.name, fields, references=references)
    order = order_by(f"{place}.order", view.order, item, findings)
    rules = _RowRules(view, over_row, readable, findings)
    reads = rules.of(view.rule("select")).filter
    writes: dict[str, RowRule] = {rule.action: rules.of(rule) for rule in view.rules if rule.action != "select"}
    return Source(view.name, table, shown, item, computed, reads, order, view.max_rows, view.max_bytes, writes)


class _RowRules:
    """The conditions of a view and of its actions, each checked once."""

    def __init__(self, view: ViewDef, scope: Scope, readable: FindReadable, findings: Findings) -> None:
        self.view, self.scope, self.readable, self.findings = view, scope, readable, findings
        self.known: dict[str, Expression | None] = {}

    def of(self, rule: ActionRule) -> RowRule:
        """Give the rows that an action is for, and what they have to be afterwards."""
        filters = [self.condition(one, rule) for one in rule.filters]
        check = None if rule.check is None else self.condition(rule.check, rule)
        return RowRule(joined([one for one in filters if one is not None]), check)

    def condition(self, said: SaidRule, rule: ActionRule) -> Expression | None:
        if said.place not in self.known:
            own = said.place.startswith(rule.place)
            scope = self.scope.but(relations=self.readable((rule.access,))) if own else self.scope
            before = len(self.findings.found)
            found = self.known[said.place] = rule_expression(said.place, said.text, scope, self.findings)
            if found is None:
                self.findings.harden(lambda _: True, before)  # a view without its filter shows every row
        return self.known[said.place]


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
