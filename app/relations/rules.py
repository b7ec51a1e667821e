"""Rules and orders over rows, checked: what Postgres will decide has to have an SQL half."""

from collections.abc import Sequence

from app.expressions.check import Expression, ExpressionErrors, Scope
from app.expressions.parameters import Parameters, Place
from app.expressions.syntax import Logic
from app.expressions.to_sql import compile_sql
from app.expressions.types import BOOL, Record
from app.relations.findings import Findings
from app.relations.source import OrderBy, parse_order


def rule_expression(
    place: str, text: str, scope: Scope, findings: Findings, stands: Place = Place.STATEMENT
) -> Expression | None:
    """Check a condition that Postgres will decide: boolean, and with an SQL half for all that touches a row.

    `stands` is where that half will stand.
    """
    expression = findings.condition(place, text, scope)
    return expression if expression is not None and has_sql(place, expression, findings, stands) else None


def joined(rules: Sequence[Expression]) -> Expression | None:
    """Give one condition of several that all have to hold; of none None."""
    if len(rules) < 2:
        return next(iter(rules), None)
    first = rules[0]
    return Expression(
        text=" && ".join(f"({one.text.strip()})" for one in rules),
        tree=Logic(line=1, column=1, type=BOOL, operator="&&", items=tuple(one.tree for one in rules)),
        type=first.type,
        paths=frozenset().union(*(one.paths for one in rules)),
        rows=frozenset().union(*(one.rows for one in rules)),
        constant=all(one.constant for one in rules),
        reads={name: relation for one in rules for name, relation in one.reads.items()},
    )


def deciding_expression(place: str, text: str, scope: Scope, findings: Findings) -> Expression | None:
    """Check a condition that is evaluated in process unless it reads other rows: then it has to have an SQL half."""
    expression = findings.condition(place, text, scope)
    if expression is None or not expression.reads:
        return expression
    return expression if has_sql(place, expression, findings) else None


def has_sql(place: str, expression: Expression, findings: Findings, stands: Place = Place.STATEMENT) -> bool:
    """Report what of the expression can't be said in SQL that stands there."""
    try:
        compile_sql(expression, lambda root, name: f"{root}.{name}", Parameters(stands))
    except ExpressionErrors as errors:
        findings.problems(place, expression.text, errors)
        return False
    return True


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
