"""What can be read of a document that can't be read as a whole, so that one look finds all that is wrong with it."""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any

from pydantic import ValidationError

from app.definitions.keepable import unkeepable
from app.definitions.messages import Path, told
from app.definitions.project import Project, name_findings

_ROUNDS = 8  # in each what is wrong goes, and then what can't be without it
_NAMING = ("name", "as")


def readable(document: object) -> tuple[Project | None, frozenset[str]]:
    """Give the project without what is wrong in it, None where nothing is left; and what went by its names.

    It is made to be checked: it says less than the document, and must never be served. Policy tests, which speak of
    all the rest, are not in it.
    """
    gone: set[str] = set()
    if not isinstance(document, Mapping) or unkeepable(document):
        return None, frozenset()
    left = deepcopy({key: value for key, value in document.items() if key != "tests"})
    for _ in range(_ROUNDS):
        try:
            project = Project.model_validate(left)
        except ValidationError as error:
            paths = {_deepest(left, one.path) for one in told(error, left, Project)}
            if () in paths:
                break
            # From behind, so that an item that goes moves none that is still to go.
            for path in sorted(paths, key=lambda path: [(str(type(key)), key) for key in path], reverse=True):
                gone.update(_remove(left, path))
        else:
            return (None if name_findings(project) else project), frozenset(gone)
    return None, frozenset(gone)


def _deepest(document: Any, path: Path) -> Path:
    """Give the path as far as it is in the document: what lacks a key goes itself."""
    here = document
    for at, key in enumerate(path):
        if not _has(here, key):
            return path[:at]
        here = here[key]
    return path


def _has(here: Any, key: str | int) -> bool:
    if isinstance(here, list):
        return isinstance(key, int) and key < len(here)
    return isinstance(here, Mapping) and key in here


def _remove(document: Any, path: Path) -> Iterator[str]:
    """Take out what stands at a path; gives the names that are gone with it."""
    *way, last = path
    here = document
    for key in way:
        here = here[key] if _has(here, key) else None
    if _has(here, last):
        if isinstance(here, Mapping) and isinstance(here.get("name"), str):
            yield here["name"]  # what it is without that, its document doesn't say
        yield str(last)
        yield from _names_in(here.pop(last))


def _names_in(said: Any) -> Iterator[str]:
    if isinstance(said, Mapping):
        yield from (value for key in _NAMING if isinstance(value := said.get(key), str))
        for value in said.values():
            yield from _names_in(value)
    elif isinstance(said, list):
        for value in said:
            yield from _names_in(value)
    elif isinstance(said, str):
        yield said
