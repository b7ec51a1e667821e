"""The types that an expression's values have, and which of them may stand where another is wanted."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache


@dataclass(frozen=True, slots=True)
class Type:
    """The base of every type; any typed value may also be null."""


@dataclass(frozen=True, slots=True)
class Scalar(Type):
    """A type without parts, known by its name."""

    name: str


@dataclass(frozen=True, slots=True)
class Enum(Type):
    """A string that is one of `values`."""

    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ListOf(Type):
    """A list whose elements all have one type."""

    element: Type


@dataclass(frozen=True, slots=True)
class MapOf(Type):
    """A map with keys of one type and values of one type."""

    key: Type
    value: Type


@dataclass(frozen=True, slots=True)
class Reference:
    """Where a column of a row leads: to the row of `table` whose column `key` has its value."""

    table: str
    key: str = "id"


@dataclass(frozen=True, slots=True)
class Record(Type):
    """An object with exactly these fields; `name` is what messages call it ("documents", "input").

    `optional` are the fields that may not be there, since nobody sent them; None for what nobody sends, such as a row.
    `nullable` are those that may be null because of what was sent, or, of a bound row, because nobody knows.
    `references` are the fields that lead to a row of a table.
    """

    name: str
    fields: Mapping[str, Type]
    optional: frozenset[str] | None = field(default=None, compare=False)
    nullable: frozenset[str] = field(default=frozenset(), compare=False)
    references: Mapping[str, Reference] = field(default_factory=dict, compare=False)

    def __hash__(self) -> int:
        """Hash by name and field names, since a mapping has no hash of its own."""
        return hash((self.name, frozenset(self.fields)))


@dataclass(frozen=True, slots=True)
class TypeName:
    """A type as a value, which `type(x)` gives."""

    name: str


BOOL = Scalar("bool")
INT = Scalar("int")
DOUBLE = Scalar("double")
DECIMAL = Scalar("decimal")
STRING = Scalar("string")
BYTES = Scalar("bytes")
TIMESTAMP = Scalar("timestamp")
DURATION = Scalar("duration")
DATE = Scalar("date")
UUID = Scalar("uuid")
TIME = Scalar("time")
NULL = Scalar("null")
DYN = Scalar("dynamic")
SECRET = Scalar("secret")
TYPE = Scalar("type")

INTEGER_RANGE = Scalar("integer_range")
BIGINT_RANGE = Scalar("bigint_range")
DECIMAL_RANGE = Scalar("decimal_range")
DATE_RANGE = Scalar("date_range")
TIMESTAMP_RANGE = Scalar("timestamp_range")

NUMBERS = (INT, DECIMAL, DOUBLE)
# Of each range the type of what is in it. In process it is its text, in the form that Postgres gives it.
RANGES: Mapping[Type, Scalar] = {
    INTEGER_RANGE: INT,
    BIGINT_RANGE: INT,
    DECIMAL_RANGE: DECIMAL,
    DATE_RANGE: DATE,
    TIMESTAMP_RANGE: TIMESTAMP,
}
LIST = ListOf(DYN)
MAP = MapOf(DYN, DYN)

TYPE_NAMES: Mapping[str, TypeName] = {
    **{
        name: TypeName(name)
        for name in (
            *("bool", "int", "double", "string", "bytes", "list", "map", "null_type", "type"),
            *("decimal", "date", "time", "uuid"),
        )
    },
    "timestamp": TypeName("google.protobuf.Timestamp"),
    "duration": TypeName("google.protobuf.Duration"),
}
WELL_KNOWN_TYPES = {name.name: name for name in TYPE_NAMES.values() if "." in name.name}

_PG = {
    BOOL: "boolean",
    INT: "bigint",
    DOUBLE: "double precision",
    DECIMAL: "numeric",
    STRING: "text",
    BYTES: "bytea",
    TIMESTAMP: "timestamptz",
    DURATION: "interval",
    DATE: "date",
    UUID: "uuid",
    TIME: "time",
    INTEGER_RANGE: "int4range",
    BIGINT_RANGE: "int8range",
    DECIMAL_RANGE: "numrange",
    DATE_RANGE: "daterange",
    TIMESTAMP_RANGE: "tstzrange",
    NULL: "text",
    DYN: "jsonb",
    SECRET: "text",
    TYPE: "text",
}


def pg_type(kind: Type) -> str:
    """Give the Postgres type that a parameter of this type is cast to; what has parts of its own is jsonb."""
    match kind:
        case Scalar():
            return _PG[kind]
        case Enum():
            return "text"
        case ListOf(element=Scalar() | Enum() as element):
            return f"{pg_type(element)}[]"
    return "jsonb"


def describe(kind: Type) -> str:
    """Name the type for a message."""
    match kind:
        case Scalar(name=name) | Record(name=name):
            return name
        case Enum(values=values):
            return "one of " + ", ".join(values)
        case ListOf(element=element):
            return f"list of {describe(element)}"
        case MapOf(key=key, value=value):
            return f"map of {describe(key)} to {describe(value)}"
    return "value"


def wider(left: Type, right: Type) -> Type | None:
    """Give the number type that both widen to: decimal wins over int, double over both. None where one is no number."""
    if left in NUMBERS and right in NUMBERS:
        return max(left, right, key=NUMBERS.index)
    return None


def assignable(source: Type, target: Type) -> bool:
    """Say whether a value of `source` may go where `target` is wanted; what is dynamic is checked when it runs."""
    if source == target or source in (NULL, DYN):
        return True
    if SECRET in (source, target):
        return False
    return target == DYN or wider(source, target) == target or _parts_assignable(source, target)


def _parts_assignable(source: Type, target: Type) -> bool:
    match source, target:
        case Enum(), Scalar():
            return target == STRING
        case Enum(values=values), Enum(values=wanted):
            return set(values) <= set(wanted)
        case ListOf(element=element), ListOf(element=wanted_element):
            return assignable(element, wanted_element)
        case MapOf(), MapOf():
            return assignable(source.key, target.key) and assignable(source.value, target.value)
        case Record(fields=fields), MapOf(value=value):
            return all(assignable(field, value) for field in fields.values())
        case Record(fields=fields), Record(fields=wanted_fields):
            return all(name in fields and assignable(fields[name], want) for name, want in wanted_fields.items())
    return False


def holds_secret(kind: Type) -> bool:
    """Say whether a value of this type is, or carries, a secret."""
    match kind:
        case Record(fields=fields):
            return any(holds_secret(field) for field in fields.values())
        case ListOf(element=inner) | MapOf(value=inner):
            return holds_secret(inner)
    return kind == SECRET


def exactly(kind: Type) -> Hashable:
    """Give what tells a type from all others, while it lives: equal records may differ in what may be null of them."""
    match kind:
        case Record():
            return id(kind)
        case ListOf(element=element):
            return "list", exactly(element)
        case MapOf(key=key, value=value):
            return "map", exactly(key), exactly(value)
    return kind


@lru_cache(4_096)
def one_set(names: frozenset[str]) -> frozenset[str]:
    """Give the one that stands for all that are equal: there are thousands, and few that differ."""
    return names


_MOST_RECORDS = 4_096
_RECORDS: dict[Hashable, Record] = {}


def shared(record: Record) -> Record:
    """Give the one that stands for all that are alike in every part, so that what was made of it is found again."""
    if len(_RECORDS) >= _MOST_RECORDS:
        _RECORDS.clear()
    fields = tuple((name, exactly(kind)) for name, kind in record.fields.items())
    key = (record.name, fields, record.optional, record.nullable, tuple(record.references.items()))
    return _RECORDS.setdefault(key, record)
