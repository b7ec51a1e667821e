"""Reading a view's query string and headers; whatever isn't understood is refused, never dropped."""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Literal

from app.data_plane.dialect.refusals import ColumnUnknown, QueryRefused, QueryUnsupported, RangeInvalid
from app.expressions.problems import near
from app.expressions.types import Type
from app.relations.query import Condition, Count, Group, Ordered, Query, Shown, Test
from app.relations.query_sql import LANGUAGES, OPERATORS, QUANTIFIED, SEARCHES, testable

MAX_TERMS = 100
MAX_DEPTH = 5
MAX_LIST = 1_000
MAX_OFFSET = 10**9
SINGLE = "application/vnd.pgrst.object+json"
CSV = "text/csv"

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
_TEST = re.compile(r"(not\.)?([a-z]+)(?:\(([a-z]+)\))?\.(.*)", re.DOTALL)
# A quoted text, an array behind an operator, or a character; a quote by itself has no end.
_PIECE = re.compile(r'"(?:[^"\\]|\\.)*"|\.\{[^}]*\}|.', re.DOTALL)
_COUNT = re.compile(r"(?:^|[,\s])count=(\w+)")
_ONCE = frozenset({"select", "order", "limit", "offset"})
_GROUPS = frozenset({"and", "or", "not.and", "not.or"})
_WRITES = frozenset({"columns", "on_conflict"})
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


def parse_query(
    pairs: Sequence[tuple[str, str]], headers: Mapping[bytes, str], columns: Mapping[str, Type], params: Collection[str]
) -> tuple[Query, list[tuple[str, str]]]:
    """Give the query, and the pairs that are the view's own parameters."""
    own = [pair for pair in pairs if pair[0] in params]
    once = _once([pair for pair in pairs if pair[0] in _ONCE])
    reader = _Reader(columns)
    conditions = []
    for name, value in pairs:
        if name in _GROUPS or name in _WRITES:
            conditions.append(reader.group(name, value))
        elif name not in params and name not in once:
            conditions.append(reader.test(name, value))
    limit = _number(once["limit"], "limit") if "limit" in once else None
    offset = _number(once["offset"], "offset") if "offset" in once else 0
    limit, offset = _from_range(headers, limit, offset)
    query = Query(
        reader.select(once.get("select", "*")),
        tuple(conditions),
        reader.order(once["order"]) if "order" in once else (),
        limit,
        offset,
        _count(headers.get(b"prefer", "")),
        SINGLE in headers.get(b"accept", ""),
        CSV in headers.get(b"accept", ""),
    )
    return query, own


def _once(pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise QueryRefused("select, order, limit and offset stand once in a query.")
    return found


def _number(text: str, what: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 10 or int(text) > MAX_OFFSET:
        raise RangeInvalid(f"{what} has to be a whole number from 0 to {MAX_OFFSET}.")
    return int(text)


def _from_range(headers: Mapping[bytes, str], limit: int | None, offset: int) -> tuple[int | None, int]:
    """Read the header Range, whose rows are `first-last`; what stands in the query wins."""
    text = headers.get(b"range")
    if text is None or limit is not None or offset or headers.get(b"range-unit", "items") != "items":
        return limit, offset
    match = re.fullmatch(r"(?:items=)?(\d{1,10})-(\d{0,10})", text)
    if match is None:
        return limit, offset  # RFC 9110, 14.2: a range that isn't understood is ignored
    first, last = int(match[1]), int(match[2]) if match[2] else None
    if last is not None and last < first:
        raise RangeInvalid("The range ends before it begins.")
    return (None if last is None else last - first + 1), first


_COUNTS: dict[str, Count] = {"exact": "exact", "planned": "planned", "estimated": "estimated"}


def _count(prefer: str) -> Count:
    found = _COUNT.search(prefer)
    if found is None:
        return None
    return _COUNTS.get(found[1])


class _Reader:
    """Reads the parts of a query over the columns that a view shows."""

    def __init__(self, columns: Mapping[str, Type]) -> None:
        self.columns = columns
        self.terms = 0

    def known(self, name: str) -> str:
        """Give the name of a column that the view shows; a hidden one is as unknown as one that isn't there."""
        if name in self.columns:
            return name
        if any(sign in name for sign in ("->", "(", "::", "!")):
            raise QueryUnsupported("JSON paths, casts and embedding are not served here.")
        raise ColumnUnknown("The view has no such column.", hint=near(name[:64], self.columns))

    def select(self, text: str) -> tuple[Shown, ...] | None:
        if text.strip() in {"", "*"}:
            return None
        shown = []
        for part in _split(text):
            label, colon, column = part.partition(":")
            if colon and not column.startswith(":"):
                if not _NAME.fullmatch(label):
                    raise QueryRefused("A name in select has letters, digits and underscores.")
                shown.append(Shown(label, self.known(column)))
            elif part == "*":
                shown += [Shown(name, name) for name in self.columns]
            else:
                shown.append(Shown(part, self.known(part)))
        labels = [one.label for one in shown]
        if len(set(labels)) != len(labels):
            raise QueryRefused("A name stands twice in select.")
        return tuple(shown)

    def order(self, text: str) -> tuple[Ordered, ...]:
        return tuple(self._term(part) for part in _split(text))

    def _term(self, text: str) -> Ordered:
        name, *words = text.split(".")
        direction = words.pop(0) if words and words[0] in {"asc", "desc"} else "asc"
        nulls = words.pop(0) if words and words[0] in {"nullsfirst", "nullslast"} else None
        if words:
            raise QueryRefused("An order is column, column.desc or column.desc.nullslast.")
        return Ordered(self.known(name), direction == "desc", None if nulls is None else nulls == "nullsfirst")

    def group(self, name: str, text: str, depth: int = 1) -> Condition:
        if name in _WRITES:
            raise QueryUnsupported(f"{name} goes with writes.")
        if depth > MAX_DEPTH or not (text.startswith("(") and text.endswith(")")):
            raise QueryRefused("and and or take tests in parentheses, at most five deep.")
        negated, word = name.startswith("not."), name.removeprefix("not.")
        parts = tuple(self._inside(part, depth) for part in _split(text[1:-1]))
        return Group("or" if word == "or" else "and", parts, negated)

    def _inside(self, text: str, depth: int) -> Condition:
        for word in sorted(_GROUPS):
            if text.startswith(f"{word}("):
                return self.group(word, text[len(word) :], depth + 1)
        column, dot, rest = text.partition(".")
        if not dot:
            raise QueryRefused("A test in parentheses is column.operator.value.")
        return self.test(column, rest)

    def test(self, name: str, text: str) -> Test:
        self.terms += 1
        if self.terms > MAX_TERMS:
            raise QueryRefused(f"A query has at most {MAX_TERMS} tests.")
        column = self.known(name)
        found = _TEST.fullmatch(text)
        if found is None or found[2] not in OPERATORS:
            hint = "A test is column=operator.value, such as status=eq.draft."
            raise QueryUnsupported("This operator is not served.", hint=hint)
        negated, operator, modifier, value = bool(found[1]), found[2], found[3], found[4]
        values = _listed(value) if operator == "in" else (value,)
        quantifier = _quantifier(operator, modifier)
        if operator in SEARCHES and modifier is not None:
            values = (modifier, value)
        if operator == "is" and value.lower() not in {"null", "not_null", "true", "false", "unknown"}:
            raise QueryRefused("is takes null, not_null, true, false or unknown.")
        if operator == "is":
            values = (value.lower(),)
        if not testable(self.columns[column], operator, values[0] if values else ""):
            raise QueryRefused("A column of this type can't be tested so.")
        return Test(column, operator, values, negated, quantifier)


def _quantifier(operator: str, modifier: str | None) -> Literal["any", "all"] | None:
    if modifier is None:
        return None
    if operator in SEARCHES and modifier in LANGUAGES:
        return None
    if operator in QUANTIFIED and modifier in ("any", "all"):
        return "any" if modifier == "any" else "all"
    raise QueryUnsupported("This operator doesn't take what stands in its parentheses.")


def _split(text: str) -> list[str]:
    """Split at commas that stand outside of parentheses, quotes and arrays."""
    parts, depth, start, whole = [], 0, 0, True
    for match in _PIECE.finditer(text):
        piece = match[0]
        whole = whole and piece != '"'
        depth += (piece == "(") - (piece == ")")
        if piece == "," and depth == 0:
            parts.append(text[start : match.start()].strip())
            start = match.end()
    parts.append(text[start:].strip())
    if depth or not whole or "" in parts:
        raise QueryRefused("A list has an empty part, or parentheses or quotes that don't close.")
    return parts


def _listed(text: str) -> tuple[str, ...]:
    if not (text.startswith("(") and text.endswith(")")):
        raise QueryRefused("in takes a list in parentheses: status=in.(draft,submitted).")
    if text == "()":
        return ()
    parts = tuple(_unquoted(part) for part in _split(text[1:-1]))
    if len(parts) > MAX_LIST:
        raise QueryRefused(f"A list has at most {MAX_LIST} values.")
    return parts


def _unquoted(part: str) -> str:
    if len(part) >= 2 and part.startswith('"') and part.endswith('"'):
        return _ESCAPED.sub(r"\1", part[1:-1])
    return part
