"""How one value of each type is read, strictly, and what its options ask of it; no message repeats the value."""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import re2
from email_validator import EmailNotValidError, validate_email

from app.definitions.columns import INTEGER_RANGES, LARGEST_EXPONENT, ValueType
from app.errors import FieldError

Read = Callable[[Any], Any]

MAX_DIGITS = 40
_NUMBER = re.compile(r"-?[0-9]{1,40}(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,4})?", re.ASCII)
_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,18})", re.ASCII)
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?([Zz]|[+-][0-9]{2}:[0-9]{2})", re.ASCII
)
_SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*", re.ASCII)


class Wrong(Exception):
    """A value that isn't what its field takes, or several inside it."""

    def __init__(self, code: str, message: str) -> None:
        """Say what is wanted, never what came."""
        super().__init__(message)
        self.errors: list[FieldError] = [FieldError((), f"input.{code}", message)]


class WrongInside(Wrong):
    """Fields of an object or items of a list that are wrong, each with its place."""

    def __init__(self, errors: list[FieldError]) -> None:
        """Take all of them."""
        super().__init__("invalid", "")
        self.errors = errors


def _text(value: Any) -> Any:
    if not isinstance(value, str):
        raise Wrong("type", "A text is wanted.")
    return value


def _integer(value: Any) -> Any:
    if type(value) is not int:
        raise Wrong("type", "A whole number is wanted.")
    return value


def _decimal(value: Any) -> Any:
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        value = Decimal(value)
    if type(value) is int:
        value = Decimal(value)
    if not isinstance(value, Decimal) or not value.is_finite():
        raise Wrong("type", "A number is wanted.")
    if abs(value.adjusted()) > LARGEST_EXPONENT:
        raise Wrong("range", "The number is out of range.")
    return value


def _float(value: Any) -> Any:
    if type(value) is int or isinstance(value, Decimal):
        try:
            number = float(value)
        except OverflowError:
            number = float("inf")
        if abs(number) == float("inf"):
            raise Wrong("range", "The number is out of range.")
        return number
    raise Wrong("type", "A number is wanted.")


def _boolean(value: Any) -> Any:
    if not isinstance(value, bool):
        raise Wrong("type", "true or false is wanted.")
    return value


def _uuid(value: Any) -> Any:
    if not isinstance(value, str) or not _UUID.fullmatch(value):
        raise Wrong("type", "A UUID is wanted, such as 018f2b6c-9f1e-7cc3-8000-0123456789ab.")
    return value.lower()


def _date(value: Any) -> Any:
    if isinstance(value, str) and _DATE.fullmatch(value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    raise Wrong("type", "A date is wanted, such as 2027-01-31.")


def _moment(value: Any) -> Any:
    if isinstance(value, str) and _MOMENT.fullmatch(value):
        try:
            return datetime.fromisoformat(value.upper()).astimezone(UTC)
        except (ValueError, OverflowError):
            pass
    raise Wrong("type", "A moment with its time zone is wanted, such as 2027-01-31T18:00:00Z.")


READERS: dict[str, Read] = {
    "text": _text,
    "integer": _integer,
    "bigint": _integer,
    "decimal": _decimal,
    "float": _float,
    "boolean": _boolean,
    "date": _date,
    "uuid": _uuid,
    "timestamp": _moment,
    "json": lambda value: value,
    "enum": _text,
    "user": _uuid,
    "reference": _uuid,
}


def _text_to_integer(text: str) -> Any:
    return int(text) if _INTEGER.fullmatch(text) else text


def _text_to_float(text: str) -> Any:
    return Decimal(text) if _NUMBER.fullmatch(text) else text


def _text_to_boolean(text: str) -> Any:
    return {"true": True, "false": False}.get(text, text)


FROM_TEXT: dict[str, Callable[[str], Any]] = {
    "integer": _text_to_integer,
    "bigint": _text_to_integer,
    "float": _text_to_float,
    "boolean": _text_to_boolean,
}


def checks_of(said: ValueType, kind: str) -> list[Read]:
    """Give the checks of a value's options, and of its kind; each gives the value back or raises Wrong."""
    checks: list[Read] = []
    if kind in INTEGER_RANGES:
        checks.append(_between(*INTEGER_RANGES[kind], "The number is out of range."))
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


def _range_sentence(said: ValueType) -> str:
    bounds = [f"at least {said.min}"] if said.min is not None else []
    bounds += [f"at most {said.max}"] if said.max is not None else []
    return f"A number of {' and '.join(bounds)} is wanted."


def _between(low: Any, high: Any, sentence: str) -> Read:
    def check(value: Any) -> Any:
        # A float is compared as the decimal it stands for, so that 0.1 is not below a bound of 0.1.
        number = Decimal(repr(value)) if isinstance(value, float) else value
        if (low is not None and number < low) or (high is not None and number > high):
            raise Wrong("range", sentence)
        return value

    return check


def _fits(precision: int, scale: int) -> Read:
    def check(value: Any) -> Any:
        if value and value.adjusted() + 1 > precision - scale:
            raise Wrong("range", "The number is out of range.")
        if _places(value) > scale:
            raise Wrong("scale", f"A number of at most {scale} decimal places is wanted.")
        return value

    return check


def _places(value: Decimal) -> int:
    """Count the decimal places, zeros at the end aside; exact for any number of digits."""
    _, digits, exponent = value.as_tuple()
    zeros = len(digits) - len("".join(map(str, digits)).rstrip("0"))
    return max(0, -(int(exponent) + zeros)) if value else 0


def bounded_length(low: int | None, high: int | None, what: str) -> Read:
    """Give the check that something has at least `low` and at most `high` characters, or items."""
    bounds = [f"at least {low}"] if low is not None else []
    bounds += [f"at most {high}"] if high is not None else []
    sentence = f"{' and '.join(bounds)} {what} are wanted.".capitalize()

    def check(value: Any) -> Any:
        if (low is not None and len(value) < low) or (high is not None and len(value) > high):
            raise Wrong("length", sentence)
        return value

    return check


def _like(pattern: str) -> Read:
    compiled = re2.compile(pattern)

    def check(value: Any) -> Any:
        if compiled.fullmatch(value) is None:
            raise Wrong("pattern", "The text doesn't have the form that is wanted.")
        return value

    return check


def _one_of(values: Sequence[str]) -> Read:
    allowed = frozenset(values)
    sentence = f"One of these is wanted: {', '.join(values)}."

    def check(value: Any) -> Any:
        if value not in allowed:
            raise Wrong("enum", sentence)
        return value

    return check


def _email(value: Any) -> Any:
    try:
        validate_email(value, check_deliverability=False, allow_smtputf8=True)
    except EmailNotValidError:
        raise Wrong("format", "An email address is wanted.") from None
    return value


def _url(value: Any) -> Any:
    try:
        parts = urlsplit(value)
        fits = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        fits = False
    if not fits or any(character.isspace() or character < " " for character in value):
        raise Wrong("format", "A URL is wanted that begins with https:// or http://.")
    return value


def _slug(value: Any) -> Any:
    if not _SLUG.fullmatch(value):
        raise Wrong("format", "A slug is wanted, such as my-first-page.")
    return value


_FORMATS: dict[str, Read] = {"email": _email, "url": _url, "slug": _slug}
