"""Views, checked: which columns come out, which rows, and what their parts mean in SQL."""

from collections.abc import Mapping
from dataclasses import dataclass

from app.definitions.project import Project
from app.definitions.views import ViewColumnDef, ViewDef
from app.expressions.check import Expression, ExpressionErrors, Scope
from app.expressions.to_sql import Parameters, compile_sql
from app.expressions.types import BOOL, Record, Type
from app.relations.constraints import check_enforceable
from app.relations.findings import Findings
from app.relations.names import base_scope, declared
from app.relations.schema import Table, key_types, tables_of
from app.relations.source import OrderBy, Source, parse_order, table_source


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


def schema_of(project: Project, findings: Findings) -> Schema:
    """Check the tables' references and every view; what is wrong with them becomes findings."""
    tables, keys = tables_of(project), key_types(project)
    _check_references(project, tables, findings)
    scope = base_scope(tables["users"])
    _check_rules(project, tables, findings)
    params = {view.name: declared("params", view.params, keys) for view in project.views}
    views = {}
    for view in project.views:
        if view.table not in tables:
            findings.unknown(f"views/{view.name}.table", "table", view.table, list(tables))
            continue
        views[view.name] = _view(view, tables[view.table], scope.with_names(params=params[view.name]), findings)
    return Schema(tables, views, keys, scope, params)


def _check_references(project: Project, tables: Mapping[str, Table], findings: Findings) -> None:
    owners = [("users", project.users.columns)] + [(f"tables/{table.name}", table.columns) for table in project.tables]
    for place, columns in owners:
        for column in columns:
            if column.table is not None and column.table not in tables:
                findings.unknown(f"{place}.columns/{column.name}.table", "table", column.table, list(tables))
            check_enforceable(f"{place}.columns/{column.name}", column, findings)


def _check_rules(project: Project, tables: Mapping[str, Table], findings: Findings) -> None:
    for table in project.tables:
        scope = Scope({"row": tables[table.name].record}, rows=frozenset({"row"}))
        for index, check in enumerate(table.checks):
            rule_expression(f"tables/{table.name}.checks/{index}.rule", check.rule, scope, findings)


def rule_expression(place: str, text: str, scope: Scope, findings: Findings) -> Expression | None:
    """Check a condition that Postgres will decide: boolean, and with an SQL half for all that touches a row."""
    expression = findings.expression(place, text, scope, BOOL)
    return expression if expression is not None and has_sql(place, expression, findings) else None


def has_sql(place: str, expression: Expression, findings: Findings) -> bool:
    """Report what of the expression can't be said in SQL."""
    try:
        compile_sql(expression, lambda root, name: f"{root}.{name}", Parameters())
    except ExpressionErrors as errors:
        findings.problems(place, expression.text, errors)
        return False
    return True


def _view(view: ViewDef, table: Table, scope: Scope, findings: Findings) -> Source:
    place = f"views/{view.name}"
    over_row = Scope({**scope.names, "row": table.record}, rows=frozenset({"row"}))
    shown: dict[str, Type] = {}
    computed: dict[str, Expression] = {}
    if view.columns == "all":
        shown = dict(table.record.fields)
    else:
        for column in view.columns:
            _column(place, column, table, over_row, (shown, computed), findings)
    condition = None
    if view.filter is not None:
        condition = rule_expression(f"{place}.filter", view.filter, over_row, findings)
    item = Record(view.name, {**table.record.fields, **{name: computed[name].type for name in computed}})
    order = order_by(f"{place}.order", view.order, item, findings)
    return Source(view.name, table, shown, item, computed, condition, order, view.max_rows)


def _column(
    place: str,
    column: ViewColumnDef,
    table: Table,
    scope: Scope,
    into: tuple[dict[str, Type], dict[str, Expression]],
    findings: Findings,
) -> None:
    shown, computed = into
    at = f"{place}.columns/{column.name}"
    if column.source is None:
        if column.name in table.columns:
            shown[column.name] = table.columns[column.name].type
        else:
            findings.unknown(at, "column", column.name, list(table.columns))
        return
    if column.source != "value":
        findings.report(at, f"a column by {column.source} is not supported", "compute it in an endpoint's steps")
        return
    formula = findings.expression(f"{at}.value", column.value or "", scope)
    if formula is not None and has_sql(f"{at}.value", formula, findings):
        shown[column.name] = formula.type
        computed[column.name] = formula


def order_by(place: str, said: tuple[str, ...], item: Record, findings: Findings) -> tuple[OrderBy, ...]:
    """Read and check an order."""
    terms = []
    for text in said:
        term = parse_order(text)
        if term is None:
            findings.report(place, f"{text!r} is no order", "write column, column desc or column desc nullslast")
        elif term.column not in item.fields:
            findings.unknown(place, "column", term.column, list(item.fields))
        else:
            terms.append(term)
    return tuple(terms)
