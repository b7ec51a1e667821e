"""What inputs and columns mean to each other: which column an input is compared with, and which columns are the same.

It is read from the rules: `item.slug == input.slug` says that the input is a slug of that table, `row.team ==
auth.user.team` that a row's team is one of people's, `auth.user.plan == "pro"` that this value matters.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from app.definitions.endpoints import EndpointDef
from app.definitions.project import Project
from app.definitions.views import ViewDef
from app.expressions.syntax import (
    Binary,
    Comprehension,
    Conditional,
    Field,
    FunctionCall,
    Index,
    ListLiteral,
    Literal,
    MapLiteral,
    Name,
    Node,
    parts,
)
from app.expressions.trees import ROWS
from app.review.implication import Meant
from app.review.meaning import parsed, rule_of
from app.review.reach import reach_of
from app.review.reached import Reached
from app.review.renames import NONE
from app.steps.kind import Means

Place = tuple[str, str]
"""A table and one of its columns."""
Path = tuple[str, ...]
"""An input by the names on the way to it; EACH stands for each item of a list."""
EACH = "[]"
_COMPARED = frozenset({"==", "!=", "in", "<", "<=", ">", ">="})


@dataclass(frozen=True, slots=True)
class Links:
    """`inputs` and `params` have the columns that an endpoint's inputs and a view's params stand for.

    `same` are the groups of columns that rules hold to be equal, `of_callers` those that are compared with a column of
    the caller's own row, and `literals` the values that rules compare a column with.
    """

    inputs: Mapping[str, Mapping[Path, tuple[Place, ...]]]
    params: Mapping[str, Mapping[Path, tuple[Place, ...]]]
    same: tuple[frozenset[Place], ...]
    of_callers: frozenset[Place]
    literals: Mapping[Place, tuple[object, ...]]


def links_of(project: Project) -> Links:
    """Read the rules of a project that has been checked."""
    reader = _LinkReader(project)
    inputs = {one.name: reader.endpoint(one) for one in project.endpoints}
    params = {one.name: reader.view(one) for one in project.views}
    literals = {place: tuple(dict.fromkeys(values)) for place, values in reader.literals.items() if values}
    return Links(inputs, params, _groups(reader.pairs), frozenset(reader.of_callers), literals)


def links_of_one(
    project: Project, said: EndpointDef | ViewDef
) -> tuple[Mapping[Path, tuple[Place, ...]], frozenset[Place]]:
    """Read what the inputs of an endpoint or the params of a view stand for, and which columns its rules compare."""
    reader = _LinkReader(project)
    found = reader.endpoint(said) if isinstance(said, EndpointDef) else reader.view(said)
    return found, frozenset(reader.literals)


Rows = Mapping[str, str]
"""The table or view that a name stands for a row of."""


class _LinkReader:
    def __init__(self, project: Project) -> None:
        self.project = project
        self.tables = {view.name: view.table for view in project.views}
        self.columns = {table.name: frozenset(table.column_names) for table in project.tables}
        self.columns["users"] = frozenset({"id", "email", *(column.name for column in project.users.columns)})
        self.pairs: list[tuple[Place, Place]] = []
        self.of_callers: set[Place] = set()
        self.literals: dict[Place, list[object]] = defaultdict(list)
        self.found: dict[Path, dict[Place, None]] = {}
        self.root = "input"

    def endpoint(self, said: EndpointDef) -> Mapping[Path, tuple[Place, ...]]:
        self.found, self.root = defaultdict(dict), "input"
        self.chain(said)
        return {path: tuple(places) for path, places in self.found.items()}

    def view(self, said: ViewDef) -> Mapping[Path, tuple[Place, ...]]:
        self.found, self.root = defaultdict(dict), "params"
        for said_rule in said.conditions:
            self.rule(rule_of(said_rule.text, NONE, said.table), {"row": said.table})
        for column in () if said.columns == "all" else said.columns:
            rows = {"row": said.table, **({} if column.relation is None else {"item": column.relation})}
            for text in (column.where, column.of, column.value):
                if text is not None:
                    self.rule(parsed(text.strip().removeprefix("=").strip()), rows)
        self.chain(said)
        return {path: tuple(places) for path, places in self.found.items()}

    def chain(self, said: EndpointDef | ViewDef) -> None:
        for event in reach_of(self.project, said, NONE).events:
            if not isinstance(event, Reached):
                self.rule(event.rule, {})
                continue
            rows = {} if event.source is None else {"item": event.source}
            self.rule(event.rows, rows)
            for key, node in event.rest.items():
                self.rule(node, rows)
                if event.source is not None and key in event.named(Means.COLUMNS):
                    self.written(event.source, node, {})

    def written(self, source: str, node: Node, variables: Mapping[str, Path]) -> None:
        """Link what is written into columns, by one map or by a list of them."""
        if isinstance(node, Comprehension):
            for path in self.paths(node.operand, variables):
                self.written(source, node.body, {**variables, node.variable: (*path, EACH)})
        elif isinstance(node, MapLiteral):
            for key, value in node.entries:
                if isinstance(key, Literal):
                    place = self.place(source, str(key.value))
                    self.meet([] if place is None else [place], list(self.paths(value, variables)))
        elif isinstance(node, ListLiteral):
            for item in node.items:
                self.written(source, item, variables)

    def rule(self, node: Node, rows: Rows) -> None:
        if isinstance(node, Binary) and node.operator in _COMPARED:
            self.compared(node, rows)
        if isinstance(node, FunctionCall) and node.function == ROWS and isinstance(node.arguments[0], Literal):
            rows = {**rows, "item": str(node.arguments[0].value)}
        if not isinstance(node, Meant):
            for part in parts(node):
                self.rule(part, rows)

    def compared(self, node: Binary, rows: Rows) -> None:
        left, right = (self.place_of(side, rows) for side in (node.left, node.right))
        each = (EACH,) if node.operator == "in" else ()
        if left is not None:
            self.meet([left], [(*path, *each) for path in self.paths(node.right, {})])
            self.literals[left] += _literals(node.right)
        if right is not None:
            self.meet([right], list(self.paths(node.left, {})))
            self.literals[right] += _literals(node.left)
        if left is not None and right is not None and node.operator == "==":
            self.pairs.append((left, right))
            for side, other in ((node.left, right), (node.right, left)):
                if _is_callers(side) is not None:
                    self.of_callers.add(other)

    def meet(self, places: list[Place], paths: list[Path]) -> None:
        for path in paths:
            for place in places:
                self.found[path][place] = None

    def place_of(self, node: Node, rows: Rows) -> Place | None:
        """Give the column that a node reads: of a row, of what a step has bound, or of the caller."""
        callers = _is_callers(node)
        if callers is not None:
            return self.place("users", callers)
        if not isinstance(node, Field):
            return None
        if isinstance(node.operand, Meant) and node.operand.source is not None:
            return self.place(node.operand.source, node.name)
        if isinstance(node.operand, Name) and node.operand.name in rows:
            return self.place(rows[node.operand.name], node.name)
        return None

    def place(self, source: str, column: str) -> Place | None:
        table = self.tables.get(source, source)
        return (table, column) if column in self.columns.get(table, ()) else None

    def paths(self, node: Node, variables: Mapping[str, Path]) -> Iterator[Path]:
        """Give the inputs whose value a node has, be it as it was sent or made a little different."""
        match node:
            case Name(name=name) if name == self.root:
                yield ()
            case Name(name=name) if name in variables:
                yield variables[name]
            case Field(operand=operand, name=name):
                yield from ((*path, name) for path in self.paths(operand, variables))
            case Index(operand=operand):
                yield from ((*path, EACH) for path in self.paths(operand, variables))
            case Meant(is_item=True, made_of=(each, *_)):
                yield from ((*path, EACH) for path in self.paths(each, variables))
            case Conditional(then=then, otherwise=otherwise):
                yield from self.paths(then, variables)
                yield from self.paths(otherwise, variables)
            case FunctionCall(arguments=(first, *_)):
                yield from self.paths(first, variables)


def _is_callers(node: Node) -> str | None:
    """Give the column of `auth.user` that a node reads."""
    match node:
        case Field(operand=Field(operand=Name(name="auth"), name="user"), name=name):
            return name
    return None


def _literals(node: Node) -> list[object]:
    if isinstance(node, ListLiteral):
        return [value for item in node.items for value in _literals(item)]
    return [node.value] if isinstance(node, Literal) and node.value is not None else []


def _groups(pairs: list[tuple[Place, Place]]) -> tuple[frozenset[Place], ...]:
    """Join pairs that share a column."""
    groups: dict[Place, set[Place]] = {}
    for one, other in pairs:
        joined = groups.get(one, {one}) | groups.get(other, {other})
        for place in joined:
            groups[place] = joined
    return tuple(dict.fromkeys(frozenset(group) for group in groups.values()))
