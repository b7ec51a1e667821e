"""Values that are checked against a type when they run: what `Convert` nodes do."""

from typing import Any

from app.expressions.library.ranges import FROM_TEXT
from app.expressions.operations import WIDEN, Unknown, kind_of
from app.expressions.types import DYN, LIST, MAP, STRING, Enum, ListOf, MapOf, Record, Type, describe, wider


def to_type(value: object, wanted: Type) -> Any:
    """Give a value as one of `wanted`: numbers widen, strings are read as dates; else raise Unknown."""
    if value is None or wanted == DYN:
        return value
    match wanted:
        case ListOf(element=element):
            return [to_type(item, element) for item in _of_kind(value, LIST, wanted)]
        case MapOf(key=key, value=inner):
            entries = _of_kind(value, MAP, wanted)
            return {to_type(name, key): to_type(entries[name], inner) for name in entries}
        case Record(fields=fields):
            given = _of_kind(value, MAP, wanted)
            if not given.keys() <= fields.keys():
                raise _unfit(wanted)
            return {name: to_type(given[name], fields[name]) for name in given}
        case Enum(values=values):
            if value in values:
                return value
            raise _unfit(wanted)
    return _scalar(value, wanted)


def _scalar(value: Any, wanted: Type) -> object:
    kind = kind_of(value)
    if kind == STRING and wanted in FROM_TEXT:
        return FROM_TEXT[wanted](value)
    if kind == wanted:
        return value
    if wider(kind, wanted) == wanted:
        return WIDEN[wanted](value)
    raise _unfit(wanted)


def _of_kind(value: object, kind: Type, wanted: Type) -> Any:
    if kind_of(value) != kind:
        raise _unfit(wanted)
    return value


def _unfit(wanted: Type) -> Unknown:
    return Unknown(f"this value is no {describe(wanted)}")
