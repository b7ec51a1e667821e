"""Reading `select`: columns, paths into JSON, casts, aggregates, and views beside."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.data_plane.rest.dialect.lexis import MAX_PARTS, OPERAND, QUOTED, split, unquoted
from app.data_plane.rest.dialect.refusals import ColumnUnknown, QueryRefused, QueryUnsupported
from app.definitions.column_types import COLUMN_TYPES, turns_into
from app.errors import near
from app.expressions.types import (
    DATE,
    DURATION,
    DYN,
    NUMBERS,
    STRING,
    TIME,
    TIMESTAMP,
    Enum,
    ListOf,
    Record,
    Scalar,
    Type,
    pg_type,
)
from app.relations.asked import of_objects
from app.relations.query import OFFSET_SLOT, Condition, Embed, Operand, Ordered, Picked, Read
from app.relations.relationships import Relationship
from app.relations.source import Source

MAX_EMBEDS = 20
MAX_DEPTH = 5
MAX_PATH = 20

Follow = Callable[[Source, str, Sequence[str]], Relationship]

# Types that no column has: of computed columns, of what comes from other rows, of lists.
_OTHER_CASTS = {"interval": DURATION, "text[]": ListOf(STRING)}
_CAST_TOO: dict[str, frozenset[str]] = {
    "text": frozenset(_OTHER_CASTS),
    "interval": frozenset({"interval", "time"}),
    "time": frozenset({"interval"}),
    "timestamptz": frozenset({"time"}),
    "json": frozenset({"json", "jsonb"}),
    "[]": frozenset({"text[]"}),
}
_EMBED = re.compile(r"(?:([^:.()]+):)?([A-Za-z_]\w*)((?:!\w+)*)\((.*)\)", re.DOTALL)
_ALIAS = rf"(?:(?P<alias>{QUOTED}|[^:.()\"]+):(?!:))?"
_FIELD = re.compile(
    _ALIAS + rf"(?P<operand>{OPERAND})" + r"(?:::(?P<cast>[A-Za-z0-9 \[\]]+))?"
    r"(?:\.(?P<aggregate>count|sum|avg|max|min)\(\)(?:::(?P<after>[A-Za-z0-9 \[\]]+))?)?"
)
_ALL_COUNTED = re.compile(_ALIAS + r"count\(\)(?:::(?P<after>[A-Za-z0-9 \[\]]+))?")
_KEY = re.compile(rf"(->>?)({QUOTED}|(?:(?!->).)+|$)", re.DOTALL)
_MAX_LABEL = 63  # bytes of a name in Postgres
_GROUPED_AWAY = "Rows of a group have no such value: name it in select too, or leave it out."


@dataclass
class Level:
    """What a query asks of one view, while it is read; embedded views are levels below it."""

    source: Source
    name: str = ""
    label: str = ""
    relationship: Relationship | None = None
    inner: bool = False
    spread: bool = False
    items: "list[Picked | Level] | None" = None
    conditions: list[Condition] = field(default_factory=list)
    order: tuple[Ordered, ...] = ()
    limit: int | None = None
    offset: int = 0

    @property
    def below(self) -> "list[Level]":
        """Give the levels of the embedded views."""
        return [item for item in self.items or () if isinstance(item, Level)]

    @property
    def spreads_one(self) -> bool:
        """Say whether the values of its one row stand beside those of the level above."""
        return self.spread and self.relationship is not None and not self.relationship.many

    def embedded(self, name: str) -> "Level | None":
        """Give the level that goes by this name here: its alias or, where it is the only one, its view's name."""
        by_label = [level for level in self.below if level.label == name]
        found = by_label or [level for level in self.below if level.name == name]
        return found[0] if len(found) == 1 else None


class Values:
    """The values of a query, each in its slot."""

    def __init__(self) -> None:
        """Begin behind the query's own limit and offset."""
        self.found: list[object] = []

    def slot(self, value: Any) -> int:
        """Keep a value, and give its slot."""
        self.found.append(value)
        return OFFSET_SLOT + len(self.found)


def known(source: Source, name: str) -> str:
    """Give the name of a column that the view shows; a hidden one is as unknown as one that isn't there."""
    if name in source.shown:
        return name
    raise ColumnUnknown("There is no such column.", hint=near(name[:64], source.shown))


def read_operand(source: Source, text: str, values: Values) -> Operand:
    """Read a column, or a path into its JSON such as `data->address->>city`."""
    name, arrow, _ = text.partition("->")
    column = known(source, unquoted(name.strip()))
    if not arrow:
        return Operand(column)
    if not (source.shown[column] == DYN or isinstance(source.shown[column], Record | ListOf)):
        raise QueryRefused("A path goes into a column of JSON, or into a list.")
    steps = _steps(text)
    arrows, keys = [arrow for arrow, _ in steps], [key for _, key in steps]
    if "->>" in arrows[:-1] or len(keys) > MAX_PATH or "" in keys:
        raise QueryRefused("A path into JSON is column->key->key or column->key->>key.")
    return Operand(column, values.slot(keys), as_text=arrows[-1] == "->>")


def _steps(text: str) -> list[tuple[str, str]]:
    """Give the arrows of a path and their keys."""
    return [(found[1], unquoted(found[2].strip())) for found in _KEY.finditer(text, text.find("->"))]


def type_of(source: Source, operand: Operand) -> Type:
    """Give the type of what is picked or tested."""
    if operand.path is None:
        return source.shown[operand.column]
    return STRING if operand.as_text else DYN


def read_select(text: str, root: Level, values: Values, follow: Follow) -> None:
    """Put what `select` names into the level, and into levels below it."""
    _Select(values, follow).into(root, text, 0)


class _Select:
    def __init__(self, values: Values, follow: Follow) -> None:
        self._values = values
        self._follow = follow
        self._embeds = 0

    def into(self, level: Level, text: str, depth: int) -> None:
        if text.strip() == "*" or (depth == 0 and not text.strip()):
            return
        level.items = []
        stars = range(0)
        for part in split(text) if text.strip() else ():
            if part == "*":
                stars = range(len(level.items), len(level.items) + len(level.source.shown))
                level.items += [Picked(name, Operand(name)) for name in level.source.shown]
            elif (found := _EMBED.fullmatch(part.lstrip("."))) and not _ALL_COUNTED.fullmatch(part):
                level.items.append(self._embed(level, found, spread=_spreads(part), depth=depth + 1))
            else:
                level.items.append(self._field(level.source, part))
        if stars and (beside := {one.label for one in level.below if not one.spread and one.items != []}):
            # `*,author(nick)`: the row that a column refers to stands in the column's place.
            level.items = [one for at, one in enumerate(level.items) if at not in stars or one.label not in beside]
        # What is picked twice under one name is the same value.
        level.items = list({one if isinstance(one, Picked) else id(one): one for one in level.items}.values())
        _check_groups(level)

    def _embed(self, level: Level, found: re.Match[str], *, spread: bool, depth: int) -> Level:
        alias, target, words, inside = found[1], found[2], found[3].split("!")[1:], found[4]
        self._embeds += 1
        if depth > MAX_DEPTH or self._embeds > MAX_EMBEDS:
            raise QueryUnsupported(f"At most {MAX_EMBEDS} views can be embedded, {MAX_DEPTH} deep.")
        hints = [word for word in words if word not in ("inner", "left")]
        relationship = self._follow(level.source, target, hints)
        below = Level(
            relationship.target, target, _label(alias, target), relationship, inner="inner" in words, spread=spread
        )
        self.into(below, inside, depth)
        if spread and relationship.many and any(item.aggregate for item in _picked(below)):
            raise QueryUnsupported("Aggregates don't go with `...` of many rows.", hint="Embed it without the dots.")
        return below

    def _field(self, source: Source, part: str) -> Picked:
        bare = part.rpartition(":")[2] == "count" and "count" not in source.shown
        if (counted := _ALL_COUNTED.fullmatch(f"{part}()" if bare else part)) is not None:
            return Picked(_label(counted["alias"], "count"), None, None, "count", _cast(counted["after"], "bigint"))
        found = _FIELD.fullmatch(part)
        if found is None:
            raise QueryRefused("A part of select can't be read.", hint="name, alias:name, name::text, view(name)")
        aggregate = found["aggregate"]
        operand = read_operand(source, found["operand"], self._values)
        pg = pg_of(source, operand)
        cast = _cast(found["cast"], pg)
        kind = type_of(source, operand) if cast is None else cast_types()[cast]
        if aggregate is not None and not _folds(aggregate, kind):
            raise QueryRefused(f"{aggregate} doesn't take values of this type.")
        label = _label(found["alias"], aggregate or _last_key(found["operand"]))
        after = _cast(found["after"], _folded(aggregate, pg if cast is None else pg_type(kind), kind))
        return Picked(label, operand, cast, aggregate, after)


def _label(alias: str | None, otherwise: str) -> str:
    label: str = unquoted(alias.strip()) if alias else otherwise
    if not label or not label.isprintable() or len(label.encode()) > _MAX_LABEL:
        raise QueryRefused(f"A name in select has 1 to {_MAX_LABEL} bytes that can be printed.")
    return label


def _last_key(operand: str) -> str:
    """Give the last key of a path that is no index; a column by itself is its own."""
    column = unquoted(operand.partition("->")[0])
    keys = [column, *(key for _, key in _steps(operand))] if "->" in operand else [column]
    return next((key for key in reversed(keys) if not key.lstrip("-").isdigit()), column)


def pg_of(source: Source, operand: Operand) -> str:
    """Give the Postgres type of what is picked, without its precision."""
    kind = type_of(source, operand)
    if of_objects(kind):
        return "json"
    if operand.path is not None or operand.column in source.computed or isinstance(kind, ListOf):
        return pg_type(kind)
    return source.table.columns[operand.column].pg.partition("(")[0]


def _folded(aggregate: str | None, pg: str, kind: Type) -> str:
    """Give the Postgres type of an aggregate's answer."""
    if aggregate == "count":
        return "bigint"
    return "numeric" if aggregate in ("sum", "avg") and kind in NUMBERS else pg


def cast_types() -> dict[str, Type]:
    """Give the types that values are cast to, by what stands behind `::`."""
    return _OTHER_CASTS | {name: Scalar(one.rule) for one in COLUMN_TYPES.values() for name in one.cast_names}


def castable(pg: str) -> frozenset[str]:
    """Name the types that Postgres casts the values of a type to."""
    names = (one.cast_names for one in COLUMN_TYPES.values() if turns_into(pg, one.pg))
    return _CAST_TOO.get("[]" if pg.endswith("[]") else pg, frozenset()).union(*names)


def _cast(text: str | None, pg: str) -> str | None:
    if text is None:
        return None
    text = text.strip().lower()
    if text not in (known := cast_types()):
        raise QueryUnsupported("Values are not cast to this type.", hint=f"Known: {', '.join(sorted(known))}")
    if text not in (taken := castable(pg)):
        raise QueryUnsupported("Values of this type are not cast so.", hint=f"Known: {', '.join(sorted(taken))}")
    return text


def _folds(aggregate: str, kind: Type) -> bool:
    if aggregate == "count":
        return True
    if aggregate in ("sum", "avg"):
        return kind in (*NUMBERS, DURATION)
    return kind in (*NUMBERS, STRING, TIMESTAMP, DATE, TIME, DURATION) or isinstance(kind, Enum)


def _check_groups(level: Level) -> None:
    """Refuse groups by what Postgres can't compare."""
    if any(item.aggregate for item in _picked(level)):
        _check_grouped(level)


def _check_grouped(level: Level) -> None:
    for item in level.items or [Picked(name, Operand(name)) for name in level.source.shown]:
        if isinstance(item, Level):
            if item.spreads_one:
                _check_grouped(item)
        elif item.aggregate is None and item.cast == "json":
            raise QueryRefused("Rows can't be grouped by json.", hint="Leave the cast out, or cast to jsonb or text.")
        elif item.aggregate is None and _is_of_objects(level.source, item.operand):
            raise QueryRefused("Rows can't be grouped by what comes from other rows.")


def _is_of_objects(source: Source, operand: Operand | None) -> bool:
    return operand is not None and operand.path is None and of_objects(source.shown[operand.column])


def _picked(level: Level) -> Iterator[Picked]:
    """Give what is picked of each row, from the one row beside it too whose values are put beside its own."""
    for item in level.items or ():
        if isinstance(item, Picked):
            yield item
        elif item.spreads_one:
            yield from _picked(item)


def _spreads(part: str) -> bool:
    """Say whether the values of a view are to stand beside this one's; `..` is an older word for it."""
    dots = len(part) - len(part.lstrip("."))
    if dots not in (0, 2, 3):
        raise QueryRefused("A part of select can't be read.", hint="name, alias:name, name::text, view(name)")
    return dots > 0


def finished(level: Level, values: Values) -> Read:
    """Make the level, and those below it, what a statement is written from."""
    items = None if level.items is None else tuple(_finished_item(item, values) for item in level.items)
    _check_labels(level)
    read = Read(items, tuple(level.conditions), level.order)
    if read.aggregates:
        grouped = _grouped(level)
        for term in read.order:
            beside = None if term.embed is None else level.embedded(term.embed)
            inside = grouped if beside is None else _grouped(beside) if beside.spreads_one else set()
            if term.operand not in inside:
                raise QueryRefused(_GROUPED_AWAY)
    if level.relationship is None:
        return Read(items, read.conditions, read.order, offset=OFFSET_SLOT if level.offset else None)
    most = level.source.max_rows or 1 if level.relationship.many else 1
    limit = values.slot(most if level.limit is None else min(level.limit, most))
    offset = values.slot(level.offset) if level.offset else None
    return Read(items, read.conditions, read.order, limit, offset, paged=level.limit is not None or offset is not None)


def _grouped(level: Level) -> set[Operand]:
    """Give what rows are grouped by; a value that is cast is another one, and an interval comes out as a text."""
    return {
        item.operand
        for item in level.items or ()
        if isinstance(item, Picked) and item.operand is not None and item.aggregate is None and item.cast is None
        if type_of(level.source, item.operand) != DURATION
    }


def _finished_item(item: Picked | Level, values: Values) -> Picked | Embed:
    if isinstance(item, Picked) or item.relationship is None:
        assert isinstance(item, Picked)  # noqa: S101 - for the type checker
        return item
    return Embed(item.label, item.relationship, finished(item, values), item.inner, item.spread)


def _check_labels(level: Level) -> None:
    labels = list(_labels(level))
    if len(set(labels)) != len(labels):
        raise QueryRefused("A name stands twice in select.", hint="Give one of them an alias: other:name")
    if level.items is not None and len(labels) > MAX_PARTS:
        raise QueryRefused(f"select has at most {MAX_PARTS:,} columns.")


def _labels(level: Level) -> Iterator[str]:
    for item in level.items or ():
        if isinstance(item, Level) and item.spread:
            yield from item.source.shown if item.items is None else _labels(item)
        elif isinstance(item, Picked) or item.items != []:
            yield item.label
