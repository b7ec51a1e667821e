"""A query and a view's source to one statement, whose one row is the whole answer: its JSON, its rows, the total."""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from app.expressions.to_sql import Parameters
from app.expressions.types import DOUBLE, DYN, STRING, Enum, ListOf, Record, Type, pg_type
from app.relations.query import Condition, Group, Query, Test, columns_named
from app.relations.schema import quoted
from app.relations.source import ALIAS, Source, column_sql, conditions_sql, order_sql
from app.relations.statement import Statement, statement

MAX_SHAPES = 2_000
_COMPARISONS = {"eq": "=", "neq": "<>", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
_LIKE = {"like": "LIKE", "ilike": "ILIKE"}
_MATCH = {"match": "~", "imatch": "~*"}
_PATTERNS = _LIKE | _MATCH
_SETS = {"cs": "@>", "cd": "<@", "ov": "&&"}
_SEARCH = {"fts": "to_tsquery", "plfts": "plainto_tsquery", "phfts": "phraseto_tsquery", "wfts": "websearch_to_tsquery"}
_IS = {"null": "IS NULL", "true": "IS TRUE", "false": "IS FALSE", "unknown": "IS UNKNOWN", "not_null": "IS NOT NULL"}


class Statements:
    """Statements by the shapes of the requests that came: bounded, the least used go first."""

    def __init__(self) -> None:
        """Begin with none."""
        self._known: OrderedDict[Any, Statement] = OrderedDict()

    def kept(self, shape: Any, make: Callable[[], Statement]) -> Statement:
        """Give the statement of a shape, made when the shape first comes."""
        found = self._known.get(shape)
        if found is None:
            found = self._known[shape] = make()
            if len(self._known) > MAX_SHAPES:
                self._known.popitem(last=False)
        else:
            self._known.move_to_end(shape)
        return found


class Shapes(Statements):
    """The reading statements of one view."""

    def __init__(self, source: Source) -> None:
        """Begin with none."""
        super().__init__()
        self.source = source

    def statement(self, query: Query) -> Statement:
        """Give the statement of a query's shape; its values, limit and offset are the parameters behind the view's."""
        return self.kept(shape_of(query), lambda: compile_query(self.source, query))


def shape_of(query: Query) -> Any:
    """Give what of a query its statement depends on: everything but the values."""
    conditions = tuple(_shape(condition) for condition in query.conditions)
    return (query.shown, conditions, query.order, query.count, query.offset > 0, query.csv)


def _shape(condition: Condition) -> Any:
    if isinstance(condition, Group):
        return (condition.joined_by, condition.negated, tuple(_shape(part) for part in condition.parts))
    if condition.operator == "is":
        return condition
    # A list is one array parameter: its length doesn't matter; a search may say its language.
    return replace(condition, values=("",) * len(condition.values) if condition.operator in _SEARCH else ())


def parameters_of(query: Query, limit: int) -> list[Any]:
    """Give the values that follow the view's own parameters."""
    values = tested_values(query)
    values.append(limit)
    if query.offset > 0:
        values.append(query.offset)
    return values


def tested_values(query: Query) -> list[Any]:
    """Give the values of the tests, in the order in which their SQL takes them."""
    values: list[Any] = []
    for condition in query.conditions:
        _values(condition, values)
    return values


def _values(condition: Condition, values: list[Any]) -> None:
    if isinstance(condition, Group):
        for part in condition.parts:
            _values(part, values)
    elif condition.operator == "in":
        values.append(list(condition.values))
    elif condition.operator in _LIKE:
        values.append(condition.values[0].replace("*", "%"))
    elif condition.operator in _SEARCH:
        values += condition.values
    elif condition.operator != "is":
        values.append(condition.values[0])


def compile_query(source: Source, query: Query) -> Statement:
    """Write the statement: the page is read by index and order first, and only then made into JSON."""
    parameters = Parameters()
    column = column_sql(source, parameters)
    listed = listed_columns(source, query)
    # Columns are written before the client's values are numbered: a computed one may bring parameters of its own.
    texts = {name: column("row", name) for name in named_columns(query, listed)}
    select = select_list(source, listed, texts)
    own = conditions_sql(source, None, parameters)
    order = _order(source, query, texts, parameters)
    asked = Asked(source, texts, len(parameters.evaluators))
    where = asked.where(own, query)
    page = f"SELECT {select} FROM {source.table.sql} {ALIAS}{where}{order} LIMIT {asked.next('bigint')}"
    if query.offset > 0:
        page += f" OFFSET {asked.next('bigint')}"
    total = "NULL::bigint"
    if query.count == "exact":
        total = f"(SELECT count(*) FROM {source.table.sql} {ALIAS}{where})"
    body = _CSV if query.csv else "coalesce(json_agg(rowgate_page), '[]')::text"
    sql = f"SELECT {body} AS body, count(*) AS page, {total} AS total FROM ({page}) rowgate_page"
    return statement(sql, parameters.evaluators, asked.count)


# A row's own text, without its parentheses, is quoted as CSV is.
_CSV = r"coalesce(string_agg(substr(rowgate_page::text, 2, length(rowgate_page::text) - 2), E'\n'), '')"


def planned_rows(source: Source, query: Query) -> Statement:
    """Ask the planner how many rows it expects; the parameters are those of the tests alone."""
    parameters = Parameters()
    column = column_sql(source, parameters)
    texts = {name: column("row", name) for name in named_columns(replace(query, order=()), [])}
    own = conditions_sql(source, None, parameters)
    asked = Asked(source, texts, len(parameters.evaluators))
    where = asked.where(own, query)
    sql = f"EXPLAIN (FORMAT JSON) SELECT FROM {source.table.sql} {ALIAS}{where}"
    return Statement(sql, sql, parameters.evaluators)


def listed_columns(source: Source, query: Query) -> list[tuple[str, str]]:
    """Give the columns that come out: each one's name in the answer, and the view's column."""
    return [(one.label, one.column) for one in query.shown or ()] or [(name, name) for name in source.shown]


def named_columns(query: Query, listed: list[tuple[str, str]]) -> dict[str, None]:
    """Name the columns that a query speaks of, each once: a parameter that isn't used would have no type."""
    names = [name for _, name in listed] + [term.column for term in query.order]
    names += [name for condition in query.conditions for name in columns_named(condition)]
    return dict.fromkeys(names)


def select_list(source: Source, listed: list[tuple[str, str]], texts: Mapping[str, str]) -> str:
    """Write the columns that come out, each as the answer shows it."""

    def shown(name: str) -> str:
        return f"({texts[name]})::text" if pg_type(source.shown[name]) == "interval" else texts[name]

    return ", ".join(f"{shown(name)} AS {quoted(label)}" for label, name in listed)


def _order(source: Source, query: Query, texts: Mapping[str, str], parameters: Parameters) -> str:
    if not query.order:
        return order_sql(source.order, source, parameters)
    terms = []
    for term in query.order:
        nulls = "" if term.nulls_first is None else " NULLS FIRST" if term.nulls_first else " NULLS LAST"
        terms.append(f"{texts[term.column]}{' DESC' if term.descending else ''}{nulls}")
    return f" ORDER BY {', '.join(terms)}"


class Asked:
    """The conditions that a client asks for; their values are bound as text and read as the column's type."""

    def __init__(self, source: Source, texts: Mapping[str, str], before: int) -> None:
        """Take the texts of the columns, and how many parameters stand before the client's."""
        self.source = source
        self.texts = texts
        self.before = before
        self.count = 0

    def next(self, pg: str) -> str:
        """Give the parameter of the next value."""
        self.count += 1
        return f"${self.before + self.count}::{pg}"

    def where(self, own: Sequence[str], query: Query) -> str:
        """Write the WHERE of the view's own conditions and the client's, or nothing."""
        conditions = [*own, *(self.sql(condition) for condition in query.conditions)]
        return f" WHERE {' AND '.join(conditions)}" if conditions else ""

    def sql(self, condition: Condition) -> str:
        """Write a condition."""
        if isinstance(condition, Group):
            joined = f" {condition.joined_by.upper()} ".join(self.sql(part) for part in condition.parts)
            return f"NOT ({joined})" if condition.negated else f"({joined})"
        test = self._test(condition)
        return f"NOT ({test})" if condition.negated else f"({test})"

    def _test(self, test: Test) -> str:
        kind = self.source.shown[test.column]
        text = self.texts[test.column]
        if test.operator == "is":
            return f"{text} {_IS[test.values[0]]}"
        if test.operator in _PATTERNS:
            subject = text if kind == STRING or isinstance(kind, Enum) else f"({text})::text"
            return f"{subject} {_PATTERNS[test.operator]} {self._value(test, 'text')}"
        if test.operator in _SEARCH:
            language = f"{self.next('text')}::regconfig, " if len(test.values) > 1 else ""
            # The language is the first parameter of both: it may be named twice, the words are named once.
            return f"to_tsvector({language}{text}) @@ {_SEARCH[test.operator]}({language}{self.next('text')})"
        pg = pg_type(kind)
        if test.operator in _SETS:
            return f"{text} {_SETS[test.operator]} {self.next('text')}::{pg}"
        if test.operator == "isdistinct":
            return f"{text} IS DISTINCT FROM {self.next('text')}::{pg}"
        if test.operator == "in":
            return f"{text} = ANY ({self.next('text[]')}::{pg}[])"
        return f"{text} {_COMPARISONS[test.operator]} {self._value(test, pg)}"

    def _value(self, test: Test, pg: str) -> str:
        if test.quantifier is None:
            return f"{self.next('text')}::{pg}"
        return f"{test.quantifier.upper()} ({self.next('text')}::{pg}[])"


QUANTIFIED = frozenset({*_COMPARISONS, *_PATTERNS})
SEARCHES = frozenset(_SEARCH)
OPERATORS = frozenset({*QUANTIFIED, *SEARCHES, *_SETS, "in", "is", "isdistinct"})
LANGUAGES = frozenset({
    "arabic", "armenian", "basque", "catalan", "danish", "dutch", "english", "finnish", "french", "german", "greek",
    "hindi", "hungarian", "indonesian", "irish", "italian", "lithuanian", "nepali", "norwegian", "portuguese",
    "romanian", "russian", "serbian", "simple", "spanish", "swedish", "tamil", "turkish", "yiddish",
})  # fmt: skip


def searches(query: Query) -> bool:
    """Say whether a query holds a text search, whose words Postgres parses."""
    return any(_any_search(condition) for condition in query.conditions)


def _any_search(condition: Condition) -> bool:
    if isinstance(condition, Group):
        return any(_any_search(part) for part in condition.parts)
    return condition.operator in _SEARCH


def testable(kind: Type, operator: str, value: str) -> bool:
    """Say whether a column of a type can be tested so."""
    if isinstance(kind, Record) or (isinstance(kind, ListOf) and isinstance(kind.element, Record)):
        return operator == "is" and value in {"null", "not_null"}
    if operator == "is":
        return value in {"null", "not_null"} or pg_type(kind) == "boolean"
    if operator in _SETS:
        return isinstance(kind, ListOf) or (kind == DYN and operator != "ov")
    if operator in _SEARCH or operator in _MATCH:
        return kind == STRING or isinstance(kind, Enum)
    if operator == "in":
        return kind != DYN and not isinstance(kind, ListOf)
    return operator in _LIKE or operator in {"eq", "neq"} or kind not in (DYN,) or kind == DOUBLE
