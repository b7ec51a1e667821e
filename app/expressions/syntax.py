"""The nodes of an expression's tree; the parser leaves every `type` dynamic, the check fills it in.

`line` and `column` count from 1. A field or call stands where its own name stands, everything else where it begins.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields, replace
from operator import is_
from typing import TYPE_CHECKING, Any

from app.expressions.types import DYN, Type

if TYPE_CHECKING:
    from app.expressions.library.signature import Overload


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """The base of every node."""

    line: int
    column: int
    type: Type = DYN


@dataclass(frozen=True, slots=True, kw_only=True)
class Literal(Node):
    """A value written out, already in the form that `type` has at run time."""

    value: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Name(Node):
    """A name of the scope, or the variable of a comprehension around it."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AllRows(Node):
    """All rows of the table or view of this name, as a list."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed(Node):
    """The row of `table` whose column `key` is what `operand` holds; null where there is none."""

    operand: Node
    table: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Field(Node):
    """`operand.name`."""

    operand: Node
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Index(Node):
    """`operand[index]` of a list or map."""

    operand: Node
    index: Node


@dataclass(frozen=True, slots=True, kw_only=True)
class Has(Node):
    """`has(operand.name)`: a map's key is there, even if it holds null; a record's field is there and not null."""

    operand: Node
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NullTest(Node):
    """`operand == null`, or `operand != null` where `negated`; an operand without an answer counts as null."""

    operand: Node
    negated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Unary(Node):
    """`!operand` or `-operand`."""

    operator: str
    operand: Node


@dataclass(frozen=True, slots=True, kw_only=True)
class Binary(Node):
    """One of `== != < <= > >= in + - * / %`; checked operands of two number types are both converted to the wider."""

    operator: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True, kw_only=True)
class Logic(Node):
    """A whole chain of `&&` or of `||`, two items or more."""

    operator: str
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditional(Node):
    """`condition ? then : otherwise`."""

    condition: Node
    then: Node
    otherwise: Node


@dataclass(frozen=True, slots=True, kw_only=True)
class ListLiteral(Node):
    """`[a, b]`."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MapLiteral(Node):
    """`{"a": 1}` as pairs of key and value."""

    entries: tuple[tuple[Node, Node], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionCall(Node):
    """A function, or a method with its target as first argument; `overloads` are those that the types allow."""

    function: str
    arguments: tuple[Node, ...]
    method: bool
    overloads: "tuple[Overload, ...]" = field(default=())


@dataclass(frozen=True, slots=True, kw_only=True)
class Comprehension(Node):
    """`operand.macro(variable, body)`; of `map(x, condition, body)` the condition, which others have not."""

    macro: str
    operand: Node
    variable: str
    body: Node
    condition: Node | None = None

    @property
    def wants_one(self) -> bool:
        """Say whether it holds as soon as one element passes."""
        return self.macro == "exists"


@dataclass(frozen=True, slots=True, kw_only=True)
class Convert(Node):
    """`operand` as a value of `type`: a number widened, or a dynamic value checked when it runs. Null stays null."""

    operand: Node


def parts(node: Node) -> list[Node]:
    """Give the nodes that a node is made of."""
    found: list[Node] = []
    for name in _names(node):
        value = getattr(node, name)
        if isinstance(value, Node):
            found.append(value)
        elif isinstance(value, tuple):
            for item in value:
                _gather(item, found)
    return found


_NAMES: dict[type, tuple[str, ...]] = {}


def _names(node: Node) -> tuple[str, ...]:
    """Name the fields of a node of its kind that hold nodes: their types speak of them."""
    found = _NAMES.get(type(node))
    if found is None:
        found = _NAMES[type(node)] = tuple(entry.name for entry in fields(node) if "Node" in repr(entry.type))
    return found


def _gather(value: object, found: list[Node]) -> None:
    if isinstance(value, Node):
        found.append(value)
    elif isinstance(value, tuple):
        for item in value:
            _gather(item, found)


def walk(node: Node) -> Iterator[Node]:
    """Yield a node and all nodes below it."""
    waiting = [node]
    while waiting:
        one = waiting.pop()
        yield one
        waiting += reversed(parts(one))


def rebuilt(node: Node, change: Callable[[Node], Node]) -> Node:
    """Give the node with each node it is made of changed; itself where none is."""
    changes = {}
    for name in _names(node):
        value = getattr(node, name)
        if (changed := _changed(value, change)) is not value:
            changes[name] = changed
    return replace(node, **changes) if changes else node


def _changed(value: object, change: Callable[[Node], Node]) -> Any:
    if isinstance(value, Node):
        return change(value)
    if isinstance(value, tuple):
        items = tuple(_changed(item, change) for item in value)
        return value if all(map(is_, items, value)) else items
    return value
