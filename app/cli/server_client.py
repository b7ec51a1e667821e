"""A running server's admin API, as the commands ask it: with a key, and with its refusals as sentences."""

import json
import urllib.error
import urllib.request
from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import urlencode, urlsplit

from app.cli.progress import progress
from app.errors import FieldError, RowgateError

SECONDS = 600  # an index may be built, and a test may wait for others
YAML = "application/yaml"


class ServerRefused(RowgateError):
    """The server refuses, or can't be asked; `errors` has what it found, each with its place."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "server.refused"


@dataclass(frozen=True, slots=True)
class Reply:
    """What the server answered; names of headers are lower-case."""

    headers: Mapping[str, str]
    body: bytes

    def document(self) -> dict[str, Any]:
        """Read the body, which is an object of JSON."""
        try:
            found: dict[str, object] = json.loads(self.body)
        except ValueError:
            raise ServerRefused("There is no answer of Rowgate's at this URL.") from None
        return found


@dataclass(frozen=True, slots=True)
class RemoteServer:
    """Where the server is, and the key that opens its admin API."""

    url: str
    key: str

    def plan(self, document: bytes) -> dict[str, Any]:
        """Give what applying a document would change."""
        return self.ask("POST", "/config/plan", body=document).document()

    def apply(self, document: bytes, destroy: Collection[str], *, allow_wider: bool) -> dict[str, Any]:
        """Make the backend what a document says; refused where somebody else changes it meanwhile."""
        etag = self.ask("GET", "/config").headers.get("etag", "*")
        query = urlencode([*(("destroy", name) for name in destroy), ("allow_wider", str(allow_wider).lower())])
        return self.ask("PUT", f"/config?{query}", body=document, headers={"If-Match": etag}).document()

    def export(self, *, as_json: bool) -> str:
        """Give the whole backend as a document."""
        return self.ask("GET", "/config", headers={} if as_json else {"Accept": YAML}).body.decode()

    def test(self, document: bytes | None) -> dict[str, Any]:
        """Run the tests of a document, or of what is live; gives the report."""
        return self.ask("POST", "/test", body=document).document()

    def isolation(self, document: bytes | None, said: Mapping[str, Collection[str]]) -> dict[str, Any]:
        """Prove that people are kept apart, in a document or in what is live; gives the report."""
        query = urlencode([(name, one) for name, values in said.items() for one in values])
        return self.ask("POST", f"/test/isolation?{query}", body=document).document()

    def ask(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        quiet: bool = False,
    ) -> Reply:
        """Ask for a path below `/admin/v1`; a body is YAML, unless a header says else. Raises ServerRefused.

        Of a `quiet` one nothing is told while it lasts: the caller does.
        """
        if urlsplit(self.url).scheme not in {"http", "https"}:
            raise ServerRefused("The URL of the server begins with http:// or https://.")
        where = f"{self.url.rstrip('/')}/admin/v1{path}"
        sent = {"Authorization": f"Bearer {self.key}", **({"Content-Type": YAML} if body is not None else {})}
        asked = urllib.request.Request(where, body, {**sent, **(headers or {})}, method=method)  # noqa: S310 - checked above
        try:
            with _told(self.url, quiet), urllib.request.urlopen(asked, timeout=SECONDS) as answer:  # noqa: S310 - checked above
                return Reply({name.lower(): value for name, value in answer.headers.items()}, answer.read())
        except urllib.error.HTTPError as error:
            with error:
                raise _refusal(error) from None
        except (OSError, ValueError):
            raise ServerRefused("The server can't be asked: there is no answer of Rowgate's at this URL.") from None


def _told(url: str, quiet: bool) -> AbstractContextManager[None]:
    return nullcontext() if quiet else progress(f"{url} is at it")


def _refusal(error: urllib.error.HTTPError) -> ServerRefused:
    try:
        said = json.load(error)
        errors = [
            FieldError(tuple(map(str, one["loc"])), one["code"], one["message"], one.get("hint"), one.get("excerpt"))
            for one in said.get("errors", [])
        ]
        return ServerRefused(str(said["detail"]), hint=said.get("hint"), errors=errors)
    except (ValueError, KeyError, TypeError, AttributeError):
        return ServerRefused(f"The server answered {error.code}.")
