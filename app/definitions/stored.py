"""A backend as its rows in the database say it: the definitions that can be read, and those that can't."""

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from app.definitions.project import (
    EMPTY,
    KINDS,
    SINGLES,
    DefinitionInvalid,
    Project,
    dump_definition,
    dump_project,
    parse_project,
)
from app.errors import Finding

_MOST_RECENT = 2  # what is live, and what is about to be
SECTIONS = {kind: section for section, kind in KINDS.items()}


@dataclass(frozen=True, slots=True)
class Unread:
    """A row that is no definition this version knows: damaged, or written by a newer one.

    `body` is what it holds, as text where that is no JSON; `at` is its index in its section.
    """

    kind: str
    name: str
    body: Any
    at: int
    findings: tuple[Finding, ...]

    @property
    def place(self) -> str:
        """Name it as places of findings do."""
        return _place(self.kind, self.name)

    @property
    def shown(self) -> dict[str, Any]:
        """Give the body to whoever repairs it; one that says another name, or none, stands in it."""
        if isinstance(self.body, dict) and self.body.get("name") == self.name:
            return self.body
        return {"name": self.name, "body": self.body}


@dataclass(frozen=True, slots=True)
class Stored:
    """What is stored of a backend; without `unread` rows the project is the whole of it."""

    project: Project
    unread: tuple[Unread, ...] = ()

    def whole(self) -> Project:
        """Give the project; raises DefinitionInvalid where a part of it can't be read."""
        if self.unread:
            raise DefinitionInvalid([finding for one in self.unread for finding in one.findings])
        return self.project

    @property
    def document(self) -> dict[str, Any]:
        """Give the document that it is, each unread row in its place as it stands."""
        document = dump_project(self.project)
        kinds = {one.kind for one in self.unread}
        for section, kind in KINDS.items():
            if kind in kinds:
                document[section] = self.listed(section)
        for one in self.unread:
            if one.kind in SINGLES:
                document[one.kind] = one.body
            elif one.kind not in SECTIONS:
                document[one.kind] = [*document.get(one.kind, []), one.body]
        return document

    def listed(self, section: str) -> list[dict[str, Any]]:
        """Give the definitions of a section as a document has them."""
        listed = [dump_definition(one) for one in getattr(self.project, section)]
        for one in self.unread:
            if SECTIONS.get(one.kind) == section:
                listed.insert(one.at, one.shown)
        return listed


# By what the rows say, whose texts are as large as the definitions.
_RECENT: dict[bytes, Stored] = {}


def _place(kind: str, name: str) -> str:
    return f"{SECTIONS[kind]}/{name}" if kind in SECTIONS else kind


def stored_of(rows: Iterable[tuple[str, str, str]]) -> Stored:
    """Read rows of kind, name and body, in their order; what can't be read is told apart, and nothing is raised."""
    listed = list(rows)
    said = hashlib.sha256(repr(listed).encode(errors="surrogatepass")).digest()
    known = _RECENT.pop(said, None)
    found = _RECENT[said] = known or _stored_of(listed)
    for older in list(_RECENT)[:-_MOST_RECENT]:
        _RECENT.pop(older, None)
    return found


def _stored_of(rows: list[tuple[str, str, str]]) -> Stored:
    bodies = [(kind, name, *_body(kind, name, text)) for kind, name, text in rows]
    if not any(findings for *_, findings in bodies):
        project, _ = parse_project(_document((kind, body) for kind, _, body, _ in bodies), stored=True)
        if project is not None:
            return Stored(project)
    found: dict[str, Any] = {section: [] for section in KINDS}
    unread, counts = [], dict.fromkeys(SECTIONS, 0)
    for kind, name, body, findings in bodies:
        one, wrong = _definition(kind, body) if not findings else (None, findings)
        if wrong:
            unread.append(Unread(kind, name, body, counts.get(kind, 0), wrong))
        elif kind in SECTIONS:
            found[SECTIONS[kind]].append(one)
        else:
            found[kind] = one
        counts[kind] = counts.get(kind, 0) + 1
    update = {key: tuple(value) if isinstance(value, list) else value for key, value in found.items()}
    return Stored(EMPTY.model_copy(update=update), tuple(unread))


def _document(bodies: Iterable[tuple[str, Any]]) -> dict[str, object]:
    document: dict[str, Any] = {"rowgate": 1}
    for kind, body in bodies:
        if kind in SECTIONS:
            document.setdefault(SECTIONS[kind], []).append(body)
        else:
            document[kind] = body
    return document


def _definition(kind: str, body: Any) -> tuple[object, tuple[Finding, ...]]:
    """Read one row by itself: the definition, or what is wrong with it."""
    project, findings = parse_project(_document([(kind, body)]), stored=True)
    if project is None:
        return None, tuple(findings)
    return (getattr(project, SECTIONS[kind])[0] if kind in SECTIONS else getattr(project, kind)), ()


def _body(kind: str, name: str, text: str) -> tuple[Any, tuple[Finding, ...]]:
    """Give what a row holds, and what is wrong with that before it is read as a definition."""
    place = _place(kind, name)
    try:
        body = json.loads(text, parse_float=_finite)
        if "\\u" in text:
            json.dumps(body, ensure_ascii=False).encode()  # half a surrogate pair is no text
    except (ValueError, RecursionError):
        return text, (Finding(place, "what is stored is no JSON that can be read"),)
    if kind not in SECTIONS and kind not in SINGLES:
        return body, (Finding(place, f"this version of Rowgate knows no {kind!r}", "serve it with the newer one"),)
    said = kind if kind in SINGLES else body.get("name") if isinstance(body, Mapping) else None
    if said != name:
        return body, (Finding(place, "what is stored is no definition of this name"),)
    return body, ()


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        msg = "a number that no float holds"
        raise ValueError(msg)
    return value
