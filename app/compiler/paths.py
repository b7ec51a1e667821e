"""Which endpoint a method and a path mean, found by a trie: the cost doesn't grow with the number of endpoints."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Generic, TypeVar
from urllib.parse import unquote_to_bytes

from app.errors import RowgateError

T = TypeVar("T")
Route = tuple[str, str]  # a method, and a path with names in braces
MAX_PATH = 8192
MAX_SEGMENTS = 64
_UNCLEAR = re.compile(rb"[\x00-\x1f\x7f/\\]")
_PLAIN = re.compile(rb"[A-Za-z0-9_/.~-]*")  # what most paths are made of, and means itself
_NO_SEGMENT = frozenset({"", ".", ".."})


class NotFound(RowgateError):
    """There is nothing at this path."""

    status: ClassVar[int] = 404
    code: ClassVar[str] = "route.not_found"

    def __init__(self) -> None:
        """Say no more than that."""
        super().__init__("There is nothing here.")


class MethodNotAllowed(RowgateError):
    """There is something at this path, for other methods; the header Allow names them."""

    status: ClassVar[int] = 405
    code: ClassVar[str] = "route.method_not_allowed"

    def __init__(self, allowed: Sequence[str]) -> None:
        """Name the methods that are allowed."""
        names = ", ".join(allowed)
        super().__init__(f"This method isn't allowed here: {names} are.", headers={"Allow": names})


class BadPath(RowgateError):
    """A path that could be read in two ways: an encoded slash, a NUL, bytes that are no UTF-8."""

    status: ClassVar[int] = 400
    code: ClassVar[str] = "route.bad_path"

    def __init__(self) -> None:
        """Say what a path may hold."""
        super().__init__("The path holds an encoded slash, a control character, or bytes that are no UTF-8 text.")


@dataclass(frozen=True, slots=True)
class Conflict(Generic[T]):
    """A route that means the same requests as one before it."""

    target: T
    message: str


@dataclass(slots=True)
class _Node(Generic[T]):
    """The parts that may follow: literal ones by their text, or one that is a name."""

    literal: dict[str, _Node[T]] = field(default_factory=dict)
    named: _Node[T] | None = None
    targets: dict[str, tuple[T, tuple[str, ...]]] = field(default_factory=dict)


class Router(Generic[T]):
    """All routes, built once."""

    def __init__(self, root: _Node[T], fixed: dict[tuple[str, bytes], T], conflicts: Sequence[Conflict[T]]) -> None:
        """Take what `build` made; `fixed` are the routes without names, whose every part wins."""
        self._root = root
        self._fixed = fixed
        self.conflicts = tuple(conflicts)

    @classmethod
    def build(cls, routes: Iterable[tuple[str, str, T]]) -> Router[T]:
        """Build from methods, paths with names in braces, and targets."""
        root: _Node[T] = _Node()
        fixed: dict[tuple[str, bytes], T] = {}
        conflicts = []
        for method, path, target in routes:
            node, names = root, []
            for segment in path.removeprefix("/").split("/"):
                if segment.startswith("{"):
                    names.append(segment[1:-1])
                    node.named = node.named or _Node()
                    node = node.named
                else:
                    node = node.literal.setdefault(segment, _Node())
            if method in node.targets:
                conflicts.append(Conflict(target, f"another endpoint has {method} {path} already"))
            else:
                node.targets[method] = (target, tuple(names))
                if not names and len(path) <= MAX_PATH and _PLAIN.fullmatch(path.encode()):
                    fixed[method, path.encode()] = target
        return cls(root, fixed, conflicts)

    def match(self, method: str, path: bytes) -> tuple[T, dict[str, str]]:
        """Find the target of a raw path that begins with a slash, and the parts of the path that it names.

        Raises NotFound, MethodNotAllowed or BadPath.

        A literal part wins over a name. HEAD is served by GET.
        """
        wanted = "GET" if method == "HEAD" else method
        at_once = self._fixed.get((wanted, path))
        if at_once is not None:
            return at_once, {}
        if len(path) > MAX_PATH or not path.startswith(b"/"):
            raise NotFound
        segments = _segments(path[1:])
        if len(segments) > MAX_SEGMENTS or not _NO_SEGMENT.isdisjoint(segments):
            raise NotFound
        allowed: set[str] = set()
        found = _walk(self._root, segments, 0, wanted, allowed)
        if found is None:
            if allowed:
                raise MethodNotAllowed(sorted(allowed | ({"HEAD"} if "GET" in allowed else set()) | {"OPTIONS"}))
            raise NotFound
        (target, names), values = found
        return target, dict(zip(names, values, strict=True))


def _walk(
    node: _Node[T], segments: list[str], index: int, method: str, allowed: set[str]
) -> tuple[tuple[T, tuple[str, ...]], list[str]] | None:
    """Walk the trie; at each part at most two ways, so at most the routes that share their literal parts are seen."""
    values: list[str] = []
    for at in range(index, len(segments)):
        segment = segments[at]
        literal, named = node.literal.get(segment), node.named
        if literal is not None:
            if named is None:
                node = literal
                continue
            if (match := _walk(literal, segments, at + 1, method, allowed)) is not None:
                return match[0], values + match[1]
        if named is None:
            return None
        values.append(segment)
        node = named
    found = node.targets.get(method)
    if found is not None:
        return found, values
    if not allowed:  # by what a name takes besides, more would be; the very path comes first
        allowed.update(node.targets)
    return None


def _segments(path: bytes) -> list[str]:
    if _PLAIN.fullmatch(path):
        return path.decode("ascii").split("/")
    return [_decoded(segment) for segment in path.split(b"/")]


def _decoded(segment: bytes) -> str:
    raw = unquote_to_bytes(segment)
    if _UNCLEAR.search(raw):
        raise BadPath
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise BadPath from None


_VIEW_ACTIONS = {
    "GET": "select",
    "HEAD": "select",
    "POST": "insert",
    "PUT": "insert",
    "PATCH": "update",
    "DELETE": "delete",
}
QUERY = "query"  # stands behind the path of a view that is read by what the body asks
_BY_BODY = {"POST": "select"}


def view_action(allow: Collection[str], method: str, *, by_body: bool = False) -> str:
    """Give what a method does through a view that allows these actions; raises MethodNotAllowed with the others."""
    action = (_BY_BODY if by_body else _VIEW_ACTIONS).get(method)
    if action is None or action not in allow:
        raise MethodNotAllowed(view_methods(allow, by_body=by_body))
    return action


def view_methods(allow: Collection[str], *, by_body: bool = False) -> list[str]:
    """Name the methods that a view which allows these actions is offered by."""
    ways = _BY_BODY if by_body else _VIEW_ACTIONS
    return [method for method, action in ways.items() if action in allow]
