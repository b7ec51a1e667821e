"""The tests that a client asks for, as SQL; their values are bound as text and read as the column's type."""

from collections.abc import Callable, Collection, Iterable, Iterator
from operator import itemgetter
from typing import Any

from app.expressions.to_sql import Parameters
from app.expressions.types import BOOL, DYN, RANGES, STRING, Enum, ListOf, Record, Type, pg_type
from app.relations.query import Condition, Group, Operand, Present, Read, Test, tests_in, tests_of
from app.relations.source import Columns

ASKED = "rowgate_asked"

_COMPARISONS = {"eq": "=", "neq": "<>", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
_LIKE = {"like": "LIKE", "ilike": "ILIKE"}
_MATCH = {"match": "~", "imatch": "~*"}
_PATTERNS = _LIKE | _MATCH
_SETS = {"cs": "@>", "cd": "<@", "ov": "&&"}
_SIDES = {"sl": "<<", "sr": ">>", "nxr": "&<", "nxl": "&>", "adj": "-|-"}  # of ranges
_WITHIN = _SETS | _SIDES
_SEARCH = {"fts": "to_tsquery", "plfts": "plainto_tsquery", "phfts": "phraseto_tsquery", "wfts": "websearch_to_tsquery"}
_IS = {"null": "IS NULL", "true": "IS TRUE", "false": "IS FALSE", "unknown": "IS UNKNOWN", "not_null": "IS NOT NULL"}

QUANTIFIED = frozenset({*_COMPARISONS, *_PATTERNS})
SEARCHES = frozenset(_SEARCH)
OPERATORS = frozenset({*QUANTIFIED, *SEARCHES, *_WITHIN, "in", "is", "isdistinct"})
LIKES = frozenset(_LIKE)
# Whether they fail, and how long they take, depends on the text that they look into.
TELLING = frozenset({*_PATTERNS, *_SEARCH})
IS_WORDS = frozenset(_IS)
LANGUAGES = frozenset({
    "arabic", "armenian", "basque", "catalan", "danish", "dutch", "english", "finnish", "french", "german", "greek",
    "hindi", "hungarian", "indonesian", "irish", "italian", "lithuanian", "nepali", "norwegian", "portuguese",
    "romanian", "russian", "serbian", "simple", "spanish", "swedish", "tamil", "turkish", "yiddish",
})  # fmt: skip


class Asked:
    """The client's part of a statement over one source, whose columns `column` names."""

    def __init__(
        self, shown: Any, column: Columns, parameters: Parameters, present: Callable[[str], str] = lambda _label: "true"
    ) -> None:
        """Take the types of the columns; `present` gives the SQL that says whether an embedded view has a row."""
        self._shown = shown
        self._column = column
        self._parameters = parameters
        self._present = present

    def value(self, slot: int, pg: str) -> str:
        """Give the parameter of a value."""
        read = itemgetter(slot)
        return self._parameters.add(lambda env: read(env[ASKED]), pg)

    def operand(self, operand: Operand) -> tuple[str, Type]:
        """Give the SQL of a column, or of what a path leads to in it, and its type."""
        text, kind = self._column("row", operand.column), self._shown[operand.column]
        if operand.path is None:
            return text, kind
        document = text if pg_type(kind) == "jsonb" and kind == DYN else f"to_jsonb({text})"
        arrow = "#>>" if operand.as_text else "#>"
        return f"({document} {arrow} {self.value(operand.path, 'text[]')})", self._type(operand)

    def _type(self, operand: Operand) -> Type:
        if operand.path is None:
            kind: Type = self._shown[operand.column]
            return kind
        return STRING if operand.as_text else DYN

    def sql(self, condition: Condition) -> str:
        """Write a condition."""
        match condition:
            case Group():
                text = f"({f' {condition.joined_by.upper()} '.join(self.sql(part) for part in condition.parts)})"
            case Present():
                text = f"({self._present(condition.label)})"
            case Test():
                text = f"({self._test(condition)})"
        return f"NOT {text}" if condition.negated else text

    def _test(self, test: Test) -> str:
        text, kind = self.operand(test.operand)
        if test.operator == "is":
            return f"{text} {_IS[test.word or 'null']}"
        slot = test.slot or 0
        if test.operator in _PATTERNS:
            subject = text if kind == STRING or isinstance(kind, Enum) else f"({text})::text"
            return f"{subject} {_PATTERNS[test.operator]} {self._compared(test, kind)}"
        if test.operator in _SEARCH:
            language = "" if test.language is None else f"{self.value(test.language, 'text')}::regconfig, "
            return f"to_tsvector({language}{text}) @@ {_SEARCH[test.operator]}({language}{self.value(slot, 'text')})"
        if test.operator == "in":
            return f"{text} = ANY ({self._value(test, kind)})"
        sign = "IS DISTINCT FROM" if test.operator == "isdistinct" else (_WITHIN | _COMPARISONS)[test.operator]
        return f"{text} {sign} {self._compared(test, kind)}"

    def _compared(self, test: Test, kind: Type) -> str:
        value = self._value(test, kind)
        return value if test.quantifier is None else f"{test.quantifier.upper()} ({value})"

    def _value(self, test: Test, kind: Type) -> str:
        """Write the value, or all of several, as what a column of this type is compared with."""
        return f"{self.value(test.slot or 0, 'text[]' if test.operator == 'in' else 'text')}::{_read_as(test, kind)}"

    def values_read(self, conditions: Iterable[Condition]) -> Iterator[str]:
        """Write each value that Postgres has to read, which may fail."""
        for test in tests_in(conditions):
            kind = self._type(test.operand)
            if test.slot is not None and test.operator not in _SEARCH and _read_as(test, kind) != "text":
                yield self._value(test, kind)


def _read_as(test: Test, kind: Type) -> str:
    several = "[]" if test.operator == "in" or test.quantifier is not None else ""
    return ("text" if test.operator in _PATTERNS else pg_type(kind)) + several


def is_telling(condition: Condition, computed: Collection[str]) -> bool:
    """Say whether an error or the time of a test tells what it was held against, as comparing plain columns doesn't."""
    return any(test.operator in TELLING or test.operand.column in computed for test in tests_in([condition]))


def searches(read: Read) -> bool:
    """Say whether there is a text search, whose words Postgres parses."""
    return any(test.operator in _SEARCH for test in tests_of(read))


def of_objects(kind: Type) -> bool:
    """Say whether a value is an object of another row, or a list of such: Postgres compares none of them."""
    return isinstance(kind, Record) or (isinstance(kind, ListOf) and isinstance(kind.element, Record))


def testable(kind: Type, operator: str, word: str | None, *, quantified: bool) -> bool:
    """Say whether a value of a type can be tested so; `quantified` by any or all of several values."""
    if of_objects(kind):
        return operator == "is" and word in {"null", "not_null"}
    if operator == "is":
        return word in {"null", "not_null"} or kind == BOOL
    if operator in _SIDES:
        return kind in RANGES
    if operator in _SETS:
        return isinstance(kind, ListOf) or kind in RANGES or (kind == DYN and operator != "ov")
    if operator in _SEARCH and kind == DYN:
        return True
    if operator in _SEARCH or operator in _MATCH:
        return kind == STRING or isinstance(kind, Enum)
    if operator == "in":
        return kind != DYN and not isinstance(kind, ListOf)
    # To Postgres, a list of lists is one list with more dimensions: there are no several lists to compare with.
    return not (quantified and operator in _COMPARISONS and isinstance(kind, ListOf))
