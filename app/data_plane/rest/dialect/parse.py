"""Reading a view's query string and headers; whatever isn't understood is refused, never dropped."""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Literal

from app.data_plane.rest.dialect.headers import CSV, SINGLE, form_of
from app.data_plane.rest.dialect.lexis import OPERAND, listed, number, split, split_as_is, unquoted
from app.data_plane.rest.dialect.refusals import (
    EmbedMissing,
    EmbedTested,
    OrderOfMany,
    QueryRefused,
    QueryUnsupported,
    RangeInvalid,
)
from app.data_plane.rest.dialect.select import (
    Follow,
    Level,
    Values,
    finished,
    known,
    read_operand,
    read_select,
    type_of,
)
from app.definitions.column_types import moment_in_words
from app.definitions.names import READ_KEYS, WRITE_KEYS
from app.definitions.wrong import Wrong
from app.expressions.types import STRING, TIMESTAMP, Type
from app.relations.asked import IS_WORDS, LANGUAGES, LIKES, OPERATORS, QUANTIFIED, SEARCHES, of_objects, testable
from app.relations.query import Condition, Count, Group, Operand, Ordered, Present, Query, Test
from app.relations.source import Source

MAX_TERMS = 100
MAX_ORDER = 100
MAX_DEPTH = 5

_TEST = re.compile(r"(not\.)?([a-z]+)(?:\(([a-z]+)\))?\.(.*)", re.DOTALL)
_INSIDE = re.compile(rf"({OPERAND})\.(.*)", re.DOTALL)
_ORDER = re.compile(rf"(?:(\w+)\(([^()]+)\)|({OPERAND}|[^.()]+))(?:\.(asc|desc))?(?:\.(nullsfirst|nullslast))?")
_COUNT = re.compile(r"(?:^|[,\s])count=(\w+)")
_GROUPS = frozenset({"and", "or", "not.and", "not.or"})
_GROUP = re.compile(rf"({'|'.join(map(re.escape, _GROUPS))})\s*(\(.*\))\s*", re.DOTALL)


def parse_query(
    pairs: Sequence[tuple[str, str]],
    headers: Mapping[bytes, str],
    source: Source,
    params: Collection[str],
    follow: Follow,
) -> tuple[Query, list[tuple[str, str]]]:
    """Give the query, and the pairs that are the view's own parameters; `follow` finds what a name embeds."""
    own = [pair for pair in pairs if pair[0] in params]
    asked = [pair for pair in pairs if pair[0] not in params]
    once = _once(asked)
    reader, root = _Reader(), Level(source)
    read_select(once.get("select", "*"), root, reader.values, follow)
    for name, value in asked:
        if name != "select":
            reader.part(root, name, value)
    root.limit, root.offset = _within_range(headers, root.limit, root.offset)
    form = form_of(headers.get(b"accept"))
    query = Query(
        finished(root, reader.values),
        tuple(reader.values.found),
        root.limit,
        root.offset,
        _count(headers.get(b"prefer", "")),
        form.media == SINGLE,
        form.media == CSV,
        form.stripped,
    )
    return query, own


def _once(pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Give the pairs of which there is one at most, those of embedded views too."""
    pairs = [pair for pair in pairs if pair[0].rpartition(".")[2] in READ_KEYS]
    found = dict(pairs)
    if len(found) != len(pairs):
        raise QueryRefused("select, order, limit and offset stand once in a query.")
    return found


_BACKWARDS = "The lower boundary must be lower than or equal to the upper boundary in the Range header."


def _within_range(headers: Mapping[bytes, str], limit: int | None, offset: int) -> tuple[int | None, int]:
    """Give limit and offset of what stands in the query and in the header Range, whose rows are `first-last`."""
    match = re.fullmatch(r"(?:items=)?(\d{1,10})-(\d{0,10})", headers.get(b"range", ""))
    if match is None or headers.get(b"range-unit", "items") != "items":
        return limit, offset  # RFC 9110, 14.2: a range that isn't understood is ignored
    begin = max(int(match[1]), offset)
    ends = [int(match[2])] if match[2] else []
    ends += [] if limit is None else [offset + limit - 1]
    if limit == 0 or not ends:
        return limit, begin
    if min(ends) < begin:
        raise RangeInvalid(_BACKWARDS)
    return min(ends) - begin + 1, begin


# The planner's guess is never told: its statistics know no filter, and so tell of rows that the caller may not see.
COUNTS: dict[str, Count] = {"exact": "exact", "planned": "bounded", "estimated": "bounded"}


def _count(prefer: str) -> Count:
    found = _COUNT.search(prefer)
    if found is None:
        return None
    return COUNTS.get(found[1])


class _Reader:
    """Reads tests, orders and limits into the level that they are about."""

    def __init__(self) -> None:
        self.values = Values()
        self.terms = 0

    def part(self, root: Level, name: str, text: str) -> None:
        """Read one pair of the query; `comments.order` is about the embedded view comments."""
        head, arrow, path = name.partition("->")
        *places, word = head.split(".")
        if places and places[-1] == "not" and word in ("and", "or"):
            places, word = places[:-1], f"not.{word}"
        level = _level_at(root, places)
        if arrow:
            level.conditions.append(self.test(level, f"{word}{arrow}{path}", text))
        elif word == "order":
            level.order = tuple(self._term(level, part) for part in split(text, MAX_ORDER))
        elif word in ("limit", "offset"):
            setattr(level, word, number(text, word))
        elif word in _GROUPS or word in WRITE_KEYS:
            level.conditions.append(self.group(level, word, text))
        else:
            level.conditions.append(self.test(level, word, text))

    def _term(self, level: Level, text: str) -> Ordered:
        found = _ORDER.fullmatch(text)
        if found is None:
            raise QueryRefused("An order is column, column.desc or column.desc.nullslast.")
        nulls_first = None if found[5] is None else found[5] == "nullsfirst"
        if found[1] is None:
            return Ordered(self._sortable(level.source, found[3]), found[4] == "desc", nulls_first)
        below = _level_at(level, [found[1]])
        if below.relationship is None or below.relationship.many:
            raise OrderOfMany(level.source.name, below.name)
        return Ordered(self._sortable(below.source, found[2]), found[4] == "desc", nulls_first, below.label)

    def _sortable(self, source: Source, text: str) -> Operand:
        operand = read_operand(source, text, self.values)
        kind = type_of(source, operand)
        if of_objects(kind):
            raise QueryRefused("Rows can't be ordered by what comes from other rows as objects.")
        return operand

    def group(self, level: Level, name: str, text: str, depth: int = 1) -> Condition:
        """Read `and` or `or` and the tests in its parentheses."""
        if name in WRITE_KEYS:
            raise QueryUnsupported(f"{name} goes with writes.")
        if depth > MAX_DEPTH or not (text.startswith("(") and text.endswith(")")):
            raise QueryRefused("and and or take tests in parentheses, at most five deep.")
        negated, word = name.startswith("not."), name.removeprefix("not.")
        parts = tuple(self._inside(level, part, depth) for part in split_as_is(text[1:-1]))
        return Group("or" if word == "or" else "and", parts, negated)

    def _inside(self, level: Level, text: str, depth: int) -> Condition:
        text = text.lstrip()
        if (group := _GROUP.fullmatch(text)) is not None:
            return self.group(level, group[1], group[2], depth + 1)
        found = _INSIDE.fullmatch(text)
        if found is None:
            raise QueryRefused("A test in parentheses is column.operator.value.")
        # Between parentheses a value may stand in quotes, since commas and parentheses mean something there.
        value = _TEST.fullmatch(found[2])
        text = found[2] if value is None else found[2][: value.start(4)] + unquoted(value[4])
        return self.test(level, found[1], text)

    def test(self, level: Level, name: str, text: str) -> Condition:
        """Read the test of a column, or whether an embedded view has a row."""
        self.terms += 1
        if self.terms > MAX_TERMS:
            raise QueryRefused(f"A query has at most {MAX_TERMS} tests.")
        if name not in level.source.shown and (below := level.embedded(name)) is not None:
            return _present(below, text)
        if name not in level.source.shown and "->" not in name and any(sign in name for sign in "(:!"):
            raise QueryUnsupported("A test names a column, or a path into its JSON.")
        found = _TEST.fullmatch(text)
        if found is None or found[2] not in OPERATORS:
            known(level.source, name.partition("->")[0])
            hint = "A test is column=operator.value, such as status=eq.draft."
            raise QueryUnsupported("This operator is not served.", hint=hint)
        return self._test(level.source, name, found)

    def _test(self, source: Source, name: str, found: re.Match[str]) -> Test:
        operand = read_operand(source, name, self.values)
        negated, operator, modifier, value = bool(found[1]), found[2], found[3], found[4]
        quantifier = _quantifier(operator, modifier)
        word = value.strip().lower() if operator == "is" else None
        if operator == "is" and word not in IS_WORDS:
            raise QueryRefused("is takes null, not_null, true, false or unknown.")
        if not testable(type_of(source, operand), operator, word, quantified=quantifier is not None):
            raise QueryRefused("A column of this type can't be tested so.")
        slot = None if operator == "is" else self.values.slot(_read(type_of(source, operand), _value(operator, value)))
        language = self.values.slot(modifier) if modifier is not None and operator in SEARCHES else None
        return Test(operand, operator, slot, word, language, negated, quantifier)


def _level_at(root: Level, places: Sequence[str]) -> Level:
    level = root
    for place in places:
        below = level.embedded(place)
        if below is None:
            raise EmbedMissing(f"'{place[:64]}' is not an embedded resource in this request", hint=_HINT)
        level = below
    return level


_HINT = "Name it in select: select=*,comments(*)"


def _present(below: Level, text: str) -> Present:
    if text.lower() not in ("is.null", "not.is.null", "is.not_null"):
        raise EmbedTested(below.label)
    return Present(below.label, text.lower() == "is.null")


def _value(operator: str, text: str) -> str | list[str]:
    if operator == "in":
        return list(listed(text))
    return text.replace("*", "%") if operator in LIKES else text


def _read(kind: Type, value: str | list[str]) -> str | list[str]:
    """Leave the spaces around a value to texts, and read moments as bodies do; all else is left to Postgres."""
    if kind == STRING:
        return value
    one_of = moment_in_words if kind == TIMESTAMP else str
    try:
        return one_of(value.strip()) if isinstance(value, str) else [one_of(one.strip()) for one in value]
    except Wrong as wrong:
        raise QueryRefused(wrong.errors[0].message) from None


def _quantifier(operator: str, modifier: str | None) -> Literal["any", "all"] | None:
    if modifier is None:
        return None
    if operator in SEARCHES and modifier in LANGUAGES:
        return None
    if operator in QUANTIFIED and modifier in ("any", "all"):
        return "any" if modifier == "any" else "all"
    raise QueryUnsupported("This operator doesn't take what stands in its parentheses.")
