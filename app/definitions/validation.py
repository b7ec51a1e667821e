"""Declared inputs as validators: strict types, every failing field at once, and nothing of the input in a message."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from app.definitions.column_types import NO_KEYS, Keys, Read
from app.definitions.columns import ColumnDef, ValueType
from app.definitions.defaults import begins_computed, computed_findings, deep_literal, literal_default, plain
from app.definitions.inputs import ListDef, ObjectDef
from app.definitions.values import bounded_length, checks_of
from app.definitions.wrong import Wrong, WrongInside
from app.errors import FieldError, Finding

__all__ = ["Field", "Validator", "object_validator", "plain", "reader", "validation_findings"]

Field = ValueType | ObjectDef | ListDef


def reader(said: Field, keys: Keys = NO_KEYS, *, text: bool = False) -> Read:
    """Give the function that reads one field, from JSON or from the text of a path, a query or a header.

    `keys` are what references hold. What it gives is the value as rules see it; it raises Wrong.
    """
    if isinstance(said, ObjectDef):
        return _object(object_validator(said.fields, keys))
    if isinstance(said, ListDef):
        return _list(reader(said.of, keys), said.min_length, said.max_length)
    kind = said.described_with(keys)
    from_text = kind.from_text if text else None
    flat = [_no_list] if said.array else []
    one = _in_turn((*([from_text] if from_text else []), *flat, kind.read, *checks_of(said, kind)))
    return _list(one, None, None) if said.array else one


def _no_list(item: Any) -> object:
    """Refuse a list in an array, of json too: to Postgres it is one more dimension of the array, and no item."""
    if isinstance(item, list):
        raise Wrong("type", "An item of this list can't be a list.")
    return item


@lru_cache(1_024)
def _in_turn(reads: tuple[Read, ...]) -> Read:
    """Read by one behind the other; what is read alike has one function."""
    if len(reads) == 1:
        return reads[0]

    def read(value: Any) -> Any:
        for each in reads:
            value = each(value)
        return value

    return read


def _object(validator: "Validator") -> Read:
    def read(value: Any) -> Any:
        if not isinstance(value, dict):
            raise Wrong("type", "An object is wanted.")
        found, errors = validator.read(value)
        if errors:
            raise WrongInside(errors)
        return found

    return read


def _list(one: Read, low: int | None, high: int | None) -> Read:
    lengths = bounded_length(low, high, "items") if low is not None or high is not None else None

    def read(value: Any) -> Any:
        if not isinstance(value, list):
            raise Wrong("type", "A list is wanted.")
        if lengths is not None:
            lengths(value)
        found, errors = [], []
        for index, item in enumerate(value):
            try:
                found.append(_not_null(item, one))
            except Wrong as wrong:
                errors += [FieldError((index, *e.loc), e.code, e.message) for e in wrong.errors]
        if errors:
            raise WrongInside(errors)
        return found

    return read


def _not_null(item: Any, one: Read) -> object:
    if item is None:
        raise Wrong("null", "A value is wanted here, not null.")
    return one(item)


@dataclass(frozen=True, slots=True)
class _Field:
    read: Read
    required: bool
    default: Any
    array: bool
    needed: bool


class Validator:
    """Reads the fields of one place: a body, a query, a path, the headers."""

    __slots__ = ("_defaults", "_fields", "_required")

    def __init__(self, fields: Mapping[str, _Field]) -> None:
        """Take the fields by name."""
        self._fields = fields
        self._required = tuple(name for name, field in fields.items() if field.needed)
        self._defaults = {name: field.default for name, field in fields.items() if field.default is not None}

    def read(self, given: Mapping[str, Any]) -> tuple[dict[str, Any], list[FieldError]]:
        """Give the values of the fields that were sent or have a default, and every error with its place."""
        found: dict[str, object] = dict(self._defaults)
        errors: list[FieldError] = []
        for name, value in given.items():
            field = self._fields.get(name)
            try:
                found[name] = _read_one(field, value)
            except Wrong as wrong:
                errors += [FieldError((name, *e.loc), e.code, e.message) for e in wrong.errors]
        for name in self._required:
            if name not in given:
                errors.append(FieldError((name,), "input.required", "This field is required."))
        return found, errors

    def read_partial(self, given: Mapping[str, Any]) -> tuple[dict[str, object], list[FieldError]]:
        """Give the values of the fields that were sent and nothing else, and every error with its place."""
        found, errors = self.read(given)
        kept = {name: value for name, value in found.items() if name in given}
        return kept, [error for error in errors if error.code != "input.required"]

    def from_pairs(self, pairs: Sequence[tuple[str, str | list[str]]]) -> tuple[dict[str, Any], list[FieldError]]:
        """Read fields that came as texts, such as a query's; a name that repeats is an array's, else an error.

        The items of an array may come together, as a list.
        """
        given: dict[str, Any] = {}
        errors: list[FieldError] = []
        for name, value in pairs:
            field = self._fields.get(name)
            if field is not None and field.array:
                given.setdefault(name, []).extend([value] if isinstance(value, str) else value)
            elif name in given:
                errors.append(FieldError((name,), "input.repeated", "This field was sent twice."))
            else:
                given[name] = value
        found, wrong = self.read(given)
        return found, [*errors, *wrong]

    @property
    def arrays(self) -> Collection[str]:
        """Name the fields that hold lists."""
        return {name for name, field in self._fields.items() if field.array}

    @property
    def names(self) -> Collection[str]:
        """Name the fields."""
        return self._fields.keys()


_OF_NOTHING = Validator({})


def _read_one(field: _Field | None, value: Any) -> object:
    if field is None:
        raise Wrong("unknown_field", "There is no such field.")
    if value is None:
        if field.required:
            raise Wrong("null", "This field can't be null.")
        return None
    return field.read(value)


def object_validator(fields: Mapping[str, Field], keys: Keys = NO_KEYS, *, text: bool = False) -> Validator:
    """Compile declared fields to a validator; defaults are read once, here. Computed ones are the database's."""
    return Validator({name: _field(said, keys, text) for name, said in fields.items()}) if fields else _OF_NOTHING


def _field(said: Field, keys: Keys, text: bool) -> _Field:
    read = reader(said, keys, text=text)
    array = isinstance(said, ListDef) or (isinstance(said, ValueType) and said.array)
    default = fitting_default(said, keys)
    needed = said.required and not (said.has_default if isinstance(said, ValueType) else said.default is not None)
    return _Field(read, said.required, default, array, needed)


def _default_value(said: Field, keys: Keys) -> Any:
    """Give the literal default as rules see it, None where there is none; raises Wrong where it doesn't fit."""
    literal = literal_default(said) if isinstance(said, ValueType) else deep_literal(said.default)
    return None if literal is None else reader(said, keys)(literal)


def fitting_default(said: Field, keys: Keys = NO_KEYS) -> Any:
    """Give the literal default as rules see it, None where there is none, or one that is a finding."""
    try:
        return _default_value(said, keys)
    except Wrong:
        return None


def validation_findings(place: str, fields: Mapping[str, Field], keys: Keys = NO_KEYS) -> list[Finding]:
    """Find patterns that RE2 doesn't take and defaults that their own field would refuse."""
    findings = []
    for name, said in fields.items():
        at = f"{place}.{name}"
        if isinstance(said, ValueType):
            findings += _value_findings(at, said, keys)
            continue
        inside, fields = (f"{at}.fields", said.fields) if isinstance(said, ObjectDef) else (at, {"of": said.of})
        found = validation_findings(inside, fields, keys)
        findings += found or _misfits(f"{at}.default", said, keys)
    return findings


def pattern_findings(place: str, pattern: str | None) -> list[Finding]:
    """Find that a pattern is none that RE2 takes."""
    if pattern is None:
        return []
    import re2  # noqa: PLC0415 - 3 MiB, for definitions that have a pattern

    try:
        re2.compile(pattern)
    except re2.error:
        hint = "look-around and back-references are not part of RE2"
        return [Finding(f"{place}.pattern", "this is no RE2 pattern", hint)]
    return []


def _value_findings(place: str, said: ValueType, keys: Keys) -> list[Finding]:
    if found := pattern_findings(place, said.pattern):
        return found
    return default_findings(f"{place}.default", said, keys)


def default_findings(place: str, said: ValueType, keys: Keys = NO_KEYS) -> list[Finding]:
    """Find that a default is none that its own field would take; the field's pattern has been checked.

    What an earlier version took goes on where it is stored: it didn't look at defaults of columns, and a text that
    begins with `=` was no more than a text.
    """
    found = misfit = _misfits(place, said, keys)
    if begins_computed(said):
        found = computed_findings(place, said, reader(said, keys))
    return [replace(one, stricter=isinstance(said, ColumnDef) or not misfit) for one in found]


def _misfits(place: str, said: Field, keys: Keys) -> list[Finding]:
    """Find each part of a default that its own field would refuse."""
    try:
        _default_value(said, keys)
    except Wrong as wrong:
        return [
            Finding(".".join((place, *map(str, one.loc))), f"the default doesn't fit: {one.message}")
            for one in wrong.errors
        ]
    return []
