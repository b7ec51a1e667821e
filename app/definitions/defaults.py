"""Defaults: a literal that fits its field, or one of the few values that the database computes for each new row."""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from app.definitions.column_types import ANY_JSON, COLUMN_TYPES, Read
from app.definitions.columns import ColumnDef, ValueType
from app.definitions.wrong import Wrong
from app.errors import Finding

MOST_TOKEN = 1_024  # characters, as of the language's random_token
_CALL = re.compile(r"=\s*([a-z_]+)\s*(?:\(\s*([0-9]{0,9})\s*\))?\s*", re.ASCII)
_NEEDS = "=now (a timestamp), =today (a date, UTC), =uuid() (a uuid) or =random_token(24) (a text)"
# Every character of a token, alone: each of these is a token that may come.
_TOKENS = "AZaz09-_"


@dataclass(frozen=True, slots=True)
class Computed:
    """A default that the database computes: what it is, the type of its column, and how long a token is."""

    name: str
    type: str
    length: int | None = None


_WITHOUT_BRACKETS = frozenset({"now", "today"})


def begins_computed(said: ValueType) -> bool:
    """Say whether the default is written as an expression is, whatever it comes to."""
    return isinstance(said.default, str) and said.default.startswith("=")


def computed(said: ValueType) -> Computed | None:
    """Give the computed default of a column; None where its default is another one, or none."""
    found = _said(said) if isinstance(said, ColumnDef) and not said.array else None
    return found if found is not None and found.type == said.type else None


def _said(said: ValueType) -> Computed | None:
    found = _CALL.fullmatch(said.default) if begins_computed(said) else None
    if found is None:
        return None
    name, argument = found.groups()
    if (name in _WITHOUT_BRACKETS) != (argument is None) or (name == "random_token") != bool(argument):
        return None
    type_ = next((type_ for type_, one in COLUMN_TYPES.items() if one.computed == name), None)
    return None if type_ is None else Computed(name, type_, int(argument) if argument else None)


def literal_default(said: ValueType) -> Any:
    """Give the default as a literal, None where there is none."""
    if computed(said) is not None:
        return None
    if isinstance(said.default, str):
        return said.default.removeprefix("\\") if said.default.startswith("\\=") else said.default
    return said.default if said.described.rule == ANY_JSON and not said.array else plain(said.default)


def deep_literal(value: Any) -> Any:
    """Give the default of a list or an object as JSON has it, however deep."""
    if isinstance(value, dict):
        return {key: deep_literal(item) for key, item in value.items()}
    return [deep_literal(item) for item in value] if isinstance(value, list | tuple) else plain(value)


def plain(value: Any) -> Any:
    """Give a value of a document as JSON has it: a float is the decimal that was written."""
    if isinstance(value, float):
        return Decimal(str(value))
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def computed_findings(place: str, said: ValueType, read: Read) -> list[Finding]:
    """Find what is wrong with a default that begins with `=`: that it is none of those there are, or doesn't fit.

    `read` reads a value of the field, or raises Wrong.
    """
    if not isinstance(said, ColumnDef):
        return [Finding(place, "a default is a literal here", "a text that begins with an equals sign is written \\=")]
    found = _said(said)
    if found is None:
        hint = f"a column may have {_NEEDS}; a text that begins with an equals sign is written \\="
        return [Finding(place, "there is no such computed default", hint)]
    if said.type != found.type or said.array:
        return [Finding(place, f"this default is a {found.type}, which the column isn't", f"there are {_NEEDS}")]
    return [] if found.length is None else _token_findings(place, found.length, read)


def _token_findings(place: str, length: int, read: Read) -> list[Finding]:
    if not 1 <= length <= MOST_TOKEN:
        return [Finding(place, f"a token has 1 to {MOST_TOKEN:,} characters")]
    try:
        for character in _TOKENS:
            read(character * length)
    except Wrong as wrong:
        return [Finding(place, f"a random token doesn't always fit: {wrong.errors[0].message}")]
    return []
