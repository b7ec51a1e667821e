"""Every type of a column or an input, each described once: all that differs from type to type is read here."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from app.definitions.ranges import range_of, sample_moments
from app.definitions.wrong import Wrong

Read = Callable[[Any], Any]

LARGEST_EXPONENT = 1000  # of decimals, as a value and as a bound
_NUMBER = re.compile(r"-?[0-9]{1,40}(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,4})?", re.ASCII)
_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,18})", re.ASCII)
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_TIME = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{1,6})?)?", re.ASCII)
_DAY_AND_CLOCK = r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}"
_MOMENT = re.compile(rf"({_DAY_AND_CLOCK})(?:\.([0-9]+))?([Zz]|[+ -][0-9]{{2}}:[0-9]{{2}})?", re.ASCII)
_SHORT_ZONE = re.compile(r"(?<=:\d\d)([.\d]*[+-]\d\d)$")
_SUCH_AS = "such as 2027-01-31T18:00:00Z"


def read_text(value: Any) -> Any:
    """Read a text."""
    if not isinstance(value, str):
        raise Wrong("type", "A text is wanted.")
    return value


def _read_integer(value: Any) -> Any:
    if type(value) is not int:
        raise Wrong("type", "A whole number is wanted.")
    return value


def _read_bigint(value: Any) -> Any:
    return _read_integer(_integer_of_text(value) if isinstance(value, str) else value)


def _read_decimal(value: Any) -> Any:
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        value = Decimal(value)
    if type(value) is int:
        value = Decimal(value)
    if not isinstance(value, Decimal) or not value.is_finite():
        raise Wrong("type", "A number is wanted.")
    if abs(value.adjusted()) > LARGEST_EXPONENT:
        raise Wrong("range", "The number is out of range.")
    return value


def _read_float(value: Any) -> Any:
    if type(value) is int or isinstance(value, Decimal):
        try:
            number = float(value)
        except OverflowError:
            number = float("inf")
        if abs(number) == float("inf"):
            raise Wrong("range", "The number is out of range.")
        return number
    raise Wrong("type", "A number is wanted.")


def _read_boolean(value: Any) -> Any:
    if not isinstance(value, bool):
        raise Wrong("type", "true or false is wanted.")
    return value


def read_uuid(value: Any) -> Any:
    """Read a UUID, in lower case."""
    if not isinstance(value, str) or not _UUID.fullmatch(value):
        raise Wrong("type", "A UUID is wanted, such as 018f2b6c-9f1e-7cc3-8000-0123456789ab.")
    return value.lower()


def _read_date(value: Any) -> Any:
    if isinstance(value, str) and _DATE.fullmatch(value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    raise Wrong("type", "A date is wanted, such as 2027-01-31.")


def _read_time(value: Any) -> Any:
    """Read a time of day, and give it with its seconds, as Postgres writes it."""
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        raise Wrong("type", "A time of day is wanted, such as 18:00 or 18:00:30.")
    read = time.fromisoformat(value).isoformat()
    return read.rstrip("0") if "." in read else read


def read_moment(value: Any) -> Any:
    """Read a moment with its time zone, as a datetime in UTC; digits past the microsecond are cut off (RFC 3339)."""
    found = _MOMENT.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise Wrong("type", f"A moment with its time zone is wanted, {_SUCH_AS}.")
    whole, fraction, zone = found.groups()
    if zone is None:
        raise Wrong("type", f"The time zone of this moment is missing: a Z or +01:00 behind it, {_SUCH_AS}.")
    if zone.startswith(" "):
        raise Wrong("type", "The + of this time zone came as a space: in an address it is sent as %2B.")
    try:
        moment = datetime.fromisoformat(f"{whole.upper()}.{(fraction or '0')[:6]:0<6}{zone.upper()}")
        return moment.astimezone(UTC)
    except ValueError:
        raise Wrong("type", f"There is no such day, time or time zone: a moment is wanted, {_SUCH_AS}.") from None
    except OverflowError:
        raise Wrong("type", "This moment is out of range: in UTC, years go from 1 to 9999.") from None


def moment_in_words(text: str) -> str:
    """Give a moment of a query as it is read everywhere; what else Postgres takes, such as a day, stays as it is.

    Raises Wrong where the `+` of its time zone came as a space.
    """
    found = _MOMENT.fullmatch(text)
    if found is None or found[3] is None:
        return text
    moment: datetime = read_moment(text)
    return moment.isoformat()


def _integer_of_text(text: str) -> Any:
    return int(text) if _INTEGER.fullmatch(text) else text


def _number_of_text(text: str) -> Any:
    return Decimal(text) if _NUMBER.fullmatch(text) else text


def _boolean_of_text(text: str) -> Any:
    return {"true": True, "false": False}.get(text, text)


def _boolean_of_csv(text: str) -> Any:
    return {"t": True, "f": False}.get(text, _boolean_of_text(text))


def _moment_of_csv(text: str) -> Any:
    """Give the moment with the minutes of its zone, which Postgres leaves out."""
    return _SHORT_ZONE.sub(r"\1:00", text)


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnType:
    """What a type means, as plain data for every layer.

    `read` takes a value of JSON and gives it as rules see it, or raises Wrong; `from_text` comes before it where the
    value is a text of a path, a query or a header, `from_csv` where it is a field of CSV as Postgres writes it, if that
    is another. `rule` is the type that rules see, by its name in
    `app/expressions/types.py`; `pg` the one that Postgres keeps, without precision and brackets. `schema` is the JSON
    Schema of what may be sent, `shown` that of what is answered where it says something else.

    `options` are the keys that go with it, `needs` one that must be there, with the sentence that says so. `range` is
    from the least to the greatest whole number, `choices` every value where these are few, `table` the table whose
    ids it holds, `computed` the default of this type that the database computes.

    `casts` are the types of Postgres that its values become beside text, `cast_names` what stands behind `::` in a
    query for a value of this type, `called` what else people call it, `whole` what keeps all that a text says of it
    where `pg` keeps less. `one_text` says that equal values have one text in Postgres, `ids` whether ids may be of the
    type, and then who makes them: the database, or whoever inserts the row. `index_by` is the kind of index that serves
    its tests, where that isn't Postgres' usual one. `sample` makes a value of JSON of a number,
    another one of another, for proofs; it isn't needed where `choices`, texts, numbers or moments are made by the
    options.
    """

    read: Read
    from_text: Read | None = None
    from_csv: Callable[[str], Any] | None = None
    rule: str
    pg: str
    schema: Mapping[str, Any]
    shown: Mapping[str, Any] | None = None
    options: frozenset[str] = frozenset()
    needs: tuple[str, str] | None = None
    range: tuple[int, int] | None = None
    choices: tuple[Any, ...] = ()
    table: str | None = None
    computed: str | None = None
    casts: frozenset[str] = frozenset()
    cast_names: tuple[str, ...] = ()
    called: frozenset[str] = frozenset()
    whole: str | None = None
    one_text: bool = False
    ids: Literal["made", "given"] | None = None
    sample: Callable[[int], Any] | None = None
    index_by: str | None = None


ANYTHING = "json"  # the type of a column that holds any value of JSON
ANY_JSON = "dynamic"  # the rule type of a value that may be anything
ANY_TEXT = "string"  # the rule type of a text
IN_WORDS = "enum"  # the rule type of a value that is one of its column's words
KEY = "id"  # the column that a reference holds, where it names no other
_WORDS = frozenset({"string", "str", "char", "character varying", "citext", "email", "url", "slug"})
_LENGTHS = frozenset({"min_length", "max_length", "pattern", "format"})
_BOUNDS = frozenset({"min", "max"})
_NUMERIC = frozenset({"integer", "bigint", "numeric", "double precision"})
_INT64 = {"type": "integer", "format": "int64"}
_ID = {"type": "string", "format": "uuid"}
_TEXT = {"type": "string"}
_INT32_RANGE, _INT64_RANGE = (-(2**31), 2**31 - 1), (-(2**63), 2**63 - 1)


def _integer_bound(text: str) -> Any:
    return _read_integer(_integer_of_text(text))


def _decimal_bound(text: str) -> Any:
    return _read_decimal(_number_of_text(text))


def _moment_bound(text: str) -> Any:
    """Read a moment, as JSON has it or as Postgres writes it."""
    return read_moment(_moment_of_csv(text))


def _sample_day(number: int) -> str:
    return (date(2100, 1, 1) + timedelta(days=number % 300_000)).isoformat()


def _sample_moment(number: int) -> datetime:
    return datetime(2100, 1, 1, tzinfo=UTC) + timedelta(seconds=number % 10**9, microseconds=1 + number % 10**6)


COLUMN_TYPES: dict[str, ColumnType] = {
    "text": ColumnType(
        read=read_text, rule=ANY_TEXT, pg="text", schema={"type": "string"},
        options=_LENGTHS, cast_names=("text", "varchar"), called=_WORDS, computed="random_token", one_text=True,
        ids="given",
    ),
    "integer": ColumnType(
        read=_read_integer, from_text=_integer_of_text, rule="int", pg="integer",
        schema={"type": "integer", "format": "int32"}, shown=_INT64,
        options=_BOUNDS, range=_INT32_RANGE,
        casts=_NUMERIC | {"boolean"}, cast_names=("integer", "int", "int4"), one_text=True,
        called=frozenset({"number", "long"}),
    ),
    "bigint": ColumnType(
        read=_read_bigint, rule="int", pg="bigint",
        schema={"type": ["integer", "string"], "format": "int64"}, shown=_INT64,
        options=_BOUNDS, range=_INT64_RANGE,
        casts=_NUMERIC, cast_names=("bigint", "int8", "smallint", "int2"), one_text=True, ids="made",
    ),
    "decimal": ColumnType(
        read=_read_decimal, rule="decimal", pg="numeric",
        schema={"type": ["number", "string"], "pattern": f"^{_NUMBER.pattern}$"}, shown={"type": "number"},
        options=_BOUNDS | {"precision", "scale"},
        casts=_NUMERIC, cast_names=("numeric", "decimal"), called=frozenset({"money"}), whole="numeric",
    ),
    "float": ColumnType(
        read=_read_float, from_text=_number_of_text, rule="double", pg="double precision",
        schema={"type": "number", "format": "double"}, options=_BOUNDS,
        casts=_NUMERIC, cast_names=("double precision", "float8", "float", "real", "float4"),
        called=frozenset({"double"}),
    ),
    "boolean": ColumnType(
        read=_read_boolean, from_text=_boolean_of_text, from_csv=_boolean_of_csv, rule="bool", pg="boolean",
        schema={"type": "boolean"},
        choices=(False, True), casts=frozenset({"integer"}), cast_names=("boolean", "bool"), one_text=True,
    ),
    "date": ColumnType(
        read=_read_date, rule="date", pg="date", schema={"type": "string", "format": "date"},
        casts=frozenset({"timestamptz"}), cast_names=("date",), whole="timestamp", computed="today",
        sample=_sample_day,
    ),
    "time": ColumnType(
        read=_read_time, rule="time", pg="time", schema={"type": "string", "pattern": f"^{_TIME.pattern}$"},
        shown={"type": "string"}, cast_names=("time",), one_text=True,
        sample=lambda number: f"{number % 24:02}:{number // 24 % 60:02}:00.{100_001 + 10 * (number % 89_999)}",
    ),
    "uuid": ColumnType(
        read=read_uuid, rule="uuid", pg="uuid", schema=_ID, cast_names=("uuid",), computed="uuid", one_text=True,
        ids="made",
        sample=lambda number: str(UUID(int=number)),
    ),
    "timestamp": ColumnType(
        read=read_moment, from_csv=_moment_of_csv, rule="timestamp", pg="timestamptz",
        schema={"type": "string", "format": "date-time"},
        casts=frozenset({"date"}), cast_names=("timestamptz", "timestamp"), computed="now",
        called=frozenset({"datetime", "instant", "moment"}),
    ),
    "integer_range": ColumnType(
        read=range_of(_integer_bound, "[1,5)", _INT32_RANGE), rule="integer_range", pg="int4range", schema=_TEXT,
        cast_names=("int4range",), one_text=True, index_by="gist",
        sample=lambda number: f"[{number % 10**9},{number % 10**9 + 5})",
    ),
    "bigint_range": ColumnType(
        read=range_of(_integer_bound, "[1,5)", _INT64_RANGE), rule="bigint_range", pg="int8range", schema=_TEXT,
        cast_names=("int8range",), one_text=True, index_by="gist",
        sample=lambda number: f"[{number % 10**15},{number % 10**15 + 5})",
    ),
    "decimal_range": ColumnType(
        read=range_of(_decimal_bound, "[0.5,1.5)"), rule="decimal_range", pg="numrange", schema=_TEXT,
        cast_names=("numrange",), index_by="gist",
        sample=lambda number: f"[{number % 10**9}.5,{number % 10**9 + 5})",
    ),
    "date_range": ColumnType(
        read=range_of(_read_date, "[2027-01-01,2027-02-01)"), rule="date_range", pg="daterange", schema=_TEXT,
        cast_names=("daterange",), one_text=True, index_by="gist",
        sample=lambda number: f"[{_sample_day(number)},{_sample_day(number + 5)})",
    ),
    "timestamp_range": ColumnType(
        read=range_of(_moment_bound, "[2027-01-31T18:00:00Z,2027-01-31T19:00:00Z)"),
        rule="timestamp_range", pg="tstzrange", schema=_TEXT,
        cast_names=("tstzrange",), one_text=True, index_by="gist",
        sample=lambda number: sample_moments(_sample_moment(number), _sample_moment(number) + timedelta(hours=1)),
    ),
    "json": ColumnType(
        read=lambda value: value, rule=ANY_JSON, pg="jsonb", schema={},
        casts=_NUMERIC | {"boolean"}, cast_names=("jsonb", "json"), called=frozenset({"object", "map", "any"}),
        sample=lambda number: {"note": f"q{number:014x}"},
    ),
    "enum": ColumnType(
        read=read_text, rule=IN_WORDS, pg="text", schema={"type": "string"},
        options=frozenset({"values"}), needs=("values", "an enum needs values: [one, two]"), one_text=True,
    ),
    "user": ColumnType(
        read=read_uuid, rule="uuid", pg="uuid", schema=_ID,
        options=frozenset({"on_delete"}), table="users", one_text=True, ids="given",
    ),
    # It is of the type of the column that it refers to: Keys.
    "reference": ColumnType(
        read=read_uuid, rule="uuid", pg="uuid", schema=_ID,
        options=frozenset({"table", "column", "on_delete"}), called=frozenset({"ref", "foreign_key", "relation"}),
        needs=("table", "a reference needs table: the name of the table that it refers to"), one_text=True,
        ids="given",
    ),
}  # fmt: skip

Keys = Mapping[str, ColumnType]
"""What references hold: by `table.column`, the type of every column that may be referred to."""
NO_KEYS: Keys = {}


def type_called(word: str) -> str | None:
    """Name the type that people who write in other languages call so."""
    return next((name for name, one in COLUMN_TYPES.items() if word in one.called or word in one.cast_names), None)


def name_kept_as(pg: str) -> str | None:
    """Name the first type that Postgres keeps so; None where no column is kept so by itself."""
    return next((name for name, one in COLUMN_TYPES.items() if one.pg == pg), None)


def kept_as(pg: str) -> ColumnType | None:
    """Describe the first type that Postgres keeps so."""
    name = name_kept_as(pg)
    return None if name is None else COLUMN_TYPES[name]


def turns_into(before: str, after: str) -> bool:
    """Say whether Postgres casts values of one type to the other, both as it names them."""
    if before == after or "text" in (before, after):
        return True
    said = kept_as(before)
    return said is not None and after in said.casts
