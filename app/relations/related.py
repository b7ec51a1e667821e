"""Columns of a view that come from rows of another table or view, checked."""

from collections.abc import Mapping

from app.definitions.views import ViewColumnDef
from app.expressions.check import Expression, Scope
from app.expressions.types import (
    BOOL,
    DATE,
    DECIMAL,
    DOUBLE,
    DURATION,
    DYN,
    INT,
    NUMBERS,
    RANGES,
    STRING,
    TIME,
    TIMESTAMP,
    UUID,
    Enum,
    ListOf,
    Record,
    Scalar,
    Type,
    describe,
)
from app.relations.findings import Findings
from app.relations.rules import has_sql, order_by, rule_expression
from app.relations.source import Related, Source, told_apart

_NUMERIC: Mapping[Type, Type] = {INT: DECIMAL, DECIMAL: DECIMAL, DOUBLE: DOUBLE}
_MOST_LISTED = 1_000


def related_column(at: str, column: ViewColumnDef, other: Source, scope: Scope, findings: Findings) -> Related | None:
    """Check a column that is computed from rows of another table or view."""
    over_both = scope.with_names(item=other.item).but(rows=frozenset({"row", "item"}))
    before = findings.refusing
    where = value = None
    if column.where is not None:
        where = rule_expression(f"{at}.where", column.where, over_both, findings)
    key, text = ("of", column.of) if column.of is not None else ("value", column.value)
    if text is not None:
        value = findings.expression(f"{at}.{key}", text, over_both)
        if value is not None and not has_sql(f"{at}.{key}", value, findings):
            value = None
    order = order_by(f"{at}.order", column.order, other.item, findings)
    if findings.refusing > before:
        return None
    source = str(column.source)
    kind = _related_type(source, other, value)
    if kind is None:
        said = describe(value.type) if value is not None else "nothing"
        findings.report(f"{at}.{key}", f"{source} doesn't take {said}")
        return None
    most = 1 if source == "one" else min(column.limit or _MOST_LISTED, other.max_rows or _MOST_LISTED)
    return Related(source, other, kind, where, value, order, most)


def _related_type(source: str, other: Source, value: Expression | None) -> Type | None:
    """Give the type of a related column; None where the value is not what it takes."""
    if source in ("count", "exists"):
        return INT if source == "count" else BOOL
    if value is not None and source in ("sum", "avg"):
        return _NUMERIC.get(value.type)
    if value is not None and source in ("min", "max"):
        return value.type if value.type in (*NUMBERS, STRING, TIMESTAMP, DATE, TIME, DURATION) else None
    if value is None:
        columns = {name: _in_json(kind) for name, kind in other.shown.items()}
        row = Record(other.name, columns, nullable=frozenset(told_apart(other)))
        return row if source == "one" else ListOf(row)
    plain = isinstance(value.type, Scalar | Enum) and value.type != DYN
    return value.type if source == "one" else ListOf(value.type) if plain else None


def _in_json(kind: Type) -> Type:
    """Give the type of a column as rules see it inside an object: what JSON has no form for is dynamic there."""
    match kind:
        case Record() | ListOf(element=Record()) | Enum():
            return kind
        case ListOf(element=element):
            return ListOf(_in_json(element))
    return kind if kind in (BOOL, INT, DECIMAL, STRING, TIME, UUID, *RANGES) else DYN
