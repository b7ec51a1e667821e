"""One strict reader of JSON: UTF-8, no NaN, no duplicate keys, bounded depth and digits, no text that can't be kept."""

import json
import re
from decimal import Decimal
from typing import Any, ClassVar, NoReturn

from app.errors import RowgateError

MAX_DEPTH = 64
MAX_DIGITS = 40
MAX_KEYS = 10_000

# Everything that could make Python's parser and ours disagree, or that we refuse, begins with one of these.
_NUMBER = re.compile(rb"[0-9][0-9.eE+-]{%d}" % MAX_DIGITS)
_ESCAPED_NUL_OR_SURROGATE = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")


class BadJson(RowgateError):
    """The body is no JSON, or JSON of a kind that no two readers understand alike."""

    status: ClassVar[int] = 400
    code: ClassVar[str] = "input.bad_json"


class BadText(RowgateError):
    """A text holds a NUL or half a surrogate pair, which the database can't keep."""

    status: ClassVar[int] = 400
    code: ClassVar[str] = "input.bad_text"


def parse_json(body: bytes, *, depth: int = MAX_DEPTH) -> Any:
    """Read JSON. A number with a point or an exponent is a Decimal, every other one an int.

    Raises BadJson or BadText; neither repeats anything of the body. The work is linear in the body's length.
    """
    _check_depth(body, depth)
    if _NUMBER.search(body) and _has_long_number(body):
        raise BadJson(f"A number in the body has more than {MAX_DIGITS} digits.")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise BadJson("The body is not UTF-8 text.") from None
    try:
        value = _DECODER.decode(text)
    except _Duplicate:
        raise BadJson("A key stands twice in an object of the body.") from None
    except (ValueError, RecursionError):
        raise BadJson("The body is not JSON.") from None
    if _ESCAPED_NUL_OR_SURROGATE.search(body) or b"\x00" in body:
        check_texts(value)
    return value


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


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _Duplicate
    return members


def _refuse_constant(_text: str) -> NoReturn:
    raise ValueError("NaN and infinity are no JSON")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=Decimal, parse_constant=_refuse_constant, strict=True
)

_BRACKETS = re.compile(rb'"(?:[^"\\]|\\.)*+"|[\[{\]}]', re.DOTALL)


def _check_depth(body: bytes, depth: int) -> None:
    """Refuse before a parser recurses: where there are few brackets there is nothing to count."""
    if body.count(b"[") + body.count(b"{") <= depth:
        return
    open_now = 0
    for match in _BRACKETS.finditer(body):
        mark = match[0]
        if mark in (b"[", b"{"):
            open_now += 1
            if open_now > depth:
                raise BadJson(f"The body is nested more than {depth} deep.")
        elif mark in (b"]", b"}"):
            open_now -= 1


_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*+"', re.DOTALL)


def _has_long_number(body: bytes) -> bool:
    return _NUMBER.search(_STRINGS.sub(b'""', body)) is not None
