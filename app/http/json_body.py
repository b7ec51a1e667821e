"""One strict reader of JSON: UTF-8, no NaN, no duplicate keys, bounded depth and digits, no text that can't be kept."""

import json
import re
from decimal import Decimal
from typing import Any, ClassVar, NoReturn

from app.errors import RowgateError

MAX_DEPTH = 64
MAX_DIGITS = 40
MAX_EXPONENT = 350  # more than any float has; written out, 1e131071 would be 131,072 digits
MAX_KEYS = 50_000

_NUMBER = re.compile(rb"[0-9][0-9.eE+-]{%d}" % MAX_DIGITS)
_LONG_EXPONENT = re.compile(rb"[0-9][eE][+-]?[0-9]{3}")
ESCAPED_NUL_OR_SURROGATE = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
# A text that doesn't end is taken to the body's end: the search is linear in whatever it is given.
_STRINGS = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
NO_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")


class BodyTooLarge(RowgateError):
    """The body has more bytes than the endpoint takes."""

    status: ClassVar[int] = 413
    code: ClassVar[str] = "input.too_large"


class BadJson(RowgateError):
    """The body is no JSON, or JSON of a kind that no two readers understand alike."""

    status: ClassVar[int] = 400
    code: ClassVar[str] = "input.bad_json"


class BadText(RowgateError):
    """A text holds a NUL or half a surrogate pair, which the database can't keep."""

    status: ClassVar[int] = 400
    code: ClassVar[str] = "input.bad_text"


def parse_json(body: bytes, *, depth: int = MAX_DEPTH, keys: int = MAX_KEYS) -> Any:
    """Read JSON. A number with a point or an exponent is a Decimal, every other one an int.

    Raises BadJson or BadText; neither repeats anything of the body. The work is linear in the body's length.
    """
    if body.count(b":") > keys and _without_texts(body).count(b":") > keys:
        raise too_many_keys(keys)
    value = decoded(body)
    if body.count(b"[") + body.count(b"{") > depth:
        check_depth(_without_texts(body).translate(None, NO_BRACKETS), depth)
    refuse_long_numbers(body)
    if ESCAPED_NUL_OR_SURROGATE.search(body):
        check_texts(value)
    return value


def json_or_text(body: bytes | None) -> Any:
    """Give an answer's body for reading: None for none, and as text what is no JSON that is taken here."""
    if not body:
        return None
    try:
        return parse_json(body)
    except (BadJson, BadText):
        return body.decode("utf-8", "replace")


def plain_numbers(value: Any) -> object:
    """Give decimals as the floats that YAML and JSON Schema have; one that a float would change stays, and is found."""
    if isinstance(value, dict):
        return {key: plain_numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain_numbers(item) for item in value]
    if isinstance(value, Decimal) and Decimal(repr(float(value))) == value:
        return float(value)
    return value


def decoded(body: bytes) -> Any:
    """Read JSON, whatever its depth, its numbers and its texts are; raises BadJson."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise BadJson("The body is not UTF-8 text.") from None
    decoder = _WARY_DECODER if _LONG_EXPONENT.search(body) else _DECODER
    try:
        return decoder.decode(text)
    except _Duplicate:
        raise key_twice() from None
    except RecursionError:
        raise BadJson("The body is nested too deep.") from None
    except ValueError:
        raise not_json() from None


def refuse_long_numbers(body: bytes) -> None:
    """Raise BadJson if a number of JSON has too many digits."""
    if _NUMBER.search(body) and _NUMBER.search(_without_texts(body)):
        raise BadJson(f"A number in the body has more than {MAX_DIGITS} digits.")


def not_json() -> BadJson:
    """Give the refusal of what breaks JSON's grammar."""
    return BadJson("The body is not JSON.")


def key_twice() -> BadJson:
    """Give the refusal of an object that says a key twice."""
    return BadJson("A key stands twice in an object of the body.")


def too_deep(depth: int) -> BadJson:
    """Give the refusal of what has more brackets within brackets."""
    return BadJson(f"The body is nested more than {depth} deep.")


def too_many_keys(keys: int) -> BadJson:
    """Give the refusal of what has more keys, in all its objects."""
    return BadJson(f"The body has more than {keys} keys.")


def check_texts(value: Any) -> None:
    """Raise BadText if a string or a key in a value holds a NUL or half a surrogate pair."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            check_text(item)
        elif isinstance(item, dict):
            waiting += item.keys()
            waiting += item.values()
        elif isinstance(item, list):
            waiting += item


def text_of_bytes(body: bytes) -> str:
    """Give a body as the text that it is, or raise BadText."""
    try:
        return check_text(body.decode("utf-8"))
    except UnicodeDecodeError:
        raise BadText("The body is not UTF-8 text.") from None


def check_text(text: str) -> str:
    """Give the text back, or raise BadText."""
    if "\x00" in text:
        raise BadText("A text holds the character NUL, which can't be kept.")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise BadText("A text holds half a surrogate pair, which is no character.") from None
    return text


class _Duplicate(Exception):
    """A key stands twice."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _Duplicate
    return members


def _refuse_constant(_text: str) -> NoReturn:
    raise ValueError("NaN and infinity are no JSON")


def _number(text: str) -> Decimal:
    mantissa, _, exponent = text.lower().partition("e")
    if abs(int(exponent or 0)) > MAX_EXPONENT:
        raise BadJson("A number in the body is out of range.")
    return Decimal(f"{mantissa}e{exponent or 0}")


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_float=Decimal, parse_constant=_refuse_constant)
_WARY_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_float=_number, parse_constant=_refuse_constant)


def _without_texts(body: bytes) -> bytes:
    return _STRINGS.sub(b'""', body)


def check_depth(brackets: bytes, depth: int) -> None:
    """Raise BadJson if brackets are nested too deep: the innermost pairs are taken away, depth times."""
    for _ in range(depth):
        brackets = brackets.replace(b"[]", b"").replace(b"{}", b"")
        if not brackets:
            return
    raise too_deep(depth)
