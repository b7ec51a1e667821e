"""What rules over other rows cost and leave open: a look-up without an index, a null that leaves a rule unanswered."""

from collections.abc import Iterable, Iterator

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
from app.relations.source import Source


def row_doubts(project: Project, rules: Iterable[tuple[str, Expression]]) -> Iterator[Finding]:
    """Give the doubts about rules that read rows of other tables."""
    leading = _leading(project)
    for place, rule in rules:
        if rule.reads:
            yield from _slow(place, rule, leading)
            yield from _undecided(place, rule)


def _leading(project: Project) -> dict[str, set[str]]:
    """Give the columns of each table by which an index finds rows."""
    found = {"users": {"id", *(one.name for one in project.users.columns if one.unique or one.index)}}
    for table in project.tables:
        groups = [*table.unique, *(index.columns for index in table.indexes)]
        single = {one.name for one in table.columns if one.unique or one.index}
        found[table.name] = {"id", *single, *(group[0] for group in groups)}
    return found


def _slow(place: str, rule: Expression, leading: dict[str, set[str]]) -> Iterator[Finding]:
    for node, source in _loops(rule):
        conditions = [node.body if node.macro != "map" else node.condition, *_filters(node.operand)]
        asked = [name for condition in conditions for name in _equal(condition, node.variable, source)]
        table = source.table.name
        if asked and not leading.get(table, set()) & set(asked):
            columns = ", ".join(dict.fromkeys(asked))
            yield Finding(
                f"{place}:{node.line}:{node.column}",
                f"rows of {table} are looked up by {columns}, and no index begins with one of them",
                f"add to {table}: indexes: [[{columns}]]",
                "rules.missing_index",
            )


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


def _undecided(place: str, rule: Expression) -> Iterator[Finding]:
    for node, source in _strict(rule.tree, rule, positive=True):
        body = node.condition if node.macro == "map" else node.body
        tests = [one.operand for one in walk(body or node) if isinstance(one, NullTest)]
        tested = {one.name for one in tests if isinstance(one, Field)}
        compared = dict.fromkeys(_compared(body, node.variable))
        names = [name for name in compared if not source.never_null(name) and name not in tested]
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
        if source is not None and not (positive and node.macro == "exists"):
            yield node, source
        yield from _strict(node.operand, rule, positive=False)
        yield from _strict(node.body, rule, positive=positive and node.macro == "exists")
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
