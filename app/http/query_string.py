"""A raw query as pairs of names and values: strict about text, bounded in number."""

from typing import ClassVar
from urllib.parse import unquote_to_bytes

from app.errors import RowgateError
from app.http.json_body import BadText, BodyTooLarge, check_text

MAX_PAIRS = 200
MAX_QUERY = 32 * 1024  # bytes
MAX_FIELDS = 1000  # of a form


class QueryTooLong(RowgateError):
    """The query has more bytes or more pairs than a request may have."""

    status: ClassVar[int] = 414
    code: ClassVar[str] = "input.query_too_long"


def query_pairs(query: bytes, most: int = MAX_QUERY) -> list[tuple[str, str]]:
    """Give the pairs of a query of at most so many bytes, in order; `+` is a space. Raises QueryTooLong or BadText."""
    if len(query) > most or query.count(b"&") >= MAX_PAIRS:
        raise QueryTooLong(f"A query has at most {most} bytes and {MAX_PAIRS} parts.")
    return _pairs(query)


def form_pairs(body: bytes) -> list[tuple[str, str]]:
    """Give the fields of a form, in order. Raises BodyTooLarge or BadText."""
    if body.count(b"&") >= MAX_FIELDS:
        raise BodyTooLarge(f"A form has at most {MAX_FIELDS} fields.")
    return _pairs(body)


def _pairs(query: bytes) -> list[tuple[str, str]]:
    pairs = []
    for part in query.split(b"&"):
        if part:
            name, _, value = part.partition(b"=")
            pairs.append((_decoded(name), _decoded(value)))
    return pairs


def _decoded(raw: bytes) -> str:
    if b"%" in raw or b"+" in raw:
        raw = unquote_to_bytes(raw.replace(b"+", b" "))
    try:
        return check_text(raw.decode("utf-8"))
    except UnicodeDecodeError:
        raise BadText("The query or the form is not UTF-8 text.") from None
