"""The base of every refusal, the finding that a check reports, and the one renderer to RFC 9457 problem documents."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import ClassVar

_TITLES = {one.value: one.phrase for one in HTTPStatus}
_LONGEST_NAME = 64
_LIKE_A_PART = 0.75  # of a part: `ownr` is meant for `owner`


def near(name: str, known: Iterable[str]) -> str | None:
    """Give the hint that names the closest known spelling, or None where nothing is close."""
    return f"did you mean {found}?" if (found := nearest(name, known)) else None


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Give the known name that is meant: one that differs in capitals or `_`, is spelled alike, or has it as a part."""
    names = list(known)
    if not name or len(name) > _LONGEST_NAME:
        return None
    folded = {_folded(one): one for one in reversed(names)}
    if same := folded.get(_folded(name)):
        return same
    if alike := difflib.get_close_matches(name, names, n=1) or difflib.get_close_matches(_folded(name), folded, n=1):
        return folded.get(alike[0], alike[0])
    return next((one for one in names if _has_part(one, name.lower())), None)


def _folded(name: str) -> str:
    return name.replace("_", "").replace("-", "").lower()


def _has_part(known: str, said: str) -> bool:
    """Say whether a name begins with what is said, or a part of it at `_` is spelled like it."""
    if len(said) < 3:
        return False
    return known.startswith(said) or bool(difflib.get_close_matches(said, known.split("_"), n=1, cutoff=_LIKE_A_PART))


@dataclass(frozen=True, slots=True)
class FieldError:
    """One field that failed: where it stands (`("body", "title")`), a stable code, and a sentence without the input.

    Of a finding there are its hint and its excerpt too.
    """

    loc: tuple[str | int, ...]
    code: str
    message: str
    hint: str | None = None
    excerpt: str | None = None

    def shown(self) -> dict[str, object]:
        """Give the members in a JSON answer."""
        told = {"hint": self.hint, "excerpt": self.excerpt}
        shown: dict[str, object] = {"loc": list(self.loc), "code": self.code, "message": self.message}
        return shown | {name: text for name, text in told.items() if text is not None}


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
        told = {"place": self.place, "code": self.code, "message": self.message, "hint": self.hint}
        return {**told, "excerpt": self.excerpt}

    def field_error(self) -> FieldError:
        """Give it as the error of a field, for a problem document."""
        return FieldError((self.place,), self.code, self.message, self.hint, self.excerpt)

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
        self.headers = dict(headers) if headers else {}


def problem_document(error: RowgateError, request_id: str) -> dict[str, object]:
    """Give the members of an RFC 9457 problem document; a 5xx without a safe sentence of its own shows only its id."""
    hidden = error.status == 500
    document: dict[str, object] = {
        "type": "about:blank",
        "title": error.title or _TITLES[error.status],
        "status": error.status,
        "detail": "The request failed. The log has the details under this request's id." if hidden else error.detail,
        "code": error.code,
        "request_id": request_id,
    }
    if error.hint and not hidden:
        document["hint"] = error.hint
    if error.errors:
        document["errors"] = [one.shown() for one in error.errors]
    return document


def render_problem(error: RowgateError, request_id: str) -> bytes:
    """Encode the problem document as UTF-8 JSON; a lone surrogate in a sentence is escaped, never a failure."""
    return json.dumps(problem_document(error, request_id), ensure_ascii=True).encode("ascii")
