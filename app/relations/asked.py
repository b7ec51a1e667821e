"""The tests that a client asks for, as SQL; their values are bound as text and read as the column's type."""

from collections.abc import Callable
from operator import itemgetter
from typing import Any

from app.expressions.to_sql import Parameters
from app.expressions.types import BOOL, DYN, RANGES, STRING, Enum, ListOf, Record, Type, pg_type
from app.relations.query import Group, Operand, Present, Read, Test, tests_of
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
        kind, text = self._shown[operand.column], self._column("row", operand.column)
        if operand.path is None:
            return text, kind
        document = text if pg_type(kind) == "jsonb" and kind == DYN else f"to_jsonb({text})"
        arrow = "#>>" if operand.as_text else "#>"
        return f"({document} {arrow} {self.value(operand.path, 'text[]')})", STRING if operand.as_text else DYN

    def sql(self, condition: Test | Present | Group) -> str:
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
            return f"{subject} {_PATTERNS[test.operator]} {self._value(test, 'text')}"
        if test.operator in _SEARCH:
            language = "" if test.language is None else f"{self.value(test.language, 'text')}::regconfig, "
            return f"to_tsvector({language}{text}) @@ {_SEARCH[test.operator]}({language}{self.value(slot, 'text')})"
        pg = pg_type(kind)
        if test.operator in _WITHIN:
            return f"{text} {_WITHIN[test.operator]} {self.value(slot, 'text')}::{pg}"
        if test.operator == "isdistinct":
            return f"{text} IS DISTINCT FROM {self.value(slot, 'text')}::{pg}"
        if test.operator == "in":
            return f"{text} = ANY ({self.value(slot, 'text[]')}::{pg}[])"
        return f"{text} {_COMPARISONS[test.operator]} {self._value(test, pg)}"

    def _value(self, test: Test, pg: str) -> str:
        value = self.value(test.slot or 0, "text")
        if test.quantifier is None:
            return f"{value}::{pg}"
        return f"{test.quantifier.upper()} ({value}::{pg}[])"


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
