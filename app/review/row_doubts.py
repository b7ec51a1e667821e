"""What rules over other rows cost and leave open: a look-up without an index, a null that leaves a rule unanswered."""

from collections.abc import Iterator, Sequence

from app.definitions.project import Project
from app.errors import Finding
from app.expressions.check import Expression
from app.expressions.relation import Relation
from app.expressions.syntax import (
    AllRows,
    Binary,
    Comprehension,
    Field,
    Logic,
    Name,
    Node,
    NullTest,
    Unary,
    parts,
    walk,
)
from app.relations.source import Related, Source, told_apart
from app.review.missing_index import leading_columns, missing_index


def row_doubts(project: Project, rules: Sequence[tuple[str, Expression]]) -> Iterator[Finding]:
    """Give the doubts about rules that read rows of other tables, and about steps that make one value of rows."""
    leading = leading_columns(project)
    for place, rule in rules:
        if rule.reads:
            yield from _slow(place, rule, leading)
            yield from _undecided(place, rule)
    yield from _uncounted(rules)


def _slow(place: str, rule: Expression, leading: dict[str, set[str]]) -> Iterator[Finding]:
    for node, source in _loops(rule):
        conditions = [node.body if node.macro != "map" else node.condition, *_filters(node.operand)]
        asked = [name for condition in conditions for name in _equal(condition, node.variable, source)]
        table = source.table.name
        yield from missing_index(f"{place}:{node.line}:{node.column}", table, asked, leading)


def _loops(rule: Expression) -> Iterator[tuple[Comprehension, Source]]:
    """Give each loop over rows with what it reads; of loops over each other the outermost."""
    inner: set[int] = set()
    for node in walk(rule.tree):
        source = _source(node.operand, rule) if isinstance(node, Comprehension) else None
        if isinstance(node, Comprehension) and source is not None:
            if id(node) not in inner:
                yield node, source
            inner.add(id(node.operand))


def _source(node: Node, rule: Expression) -> Source | None:
    while isinstance(node, Comprehension) and node.macro in ("filter", "map"):
        node = node.operand
    found: Relation | None = rule.reads.get(node.name) if isinstance(node, AllRows) else None
    return found if isinstance(found, Source) else None


def _filters(node: Node) -> Iterator[Node | None]:
    while isinstance(node, Comprehension):
        yield node.body if node.macro == "filter" else node.condition
        node = node.operand


def _equal(condition: Node | None, variable: str, source: Source) -> Iterator[str]:
    """Name the columns that a condition wants to be equal to what doesn't depend on the row."""
    if isinstance(condition, Logic) and condition.operator == "&&":
        for item in condition.items:
            yield from _equal(item, variable, source)
    if isinstance(condition, Binary) and condition.operator in ("==", "in"):
        for side, other in ((condition.left, condition.right), (condition.right, condition.left)):
            if isinstance(side, Field) and isinstance(side.operand, Name) and side.name in source.table.columns:
                mine = side.operand.name == variable
                if mine and not any(isinstance(one, Name) and one.name == variable for one in walk(other)):
                    yield side.name


def _uncounted(rules: Sequence[tuple[str, Expression]]) -> Iterator[Finding]:
    """Find the nulls for which nobody knows what a step counts, or that there is no row where a rule asks for that."""
    for place, rule in rules:
        counted = rule.counted
        if counted is None:
            continue
        chain = place.partition(".")[0]
        around = [one for at, one in rules if at.partition(".")[0] == chain]
        if counted.wants_one and not any(_asks_for_none(one.tree, str(counted.name)) for one in around):
            continue
        if names := _may_be_null(rule.tree, "item", counted.relation):
            yield Finding(
                place,
                f"a row whose {' or '.join(names)} is null leaves this without an answer: does it count?",
                f"make it required, or say what such a row means: item.{names[0]} != null && …",
                "rules.null_undecided",
            )


def _asks_for_none(node: Node, name: str, *, positive: bool = True) -> bool:
    """Say whether a rule may hold since what is bound to a name is false."""
    if isinstance(node, Name | Field) and node.name == name:  # under the name of a call, it is a member of that
        return not positive
    stays = positive and isinstance(node, Logic)
    return any(_asks_for_none(part, name, positive=stays) for part in parts(node))


def _may_be_null(condition: Node | None, variable: str, relation: Relation) -> list[str]:
    """Name the columns that a condition compares, that may be null and that it doesn't ask for."""
    tests = [one.operand for one in walk(condition) if isinstance(one, NullTest)] if condition is not None else []
    tested = {one.name for one in tests if isinstance(one, Field)}
    compared = dict.fromkeys(_compared(condition, variable))
    return [name for name in compared if not _always_there(relation, name) and name not in tested]


def _always_there(relation: Relation, name: str) -> bool:
    related = relation.computed.get(name) if isinstance(relation, Source) else None
    if isinstance(relation, Source) and isinstance(related, Related):
        return related.of_none and name not in told_apart(relation)
    return relation.never_null(name)


def _undecided(place: str, rule: Expression) -> Iterator[Finding]:
    for node, source in _strict(rule.tree, rule, positive=True):
        names = _may_be_null(node.condition if node.macro == "map" else node.body, node.variable, source)
        if names:
            yield Finding(
                f"{place}:{node.line}:{node.column}",
                f"a row of {source.name} whose {' or '.join(names)} is null leaves this rule without an answer",
                f"make it required, or say what such a row means: {node.variable}.{names[0]} != null && …",
                "rules.null_undecided",
            )


def _strict(node: Node, rule: Expression, *, positive: bool) -> Iterator[tuple[Comprehension, Source]]:
    """Give the loops over rows of which one row without an answer leaves the whole without one."""
    if isinstance(node, Comprehension):
        source = _source(node.operand, rule)
        if source is not None and not (positive and node.wants_one):
            yield node, source
        yield from _strict(node.operand, rule, positive=False)
        yield from _strict(node.body, rule, positive=positive and node.wants_one)
        return
    stays = positive and isinstance(node, Logic)
    for part in parts(node):
        yield from _strict(part, rule, positive=stays)


def _compared(node: Node | None, variable: str) -> Iterator[str]:
    """Name the columns of a row that a condition compares, or negates."""
    if node is None or isinstance(node, NullTest):
        return
    for one in parts(node) if isinstance(node, Binary | Unary | Logic) else (node,):
        if isinstance(one, Field) and isinstance(one.operand, Name) and one.operand.name == variable:
            yield one.name
        elif one is not node:
            yield from _compared(one, variable)
