"""The body of a refusal: what the same words come to is made once, and each request's id put into it."""

from collections.abc import Callable
from typing import Any

from app.errors import RowgateError

Form = Callable[[RowgateError, str], bytes]

KEPT = 256
_LONGEST = 4096  # bytes
_ID = b'"request_id":'  # inside of a string the quotation marks would be escaped

_made: dict[Any, tuple[bytes, bytes]] = {}


def problem_body(form: Form, error: RowgateError, request_id: str) -> bytes:
    """Give the body in a form, which is one function for all refusals; the request's id is one that needs no escapes.

    Strangers choose the words of some refusals: only so many are kept, and what has fields is made each time.
    """
    details = getattr(error, "details", None)
    if error.errors or not (details is None or isinstance(details, str)):
        return form(error, request_id)
    said = form, type(error), error.detail, error.hint, details
    made = _made.get(said)
    if made is None:
        made = _parts(form(error, ""))
        if len(made[0]) + len(made[1]) <= _LONGEST:
            if len(_made) >= KEPT:
                _made.clear()
            _made[said] = made
    return made[0] + request_id.encode() + made[1]


def _parts(body: bytes) -> tuple[bytes, bytes]:
    """Give what stands before and behind the id."""
    at = body.index(b'""', body.index(_ID)) + 1
    return body[:at], body[at:]
