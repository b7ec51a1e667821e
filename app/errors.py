"""The base of every refusal, the finding that a check reports, and the one renderer to RFC 9457 problem documents."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class FieldError:
    """One field that failed: where it stands (`("body", "title")`), a stable code, and a sentence without the input."""

    loc: tuple[str | int, ...]
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One problem of a definition: its place (`views/mine.filter:1:5`), what is wrong, and what to do about it.

    `excerpt` is the line of an expression with a caret under the column, where the finding is about one. `stricter`
    marks what an earlier version has saved: it refuses a save, and is a doubt about what is stored.
    """

    place: str
    message: str
    hint: str | None = None
    code: str = "definition.invalid"
    excerpt: str | None = field(default=None, compare=False)
    stricter: bool = field(default=False, compare=False)

    @property
    def sentence(self) -> str:
        """Say what is wrong, the hint behind it."""
        return self.message + (f" ({self.hint})" if self.hint else "")

    def shown(self) -> dict[str, str | None]:
        """Give the members of the finding in a JSON answer."""
        return {"place": self.place, "code": self.code, "message": self.message, "hint": self.hint}

    def __str__(self) -> str:
        """Print the finding on one line, the hint behind it."""
        return f"{self.place}: {self.sentence}"


def refusing(findings: Sequence[Finding]) -> list[Finding]:
    """Give the findings that refuse what is stored too, and not only what is saved from now on."""
    return [finding for finding in findings if not finding.stricter]


class RowgateError(Exception):
    """A refusal or fault with an HTTP status, a stable dotted code and a sentence that is safe to show."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal"
    title: ClassVar[str] = ""

    def __init__(
        self,
        detail: str,
        *,
        hint: str | None = None,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Keep the sentence, the hint, the fields that failed, and the response headers that go with it."""
        super().__init__(detail)
        self.detail = detail
        self.hint = hint
        self.errors = tuple(errors)
        self.headers = dict(headers or {})


def problem_document(error: RowgateError, request_id: str) -> dict[str, object]:
    """Give the members of an RFC 9457 problem document; a 5xx without a safe sentence of its own shows only its id."""
    hidden = error.status == HTTPStatus.INTERNAL_SERVER_ERROR
    document: dict[str, object] = {
        "type": "about:blank",
        "title": error.title or HTTPStatus(error.status).phrase,
        "status": error.status,
        "detail": "The request failed. The log has the details under this request's id." if hidden else error.detail,
        "code": error.code,
        "request_id": request_id,
    }
    if error.hint and not hidden:
        document["hint"] = error.hint
    if error.errors:
        document["errors"] = [{"loc": list(e.loc), "code": e.code, "message": e.message} for e in error.errors]
    return document


def render_problem(error: RowgateError, request_id: str) -> bytes:
    """Encode the problem document as UTF-8 JSON; a lone surrogate in a sentence is escaped, never a failure."""
    return json.dumps(problem_document(error, request_id), ensure_ascii=True).encode("ascii")
