"""What the options of a column or an input ask of one value of it; no message repeats the value."""

import re
from decimal import Decimal
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from app.definitions.column_types import ColumnType, Read
from app.definitions.columns import ValueType
from app.definitions.wrong import Wrong

# Checks that are said alike are one: there are thousands of fields, and few checks.
_alike = lru_cache(1_024, typed=True)
_SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*", re.ASCII)
_PATTERN_SENTENCE = "The text doesn't have the form that is wanted."
_FORMAT_SENTENCES = {
    "email": "An email address is wanted.",
    "url": "A URL is wanted that begins with https:// or http://.",
    "slug": "A slug is wanted, such as my-first-page.",
}


def checks_of(said: ValueType, kind: ColumnType) -> list[Read]:
    """Give the checks of a value's options, and of its type; each gives the value back or raises Wrong."""
    checks: list[Read] = []
    if kind.range is not None:
        checks.append(_between(*kind.range, "The number is out of range."))
    if said.min is not None or said.max is not None:
        checks.append(_between(said.min, said.max, _range_sentence(said)))
    if said.precision is not None:
        checks.append(_fits(said.precision, said.scale or 0))
    if said.min_length is not None or said.max_length is not None:
        checks.append(bounded_length(said.min_length, said.max_length, "characters"))
    if said.pattern is not None:
        checks.append(_like(said.pattern))
    if said.format is not None:
        checks.append(_FORMATS[said.format])
    if said.values is not None:
        checks.append(_one_of(said.values))
    return checks


def sentence_of(option: str, said: ValueType) -> str | None:
    """Say what an option asks, as the refusal of a value by its check does; None for another word than an option's."""
    if option in ("min", "max"):
        return _range_sentence(said)
    if option in ("min_length", "max_length"):
        return _length_sentence(said.min_length, said.max_length, "characters")
    if option == "format" and said.format is not None:
        return _FORMAT_SENTENCES[said.format]
    return _PATTERN_SENTENCE if option == "pattern" else None


def _range_sentence(said: ValueType) -> str:
    return f"A number of {_bounds(said.min, said.max)} is wanted."


def _length_sentence(low: int | None, high: int | None, what: str) -> str:
    return f"{_bounds(low, high)} {what} are wanted.".capitalize()


def _bounds(low: Any, high: Any) -> str:
    bounds = [f"at least {low}"] if low is not None else []
    bounds += [f"at most {high}"] if high is not None else []
    return " and ".join(bounds)


@_alike
def _between(low: Any, high: Any, sentence: str) -> Read:
    def check(value: Any) -> Any:
        # A float is compared as the decimal it stands for, so that 0.1 is not below a bound of 0.1.
        number = Decimal(repr(value)) if isinstance(value, float) else value
        if (low is not None and number < low) or (high is not None and number > high):
            raise Wrong("range", sentence)
        return value

    return check


@_alike
def _fits(precision: int, scale: int) -> Read:
    def check(value: Any) -> Any:
        if value and value.adjusted() + 1 > precision - scale:
            raise Wrong("range", "The number is out of range.")
        if -int(value.as_tuple().exponent) > scale and _places(value) > scale:
            raise Wrong("scale", f"A number of at most {scale} decimal places is wanted.")
        return value

    return check


def _places(value: Decimal) -> int:
    """Count the decimal places, zeros at the end aside; exact for any number of digits."""
    _, digits, exponent = value.as_tuple()
    zeros = len(digits) - len("".join(map(str, digits)).rstrip("0"))
    return max(0, -(int(exponent) + zeros)) if value else 0


@_alike
def bounded_length(low: int | None, high: int | None, what: str) -> Read:
    """Give the check that something has at least `low` and at most `high` characters, or items."""
    sentence = _length_sentence(low, high, what)

    def check(value: Any) -> Any:
        if (low is not None and len(value) < low) or (high is not None and len(value) > high):
            raise Wrong("length", sentence)
        return value

    return check


def _like(pattern: str) -> Read:
    import re2  # noqa: PLC0415 - 3 MiB, for definitions that have a pattern

    compiled = re2.compile(pattern)

    def check(value: Any) -> Any:
        if compiled.fullmatch(value) is None:
            raise Wrong("pattern", _PATTERN_SENTENCE)
        return value

    return check


@_alike
def _one_of(values: tuple[str, ...]) -> Read:
    allowed = frozenset(values)
    sentence = f"One of these is wanted: {', '.join(values)}."

    def check(value: Any) -> Any:
        if value not in allowed:
            raise Wrong("enum", sentence)
        return value

    return check


def _email(value: Any) -> Any:
    from email_validator import EmailNotValidError, validate_email  # noqa: PLC0415 - not with what only checks

    try:
        validate_email(value, check_deliverability=False, allow_smtputf8=True)
    except EmailNotValidError:
        raise Wrong("format", _FORMAT_SENTENCES["email"]) from None
    return value


def _url(value: Any) -> Any:
    try:
        parts = urlsplit(value)
        fits = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        fits = False
    if not fits or any(character.isspace() or character < " " for character in value):
        raise Wrong("format", _FORMAT_SENTENCES["url"])
    return value


def _slug(value: Any) -> Any:
    if not _SLUG.fullmatch(value):
        raise Wrong("format", _FORMAT_SENTENCES["slug"])
    return value


_FORMATS: dict[str, Read] = {"email": _email, "url": _url, "slug": _slug}
