"""A running server, as commands call it: JSON there and back, and its refusals as refusals here."""

import json
import urllib.error
import urllib.request
from typing import Any, ClassVar
from urllib.parse import urlsplit

from app.errors import FieldError, RowgateError

SECONDS = 10


class ServerRefused(RowgateError):
    """The server couldn't be called, or refused; `errors` has what it said."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "server.refused"


def call(url: str, key: str, method: str, path: str, body: Any = None) -> dict[str, Any]:
    """Call the server at `url` and give its answer; raises ServerRefused."""
    if urlsplit(url).scheme not in {"http", "https"}:
        raise ServerRefused("The URL of the server begins with http:// or https://.")
    headers = {"Authorization": f"Bearer {key}"}
    data = None if body is None else json.dumps(body).encode()
    if data is not None:
        headers["Content-Type"] = "application/json"
    where = f"{url.rstrip('/')}{path}"
    asked = urllib.request.Request(where, data, headers, method=method)  # noqa: S310 - checked above
    try:
        with urllib.request.urlopen(asked, timeout=SECONDS) as answer:  # noqa: S310 - checked above
            found: dict[str, Any] = json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            raise _refusal(error) from None
    except (OSError, ValueError):
        raise ServerRefused("The server can't be asked: there is no answer of Rowgate's at this URL.") from None
    return found


def _refusal(error: urllib.error.HTTPError) -> ServerRefused:
    try:
        said = json.load(error)
        errors = [
            FieldError(tuple(map(str, one["loc"])), one["code"], one["message"]) for one in said.get("errors", [])
        ]
        return ServerRefused(str(said["detail"]), hint=said.get("hint"), errors=errors)
    except (ValueError, KeyError, TypeError, AttributeError):
        return ServerRefused(f"The server answered {error.code}.")
