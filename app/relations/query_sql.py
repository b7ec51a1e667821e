"""A query and a view's source to one statement, whose one row is the whole answer: its JSON, its rows, the total.

What is asked of other views becomes subqueries of that statement, in which those views' own filters hold.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from app.database.quoting import quoted
from app.database.statement import Evaluator, Statement, statement
from app.expressions.to_sql import Parameters
from app.expressions.types import STRING, Enum, Type, pg_type
from app.relations.asked import Asked, is_telling
from app.relations.measured import ROW, WHOLE_ROW, measured_values
from app.relations.query import Condition, Embed, Ordered, Picked, Query, Read, picked_of
from app.relations.relationships import Relationship
from app.relations.source import ALIAS, Source, column_sql, conditions_sql, json_list, order_sql

MAX_SHAPES = 2_000
MAX_QUERIES = 200
COUNTED = 10_000  # rows that a bounded total counts


Made = TypeVar("Made")


class KeptByShape(Generic[Made]):
    """What was made for requests, by what of them it depends on: bounded, the least used go first."""

    def __init__(self, most: int = MAX_SHAPES) -> None:
        """Begin with nothing."""
        self._known: OrderedDict[Any, Made] = OrderedDict()
        self._most = most

    def __len__(self) -> int:
        return len(self._known)

    def kept(self, key: Any, make: Callable[[], Made]) -> Made:
        """Give what belongs to a key, made when the key first comes."""
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = make()
            if len(self._known) > self._most:
                self._known.popitem(last=False)
        else:
            self._known.move_to_end(key)
        return found


class Shapes(KeptByShape[Statement]):
    """The reading statements of one view by the shapes of queries; `read` keeps the queries that came, as read."""

    def __init__(self, source: Source, given: Evaluator | None = None) -> None:
        """Begin with none; `given` is the text that the source is read from, where it is no table."""
        super().__init__()
        self.source = source
        self._given = () if given is None else (given,)
        self.read: KeptByShape[Any] = KeptByShape(MAX_QUERIES)

    def statement(self, query: Query, most: int | None = None) -> Statement:
        """Give the statement of a query's shape; it finds the query's values under ASKED.

        `most` is how many bytes the answer may have, where that is less than the source's bound.
        """
        most = self.source.max_bytes if most is None else min(most, self.source.max_bytes)
        return self.kept((query.shape, most), lambda: compile_query(self.source, query, most, self._given))

    def streamed(self, query: Query) -> Statement:
        """Give the statement of a query's shape whose rows are read one by one: `compile_streamed`."""
        return self.kept((query.shape, None), lambda: compile_streamed(self.source, query))


def compile_query(source: Source, query: Query, most: int, given: Sequence[Evaluator] = ()) -> Statement:
    """Write the statement: the page is read by index and order first, and only then made into JSON.

    The answer has at most so many bytes. What is `given` are its first parameters, which the source names by their
    numbers.
    """
    parameters = Parameters()
    for evaluate in given:
        parameters.add(evaluate, "text")
    page, total = _page_and_total(source, query, parameters)
    body, rows = body_of(source, query, page, parameters.constant(most, "bigint"))
    sql = f"SELECT {body} AS body, count(*) AS page, {total} AS total FROM {rows}"
    return statement(sql, parameters.evaluators)


def compile_streamed(source: Source, query: Query) -> Statement:
    """Write the statement that gives each row of an answer as its `value`, the bytes of its text.

    The first one has a `head`: how many rows there are, how many bytes they have in all and the longest one has, and
    the total. So all rows are made before the first one comes; Postgres keeps them, on its disk where they are many.
    """
    parameters = Parameters()
    page, total = _page_and_total(source, query, parameters)
    _, values = body_of(source, query, page, parameters.constant(source.max_bytes, "bigint"))
    size = "octet_length(rowgate_piece.value)"
    head = f"ARRAY[count(*) OVER (), sum({size}) OVER (), max({size}) OVER (), {total}]"
    pieces = f"SELECT convert_to(rowgate_measured.value::text, 'UTF8') AS value FROM {values}"
    sql = f"SELECT rowgate_piece.value, CASE WHEN row_number() OVER () = 1 THEN {head} END AS head"
    return statement(f"{sql} FROM ({pieces}) rowgate_piece", parameters.evaluators)


def _page_and_total(source: Source, query: Query, parameters: Parameters) -> tuple[str, str]:
    """Write the SELECT of the page, and the value that says how many rows there are in all."""
    level = QueryLevel(source, ALIAS, query.read, parameters, source.max_bytes)
    page = f"{level.rows()}{level.order()}{level.page()}"
    total = "NULL::bigint"
    if query.count is not None:
        counted = level.rows() if query.read.aggregates else f"SELECT FROM {level.source_rows()}"
        most = f" LIMIT {parameters.constant(COUNTED + 1, 'bigint')}" if query.count == "bounded" else ""
        total = f"(SELECT count(*) FROM ({counted}{most}) rowgate_all)"
    return page, total


def body_of(source: Source, query: Query, page: str, most: str) -> tuple[str, str]:
    """Write the rows of a SELECT as one text of at most so many bytes, and what stands behind FROM.

    It is JSON, in which the keys of nulls are left out where that is asked for, or the lines of CSV.
    """
    if query.csv:
        cells = f"SELECT {_csv_cells(source, query.read)} FROM ({page}) rowgate_cells"
        return _CSV, measured_values(_CSV_LINE, cells, most)
    row = f"json_strip_nulls(row_to_json({WHOLE_ROW}))" if query.stripped else f"row_to_json({WHOLE_ROW})"
    return "coalesce(json_agg(rowgate_measured.value), '[]')::text", measured_values(row, page, most)


# A row's own text, without its parentheses, is quoted as CSV is.
_CSV = r"coalesce(string_agg(rowgate_measured.value, E'\n'), '')"
# It doubles backslashes, which mean nothing in CSV.
_CSV_LINE = rf"replace(substr(({WHOLE_ROW})::text, 2, length(({WHOLE_ROW})::text) - 2), '\\', '\')"


_FORMULA = (
    "CASE WHEN left({0}, 1) = ANY (ARRAY['=', '+', '-', '@', chr(9), chr(13)]) THEN chr(39) || {0} ELSE {0} END AS {0}"
)


def _csv_cells(source: Source, read: Read) -> str:
    """Write the cells of a row of CSV: a text that a spreadsheet would take for a formula has an apostrophe before it.

    So OWASP's ASVS has it (1.2.10). Numbers, and whatever else is no text, stay as they are.
    """
    names = [(quoted(label), is_text) for label, is_text in _labelled(source, read)]
    return ", ".join(_FORMULA.format(name) if is_text else name for name, is_text in names)


def labels(source: Source, read: Read) -> list[str]:
    """Name the values of the answer, in order."""
    return [label for label, _ in _labelled(source, read)]


def _labelled(source: Source, read: Read) -> Iterator[tuple[str, bool]]:
    """Give the name of each value, and whether it is a text."""
    if read.items is None:
        yield from ((name, _is_text(kind)) for name, kind in source.shown.items())
    for item in read.items or ():
        if isinstance(item, Picked):
            yield item.label, _picks_text(source, item)
        elif item.spread:
            inside = _labelled(item.relationship.target, item.read)
            yield from ((label, is_text and not item.relationship.many) for label, is_text in inside)
        elif not item.hidden:
            yield item.label, False


def _is_text(kind: Type) -> bool:
    return kind == STRING or isinstance(kind, Enum)


def _picks_text(source: Source, item: Picked) -> bool:
    """Say whether a value is a text, and was one before any cast: a number that is cast to text stays a number."""
    casts = {item.cast, item.aggregate_cast} - {None, "text", "varchar"}
    if item.operand is None or casts or item.aggregate not in (None, "min", "max"):
        return False
    return item.operand.as_text if item.operand.path is not None else _is_text(source.shown[item.operand.column])


_ALL = "*"  # what count() counts


@dataclass(frozen=True, slots=True)
class _Cell:
    """A value of a row: its text before it is folded, and how it is.

    JSON that was put beside a row's own values is grouped by as jsonb, since Postgres compares no json.
    """

    label: str
    text: str
    aggregate: str | None = None
    after: str | None = None
    is_json: bool = False
    spread_json: bool = False


def _width(embed: Embed) -> int:
    """Count the values that an embedded view puts beside a row's own."""
    if embed.spread:
        return len(labels(embed.relationship.target, embed.read))
    return 0 if embed.hidden else 1


def _folds(item: Picked | Embed) -> Iterator[bool]:
    """Say of each value that an item gives, in order, whether it is folded from several rows."""
    if isinstance(item, Picked):
        yield item.aggregate is not None
    elif item.spread and not item.relationship.many and item.read.items is not None:
        for inner in item.read.items:
            yield from _folds(inner)
    else:
        yield from [False] * _width(item)


class QueryLevel:
    """What is read of one source under one alias; embedded views are levels of their own inside it."""

    def __init__(self, source: Source, alias: str, read: Read, parameters: Parameters, max_bytes: int) -> None:
        """Take the source, the alias that its rows have, what is asked of it, and how large a list of them may be."""
        self.source = source
        self.read = read
        self._alias = alias
        self._parameters = parameters
        self._max_bytes = max_bytes
        self._column = column_sql(source, parameters, alias, shown=True)
        self._embeds = {embed.label: embed for embed in read.embeds}
        self._asked = Asked(source.shown, self._column, parameters, self._present)

    def select(self) -> str:
        """Write the list of what comes out."""
        return ", ".join(f"{text} AS {quoted(label)}" for label, text in self._outputs())

    def rows(self, link: str | None = None) -> str:
        """Write the SELECT of the rows, without order and limit; `link` joins them to the level around it."""
        return f"SELECT {self.select()} FROM {self.source_rows(link)}{self._grouping()}"

    def source_rows(self, link: str | None = None) -> str:
        """Write what stands behind FROM: the rows that the filter, the link and the client's tests hold for."""
        return f"{self.source.table.sql} {self._alias}{self.where(link)}"

    def where(self, link: str | None = None) -> str:
        """Write the WHERE, or nothing.

        Postgres holds conditions against a row in the order of what it thinks they cost, and reads a value where it
        first needs it. So what tells of a row is asked of those alone that the filter holds for, and all values are
        read before any row is.
        """
        own = conditions_sql(self.source, None, self._parameters, self._alias)
        telling = [self._asked.sql(one) for one in self.read.conditions if self._is_telling(one)]
        conditions = [*([] if link is None else [link]), *own]
        conditions += [self._asked.sql(one) for one in self.read.conditions if not self._is_telling(one)]
        conditions += [self._present(embed.label) for embed in self.read.embeds if embed.inner]
        if own and telling:
            telling = [f"CASE WHEN {' AND '.join(own)} THEN {' AND '.join(telling)} END"]
        conditions += telling
        if link is None and (values := ", ".join(self._values_read())):
            conditions.append(f"num_nulls({values}) >= 0")
        return f" WHERE {' AND '.join(conditions)}" if conditions else ""

    def _is_telling(self, condition: Condition) -> bool:
        return is_telling(condition, self.source.computed)

    def _values_read(self) -> Iterator[str]:
        yield from self._asked.values_read(self.read.conditions)
        for embed in self.read.embeds:
            yield from self._inside(embed)[0]._values_read()

    def order(self) -> str:
        """Write the ORDER BY: the client's, else the view's own; groups have only the client's."""
        if not self.read.order:
            own = () if self.read.aggregates else self.source.order
            return order_sql(own, self.source, self._parameters, self._alias)
        return f" ORDER BY {', '.join(self._term(term) for term in self.read.order)}"

    def page(self) -> str:
        """Write LIMIT and OFFSET."""
        text = f" LIMIT {self._asked.value(self.read.limit, 'bigint')}"
        if self.read.offset is not None:
            text += f" OFFSET {self._asked.value(self.read.offset, 'bigint')}"
        return text

    def _outputs(self) -> Iterator[tuple[str, str]]:
        for cell in self._cells():
            text = f"({cell.text})::jsonb" if cell.spread_json and self.read.aggregates else cell.text
            yield cell.label, text if cell.aggregate is None else _cast(f"{cell.aggregate}({text})", cell.after)

    def _cells(self) -> "Iterator[_Cell]":
        if self.read.items is None:
            for name in self.source.shown:
                yield _Cell(name, self._shown(name))
            return
        for item in self.read.items:
            if isinstance(item, Picked):
                yield self._picked(item)
            elif item.spread:
                yield from self._spread(item)
            elif not item.hidden:
                yield _Cell(item.label, self._embedded(item), is_json=True)

    def _shown(self, name: str) -> str:
        text = self._column("row", name)
        return f"({text})::text" if pg_type(self.source.shown[name]) == "interval" else text

    def _picked(self, item: Picked) -> "_Cell":
        if item.operand is None:
            return _Cell(item.label, _ALL, item.aggregate, item.aggregate_cast)
        plain = item.operand.path is None and item.aggregate is None and item.cast is None
        text = self._shown(item.operand.column) if plain else _cast(self._asked.operand(item.operand)[0], item.cast)
        return _Cell(item.label, text, item.aggregate, item.aggregate_cast)

    def _grouping(self) -> str:
        """Write the GROUP BY: what comes out without an aggregate, and what embedded views are linked by."""
        if not self.read.aggregates:
            return ""
        terms: list[str] = []
        position = 0
        for item in self.read.items or ():
            if isinstance(item, Embed) and (item.relationship.many or not item.spread):
                terms += [] if item.hidden else map(self._plain, item.relationship.here)
                position += _width(item)
                continue
            for is_folded in _folds(item):
                position += 1
                terms += [] if is_folded else [str(position)]
        return f" GROUP BY {', '.join(terms)}" if terms else ""

    def _term(self, term: Ordered) -> str:
        nulls = "" if term.nulls_first is None else " NULLS FIRST" if term.nulls_first else " NULLS LAST"
        if self.read.aggregates:
            # A group is ordered by what comes out of it: the same formula with parameters of its own is another one.
            read = self.read if term.embed is None else self._embeds[term.embed].read
            picked = (item for item in picked_of(read) if item.aggregate is None)
            text = quoted(next(item.label for item in picked if item.operand == term.operand and item.cast is None))
        elif term.embed is None:
            text = self._asked.operand(term.operand)[0]
        else:
            embed = self._embeds[term.embed]
            inner, link = self._inside(embed)
            text = f"(SELECT {inner._asked.operand(term.operand)[0]} FROM {inner.source_rows(link)}{inner.page()})"
        return f"{text}{' DESC' if term.descending else ''}{nulls}"

    def _inside(self, embed: Embed) -> "tuple[QueryLevel, str]":
        """Give the level of an embedded view, and the condition that links its rows to this one's."""
        inner = QueryLevel(embed.relationship.target, f"{self._alias}e", embed.read, self._parameters, self._max_bytes)
        return inner, self._link(embed.relationship, inner)

    def _link(self, relationship: Relationship, inner: "QueryLevel") -> str:
        through = relationship.through
        here = [self._plain(name) for name in relationship.here]
        there = [inner._plain(name) for name in relationship.there]
        if through is None:
            return " AND ".join(map(_equal, there, here))
        alias = f"{inner._alias}j"
        columns = [f"{alias}.{quoted(name)}" for name in (*through.here.columns, *through.there.columns)]
        conditions = list(map(_equal, columns, [*here, *there]))
        conditions += conditions_sql(through.source, None, self._parameters, alias)
        return f"EXISTS (SELECT FROM {through.source.table.sql} {alias} WHERE {' AND '.join(conditions)})"

    def _plain(self, name: str) -> str:
        return f"{self._alias}.{quoted(name)}"

    def _embedded(self, embed: Embed) -> str:
        inner, link = self._inside(embed)
        if not embed.relationship.many:
            return f"(SELECT to_json({WHOLE_ROW}) FROM ({inner.rows(link)}{inner.page()}) {ROW})"
        found = f"{inner.rows(link)}{inner.order()}{inner.page()}"
        return json_list(f"row_to_json({WHOLE_ROW})", found, self._parameters, self._max_bytes)

    def _spread(self, embed: Embed) -> "Iterator[_Cell]":
        """Give each value of the other row by itself, to be folded here; of many rows, each one's list."""
        inner, link = self._inside(embed)
        for cell in inner._cells():
            if not embed.relationship.many:
                value = "1" if cell.text == _ALL else cell.text
                text = f"(SELECT {value} FROM {inner.source_rows(link)}{inner.page()})"
                yield replace(cell, text=text, spread_json=cell.is_json)
            else:
                rows = f"SELECT {cell.text} AS x FROM {inner.source_rows(link)}{inner.order()}{inner.page()}"
                text = json_list(f"to_json({ROW}.x)", rows, self._parameters, self._max_bytes)
                yield _Cell(cell.label, text, is_json=True)

    def _present(self, label: str) -> str:
        inner, link = self._inside(self._embeds[label])
        return f"EXISTS (SELECT FROM {inner.source_rows(link)}{inner.page() if inner.read.paged else ''})"


def _equal(one: str, other: str) -> str:
    return f"{one} = {other}"


def _cast(text: str, pg: str | None) -> str:
    return text if pg is None else f"({text})::{pg}"
